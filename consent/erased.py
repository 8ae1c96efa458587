"""What is said to a citizen of an erasure: on which basis, when, and whether old backups could still bring it back."""

from datetime import datetime
from zoneinfo import ZoneInfo

from consent import showing
from consent.ledger.erasure import Erasure
from consent.words import WHY_ERASED, Said
from core.language import Lazy, _

TITLE = _("Erased: what stood here cannot be read by anyone any more")


def basis(name: str) -> str:
    """Return why something was erased, in words."""
    return str(WHY_ERASED.get(name, name))


def day(moment: datetime, zone: str) -> str:
    """Return the day of a moment in words, as it is where people are."""
    return showing.day(moment.astimezone(ZoneInfo(zone)).date().isoformat())


def standing(one: Erasure, zone: str) -> str:
    """Return how an erasure stands: on its way, done but not final, or beyond recovery since a day."""
    if one.erased_at is None:
        return str(_("on its way"))
    if one.final_since is None:
        return str(_("erased; not yet final, as old backups still hold it under lock and key"))
    since = day(one.final_since, zone)
    return str(_("erased; beyond recovery, also from backups, since {day}").format(day=since))


def said(one: Erasure | None, zone: str) -> Said:
    """Return what stands in the history in place of an erased entry."""
    if one is None:
        return Said(str(TITLE), (), "quiet")
    pairs: tuple[tuple[Lazy, str], ...] = (
        (_("Why it was erased"), basis(one.basis)),
        (_("When"), day(one.erased_at, zone) if one.erased_at else ""),
        (_("How it stands"), standing(one, zone)),
    )
    return Said(str(TITLE), tuple((str(term), text) for term, text in pairs if text), "quiet")
