"""oauth4webapi for Node keeps to FAPI 2.0 Message Signing: everything it sends and gets is signed."""

import json

import pytest

from tests.interop.conftest import KEYS, SIGNED_BACK, Town
from tests.interop.node_client import NodeClient

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("node"),
    pytest.mark.slow,
]


def test_oauth4webapi_signs_everything_and_gets_everything_signed(town: Town) -> None:
    """A pushed signed request, a signed answer, private_key_jwt, bound tokens with a nonce, signed introspection."""
    arguments = ("oauth4webapi", SIGNED_BACK, "openid profile offline_access")
    key = json.dumps(KEYS["ES256"].as_dict(private=True))
    with NodeClient("message-signing.mjs", town.service, *arguments, CLIENT_KEY=key) as client:
        result = client.learns(town.allows(client.wants(), back=SIGNED_BACK))
    assert result["answered"] == ["response"], "nothing stands beside the signed answer"
    assert result["type"].lower() == "dpop"
    assert result["claims"]["sub"] == result["userinfo"]["sub"] == town.citizen.citizen_id
    assert result["userinfo"]["given_name"] == "Nino"
    assert result["refreshed"] is True
    assert result["kept"] is True, "FAPI clients keep their refresh token"
    assert result["introspection"].startswith("application/token-introspection+jwt")
    assert result["active"] == [True, False]
    assert result["bound"] is True
    assert result["sentForNonce"] >= 1
