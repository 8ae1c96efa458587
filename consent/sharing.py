"""What a citizen shares with whom, put together for the page: live permissions, past ones, and what the law allows."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from consent import agencies, decisions, grants, purposes, showing
from consent.agencies import Agency
from consent.errors import GrantOver
from consent.grants import Grant
from consent.purposes import Purpose
from core import clock, language
from core.language import Lazy, _

_HERE: dict[str, Lazy] = {
    "day": _("{left} of {all} today"),
    "week": _("{left} of {all} this week"),
    "month": _("{left} of {all} this month"),
    "year": _("{left} of {all} this year"),
}


@dataclass(frozen=True)
class Item:
    """One attribute of a permission."""

    attribute: str
    label: str
    required: bool


@dataclass(frozen=True)
class Shared:
    """One permission with what it is for. `state` is the grant's at this moment.

    `limits` are phrases for what it is limited to, `left` one for the reads that are left, where that is limited.
    """

    grant: Grant
    agency: Agency
    agency_name: str
    purpose: Purpose
    title: str
    lang: str
    items: tuple[Item, ...]
    state: str
    limits: tuple[str, ...]
    left: str

    @property
    def phrase(self) -> str:
        """What it covers (or was asked for), as one phrase."""
        return showing.labels(self.grant.attributes or self.grant.offered)


@dataclass(frozen=True)
class Extension:
    """What letting a permission go on would mean, before it is confirmed, with the text to be read for it.

    `changed` where the purpose has another text by now, so that the agency has to ask first; `acr` is the assurance
    that it wants.
    """

    shared: Shared
    title: str
    why: str
    refused: str
    text_sha256: str
    until: datetime
    changed: bool
    acr: str


@dataclass(frozen=True)
class ByLaw:
    """One purpose for which a law allows an agency to read without asking."""

    agency_name: str
    title: str
    law: str
    url: str
    phrase: str
    withheld_days: int = 0


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal would take back and leave, before it is confirmed. `whole` if nothing is left."""

    shared: Shared
    gone: tuple[Item, ...]
    left: tuple[Item, ...]

    @property
    def whole(self) -> bool:
        """True if the permission ends."""
        return not self.left

    @property
    def gone_phrase(self) -> str:
        """What is taken back, as one phrase."""
        return showing.labels(item.attribute for item in self.gone)

    @property
    def left_phrase(self) -> str:
        """What is left, as one phrase."""
        return showing.labels(item.attribute for item in self.left)

    @property
    def needed(self) -> bool:
        """True if something that the purpose needs is taken out of it."""
        return any(item.required for item in self.gone)


def of(db: Session, citizen: str) -> list[Shared]:
    """Return a citizen's permissions, live ones first, then the newest."""
    found = [_shared(db, grant) for grant in grants.of(db, citizen)]
    return sorted(found, key=lambda one: not one.grant.is_live)


def one(db: Session, grant_id: str, *, citizen: str) -> Shared:
    """Return one permission of a citizen; raises GrantUnknown."""
    return _shared(db, grants.read(db, grant_id, citizen=citizen))


def withdrawal(db: Session, grant_id: str, chosen: list[str], *, citizen: str) -> Withdrawal:
    """Return what taking back some attributes (all if none is named) would mean.

    Raises GrantUnknown, and GrantOver if it is over or an attribute is not part of it.
    """
    shared = one(db, grant_id, citizen=citizen)
    names = set(chosen) or set(shared.grant.attributes)
    if not shared.grant.is_live or not names <= shared.grant.attributes:
        raise GrantOver(detail=shared.grant.grant_id)
    gone = tuple(item for item in shared.items if item.attribute in names)
    return Withdrawal(shared, gone, tuple(item for item in shared.items if item.attribute not in names))


def extension(db: Session, grant_id: str, *, citizen: str) -> Extension:
    """Return what letting a permission go on would mean; raises GrantUnknown, and GrantOver if it is over."""
    shared = one(db, grant_id, citizen=citizen)
    if not shared.grant.is_live:
        raise GrantOver(detail=shared.grant.grant_id)
    current, reads = purposes.current(db, shared.purpose.id), language.current()
    text = current.text(reads)
    return Extension(
        shared,
        text["title"],
        text["why"],
        text["refused"],
        current.text_sha256(reads),
        decisions.until(current, shared.grant.allowance, clock.now()),
        changed=current.version != shared.grant.purpose_version,
        acr=current.acr,
    )


def by_law(db: Session) -> list[ByLaw]:
    """Return what the law allows agencies to read about anyone without asking."""
    reads = language.current()
    called = {agency.id: agency.name(reads) for agency in agencies.listing(db)}
    return [
        ByLaw(
            called[purpose.agency],
            purpose.text(reads)["title"],
            purpose.law or "",
            purpose.basis["url"],
            showing.labels(purpose.names),
            purpose.withheld_days,
        )
        for purpose in purposes.listing(db)
        if purpose.by_law
    ]


def _shared(db: Session, grant: Grant) -> Shared:
    reads = language.current()
    agency = agencies.read(db, grant.agency)
    purpose = purposes.read(db, grant.purpose, grant.purpose_version)
    return Shared(
        grant=grant,
        agency=agency,
        agency_name=agency.name(reads),
        purpose=purpose,
        title=purpose.text(reads)["title"],
        lang=purpose.language(reads),
        items=tuple(
            Item(wanted.name, showing.label(wanted.name), wanted.required)
            for wanted in purpose.attributes
            if wanted.name in grant.attributes
        ),
        state=grant.state_now,
        limits=grant.allowance.phrases(),
        left=_left(grant) if grant.is_live else "",
    )


def _left(grant: Grant) -> str:
    whole = grant.uses.left(grant.allowance)
    here = grant.uses.left_now(grant.allowance, clock.now())
    said = []
    if whole is not None:
        said.append(_("{left} of {all} in all").format(left=whole, all=grant.allowance.reads))
    if here is not None:
        text = _HERE[grant.allowance.every]
        said.append(text.format(left=here, all=grant.allowance.per_reads))
    return "; ".join(str(text) for text in said)
