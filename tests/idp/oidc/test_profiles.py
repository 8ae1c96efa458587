"""Which setting of a client breaks which rule."""

from typing import Any

import pytest

from consent.errors import FileRefused
from core.events import SYSTEM
from idp.oidc import clients, profiles
from idp.oidc.client import Client
from tests.idp.oidc.provider import CLIENTS, PORTAL, PUBLIC, Provider

FAPI_KEYS = {
    "keys": [
        {
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    ]
}  # fmt: skip


def kept(provider: Provider, client_id: str) -> dict[str, Any]:
    """Return a client's facts."""
    with provider.database.reading() as db:
        return vars(clients.read(db, client_id))


def members(facts: dict[str, Any], profile: str, level: str = profiles.MUST) -> set[str]:
    """Return the settings that break rules of one level."""
    return {rule.member for rule in profiles.broken(facts, profile) if rule.level == level}


def test_a_basic_client_breaks_nothing_that_it_must_keep(provider: Provider) -> None:
    """What is registered keeps what a client must; what it should is named: PKCE, bound tokens, keys of its own."""
    for client_id in (PORTAL, PUBLIC):
        assert members(kept(provider, client_id), profiles.BASIC) == set()
    assert members(kept(provider, PORTAL), profiles.BASIC, profiles.SHOULD) == {
        "require_pkce", "dpop_bound_access_tokens", "token_endpoint_auth_method",
    }  # fmt: skip


def test_what_stands_between_a_client_and_fapi(provider: Provider) -> None:
    """A client with a secret hears what FAPI 2.0 and its message signing need of it, setting by setting."""
    facts = kept(provider, PORTAL)
    assert members(facts, profiles.FAPI) == {"token_endpoint_auth_method", "require_pkce"}
    assert members(facts, profiles.MESSAGE_SIGNING) == {"token_endpoint_auth_method", "require_pkce", "jwks"}


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"jwks": None}, "jwks"),
        ({"redirect_uris": ("http://portal.example/cb",)}, "redirect_uris"),
        ({"require_pkce": False}, "require_pkce"),
        ({"rotate_refresh_tokens": True}, "rotate_refresh_tokens"),
        ({"id_token_alg": "RS256"}, "id_token_signed_response_alg"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"grant_types": ("urn:ietf:params:oauth:grant-type:device_code",)}, "grant_types"),
    ],
)
def test_each_rule_of_fapi_is_noticed(provider: Provider, change: dict[str, Any], member: str) -> None:
    """From a client that keeps every rule, each single change breaks just its own."""
    facts = {
        **kept(provider, PORTAL),
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": FAPI_KEYS,
        "require_pkce": True,
    }
    assert members(facts, profiles.MESSAGE_SIGNING) == set()
    assert members({**facts, **change}, profiles.FAPI) == {member}


def test_a_client_cannot_be_registered_into_an_unsafe_combination(provider: Provider) -> None:
    """Where the profile's rules are broken, nothing is taken, and the mistake names setting, reason and section."""
    wish = {
        **CLIENTS[0],
        "client_id": "bank",
        "profile": "fapi2",
        "redirect_uris": ["http://portal.example/cb"],
    }
    with provider.database.writing() as db, pytest.raises(FileRefused) as refused:
        clients.put(db, wish, actor=SYSTEM)
    said = {one.path: str(one.says) for one in refused.value.mistakes}
    assert set(said) == {"client.token_endpoint_auth_method", "client.redirect_uris"}
    assert "FAPI 2.0 Security Profile, 5.3.2.1" in said["client.token_endpoint_auth_method"]


def test_every_rule_names_a_member_that_there_is() -> None:
    """No rule tells somebody to change a setting that does not exist."""
    known = {*Client.__dataclass_fields__, "id_token_signed_response_alg"}
    assert {rule.member for rules in profiles.RULES.values() for rule in rules} <= known
