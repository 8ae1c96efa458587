"""Crypto-shredding: a citizen's year, or some of its entries, made unreadable for good, and on the record."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.orm import Session

from consent.ledger import logs, openings, retention, shredding
from consent.ledger.errors import AlreadyOrdered, ErasureUnknown, MustBeKept, NothingToErase
from consent.ledger.shredding import DONE, ORDERED
from consent.ledger.tables import entry, subject
from consent.ledger.tables import erasure as table
from core import clock
from core.database import Database, parts
from core.events import SYSTEM, Actor
from core.language import _
from keys import epochs
from keys.errors import KeysBusy

WISH, COURT, RETENTION = "wish", "court", "retention"
BASES = (WISH, COURT, RETENTION)
MOST_PLACES: Final = 200
YEARS_AT_ONCE: Final = 50
TRIES: Final = 40
TRY_AGAIN_SECONDS: Final = 0.05

_YEARS = (
    select(shredding.YEAR_OF.label("year"), entry.c.kind, entry.c.basis, func.count().label("entries"))
    .where(shredding.THEIRS, entry.c.opening.is_not(None))
    .group_by("year", entry.c.kind, entry.c.basis)
)


@dataclass(frozen=True)
class Year:
    """A year of a citizen's history that can be read: how many entries, and from when they may be erased."""

    year: int
    entries: int
    free_from: datetime


@dataclass(frozen=True)
class Erasure:
    """One erasure. `erased_at` is None until it is carried out, `final_since` until it is beyond recovery, backups included."""

    id: str
    basis: str
    year: int
    whole: bool
    ordered_at: datetime
    erased_at: datetime | None
    entries: int
    final_since: datetime | None


def years(db: Session, citizen: str) -> list[Year]:
    """Return the years of a citizen's history of which anything can still be read, the newest first."""
    rules, found = retention.policy(parts(db).settings), dict[int, list[Any]]()
    for row in db.execute(_YEARS, {"chain": citizen}):
        found.setdefault(int(row.year), []).append(row)
    return [
        Year(year, sum(row.entries for row in rows), rules.free_from(year, [(r.kind, r.basis) for r in rows]))
        for year, rows in sorted(found.items(), reverse=True)
    ]


def order(
    db: Session,
    citizen: str,
    year: int,
    *,
    basis: str,
    actor: Actor,
    places: Sequence[tuple[int, int]] = (),
    reference: str = "",
    reason: str = "",
) -> str:
    """Write down that a citizen's year, or the entries at some places (log, index) of it, is to be erased; return the ID.

    `carry_out` does it. What a citizen wishes is only done once no law wants an entry kept: raises MustBeKept, with the day
    in words. A court's order names its `reference` and the `reason`, both of which the citizen will read. Raises NothingToErase,
    AlreadyOrdered.
    """
    check(db, citizen, year, basis=basis, places=places)
    found = {
        "id": secrets.token_urlsafe(12),
        "state": ORDERED,
        "basis": basis,
        "year": year,
        "whole": not places,
        "ordered_at": clock.now(),
        "chain": citizen,
        "places": [list(place) for place in places] or None,
        "reference": reference[:200] or None,
        "reason": reason[:500] or None,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
    }
    db.execute(insert(table).values(**found))
    return str(found["id"])


def check(db: Session, citizen: str, year: int, *, basis: str, places: Sequence[tuple[int, int]] = ()) -> int:
    """Return how many entries `order` would have erased; raises what it raises."""
    if openings.is_office(citizen):
        raise NothingToErase(detail="not a citizen's chain")
    rows = shredding.wanted(db, citizen, year, places)
    if not rows or (places and len(rows) != len(set(places))) or len(places) > MOST_PLACES:
        raise NothingToErase(detail=str(year))
    ordered = db.execute(select(table).where(table.c.chain == citizen, table.c.year == year)).all()
    if any(row.whole or not places for row in ordered):
        raise AlreadyOrdered(detail=str(year))
    if basis == WISH:
        rules = retention.policy(parts(db).settings)
        free = rules.free_from(year, {(row.kind, row.basis) for row in rows})
        if clock.now() < free:
            words = _(
                "The law wants what happened in {year} kept until the end of {until}. It can be erased after that."
            )
            raise MustBeKept(words.format(year=year, until=free.year - 1))
    return len(rows)


def carry_out(database: Database, erasure_id: str) -> Erasure:
    """Do what was ordered, in one transaction for a whole year, in several bounded ones for single entries.

    Interrupted, it goes on where it was when called again; done already, it changes nothing. Raises ErasureUnknown, or
    KeysBusy when a long transaction about this citizen holds their key for too long.
    """
    for attempt in range(TRIES):
        try:
            with database.reading() as db:
                row = _row(db, erasure_id)
            if row.state == ORDERED:
                shredding.do(database, row)
            with database.reading() as db:
                return read(db, erasure_id)
        except KeysBusy:
            if attempt == TRIES - 1:
                raise
            time.sleep(TRY_AGAIN_SECONDS)
    raise KeysBusy


def carry_out_all(database: Database) -> int:
    """Order what the policy says is due, and carry out whatever is ordered, up to YEARS_AT_ONCE; return how many. For the worker."""
    with database.reading() as db:
        due = _due(db)
    if due:
        with database.writing() as db:
            for citizen, year in due:
                order(db, citizen, year, basis=RETENTION, actor=SYSTEM)
    with database.reading() as db:
        waits = db.scalars(
            select(table.c.id)
            .where(table.c.state == ORDERED)
            .order_by(table.c.ordered_at)
            .limit(YEARS_AT_ONCE)
        ).all()
    for erasure_id in waits:
        carry_out(database, erasure_id)
    return len(waits)


def read(db: Session, erasure_id: str) -> Erasure:
    """Return one erasure. Raises ErasureUnknown."""
    return _erasure(db, _row(db, erasure_id))


def of(db: Session, citizen: str) -> list[Erasure]:
    """Return the erasures of a citizen's history, asked for or done, the newest first."""
    done = select(entry.c.erasure).where(shredding.THEIRS, entry.c.erasure.is_not(None))
    query = select(table).where(or_(table.c.chain == citizen, table.c.id.in_(done)))
    rows = db.execute(query.order_by(table.c.ordered_at.desc()), {"chain": citizen}).all()
    return [_erasure(db, row) for row in rows]


def listing(db: Session, *, most: int = 50) -> list[Erasure]:
    """Return the latest erasures, the newest first; whose they are is not known any more."""
    rows = db.execute(select(table).order_by(table.c.ordered_at.desc()).limit(most)).all()
    return [_erasure(db, row) for row in rows]


def awaiting(db: Session) -> int:
    """Return how many erasures are done but not final yet."""
    reached = (
        select(table.c.epoch, func.count().label("n")).where(table.c.state == DONE).group_by(table.c.epoch)
    )
    return sum(row.n for row in db.execute(reached) if epochs.gone_since(db, row.epoch) is None)


def _due(db: Session) -> list[tuple[str, int]]:
    """Whole years of which every entry is due, and none of which is ordered already."""
    rules, at = retention.policy(parts(db).settings), clock.now()
    last, opened = rules.last_due_year(at), logs.leaf0(db, logs.FIRST).get("at")
    if last is None or opened is None:
        return []
    found: list[tuple[str, int]] = []
    for year in range(datetime.fromisoformat(opened).year, last + 1):
        found += [(chain, year) for chain in _due_in(db, rules, year, at)]
        if len(found) >= YEARS_AT_ONCE:
            break
    return found[:YEARS_AT_ONCE]


def _due_in(db: Session, rules: retention.Policy, year: int, at: datetime) -> list[str]:
    here: ColumnElement[bool] = and_(
        entry.c.log.in_(shredding.OPEN_LOGS), shredding.YEAR_OF.in_([str(year).encode()])
    )
    kinds = db.execute(select(entry.c.kind, entry.c.basis).where(here).distinct()).all()
    kept = [
        and_(entry.c.kind == kind, entry.c.basis.is_(None) if basis is None else entry.c.basis == basis)
        for kind, basis in kinds
        if not rules.due(year, kind, basis, at)
    ]
    if len(kept) == len(kinds):
        return []
    ordered = select(table.c.chain).where(table.c.state == ORDERED, table.c.chain.is_not(None))
    query = (
        select(subject.c.chain)
        .join(entry, and_(entry.c.label == subject.c.label, entry.c.log == subject.c.log))
        .where(here, subject.c.chain.not_like("%:%"), subject.c.chain.not_in(ordered))
        .group_by(subject.c.chain)
        .limit(YEARS_AT_ONCE)
    )
    if kept:
        query = query.having(func.max(case((or_(*kept), 1), else_=0)) == 0)
    return [row.chain for row in db.execute(query)]


def _row(db: Session, erasure_id: str) -> Row[Any]:
    row = db.execute(shredding.READ, {"id": erasure_id}).first()
    if row is None:
        raise ErasureUnknown
    return row


def _erasure(db: Session, row: Row[Any]) -> Erasure:
    final = None if row.epoch is None else epochs.gone_since(db, row.epoch)
    return Erasure(
        row.id, row.basis, row.year, row.whole, row.ordered_at, row.erased_at, row.entries or 0, final
    )
