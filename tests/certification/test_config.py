"""The plan Config OP, and the key rotation that the Dynamic OP plan adds."""

from urllib.parse import urlsplit

import pytest
from joserfc import jwk

from core.events import SYSTEM
from keys import rotation
from tests.certification.relying import ISSUER, Relying

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}
RECOMMENDED = ("userinfo_endpoint", "scopes_supported", "claims_supported")
REQUIRED = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
)


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_the_discovery_document(relying: Relying) -> None:
    """The discovery document has what OpenID Connect Discovery 1.0 requires and recommends, over https."""
    response = relying.web.get(f"{ISSUER}/.well-known/openid-configuration")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/json")
    found = response.json()
    assert not [name for name in (*REQUIRED, *RECOMMENDED) if not found.get(name)]
    assert found["issuer"] == ISSUER
    assert not urlsplit(found["issuer"]).query
    assert "code" in found["response_types_supported"]
    assert {"public", "pairwise"} >= set(found["subject_types_supported"])
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert "authorization_code" in found["grant_types_supported"]
    assert isinstance(found["code_challenge_methods_supported"], list)
    addresses = [value for name, value in found.items() if name.endswith(("_endpoint", "_uri", "_iframe"))]
    assert all(address.startswith("https://") for address in addresses)
    assert "RS256" in found.get("userinfo_signing_alg_values_supported", ["RS256"])
    assert "RS256" in found.get("request_object_signing_alg_values_supported", ["RS256"])
    assert all(
        tag == "-".join((head.lower(), *rest))
        for tag in found["ui_locales_supported"]
        for head, *rest in [tag.split("-")]
    )


@pytest.mark.module("oidcc-discovery-endpoint-verification")
def test_the_key_set(relying: Relying) -> None:
    """The key set holds public keys alone, each with a kid of its own."""
    response = relying.web.get(relying.metadata["jwks_uri"])
    keys = response.json()["keys"]
    assert keys
    assert not [key for key in keys if PRIVATE & set(key) or key["kty"] == "oct"]
    assert len({key["kid"] for key in keys}) == len(keys)
    assert len(jwk.KeySet.import_key_set(response.json()).keys) == len(keys)


@pytest.mark.module("oidcc-server-rotate-keys")
def test_a_rotation_of_the_providers_keys(relying: Relying) -> None:
    """After a rotation there is a new key beside the old ones, ID tokens are signed with it, and old ones verify."""
    before = relying.tokens()
    old = {key["kid"] for key in relying.web.get(relying.metadata["jwks_uri"]).json()["keys"]}
    with relying.database.writing() as db:
        made = rotation.rotate(db, "ES256", actor=SYSTEM)
    new = {key["kid"] for key in relying.web.get(relying.metadata["jwks_uri"]).json()["keys"]}
    assert new - old
    assert old <= new
    assert made in new
    after = relying.tokens()
    assert (
        after["claims"]["sub"] == relying.checked(before["id_token"], nonce=before["claims"]["nonce"])["sub"]
    )
