"""Which ways of signing in, after which proof of the person, reach which assurance: two tables to read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from consent.assurance import LEVELS, enough
from idp import accounts

ORDER = LEVELS
LOW, SUBSTANTIAL, HIGH = ORDER

# Authentication method references, each registered (RFC 8176, section 2).
PASSWORD = ("pwd",)
PASSWORD_AND_CODE = ("pwd", "otp", "mfa")
RECOVERY = ("otp",)
CARD = ("pin", "otp", "mfa")  # a look-up secret is a password used once
SYNCED_PASSKEY = ("swk", "user", "mfa")
BOUND_PASSKEY = ("hwk", "user", "mfa")
# What tells that a session or token came by the one or the other.
BY_CARD, BY_PASSKEY = frozenset({"pin"}), frozenset({"swk", "hwk"})


@dataclass(frozen=True)
class Way:
    """One way of signing in: what stands in `amr`, and the most it reaches.

    `acr` is the level of eIDAS (2015/1502, annex 2.2.1 and 2.3.1), `aal` that of NIST SP 800-63B-4, section 2.
    """

    name: str
    amr: tuple[str, ...]
    acr: str
    aal: int


@dataclass(frozen=True)
class Proofing:
    """One way in which it was established who somebody is, and the most that their sign-ins reach after it.

    `acr` is the level of eIDAS (2015/1502, annex 2.1.2), `ial` that of NIST SP 800-63A-4, section 2; 0 is none.
    """

    name: str
    acr: str
    ial: int


WAYS: Final = (
    Way("recovery code", RECOVERY, LOW, 1),
    Way("password", PASSWORD, LOW, 1),
    Way("password and code", PASSWORD_AND_CODE, SUBSTANTIAL, 2),
    Way("printed card", CARD, SUBSTANTIAL, 2),
    Way("synced passkey", SYNCED_PASSKEY, SUBSTANTIAL, 2),
    Way("device-bound passkey", BOUND_PASSKEY, HIGH, 3),
)
# Nobody looked at a test citizen; they exist outside production alone, and reach what their testers need.
TEST = Proofing(accounts.TEST, SUBSTANTIAL, 0)
# An operator made the code on the command line: nobody compared anybody with anything.
OPERATOR = Proofing(accounts.OPERATOR, LOW, 0)
# A clerk compared the person with a document and the register, and handed over the activation code.
COUNTER = Proofing(accounts.COUNTER, HIGH, 2)
COUNTER_AGAIN = Proofing(accounts.COUNTER_AGAIN, HIGH, 2)
PROOFINGS: Final = (TEST, OPERATOR, COUNTER, COUNTER_AGAIN)

_BY_AMR = {frozenset(way.amr): way for way in WAYS}
_BY_NAME = {proofing.name: proofing for proofing in PROOFINGS}


def of(amr: Collection[str]) -> str:
    """Return the assurance (`acr`) that authentication methods reach by WAYS; anything that is not there is low."""
    way = _BY_AMR.get(frozenset(amr))
    return way.acr if way else LOW


def proofed(name: str) -> str:
    """Return the most that anybody reaches who was proofed in this way; an unknown one is worth little."""
    proofing = _BY_NAME.get(name)
    return proofing.acr if proofing else LOW


def reached(amr: Collection[str], *, proofing: str, most: str = HIGH) -> str:
    """Return the assurance of a sign-in: the least of what its methods, the proof of the person and `most` allow."""
    return lower(lower(of(amr), most), proofed(proofing))


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
