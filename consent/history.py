"""A citizen's history in words, newest first: what the ledger holds about them, and how far it is signed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from consent import agencies, purposes, words
from consent.ledger import logs, signer, subjects
from consent.ledger.tables import entry, subject
from consent.words import Names, Said
from core import language
from core.database import Database
from core.language import _
from keys.errors import Shredded

PAGE_SIZE = 20
DRAIN_SECONDS = 2.0
_COLUMNS = (
    entry.c.log,
    entry.c.leaf_index,
    entry.c.seq,
    entry.c.event_id,
    entry.c.kind,
    entry.c.agency,
    entry.c.month,
    entry.c.opening,
)


_NEWEST_FIRST = (entry.c.log.desc(), entry.c.seq.desc())
# What the law withholds is in a log of another kind, and no history shows it before it is due.
_SHOWN = entry.c.log.in_(logs.SHOWN)


@dataclass(frozen=True)
class Filter:
    """Which entries to show; an empty field lets everything pass. `month` is YYYY-MM, `group` one of words.GROUPS."""

    agency: str = ""
    month: str = ""
    group: str = ""


@dataclass(frozen=True)
class HistoryEntry:
    """One entry in words. `at` is None and `erased` true where its content was destroyed."""

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


@dataclass(frozen=True)
class Choices:
    """What there is to filter by: agencies by ID and name, and months, newest first."""

    agencies: tuple[tuple[str, str], ...]
    months: tuple[str, ...]


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
    where = _where(db, citizen, only or Filter())
    if where is None:
        return [], 1
    count = db.scalar(select(func.count()).select_from(entry).where(*where)) or 0
    pages = max(1, -(-count // size))
    query = (
        select(*_COLUMNS)
        .where(*where)
        .order_by(*_NEWEST_FIRST)
        .limit(size)
        .offset((min(max(page, 1), pages) - 1) * size)
    )
    rows = db.execute(query).all()
    return list(_spoken(db, citizen, rows)), pages


def every(db: Session, citizen: str, *, only: Filter | None = None) -> Iterator[HistoryEntry]:
    """Yield a citizen's whole history in words, newest first."""
    where = _where(db, citizen, only or Filter())
    if where is not None:
        yield from _spoken(
            db, citizen, db.execute(select(*_COLUMNS).where(*where).order_by(*_NEWEST_FIRST)).all()
        )


def choices(db: Session, citizen: str) -> Choices:
    """Return what a citizen's history can be filtered by."""
    label = _label(db, citizen)
    if label is None:
        return Choices((), ())
    ids = db.scalars(
        select(entry.c.agency).where(entry.c.label == label, _SHOWN, entry.c.agency.is_not(None)).distinct()
    )
    months = db.scalars(
        select(entry.c.month).where(entry.c.label == label, _SHOWN, entry.c.month.is_not(None)).distinct()
    )
    called = {agency.id: agency.name(language.current()) for agency in agencies.listing(db)}
    named = sorted(((name, called.get(name, name)) for name in ids if name), key=lambda pair: pair[1])
    return Choices(tuple(named), tuple(sorted((month for month in months if month), reverse=True)))


def standing(db: Session, citizen: str) -> Standing:
    """Return how far a citizen's history reaches back, and whether the newest checkpoint covers all of it."""
    signed, log = signer.newest(db), logs.current(db).number
    label = _label(db, citizen)
    mine = (entry.c.label == label, _SHOWN)
    row = db.execute(
        select(func.count().label("number"), func.min(entry.c.month).label("since")).where(*mine)
    ).one()
    last = db.scalar(select(func.max(entry.c.leaf_index)).where(*mine, entry.c.log == log))
    covered = last is None or (signed is not None and signed.size > last)
    return Standing(row.number, row.since, signed.at if signed else None, covered)


def _label(db: Session, citizen: str) -> bytes | None:
    return db.scalar(select(subject.c.label).where(subject.c.chain == citizen))


def _where(db: Session, citizen: str, only: Filter) -> list[ColumnElement[bool]] | None:
    label = _label(db, citizen)
    if label is None:
        return None
    where = [entry.c.label == label, _SHOWN]
    if only.agency:
        where.append(entry.c.agency == only.agency)
    if only.month:
        where.append(entry.c.month == only.month)
    if only.group:
        where.append(entry.c.kind.in_(words.kinds(only.group)))
    return where


def _spoken(db: Session, citizen: str, rows: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[HistoryEntry]:
    names = _names(db, citizen)
    for row in rows:
        facts = _opened(db, citizen, row)
        if facts is None:
            said = Said(str(_("Erased: what stood here cannot be read by anyone any more")), (), "quiet")
            yield HistoryEntry(
                row.log,
                row.leaf_index,
                row.seq,
                row.event_id or "",
                row.kind or "",
                "",
                None,
                None,
                said,
                {},
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
        )


def _opened(db: Session, citizen: str, row: Row[*tuple[Any, ...]]) -> dict[str, Any] | None:
    if row.opening is None:
        return None
    try:
        _nonce, content = subjects.open_opening(db, citizen, (row.log, row.leaf_index), row.opening)
    except Shredded:
        return None
    return msgspec.json.decode(content, type=dict[str, Any])


def _names(db: Session, citizen: str) -> Names:
    reads = language.current()
    return Names(
        {agency.id: agency.name(reads) for agency in agencies.listing(db)},
        {purpose.id: purpose.text(reads)["title"] for purpose in purposes.listing(db)},
        citizen,
    )
