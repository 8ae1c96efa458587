"""What the provider says of itself: the discovery document, in which every member is true."""

from typing import Any

from consent import assurance, disclosure
from core.settings import Settings
from idp.oidc import dpop, handles, metadata
from idp.oidc.checks.answering import RESPONSE_MODES
from idp.oidc.checks.wishing import PROMPTS

TOKEN_CLAIMS = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "at_hash",
    "sid",
    "act",
]


# The endpoints that a client may call with its certificate (RFC 8705, section 5), by what they are called here.
ALIASED = (
    "token_endpoint",
    "userinfo_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "grant_management_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "backchannel_authentication_endpoint",
)


def document(settings: Settings) -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414; RFC 9207; RFC 9396, 10)."""
    issuer, methods = settings.issuer, metadata.auth_methods(settings)
    registers = {} if settings.registration == "closed" else {"registration_endpoint": f"{issuer}/register"}
    found: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "token_endpoint": f"{issuer}/token",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks.json",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "end_session_endpoint": f"{issuer}/end-session",
        **registers,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "scopes_supported": list(metadata.SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(metadata.GRANT_TYPES),
        "acr_values_supported": list(assurance.LEVELS),
        "subject_types_supported": list(metadata.SUBJECT_TYPES),
        **_algorithms(),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [one for one in methods if one != "none"],
        "prompt_values_supported": sorted(PROMPTS),
        "claim_types_supported": ["normal"],
        "claims_supported": [*TOKEN_CLAIMS, *sorted(disclosure.CATALOGUE)],
        "claims_parameter_supported": True,
        **_requests(),
        "ui_locales_supported": list(settings.languages),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "authorization_details_types_supported": list(metadata.DETAILS_TYPES),
        "grant_management_actions_supported": [*handles.ACTIONS, "query", "revoke"],
        "grant_management_endpoint": f"{issuer}/grants",
        "grant_management_action_required": False,
    }
    if settings.sees_certificates:
        found["tls_client_certificate_bound_access_tokens"] = True
    if settings.mtls_address:
        found["mtls_endpoint_aliases"] = {
            name: settings.mtls_address + found[name].removeprefix(issuer)
            for name in ALIASED
            if name in found
        }
    return found


def _algorithms() -> dict[str, Any]:
    """Return by what clients sign to authenticate, and what they are told is signed and encrypted by."""
    encryption = (("alg", metadata.ENCRYPTION_ALGORITHMS), ("enc", metadata.ENCRYPTION_ENCODINGS))
    return {
        "id_token_signing_alg_values_supported": list(metadata.ID_TOKEN_ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(metadata.USERINFO_ALGORITHMS),
        "authorization_signing_alg_values_supported": list(metadata.AUTHORIZATION_ALGORITHMS),
        "introspection_signing_alg_values_supported": list(metadata.INTROSPECTION_ALGORITHMS),
        **{
            f"{kind}_encryption_{part}_values_supported": list(values)
            for kind in ("id_token", "userinfo", "authorization", "introspection")
            for part, values in encryption
        },
        **{
            f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(metadata.AUTH_SIGNING_ALGORITHMS)
            for endpoint in ("token", "revocation", "introspection")
        },
    }


def _requests() -> dict[str, Any]:
    """Return how requests may come; that they must come pushed or signed is a matter of each client."""
    return {
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_pushed_authorization_requests": False,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(metadata.REQUEST_OBJECT_ALGORITHMS),
        "request_object_encryption_alg_values_supported": list(metadata.DECRYPTION_ALGORITHMS),
        "request_object_encryption_enc_values_supported": list(metadata.DECRYPTION_ENCODINGS),
    }
