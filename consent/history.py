"""A citizen's history in words, newest first: what the ledger holds about them, and how far it is signed."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import Session

from consent import agencies, erased, purposes, words
from consent.errors import EntryUnknown
from consent.ledger import erasure, logs, signer, subjects
from consent.ledger.tables import entry, subject
from consent.words import Names, Said
from core import language
from core.database import Database, parts
from keys.errors import Shredded

PAGE_SIZE = 20
CHUNK = 500
DRAIN_SECONDS = 2.0
MONTH = len("2026-01")
Bounds = tuple[datetime | None, datetime | None]
_COLUMNS = (
    entry.c.log,
    entry.c.leaf_index,
    entry.c.seq,
    entry.c.event_id,
    entry.c.kind,
    entry.c.agency,
    entry.c.outcome,
    entry.c.opening,
    entry.c.erasure,
)
_NEWEST_FIRST = (entry.c.log.desc(), entry.c.seq.desc())
# What the law withholds is in a log of another kind, and no history shows it before it is due.
_SHOWN = entry.c.log.in_(logs.SHOWN)
_DECODER = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True)
class Filter:
    """Which entries to show; an empty field lets everything pass.

    `month` is YYYY-MM, `group` one of words.GROUPS, `basis` one of words.BASES. `text` must stand in what the
    entry says, an attribute's name for instance. `since` and `until` are days, both included, in the settings' zone.
    """

    agency: str = ""
    month: str = ""
    group: str = ""
    purpose: str = ""
    basis: str = ""
    outcome: str = ""
    text: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def deep(self) -> bool:
        """True if entries must be opened to know whether they fit."""
        return bool(self.text or self.since or self.until)

    @property
    def fields(self) -> dict[str, str]:
        """What is asked for, as it stands in an address."""
        chosen = {name.name: getattr(self, name.name) for name in dataclasses.fields(self)}
        return {{"group": "kind"}.get(name, name): str(value) for name, value in chosen.items() if value}


@dataclass(frozen=True)
class HistoryEntry:
    """One entry in words. `at` is None and `erased` true where its content was destroyed.

    `record` is what the ledger commits to; `data` is the part of it that depends on the kind.
    """

    log: int
    index: int
    seq: int
    event_id: str
    kind: str
    group: str
    agency: str | None
    at: datetime | None
    said: Said
    data: dict[str, Any]
    erased: bool = False
    agency_name: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def is_look(self) -> bool:
        """True if somebody looked, or tried to."""
        return self.group == "reads" and not self.erased


@dataclass(frozen=True)
class Choices:
    """What there is to filter by, each by ID and name: agencies, purposes; and months, newest first."""

    agencies: tuple[tuple[str, str], ...]
    purposes: tuple[tuple[str, str], ...]
    months: tuple[str, ...]
    bases: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """How a history stands: how many entries since when, and up to where a signed checkpoint covers them."""

    count: int
    since: str | None
    signed_at: datetime | None
    covered: bool


def settle(database: Database, citizen: str) -> bool:
    """Wait until what was recorded about a citizen is in the ledger; False if that took too long."""
    sequencer = database.parts.sequencer
    return sequencer is None or bool(sequencer.drain(citizen, timeout=DRAIN_SECONDS))


def entries(
    db: Session, citizen: str, *, page: int = 1, only: Filter | None = None, size: int = PAGE_SIZE
) -> tuple[list[HistoryEntry], int]:
    """Return one page of a citizen's history in words, newest first, and how many pages there are.

    Call `settle` before, so that nothing which still waits for the ledger is missed.
    """
    only = only or Filter()
    where = _where(db, citizen, only)
    if where is None:
        return [], 1
    if only.deep:
        return _page(list(_fitting(db, citizen, where, only)), page, size)
    count = db.scalar(select(func.count()).select_from(entry).where(*where)) or 0
    pages = max(1, -(-count // size))
    query = select(*_COLUMNS).where(*where).order_by(*_NEWEST_FIRST).limit(size)
    rows = db.execute(query.offset((min(max(page, 1), pages) - 1) * size)).all()
    return list(_spoken(db, citizen, rows)), pages


def every(database: Database, citizen: str, *, only: Filter | None = None) -> Iterator[HistoryEntry]:
    """Yield a citizen's whole history in words, newest first.

    It is read piece by piece, so that whoever takes it slowly holds no transaction open.
    """
    only, last = only or Filter(), None
    while True:
        with database.reading() as db:
            where = _where(db, citizen, only)
            if where is None:
                return
            if last is not None:
                same_log = and_(entry.c.log == last.log, entry.c.seq < last.seq)
                where.append(or_(entry.c.log < last.log, same_log))
            query = select(*_COLUMNS).where(*where).order_by(*_NEWEST_FIRST).limit(CHUNK)
            rows = db.execute(query).all()
            bounds = _bounds(db, only)
            found = [one for one in _spoken(db, citizen, rows) if _fits(one, only, bounds)]
        yield from found
        if len(rows) < CHUNK:
            return
        last = rows[-1]


def one(db: Session, citizen: str, event_id: str) -> HistoryEntry:
    """Return the entry of a citizen's history that an event made.

    Raises EntryUnknown, in the same way for another citizen's and for one that does not exist.
    """
    label = _label(db, citizen)
    row = None
    if label is not None:
        mine = (entry.c.label == label, entry.c.event_id == event_id, _SHOWN)
        row = db.execute(select(*_COLUMNS).where(*mine)).first()
    if row is None:
        raise EntryUnknown
    return next(_spoken(db, citizen, [row]))


def choices(db: Session, citizen: str) -> Choices:
    """Return what a citizen's history can be filtered by."""
    label = _label(db, citizen)
    if label is None:
        return Choices((), (), (), ())
    names = _names(db, citizen)
    columns = (entry.c.agency, entry.c.purpose, entry.c.month, entry.c.basis)
    rows = db.execute(select(*columns).where(entry.c.label == label, _SHOWN).distinct()).all()
    used = [sorted({value for value in column if value}) for column in zip(*rows, strict=True)] or [[]] * 4
    return Choices(
        tuple(sorted(((name, names.agency(name)) for name in used[0]), key=lambda pair: pair[1])),
        tuple(sorted(((name, names.purpose(name)) for name in used[1]), key=lambda pair: pair[1])),
        tuple(reversed(used[2])),
        tuple(basis for basis in words.BASES if basis in used[3]),
    )


def standing(db: Session, citizen: str) -> Standing:
    """Return how far a citizen's history reaches back, and whether the newest checkpoint covers all of it."""
    signed, log = signer.published(db), logs.current(db).number
    label = _label(db, citizen)
    if label is None:
        return Standing(0, None, signed.at if signed else None, covered=True)
    mine = (entry.c.label == label, _SHOWN)
    row = db.execute(
        select(func.count().label("number"), func.min(entry.c.month).label("since")).where(*mine)
    ).one()
    last = db.scalar(select(func.max(entry.c.leaf_index)).where(*mine, entry.c.log == log))
    covered = last is None or (signed is not None and signed.size > last)
    return Standing(row.number, row.since, signed.at if signed else None, covered)


def _label(db: Session, citizen: str) -> bytes | None:
    # Only of logs that are shown: that a citizen has a chain in another must change nothing here.
    return db.scalar(
        select(subject.c.label).where(subject.c.chain == citizen, subject.c.log.in_(logs.SHOWN)).limit(1)
    )


def _where(db: Session, citizen: str, only: Filter) -> list[ColumnElement[bool]] | None:
    label = _label(db, citizen)
    if label is None:
        return None
    columns = {name: getattr(only, name) for name in ("agency", "month", "purpose", "basis", "outcome")}
    where = [
        entry.c.label == label,
        _SHOWN,
        *(entry.c[name] == value for name, value in columns.items() if value),
    ]
    if only.group:
        where.append(entry.c.kind.in_(words.kinds(only.group)))
    begins, ends = _bounds(db, only)
    if begins:
        where.append(entry.c.month >= begins.isoformat()[:MONTH])
    if ends:
        where.append(entry.c.month <= ends.isoformat()[:MONTH])
    return where


def _bounds(db: Session, only: Filter) -> Bounds:
    """Return the first moment of the first day and the first moment after the last day, in UTC."""
    zone = ZoneInfo(parts(db).settings.time_zone)

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), zone).astimezone(UTC)

    until = only.until + timedelta(days=1) if only.until and only.until < date.max else None
    try:
        return midnight(only.since) if only.since else None, midnight(until) if until else None
    except OverflowError:  # the first days of year 1 have no moment in UTC
        return None, midnight(until) if until else None


def _fitting(
    db: Session, citizen: str, where: list[ColumnElement[bool]], only: Filter
) -> Iterator[HistoryEntry]:
    rows = db.execute(select(*_COLUMNS).where(*where).order_by(*_NEWEST_FIRST)).all()
    bounds = _bounds(db, only)
    return (found for found in _spoken(db, citizen, rows) if _fits(found, only, bounds))


def _fits(found: HistoryEntry, only: Filter, bounds: Bounds) -> bool:
    """Tell what the clear columns cannot: the day, and whether a text stands in it."""
    if not only.deep:
        return True
    if found.at is None:
        return False
    begins, ends = bounds
    if (begins and found.at < begins) or (ends and found.at >= ends):
        return False
    texts = (found.said.title, found.event_id, *(text for pair in found.said.details for text in pair))
    names = (str(name) for name in found.data.get("attributes", ()))
    return only.text.casefold() in "\n".join((*texts, *names)).casefold()


def _page(found: list[HistoryEntry], page: int, size: int) -> tuple[list[HistoryEntry], int]:
    pages = max(1, -(-len(found) // size))
    start = (min(max(page, 1), pages) - 1) * size
    return found[start : start + size], pages


def _spoken(db: Session, citizen: str, rows: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[HistoryEntry]:
    names = _names(db, citizen)
    gone = {one.id: one for one in erasure.of(db, citizen)} if any(row.erasure for row in rows) else {}
    for row in rows:
        facts = _opened(db, citizen, row)
        if facts is None:
            said = erased.said(gone.get(row.erasure or ""), parts(db).settings.time_zone)
            yield HistoryEntry(
                log=row.log,
                index=row.leaf_index,
                seq=row.seq,
                event_id=row.event_id or "",
                kind=row.kind or "",
                group="",
                agency=None,
                at=None,
                said=said,
                data={},
                erased=True,
            )
            continue
        data = facts["data"]
        yield HistoryEntry(
            log=row.log,
            index=row.leaf_index,
            seq=row.seq,
            event_id=row.event_id,
            kind=row.kind,
            group=words.group(row.kind),
            agency=row.agency,
            at=datetime.fromisoformat(facts["at"]),
            said=words.say(row.kind, data, names),
            data=data,
            agency_name=names.agency(row.agency) if row.agency else "",
            record=facts,
        )


def _opened(db: Session, citizen: str, row: Row[*tuple[Any, ...]]) -> dict[str, Any] | None:
    if row.opening is None:
        return None
    try:
        _nonce, content = subjects.open_opening(db, citizen, (row.log, row.leaf_index), row.opening)
    except Shredded:
        return None
    return _DECODER.decode(content)


def _names(db: Session, citizen: str) -> Names:
    reads = language.current()
    return Names(
        {agency.id: agency.name(reads) for agency in agencies.listing(db)},
        {purpose.id: purpose.text(reads)["title"] for purpose in purposes.listing(db)},
        citizen,
        parts(db).settings.time_zone,
    )
