"""What a client that registered is told of itself, under the standards' names."""

from typing import Any, Final

from core.settings import Settings
from idp.oidc import metadata
from idp.oidc.client import Client

PATH: Final = "/register"
# Members that are stored under the standards' own name, and those that are not.
AS_STORED: Final = (
    "client_id", "redirect_uris", "post_logout_redirect_uris", "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg", "grant_types", "jwks", "jwks_uri", *metadata.TLS_NAMES, "logo_uri", "policy_uri",
    "tos_uri", "contacts", "software_id", "software_version", "software_statement", "profile", "require_pkce",
    "subject_type", "sector_identifier_uri", "initiate_login_uri", "default_max_age", "default_acr_values",
    "require_auth_time", "tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens",
    "require_pushed_authorization_requests", "require_signed_request_object", "request_object_signing_alg",
    "request_object_encryption_alg", "request_object_encryption_enc", "request_uris",
    "authorization_signed_response_alg", "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc", "id_token_encrypted_response_alg", "id_token_encrypted_response_enc",
    "userinfo_signed_response_alg", "userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc",
    "introspection_signed_response_alg", "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc", "authorization_details_types", "backchannel_logout_uri",
    "backchannel_logout_session_required", "frontchannel_logout_uri", "frontchannel_logout_session_required",
)  # fmt: skip
STORED_AS: Final = {
    "client_name": "name",
    "client_uri": "uri",
    "id_token_signed_response_alg": "id_token_alg",
}


def told(settings: Settings, client: Client, *, token: str, secret: str | None = None) -> dict[str, Any]:
    """Return what a client is told of itself (RFC 7591, 3.2.1; RFC 7592, 3). Secrets do not expire."""
    own = {"client_secret": secret, "client_secret_expires_at": 0} if secret else {}
    return {
        **_metadata(client),
        **own,
        "registration_access_token": token,
        "registration_client_uri": f"{settings.issuer}{PATH}/{client.client_id}",
    }


def _metadata(client: Client) -> dict[str, Any]:
    """Return a client's metadata under the standards' names, without what is as if it were not there."""
    held = vars(client)
    found = {
        **{name: held[name] for name in AS_STORED},
        **{said: held[name] for said, name in STORED_AS.items()},
        "application_type": "native" if client.kind == "native" else "web",
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "scope": " ".join(client.scopes or metadata.SCOPES),
    }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if value not in ("", None, False, ())
    }
