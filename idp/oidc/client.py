"""One client: a system of an agency, as it is registered, and what it may."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from idp.oidc import metadata, profiles, redirects


@dataclass(frozen=True)
class Client:
    """One client. `kind` is confidential, public or native; `state` is active or disabled.

    Members that RFC 7591, OpenID Connect Registration 1.0, RFC 8705, 9101, 9126, 9449, 9701 or OpenID Connect's
    logout specifications define have their names. `scopes` empty means all; `resources` are those it may ask tokens
    for, `serves` those it stands for and may introspect tokens of. `representation` says whether people may act for others there, one of `metadata.REPRESENTATION`. `subject_type` is pairwise for a private company's
    client, `sector` what its pairwise IDs are the same for (empty: the agency). `profile` is one of
    `profiles.PROFILES`; rules that follow from it are properties here.
    """

    client_id: str
    agency: str
    state: str
    secret_hash: str | None
    name: str
    uri: str
    kind: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str
    grant_types: tuple[str, ...]
    require_pkce: bool
    rotate_refresh_tokens: bool
    id_token_alg: str
    scopes: tuple[str, ...]
    sign_in_purpose: str
    purposes: tuple[str, ...]
    resources: tuple[str, ...]
    serves: tuple[str, ...]
    default_max_age: int | None
    subject_type: str
    authorization_details_types: tuple[str, ...] = metadata.DETAILS_TYPES
    profile: str = "basic"
    sector: str = ""
    sector_identifier_uri: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    token_endpoint_auth_signing_alg: str = ""
    tls_client_auth_subject_dn: str = ""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str = ""
    request_object_encryption_alg: str = ""
    request_object_encryption_enc: str = ""
    request_uris: tuple[str, ...] = ()
    authorization_signed_response_alg: str = ""
    authorization_encrypted_response_alg: str = ""
    authorization_encrypted_response_enc: str = ""
    id_token_encrypted_response_alg: str = ""
    id_token_encrypted_response_enc: str = ""
    userinfo_signed_response_alg: str = ""
    userinfo_encrypted_response_alg: str = ""
    userinfo_encrypted_response_enc: str = ""
    introspection_signed_response_alg: str = ""
    introspection_encrypted_response_alg: str = ""
    introspection_encrypted_response_enc: str = ""
    default_acr_values: tuple[str, ...] = ()
    require_auth_time: bool = False
    initiate_login_uri: str = ""
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    contacts: tuple[str, ...] = ()
    software_id: str = ""
    software_version: str = ""
    software_statement: str = ""
    representation: str = "none"

    @property
    def is_public(self) -> bool:
        """True for a client that cannot keep a secret (RFC 6749, 2.1)."""
        return self.token_endpoint_auth_method == "none"

    @property
    def is_active(self) -> bool:
        """True unless it is switched off."""
        return self.state == "active"

    @property
    def is_fapi(self) -> bool:
        """True if the rules of the FAPI 2.0 Security Profile hold for it."""
        return self.profile in profiles.FAPI_PROFILES

    @property
    def signs_messages(self) -> bool:
        """True if the rules of FAPI 2.0 Message Signing hold for it."""
        return self.profile == profiles.MESSAGE_SIGNING

    @property
    def must_push(self) -> bool:
        """True if its authorization requests have to be pushed (RFC 9126, section 6; FAPI 2.0, 5.3.2.2)."""
        return self.is_fapi or self.require_pushed_authorization_requests

    @property
    def must_sign_requests(self) -> bool:
        """True if its authorization requests have to be signed request objects (RFC 9101, 10.5)."""
        return self.signs_messages or self.require_signed_request_object

    @property
    def must_bind_tokens(self) -> bool:
        """True if its access tokens have to be bound to a key or certificate of its own (FAPI 2.0, 5.3.2.1)."""
        return (
            self.is_fapi or self.dpop_bound_access_tokens or self.tls_client_certificate_bound_access_tokens
        )

    def accepts(self, redirect_uri: str) -> bool:
        """Tell whether answers may go to this redirect URI."""
        return redirects.matches(self.redirect_uris, redirect_uri, native=self.kind == "native")

    def may_ask_scope(self, scope: str) -> bool:
        """Tell whether the client may ask for a standard scope."""
        return scope in (self.scopes or metadata.SCOPES)

    def knows_secret(self, given: str) -> bool:
        """Compare a secret in constant time."""
        return self.secret_hash is not None and hmac.compare_digest(digest(given), self.secret_hash)


def digest(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256, enough for one that is random and long."""
    return hashlib.sha256(secret.encode()).hexdigest()
