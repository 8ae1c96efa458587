"""What Erti's own resources say of themselves to clients that know no more than their address (RFC 9728)."""

from typing import Any, Final
from urllib.parse import quote

from core.settings import Settings
from idp.oidc import dpop, metadata

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
USERINFO: Final = "userinfo"
_READS: Final = ("attributes",)
# By the first part of their path, the scopes that open them.
SCOPES: Final[dict[str, tuple[str, ...]]] = {
    USERINFO: tuple(
        one for one in metadata.SCOPES if one not in metadata.CLIENT_SCOPES and one != "offline_access"
    ),
    "attributes": _READS,
    "citizens": _READS,
    "receipts": _READS,
    "grants": (metadata.QUERY_SCOPE, metadata.REVOKE_SCOPE, *_READS),
    "disputes": ("disputes",),
    "ssf": (metadata.SSF_READ, metadata.SSF_MANAGE),
}


def document(settings: Settings, here: str, path: str) -> dict[str, Any] | None:
    """Return the metadata of the resource at a path below `here`, or of all of them where it is empty (RFC 9728, 2).

    None if no resource is there.
    """
    first = path.partition("/")[0]
    if path and first not in SCOPES:
        return None
    every = [scope for one in SCOPES.values() for scope in one]
    found: dict[str, Any] = {
        "resource": f"{here}/{_quoted(path)}" if path else here,
        "authorization_servers": [settings.issuer],
        "scopes_supported": list(SCOPES[first] if path else dict.fromkeys(every)),
        "bearer_methods_supported": ["header", "body"] if first == USERINFO else ["header"],
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
    }
    if first == USERINFO:
        found["jwks_uri"] = f"{settings.issuer}/jwks.json"
        found["resource_signing_alg_values_supported"] = list(metadata.USERINFO_ALGORITHMS)
    if settings.sees_certificates:
        found["tls_client_certificate_bound_access_tokens"] = True
    return found


def described_at(url: str) -> str:
    """Return where the metadata of the resource at an address is (RFC 9728, 3.1); the address is what a client called."""
    scheme, _blank, host, path = url.split("/", 3)
    return f"{scheme}//{host}{WELL_KNOWN}/{_quoted(path)}"


def audience(settings: Settings, resource: str) -> str:
    """Return what a token for a resource is for: Erti as a whole, where it is one of Erti's own (RFC 8707, section 2)."""
    for here in filter(None, (settings.issuer, settings.mtls_address)):
        path = resource.removeprefix(here)
        if path == "" or (path.startswith("/") and path.split("/")[1] in SCOPES):
            return settings.issuer
    return resource


def _quoted(path: str) -> str:
    # As it goes into a header, where a quotation mark or a line would end it.
    return quote(path, safe="/:@!$&'()*+,;=~")
