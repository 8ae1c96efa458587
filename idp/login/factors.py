"""With what somebody signed in, in words."""

from collections.abc import Collection

from core.language import Lazy, _
from idp.login import assurance

# Authentication method references (RFC 8176, section 2) that say what was used; the others say how.
FACTORS: dict[str, Lazy] = {
    "pwd": _("password"),
    "otp": _("code"),
    "hwk": _("passkey that stays on its device"),
    "swk": _("passkey"),
    "sc": _("printed card"),
    "pin": _("PIN"),
    "sms": _("code by text message"),
}


def words(amr: Collection[str]) -> str:
    """Return which factors a sign-in used, e.g. ``password, code``; a card's number counts as a code in `amr` alone."""
    if frozenset(amr) == frozenset(assurance.CARD):
        amr = ("sc", "pin")
    return ", ".join(str(FACTORS[one]) for one in amr if one in FACTORS)
