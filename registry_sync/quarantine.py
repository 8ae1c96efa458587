"""What waits in quarantine: looking through it, trying again, and deciding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from core.database import Database
from core.events import Actor, record
from core.language import Lazy
from registry_sync import apply, holding, intake, people, trust
from registry_sync.batch import Item
from registry_sync.errors import PersonUnknown, RecordClosed, RecordUnknown
from registry_sync.events import RecordDismissed, RecordMatched
from registry_sync.intake import Decision, Placed
from registry_sync.tables import person_identifier
from registry_sync.tables import quarantined_record as table
from registry_sync.wire import registers
from registry_sync.wire.shapes import REASONS

PAGE_SIZE = 50
RETRY_BATCH = 200


@dataclass(frozen=True)
class Quarantined:
    """One thing in quarantine as lists show it. `spot` is the field at fault, `size` is in bytes."""

    id: str
    source: str
    form: str
    state: str
    reason: str
    words: Lazy
    spot: str
    line: int
    size: int
    at: datetime


@dataclass(frozen=True)
class Opened:
    """One thing in quarantine with its form visible and every value covered; and the citizens it may be about."""

    record: Quarantined
    masked: str
    candidates: tuple[str, ...]


def listing(
    db: Session, source: str | None = None, page: int = 1, *, state: str = holding.OPEN
) -> tuple[list[Quarantined], int]:
    """Return one page of what is in quarantine, the newest first, and how many pages there are."""
    where = [table.c.state == state]
    if source:
        where.append(table.c.source == source)
    total = db.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    pages = max(1, -(-total // PAGE_SIZE))
    rows = db.execute(
        select(table)
        .where(*where)
        .order_by(table.c.at.desc(), table.c.line, table.c.id)
        .limit(PAGE_SIZE)
        .offset((min(max(page, 1), pages) - 1) * PAGE_SIZE)
    )
    return [_shown(row) for row in rows], pages


def count(db: Session) -> int:
    """Return how many things are in quarantine and wait for somebody."""
    query = select(func.count()).select_from(table).where(table.c.state == holding.OPEN)
    return int(db.execute(query).scalar_one())


def waiting(db: Session) -> dict[str, dict[str, int]]:
    """Return how many things are in quarantine, by source and reason."""
    counts: dict[str, dict[str, int]] = {}
    columns = (table.c.source, table.c.reason)
    rows = db.execute(
        select(*columns, func.count().label("number")).where(table.c.state == holding.OPEN).group_by(*columns)
    )
    for row in rows:
        counts.setdefault(row.source, {})[row.reason] = row.number
    return counts


def read(db: Session, record_id: str) -> Opened:
    """Return one thing in quarantine, masked; raises RecordUnknown.

    Its values are had from `consent.disclosure.unmatched` only, which writes down who looked.
    """
    row = _row(db, record_id)
    if row.sealed is None:
        return Opened(_shown(row), "", ())
    contents = holding.opened(db, row.source, row.content, row.sealed)
    masked = "" if row.form == holding.MESSAGE else holding.masked(contents.raw, registers.fields(row.source))
    return Opened(_shown(row), masked, contents.candidates)


def retry(
    db: Session, record_id: str, *, actor: Actor, same_as: str | None = None, distinct: bool = False
) -> Placed:
    """Try to place one thing again and return what became of it.

    `same_as` says whose it is, `distinct` that it is about nobody known. Raises RecordUnknown,
    RecordClosed, PersonUnknown.
    """
    row = _row(db, record_id, lock=True)
    if row.state != holding.OPEN:
        raise RecordClosed(detail=row.state)
    if same_as is not None and people.find(db, same_as) is None:
        raise PersonUnknown
    (placed,) = _again(db, [row], actor, Decision(same_as, distinct))
    return placed


def dismiss(db: Session, record_id: str, *, actor: Actor) -> None:
    """Decide that something in quarantine will not be used; it stays there, and its repeats are passed over.

    Raises RecordUnknown, RecordClosed.
    """
    row = _row(db, record_id, lock=True)
    if row.state != holding.OPEN:
        raise RecordClosed(detail=row.state)
    db.execute(update(table).where(table.c.id == record_id).values(state=holding.DISMISSED))
    event = RecordDismissed(source=row.source, record=record_id, reason=row.reason)
    record(db, event, actor=actor, about=[holding.owner(row.source)])


def retry_for(db: Session, citizen_id: str, *, actor: Actor) -> int:
    """Try again whatever waited for a person who is known now; returns how much was settled."""
    theirs = select(person_identifier.c.blind).where(person_identifier.c.citizen_id == citizen_id)
    rows = db.execute(_waiting().where(table.c.identifier.in_(theirs))).all()
    return _settled(_again(db, rows, actor, Decision()))


def retry_waiting(database: Database, *, actor: Actor) -> int:
    """Try again whatever waited for people who are known now; returns how much was settled."""
    settled, last = 0, ""
    known = _waiting().where(table.c.identifier.in_(select(person_identifier.c.blind)))
    while True:
        with database.writing() as db:
            batch = known.where(table.c.id > last).order_by(None).order_by(table.c.id).limit(RETRY_BATCH)
            rows = db.execute(batch).all()
            if not rows:
                return settled
            settled += _settled(_again(db, rows, actor, Decision()))
            last = rows[-1].id


def _waiting() -> Select[Any]:
    waits = table.c.state == holding.OPEN, table.c.reason == "unknown-person"
    return select(table).where(*waits).order_by(table.c.at, table.c.id).with_for_update()


def _settled(placed: Sequence[Placed]) -> int:
    return sum(one.outcome != "quarantined" for one in placed)


def _again(db: Session, rows: Sequence[Any], actor: Actor, decision: Decision) -> list[Placed]:
    placed: list[Placed] = []
    for source in sorted({row.source for row in rows}):
        records = [row for row in rows if row.source == source and row.form == holding.RECORD]
        register = registers.named(source)
        items = []
        for row in records:
            contents = holding.opened(db, source, row.content, row.sealed)
            parsed = register.read(contents.raw, contents.header)
            items.append(Item(contents.raw, parsed, row.line, contents.header))
        if items:
            results = intake.take(
                db, source, items, run=records[0].run, actor=actor, decision=decision, shelve=False
            )
            for row, result in zip(records, results, strict=True):
                _conclude(db, row, result, actor)
            placed.extend(results)
    told = [row for row in rows if row.form == holding.MESSAGE]
    return placed + [_message_again(db, row, actor, decision) for row in told]


def _message_again(db: Session, row: Any, actor: Actor, decision: Decision) -> Placed:
    contents = holding.opened(db, row.source, row.content, row.sealed)
    message = trust.reread(contents.raw, row.source)
    applied = apply.message(db, message, actor=actor, decision=decision)
    if applied.bad:
        placed = Placed("quarantined", applied.citizen, bad=applied.bad)
    else:
        placed = Placed("repeated" if applied.outcome == "outdated" else "changed", applied.citizen)
    _conclude(db, row, placed, actor)
    return placed


def _conclude(db: Session, row: Any, placed: Placed, actor: Actor) -> None:
    if placed.bad:
        values = {"reason": placed.bad.reason, "spot": placed.bad.spot[:64]}
        db.execute(update(table).where(table.c.id == row.id).values(**values))
        return
    db.execute(update(table).where(table.c.id == row.id).values(state=holding.SETTLED, sealed=None))
    if placed.citizen:
        how = "decision" if placed.how == "decided" else "retry"
        event = RecordMatched(citizen=placed.citizen, source=row.source, how=how, record=row.id)
        record(db, event, actor=actor, about=[placed.citizen, holding.owner(row.source)])


def _row(db: Session, record_id: str, *, lock: bool = False) -> Any:
    query = select(table).where(table.c.id == record_id)
    row = db.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise RecordUnknown
    return row


def _shown(row: Any) -> Quarantined:
    words = REASONS[row.reason]
    return Quarantined(
        row.id, row.source, row.form, row.state, row.reason, words, row.spot, row.line, row.size, row.at
    )
