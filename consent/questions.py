"""What a citizen still has to be asked: what is wanted, less what is agreed."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent import grants, purposes
from consent.grants import Grant
from consent.purposes import Purpose

REASONS = ("new", "more", "changed", "expired", "again")


@dataclass(frozen=True)
class Ask:
    """One attribute of a question: whether the purpose requires it, and whether it is agreed to already."""

    attribute: str
    required: bool
    agreed: bool


@dataclass(frozen=True)
class Question:
    """What to ask a citizen about one purpose, and why now.

    `reason` is new, more (something is asked that was not), changed (the purpose has a new text),
    expired, or again (the agency asks that the citizen looks at it once more).
    """

    purpose: Purpose
    reason: str
    asks: tuple[Ask, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of the attributes in it."""
        return frozenset(ask.attribute for ask in self.asks)


def wanted(
    db: Session, *, citizen: str, purpose: Purpose | str, attributes: Iterable[str], again: bool = False
) -> Question | None:
    """Return what has to be asked before these attributes may be read for a purpose; None if nothing.

    Attributes outside the purpose are left out: the door would refuse them. An optional attribute that
    was offered and left off is not asked again by itself; `again` asks everything anew
    (``prompt=consent``; OpenID Connect Core, section 3.1.2.1). Raises PurposeUnknown.
    """
    asked = purposes.current(db, purpose) if isinstance(purpose, str) else purpose
    requested = set(attributes)
    names = [one.name for one in asked.attributes if one.name in requested]
    if asked.by_law or not names:
        return None
    last = grants.latest(db, citizen=citizen, purpose=asked.id)
    live = last if last is not None and last.is_live else None
    reason = _reason(asked, names, last=last, live=live)
    if reason is None and not again:
        return None
    agreed = live.attributes if live else frozenset()
    return Question(
        asked,
        reason or "again",
        tuple(
            Ask(one.name, one.required, one.name in agreed)
            for one in asked.attributes
            if one.name in requested or one.name in agreed
        ),
    )


def _reason(asked: Purpose, names: list[str], *, last: Grant | None, live: Grant | None) -> str | None:
    if live is None:
        return "expired" if last is not None and last.state in ("given", "narrowed", "expired") else "new"
    if live.purpose_version != asked.version:
        return "changed"
    open_ones = [name for name in names if name not in live.attributes]
    if any(name in asked.required or name not in live.offered for name in open_ones):
        return "more"
    return None
