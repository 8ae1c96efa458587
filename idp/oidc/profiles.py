"""The rules that a client's settings keep or break: of RFC 9700 for every client, of FAPI 2.0 for those that follow it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from core.language import Lazy, _

BASIC, FAPI, MESSAGE_SIGNING = "basic", "fapi2", "fapi2-message-signing"
PROFILES: Final = (BASIC, FAPI, MESSAGE_SIGNING)
FAPI_PROFILES: Final = (FAPI, MESSAGE_SIGNING)
FAPI_METHODS: Final = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
FAPI_ALGORITHMS: Final = (
    "PS256",
    "ES256",
    "EdDSA",
    "Ed25519",
)  # the last two are one, by RFC 8037 and RFC 9864
# Members that name an algorithm, and where it is stored.
SIGNED: Final = {
    "id_token_signed_response_alg": "id_token_alg",
    "token_endpoint_auth_signing_alg": "token_endpoint_auth_signing_alg",
    "request_object_signing_alg": "request_object_signing_alg",
    "authorization_signed_response_alg": "authorization_signed_response_alg",
    "userinfo_signed_response_alg": "userinfo_signed_response_alg",
    "introspection_signed_response_alg": "introspection_signed_response_alg",
}
MUST, SHOULD = "must", "should"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One rule of a standard. `kept` tells whether a client's stored facts keep it; `member` is what to change."""

    standard: str
    member: str
    level: str
    kept: Callable[[Facts], bool]
    says: Lazy


def broken(facts: Facts, profile: str) -> list[Rule]:
    """Return the rules of a profile that a client's facts break, those that must be kept first."""
    rules = [rule for name in _followed(profile) for rule in RULES[name]]
    found = [rule for rule in rules if not rule.kept(facts)]
    return sorted(found, key=lambda rule: rule.level != MUST)


def _followed(profile: str) -> tuple[str, ...]:
    return PROFILES[: PROFILES.index(profile) + 1]


def _is_public(facts: Facts) -> bool:
    return bool(facts["token_endpoint_auth_method"] == "none")


def _all_https(facts: Facts) -> bool:
    return all(urlsplit(uri).scheme == "https" for uri in facts["redirect_uris"])


def _encrypted_or_local(facts: Facts) -> bool:
    parts = [urlsplit(uri) for uri in facts["redirect_uris"]]
    native = facts["kind"] == "native"
    return all(one.scheme != "http" or (native and one.hostname in LOOPBACK) for one in parts)


def _claimed(facts: Facts) -> bool:
    return all(urlsplit(uri).scheme in ("http", "https") for uri in facts["redirect_uris"])


def _bound(facts: Facts) -> bool:
    return bool(facts["dpop_bound_access_tokens"] or facts["tls_client_certificate_bound_access_tokens"])


def _has_keys(facts: Facts) -> bool:
    return bool(facts["jwks"] or facts["jwks_uri"])


def _strong(stored: str, facts: Facts) -> bool:
    return facts[stored] in ("", *FAPI_ALGORITHMS)


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    BASIC: (
        Rule("RFC 9700, 2.1.1", "require_pkce", MUST, lambda facts: facts["require_pkce"] or not _is_public(facts),
             _("A client without a secret has to use PKCE: else whoever gets its code can use it.")),
        Rule("RFC 9700, 2.1.1", "require_pkce", SHOULD, lambda facts: facts["require_pkce"],
             _("Require PKCE: it stops a stolen code from being used, whether or not the client checks its nonce.")),
        Rule("RFC 9700, 2.6", "redirect_uris", SHOULD, _encrypted_or_local,
             _("Use https for answers: over http anybody on the way reads the code. Production refuses it.")),
        Rule("RFC 8252, 7.2", "redirect_uris", SHOULD, _claimed,
             _("Use an https address that the app has claimed: another app can take the same scheme of its own.")),
        Rule("RFC 9700, 2.2.2", "rotate_refresh_tokens", MUST,
             lambda facts: not _is_public(facts) or facts["rotate_refresh_tokens"] or _bound(facts),
             _("The refresh tokens of a client without a secret have to change at each use, or be bound to a key.")),
        Rule("RFC 9700, 2.2.1", "dpop_bound_access_tokens", SHOULD, _bound,
             _("Bind tokens to a key (DPoP) or certificate: a token that is stolen is then worth nothing.")),
        Rule("RFC 9700, 2.5", "token_endpoint_auth_method", SHOULD,
             lambda facts: _is_public(facts) or facts["token_endpoint_auth_method"] in FAPI_METHODS,
             _("Prove who you are by a key of your own instead of a secret that two sides hold.")),
    ),
    FAPI: (
        Rule("FAPI 2.0 Security Profile, 5.3.2.1", "token_endpoint_auth_method", MUST,
             lambda facts: facts["token_endpoint_auth_method"] in FAPI_METHODS,
             _("The client has to prove itself by private_key_jwt or by certificate.")),
        Rule("FAPI 2.0 Security Profile, 5.3.2.1", "jwks", MUST,
             lambda facts: facts["token_endpoint_auth_method"] != "private_key_jwt" or _has_keys(facts),
             _("Its public keys are missing: give jwks or jwks_uri.")),
        Rule("FAPI 2.0 Security Profile, 5.3.2.2", "redirect_uris", MUST, _all_https,
             _("Answers have to go to https addresses.")),
        Rule("FAPI 2.0 Security Profile, 5.3.2.2", "require_pkce", MUST, lambda facts: facts["require_pkce"],
             _("PKCE has to be required.")),
        Rule("FAPI 2.0 Security Profile, 5.3.2.1", "rotate_refresh_tokens", MUST,
             lambda facts: not facts["rotate_refresh_tokens"],
             _("Refresh tokens have to stay the same: they are bound to the client already.")),
        *(
            Rule("FAPI 2.0 Security Profile, 5.4.1", name, MUST, partial(_strong, stored),
                 _("Signatures have to be by PS256, ES256 or EdDSA."))
            for name, stored in SIGNED.items()
        ),
        Rule("FAPI 2.0 Security Profile, 5.3.2.1", "grant_types", MUST,
             lambda facts: not {"urn:ietf:params:oauth:grant-type:device_code"} & set(facts["grant_types"]),
             _("The device grant is not for this profile: its request cannot be pushed.")),
    ),
    MESSAGE_SIGNING: (
        Rule("FAPI 2.0 Message Signing, 5.3.2", "jwks", MUST, _has_keys,
             _("Requests have to be signed: give the client's public keys as jwks or jwks_uri.")),
    ),
}  # fmt: skip
