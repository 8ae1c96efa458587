"""A client with keys of its own, by code that nobody here wrote: it signs, and opens what is encrypted to it."""

import json

import pytest

from tests.interop.conftest import KEYS, NODE_BACK, Town
from tests.interop.node_client import NodeClient

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("node"),
    pytest.mark.slow,
]


@pytest.mark.parametrize("alg", ["ES256", "PS256", "Ed25519"])
def test_openid_client_signs_pushes_and_opens_what_is_encrypted_to_it(town: Town, alg: str) -> None:
    """ID token, UserInfo and introspection come signed, two of them encrypted, to a client that proves itself by a key."""
    arguments = ("signing", NODE_BACK, "openid profile offline_access", alg)
    keys = {"signing": KEYS[alg].as_dict(private=True), "opening": KEYS["ECDH-ES"].as_dict(private=True)}
    with NodeClient("sign.mjs", town.service, *arguments, KEYS=json.dumps(keys)) as client:
        result = client.learns(town.allows(client.wants()))
    assert result["userinfo"]["sub"] == result["claims"]["sub"] == town.citizen.citizen_id
    assert result["userinfo"]["given_name"] == "Nino"
    assert result["active"] == [True, False]
    kinds = dict(result["kinds"])
    assert kinds["/userinfo"] == "application/jwt"
    assert kinds["/introspect"] == "application/token-introspection+jwt"
