"""Until when a law keeps a read out of its citizen's history, and how it is told once that is over."""

from collections.abc import Callable
from datetime import datetime, timedelta

from consent import showing
from consent.purposes import Purpose
from consent.said import Data, Names, Said, Sentence
from core import clock
from core.language import _


def until(purpose: Purpose | None) -> datetime | None:
    """Return until when a read for an agency's own purpose, made now, is withheld; None for nearly all purposes."""
    if purpose is None or not purpose.withheld_days:
        return None
    return clock.now() + timedelta(days=purpose.withheld_days)


def revealed(say: Callable[[str, Data, Names], Said]) -> Sentence:
    """Return the sentence of a read that was withheld: what it would have said, and until when and why it did not."""

    def sentence(data: Data, names: Names) -> Said:
        read = data["read"]
        said = say(read["kind"], read["data"], names)
        more = (
            (_("Day on which it happened"), showing.day(str(read["at"])[:10])),
            (_("Kept out of your history until"), showing.day(str(data["disclose_after"])[:10])),
            (_("By the law"), str(read["data"].get("withholding_law", ""))),
        )
        told = tuple((str(term), text) for term, text in more if text)
        title = _("Told only now: {what}").format(what=said.title)
        return Said(str(title), (*told, *said.details), said.state)

    return sentence
