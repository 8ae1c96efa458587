"""What a citizen still has to be asked: what is wanted, less what is agreed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from consent import grants, purposes
from consent.allowances import STANDING, Allowance
from consent.grants import Grant
from consent.purposes import Purpose
from core import clock

REASONS = ("new", "more", "changed", "expired", "used-up", "year", "again", "replace")
# A "no" to one of these is a "no" to what was allowed before, too: the citizen was asked about all of it.
ASK_ABOUT_ALL = ("year", "again")
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Ask:
    """One attribute of a question: whether the purpose requires it, and whether it is agreed to already."""

    attribute: str
    required: bool
    agreed: bool


@dataclass(frozen=True)
class Question:
    """What to ask a citizen about one purpose, and why now.

    `reason` is new, more (something is asked that was not, or more often), changed (the purpose has a new
    text), expired, used-up, year (a year has passed since the last word, however long it counts), again (the
    agency asks that the citizen looks at it once more), or replace (what is asked takes the place of what was
    allowed). `limits` is how often and when it may be read, if allowed.
    """

    purpose: Purpose
    reason: str
    asks: tuple[Ask, ...]
    limits: Allowance = STANDING

    @property
    def names(self) -> frozenset[str]:
        """The names of the attributes in it."""
        return frozenset(ask.attribute for ask in self.asks)


def wanted(
    db: Session,
    *,
    citizen: str,
    purpose: Purpose | str,
    attributes: Iterable[str],
    again: bool = False,
    limits: Allowance = STANDING,
    replace: bool = False,
) -> Question | None:
    """Return what has to be asked before these attributes may be read for a purpose; None if nothing.

    Attributes outside the purpose are left out: the door would refuse them. An optional attribute that
    was offered and left off is not asked again by itself; `again` asks everything anew
    (``prompt=consent``; OpenID Connect Core, section 3.1.2.1). `limits` narrows those of the purpose;
    `replace` asks for exactly this, unless exactly this is allowed. Nothing is asked about a purpose whose
    last day is over. Raises PurposeUnknown.
    """
    asked = purposes.current(db, purpose) if isinstance(purpose, str) else purpose
    requested = set(attributes)
    names = [one.name for one in asked.attributes if one.name in requested]
    if asked.by_law or not names:
        return None
    allowance = asked.allowance.narrowed(limits)
    if allowance.ends is not None and allowance.ends <= clock.now():
        return None
    last = grants.latest(db, citizen=citizen, purpose=asked.id)
    live = last if last is not None and last.is_live else None
    reason = _reason(asked, names, last=last, live=live, allowance=allowance)
    agreed = live.attributes if live else frozenset()
    if replace and live is not None and (agreed - set(names) or live.allowance != allowance):
        reason = "replace"
    if reason is None and not again:
        return None
    return Question(
        asked,
        reason or "again",
        tuple(
            Ask(one.name, one.required, one.name in agreed)
            for one in asked.attributes
            if one.name in requested or (one.name in agreed and not replace)
        ),
        allowance,
    )


def _reason(
    asked: Purpose, names: list[str], *, last: Grant | None, live: Grant | None, allowance: Allowance
) -> str | None:
    if live is None:
        over = last.state_now if last is not None else ""
        return over if over in ("expired", "used-up") else "new"
    if live.purpose_version != asked.version:
        return "changed"
    if not allowance.fits(live.allowance):
        return "more"
    if clock.now() - live.given_at >= YEAR:
        return "year"
    open_ones = [name for name in names if name not in live.attributes]
    if any(name in asked.required or name not in live.offered for name in open_ones):
        return "more"
    return None
