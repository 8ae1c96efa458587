"""The event types that agencies can be told, by name and URI."""

from core.settings import Settings

SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
OWN = "/events/"  # below the issuer; a name, not an address

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"

VERIFICATION, STREAM_UPDATED = "verification", "stream-updated"
SESSION_REVOKED = "session-revoked"
ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_PURGED = "account-disabled", "account-enabled", "account-purged"
CREDENTIAL_COMPROMISE = "credential-compromise"
CONSENT_ENDED, CONSENT_NARROWED = "consent-ended", "consent-narrowed"
ATTRIBUTE_CHANGED = "attribute-changed"

# About the stream itself; every stream gets them (SSF 1.0, 8.1.4 and 8.1.5).
OF_THE_STREAM = (VERIFICATION, STREAM_UPDATED)
SPACES = {
    SESSION_REVOKED: CAEP,
    ACCOUNT_DISABLED: RISC,
    ACCOUNT_ENABLED: RISC,
    ACCOUNT_PURGED: RISC,
    CREDENTIAL_COMPROMISE: RISC,
    CONSENT_ENDED: OWN,
    CONSENT_NARROWED: OWN,
    ATTRIBUTE_CHANGED: OWN,
    **dict.fromkeys(OF_THE_STREAM, SSF),
}
TELLABLE = tuple(name for name in SPACES if name not in OF_THE_STREAM)


def uri(settings: Settings, name: str) -> str:
    """Return the URI of an event type; Erti's own stand below the issuer."""
    space = SPACES[name]
    return f"{settings.issuer}{space}{name}" if space == OWN else f"{space}{name}"


def supported(settings: Settings) -> list[str]:
    """Return the URIs of everything a stream can ask for."""
    return [uri(settings, name) for name in TELLABLE]
