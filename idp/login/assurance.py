"""Which ways of signing in reach which assurance, in order."""

from collections.abc import Collection, Sequence

from consent.assurance import LEVELS, enough

ORDER = LEVELS
LOW, SUBSTANTIAL, HIGH = ORDER

# Authentication method references (RFC 8176, section 2).
PASSWORD = ("pwd",)
PASSWORD_AND_CODE = ("pwd", "otp", "mfa")
RECOVERY = ("otp",)
CARD = ("pin", "otp", "mfa")  # a look-up secret is a password used once
SYNCED_PASSKEY = ("swk", "user", "mfa")
BOUND_PASSKEY = ("hwk", "user", "mfa")


def of(amr: Collection[str]) -> str:
    """Return the assurance (`acr`) that authentication methods reach.

    A device-bound passkey with user verification reaches high; a synced one, a password with a code, or
    a printed card with its PIN, substantial; anything less is low (eIDAS 2015/1502, annex 2.2.1; NIST SP 800-63B-4, section 2).
    """
    if "mfa" not in amr:
        return LOW
    return HIGH if "hwk" in amr else SUBSTANTIAL


def passkey(*, device_bound: bool) -> tuple[str, ...]:
    """Return the methods of a passkey with user verification: `hwk` if it cannot leave its device, else `swk`."""
    return BOUND_PASSKEY if device_bound else SYNCED_PASSKEY


def lower(one: str, other: str) -> str:
    """Return the lower of two levels: what was set up at one level proves no more than that later."""
    return min(one, other, key=ORDER.index)


def reaches(acr: str, wanted: str) -> bool:
    """Tell whether an assurance is at least the wanted one; an unknown one is never reached, nor does it reach."""
    return enough(acr, wanted)


def recovered(amr: Sequence[str]) -> bool:
    """Tell whether somebody came in with a recovery code alone."""
    return tuple(amr) == RECOVERY
