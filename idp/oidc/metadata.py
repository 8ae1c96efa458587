"""What a client's metadata may hold (RFC 7591), read strictly, with every mistake and its place."""

import re
from collections.abc import Mapping
from typing import Any, Final

from consent.declarations import Reader
from core.language import _
from core.settings import Settings
from idp.oidc import certificates, details, names, profiles, redirects
from idp.oidc.fields import Fields
from keys import decryption, signing

LONGEST_NAME: Final = 200
LONGEST_SECRET: Final = 512
LONGEST_STATEMENT: Final = 16_384
SHORTEST_SECRET: Final = (
    32  # in production, where they are hashed fast and must be beyond guessing; to sign, anywhere
)
# What these lists name is advertised, accepted at registration and done; nothing else is.
TLS_METHOD, SELF_SIGNED_METHOD = "tls_client_auth", "self_signed_tls_client_auth"
TLS_METHODS: Final = (TLS_METHOD, SELF_SIGNED_METHOD)
TLS_NAMES: Final = certificates.EXPECTATIONS
BY_KEY, BY_SECRET = "private_key_jwt", "client_secret_jwt"
ASSERTION_METHODS: Final = (BY_KEY, BY_SECRET)
AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", *ASSERTION_METHODS, *TLS_METHODS, "none")
SECRET_SIGNS: Final = (BY_SECRET,)
SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post", *SECRET_SIGNS)
KEY_ALGORITHMS: Final = (*profiles.FAPI_ALGORITHMS, "RS256")
SECRET_ALGORITHMS: Final = ("HS256",)
AUTH_SIGNING_ALGORITHMS: Final = (*KEY_ALGORITHMS, *SECRET_ALGORITHMS)
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANT_TYPES: Final = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    DEVICE_GRANT,
    EXCHANGE_GRANT,
)
SIGNING_IN: Final = ("authorization_code", DEVICE_GRANT)  # those that end in a citizen's tokens
ID_TOKEN_ALGORITHMS: Final = signing.ALGORITHMS
USERINFO_ALGORITHMS: Final = signing.ALGORITHMS
AUTHORIZATION_ALGORITHMS: Final = signing.ALGORITHMS  # JARM
INTROSPECTION_ALGORITHMS: Final = signing.ALGORITHMS
REQUEST_OBJECT_ALGORITHMS: Final = KEY_ALGORITHMS
# Of keys and of content, for what is told to clients. Nothing symmetric, and no RSA1_5 (RFC 8725, 3.2).
ENCRYPTION_ALGORITHMS: Final = ("RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
ENCRYPTION_ENCODINGS: Final = ("A128CBC-HS256", "A128GCM", "A256GCM")
DECRYPTION_ALGORITHMS: Final = decryption.ALGORITHMS  # of keys, for request objects
DECRYPTION_ENCODINGS: Final = decryption.ENCODINGS
SUBJECT_TYPES: Final = ("public", "pairwise")
APPLICATIONS: Final = ("web", "native")
# Whether people may act for others at a client: never, asked of all who can, or only where a request wants `act`.
REPRESENTATION: Final = ("none", "offered", "asked")
SSF_READ, SSF_MANAGE = "ssf.read", "ssf.manage"
QUERY_SCOPE, REVOKE_SCOPE = "grant_management_query", "grant_management_revoke"
# What a client asks for in its own name, never for a citizen.
CLIENT_SCOPES: Final = ("attributes", "disputes", SSF_READ, SSF_MANAGE, QUERY_SCOPE, REVOKE_SCOPE)
SCOPES: Final = ("openid", "profile", "email", "address", "phone", "offline_access", *CLIENT_SCOPES)
DETAILS_TYPES: Final = (details.TYPE,)
_SECRET = re.compile(r"[\x20-\x7e]+")


def read(reader: Reader, raw: Any, path: str, *, production: bool) -> dict[str, Any]:
    """Read one client's metadata into its stored form, complete only if no mistake was noted.

    Members it does not know are ignored (RFC 7591, section 2). A confidential client of profile ``basic`` may do
    without PKCE unless `require_pkce` is true; every other needs it (DESIGN 8).
    """
    if not isinstance(raw, Mapping):
        reader.wrong(path, _("must be a group of named fields"))
        return {}
    fields = Fields(reader, raw, path)
    found = {
        **_who(fields),
        **_how_it_signs_in(fields, production=production),
        **_how_it_proves_itself(fields),
        **_what_it_may(fields),
        **_how_requests_come(fields),
        **_how_answers_go(fields),
        **_how_it_is_told(fields),
    }
    _agree(fields, found)
    return found


def auth_methods(settings: Settings) -> list[str]:
    """Return how clients can prove who they are here: by certificate only where one can be seen and judged."""
    missing = {TLS_METHOD} if settings.client_ca is None else set()
    if not settings.sees_certificates:
        missing |= set(TLS_METHODS)
    return [one for one in AUTH_METHODS if one not in missing]


def _who(fields: Fields) -> dict[str, Any]:
    raw = fields.raw
    return {
        "client_id": fields.client_id(),
        "name": fields.text("client_name", LONGEST_NAME, "") or str(raw.get("client_id", ""))[:LONGEST_NAME],
        "uri": fields.address("client_uri"),
        "logo_uri": fields.address("logo_uri"),
        "policy_uri": fields.address("policy_uri"),
        "tos_uri": fields.address("tos_uri"),
        "contacts": fields.texts("contacts"),
        "software_id": fields.text("software_id", LONGEST_NAME, ""),
        "software_version": fields.text("software_version", LONGEST_NAME, ""),
        "software_statement": fields.text("software_statement", LONGEST_STATEMENT, ""),
        "profile": fields.one_of("profile", profiles.PROFILES, profiles.BASIC),
    }


def _how_it_signs_in(fields: Fields, *, production: bool) -> dict[str, Any]:
    native = fields.one_of("application_type", APPLICATIONS, "web") == "native"
    grant_types = fields.some_of("grant_types", GRANT_TYPES, ("authorization_code",))
    signs_in = "authorization_code" in grant_types
    fields.some_of("response_types", ("code",), ("code",) if signs_in else ())
    public = fields.raw.get("token_endpoint_auth_method") == "none"
    return {
        "kind": "native" if native else "public" if public else "confidential",
        "redirect_uris": fields.redirect_uris("redirect_uris", native=native, production=production),
        "post_logout_redirect_uris": fields.redirect_uris(
            "post_logout_redirect_uris", native=native, production=production
        ),
        "grant_types": grant_types,
        "default_max_age": fields.seconds("default_max_age"),
        "default_acr_values": fields.texts("default_acr_values"),
        "require_auth_time": fields.flag("require_auth_time", default=False),
        "subject_type": fields.one_of("subject_type", SUBJECT_TYPES, ""),
        "sector_identifier_uri": fields.address("sector_identifier_uri"),
        "initiate_login_uri": fields.address("initiate_login_uri", plain=False),
    }


def _how_it_proves_itself(fields: Fields) -> dict[str, Any]:
    method = fields.one_of("token_endpoint_auth_method", AUTH_METHODS, "client_secret_basic")
    public, fapi = method == "none", fields.raw.get("profile") in profiles.FAPI_PROFILES
    return {
        "token_endpoint_auth_method": method,
        "token_endpoint_auth_signing_alg": fields.one_of(
            "token_endpoint_auth_signing_alg", AUTH_SIGNING_ALGORITHMS, ""
        ),
        "jwks": fields.keys("jwks"),
        "jwks_uri": fields.address("jwks_uri"),
        **{name: fields.text(name, names.LONGEST, "") for name in TLS_NAMES},
        "require_pkce": public or fapi or fields.flag("require_pkce", default=False),
        "rotate_refresh_tokens": public or (fields.flag("rotate_refresh_tokens", default=False) and not fapi),
        "tls_client_certificate_bound_access_tokens": fields.flag(
            "tls_client_certificate_bound_access_tokens", default=False
        ),
        "dpop_bound_access_tokens": fields.flag("dpop_bound_access_tokens", default=False),
    }


def _what_it_may(fields: Fields) -> dict[str, Any]:
    return {
        "scopes": fields.scopes(SCOPES),
        "purposes": fields.texts("purposes"),
        "resources": fields.resources("resources"),
        "serves": fields.resources("serves"),
        "representation": fields.one_of("representation", REPRESENTATION, REPRESENTATION[0]),
        "authorization_details_types": fields.some_of(
            "authorization_details_types", DETAILS_TYPES, DETAILS_TYPES
        ),
    }


def _how_requests_come(fields: Fields) -> dict[str, Any]:
    return {
        "require_pushed_authorization_requests": fields.flag(
            "require_pushed_authorization_requests", default=False
        ),
        "require_signed_request_object": fields.flag("require_signed_request_object", default=False),
        "request_object_signing_alg": fields.one_of(
            "request_object_signing_alg", REQUEST_OBJECT_ALGORITHMS, ""
        ),
        **fields.encryption("request_object_encryption", DECRYPTION_ALGORITHMS, DECRYPTION_ENCODINGS),
        "request_uris": fields.request_uris("request_uris"),
    }


def _how_answers_go(fields: Fields) -> dict[str, Any]:
    algorithms = (ENCRYPTION_ALGORITHMS, ENCRYPTION_ENCODINGS)
    return {
        "id_token_alg": fields.one_of("id_token_signed_response_alg", ID_TOKEN_ALGORITHMS, "ES256"),
        **fields.encryption("id_token_encrypted_response", *algorithms),
        "userinfo_signed_response_alg": fields.one_of(
            "userinfo_signed_response_alg", USERINFO_ALGORITHMS, ""
        ),
        **fields.encryption("userinfo_encrypted_response", *algorithms),
        "authorization_signed_response_alg": fields.one_of(
            "authorization_signed_response_alg", AUTHORIZATION_ALGORITHMS, ""
        ),
        **fields.encryption("authorization_encrypted_response", *algorithms),
        "introspection_signed_response_alg": fields.one_of(
            "introspection_signed_response_alg", INTROSPECTION_ALGORITHMS, ""
        ),
        **fields.encryption("introspection_encrypted_response", *algorithms),
    }


def _how_it_is_told(fields: Fields) -> dict[str, Any]:
    return {
        "backchannel_logout_uri": fields.address("backchannel_logout_uri"),
        "backchannel_logout_session_required": fields.flag(
            "backchannel_logout_session_required", default=False
        ),
        "frontchannel_logout_uri": fields.address("frontchannel_logout_uri"),
        "frontchannel_logout_session_required": fields.flag(
            "frontchannel_logout_session_required", default=False
        ),
    }


def _agree(fields: Fields, found: Mapping[str, Any]) -> None:
    """Note where members do not go together."""
    if "authorization_code" in found["grant_types"] and not fields.raw.get("redirect_uris"):
        fields.wrong("redirect_uris", _("is missing: answers need an address to go to"))
    if found["token_endpoint_auth_method"] == "none" and "client_credentials" in found["grant_types"]:
        fields.wrong("grant_types", _("client_credentials needs a client with a secret"))
    if found["token_endpoint_auth_method"] == "none" and EXCHANGE_GRANT in found["grant_types"]:
        fields.wrong("grant_types", _("token exchange needs a client with a secret or a key"))
    for rule in profiles.broken(found, found["profile"] or profiles.BASIC):
        if rule.level == profiles.MUST:
            fields.wrong(rule.member, f"{rule.says} ({rule.standard})")
    _agree_on_certificates(fields, found)
    _agree_on_logout(fields, found)
    _agree_on_keys(fields, found)


def _agree_on_logout(fields: Fields, found: Mapping[str, Any]) -> None:
    framed = found["frontchannel_logout_uri"]
    if framed and redirects.origin(framed) not in {redirects.origin(uri) for uri in found["redirect_uris"]}:
        # OpenID Connect Front-Channel Logout 1.0, section 2
        fields.wrong("frontchannel_logout_uri", _("must be on the same host as one of the redirect URIs"))
    for name in ("backchannel_logout", "frontchannel_logout"):
        if found[f"{name}_session_required"] and not found[f"{name}_uri"]:
            fields.wrong(f"{name}_session_required", _("means nothing without {name}_uri").format(name=name))


def _agree_on_keys(fields: Fields, found: Mapping[str, Any]) -> None:
    """Note where keys are missing, or are not those that the rest needs."""
    method, alg = found["token_endpoint_auth_method"], found["token_endpoint_auth_signing_alg"]
    if alg and alg not in {BY_SECRET: SECRET_ALGORITHMS, BY_KEY: KEY_ALGORITHMS}.get(method, ()):
        fields.wrong(
            "token_endpoint_auth_signing_alg", _("does not go with the way this client authenticates")
        )
    if found["jwks"] and found["jwks_uri"]:
        fields.wrong("jwks", _("cannot stand beside jwks_uri"))
    needs = ("require_signed_request_object", "request_object_signing_alg", "request_uris")
    wanted = [name for name in found if name.endswith("_encrypted_response_alg") or name in needs]
    has_use = method == BY_KEY or any(found[name] for name in wanted)
    if has_use and not (found["jwks"] or found["jwks_uri"] or fields.raw.get("jwks")):
        fields.wrong("jwks", _("is missing: this client needs keys, here or at its jwks_uri"))


def _agree_on_certificates(fields: Fields, found: Mapping[str, Any]) -> None:
    method = found["token_endpoint_auth_method"]
    expected = [name for name in TLS_NAMES if found[name]]
    if method == TLS_METHOD and len(expected) != 1:
        fields.wrong(
            certificates.SUBJECT,
            _("or exactly one other of these says whose certificate it is: {known}").format(
                known=", ".join(TLS_NAMES)
            ),
        )
    for name in expected:
        if not certificates.can_be_expected(name, found[name]):
            fields.wrong(name, _("is no name that a certificate can hold"))
    known = found["jwks_uri"] or certificates.registered(found["jwks"] or {})
    if method == SELF_SIGNED_METHOD and not known:
        fields.wrong("jwks", _("must hold the client's certificate, as x5c of a key"))


def secret(reader: Reader, raw: Any, path: str, *, production: bool) -> str | None:
    """Return the secret that the metadata presets, or None; notes one that is too short for production."""
    given = raw.get("client_secret") if isinstance(raw, Mapping) else None
    if given is None:
        return None
    if not isinstance(given, str) or not _SECRET.fullmatch(given) or len(given) > LONGEST_SECRET:
        reader.wrong(f"{path}.client_secret", _("must be printable ASCII text"))
        return None
    signs = raw.get("token_endpoint_auth_method") in SECRET_SIGNS  # RFC 7518, section 3.2
    if (production or signs) and len(given) < SHORTEST_SECRET:
        reader.wrong(
            f"{path}.client_secret",
            _("must have at least {least} random characters; leave it out to get a new one").format(
                least=SHORTEST_SECRET
            ),
        )
    return given
