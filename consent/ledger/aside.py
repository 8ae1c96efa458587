"""Waiting events that could not be taken into the ledger: kept as they were, told of in the history, tried again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from consent.ledger import batch, entries, logs, openings, subjects
from consent.ledger.attempts import Failure, attempt
from consent.ledger.batch import Batch
from consent.ledger.events import EventSetAside
from consent.ledger.subjects import Labels
from consent.ledger.tables import aside, entry
from core import clock, events
from core.database import Database
from core.events import CLEAR_FIELDS, OFFICE, SYSTEM, waiting
from keys.errors import BadSeal, Shredded

log = structlog.get_logger("erti.ledger")

_TAKE = delete(waiting).where(waiting.c.id == bindparam("of")).returning(*waiting.c)
_READ = select(waiting).where(waiting.c.id == bindparam("of"))
_AGAIN = delete(aside).where(aside.c.id == bindparam("of")).returning(*aside.c)
_KEPT = select(aside).where(aside.c.id == bindparam("of"))
_FAILED_AGAIN = update(aside).where(aside.c.id == bindparam("which"))
_ALL = select(aside.c.id, aside.c.kind, aside.c.reason, aside.c.at).order_by(aside.c.id)
_OF_CHAIN = select(aside.c.id, aside.c.sealed).where(
    aside.c.chain == bindparam("whose"), aside.c.public.is_(False)
)
_SAME = select(entry).where(entry.c.event_id == bindparam("event"), entry.c.log.in_(logs.SHOWN))
_KEPT_COLUMNS: Final = [column.name for column in waiting.c if column is not waiting.c.id]


@dataclass(frozen=True)
class Kept:
    """One event that is set aside: which kind, the class of the error, and when it happened. Whose it is, is not said."""

    id: int
    kind: str
    reason: str
    at: datetime


def take(database: Database, labels: Labels, ids: Sequence[int]) -> int:
    """Take waiting events into the ledger by their row IDs; return how many do not wait any more.

    Where together they fail, the one at fault is found by halving, and set aside. Raises what went wrong if it is not
    one event: the database is away, or nothing at all can be written. Then the rest stays as it is.
    """
    done = attempt(partial(_take_together, database, labels, ids))
    if not isinstance(done, Failure):
        return done
    if done.passing:
        raise done.error
    if len(ids) == 1:
        return _set_aside(database, labels, ids[0], done)
    middle = len(ids) // 2
    return take(database, labels, ids[:middle]) + take(database, labels, ids[middle:])


def try_again(database: Database, labels: Labels) -> tuple[int, list[Kept]]:
    """Take in what was set aside, each by itself; return how many stand in the ledger now, and what is left.

    Raises what went wrong when the database is away.
    """
    with database.reading() as db:
        kept, done = listing(db), 0
    for one in kept:
        failed = attempt(partial(_take_again, database, labels, one.id))
        if failed is None or attempt(partial(_drop_if_there, database, labels, one.id)) is True:
            done += 1
        elif failed.passing:
            raise failed.error
        else:
            log.error("event still set aside", kind=one.kind, error=failed.name, where=failed.where)
            with database.writing() as db:
                db.execute(_FAILED_AGAIN, {"which": one.id, "reason": failed.name[:64]})
    with database.reading() as db:
        return done, listing(db)


def count(db: Session) -> int:
    """Return how many events are set aside."""
    return db.scalar(select(func.count()).select_from(aside)) or 0


def listing(db: Session) -> list[Kept]:
    """Return what is set aside, the oldest first."""
    return [Kept(row.id, row.kind, row.reason, row.at) for row in db.execute(_ALL)]


def forget(db: Session, chain: str, year: int) -> None:
    """Drop what is set aside of a chain's year, when the whole year is erased."""
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    db.execute(delete(aside).where(aside.c.chain == chain, aside.c.at >= begin, aside.c.at < end))


def move(db: Session, chain: str, old: Sequence[str], key: str) -> None:
    """Seal what is set aside of a chain under a new key where it can be opened, since the old ones are destroyed."""
    for row in db.execute(_OF_CHAIN, {"whose": chain}).all():
        try:
            if openings.split(row.sealed)[0] not in old:
                continue
            plain = openings.unseal(db, chain, row.sealed)
        except (BadSeal, Shredded, ValueError):
            continue  # nobody can open it with the old key either
        db.execute(
            update(aside).where(aside.c.id == row.id).values(sealed=openings.seal(db, chain, key, plain))
        )


def _take_together(database: Database, labels: Labels, ids: Sequence[int]) -> int:
    with database.writing() as db:
        return batch.integrate_waiting(db, labels, ids)


def _set_aside(database: Database, labels: Labels, row_id: int, why: Failure) -> int:
    """Set one event aside, with an entry that says so: in its own chain, or the office's if that chain takes nothing.

    Raises `why` if that entry cannot be made either: then it is not the event that is at fault.
    """
    for in_office in (False, True):
        done = attempt(partial(_move_aside, database, labels, row_id, why.name, in_office=in_office))
        if not isinstance(done, Failure):
            log.error("event set aside", kind=done, error=why.name, where=why.where)
            return 1
        if done.passing:
            raise done.error
    raise why.error


def _move_aside(database: Database, labels: Labels, row_id: int, reason: str, *, in_office: bool) -> str:
    with database.writing() as db:
        growing = Batch.begin(db, labels)
        row = db.execute(_TAKE, {"of": row_id}).mappings().first()
        if row is None:
            return "gone"
        if attempt(partial(_is_there, db, labels, row)) is True:
            return "there already"
        event_id, at = events.new_id(), clock.now()
        said = EventSetAside(what=row["kind"], missing=row["event_id"], agency=row["agency"])
        chain = OFFICE if in_office or row["public"] else row["chain"]
        growing.know([chain])
        clear = dict.fromkeys(CLEAR_FIELDS) | {"agency": row["agency"]}
        growing.add(chain, entries.Draft(events.body(said, event_id, at, SYSTEM)), event_id, clear)
        growing.write()
        kept = {name: row[name] for name in _KEPT_COLUMNS}
        db.execute(insert(aside).values(**kept, reason=reason[:64], set_aside_at=at, told_by=event_id))
        return str(row["kind"])


def _take_again(database: Database, labels: Labels, row_id: int) -> None:
    with database.writing() as db:
        growing = Batch.begin(db, labels)
        rows = db.execute(_AGAIN, {"of": row_id}).mappings().all()
        batch.add_waiting(growing, rows)
        growing.write()


def _drop_if_there(database: Database, labels: Labels, row_id: int) -> bool:
    with database.writing() as db:
        row = db.execute(_KEPT, {"of": row_id}).mappings().one()
        there = _is_there(db, labels, row)
        if there:
            db.execute(_AGAIN, {"of": row_id})
        return there


def _is_there(db: Session, labels: Labels, row: Mapping[Any, Any]) -> bool:
    """Tell whether an entry of the same chain says the same of the same event: then nothing is missing."""
    for one in db.execute(_SAME, {"event": row["event_id"]}).mappings():
        if row["public"]:
            if one["payload"] == entries.public_record(json.loads(row["sealed"])):
                return True
        elif one["label"] == labels.of(row["chain"]):
            place = (one["log"], one["leaf_index"])
            said = json.loads(subjects.open_opening(db, row["chain"], place, one["opening"])[1])
            wanted = json.loads(openings.unseal(db, row["chain"], row["sealed"]))
            return all(said.get(name) == value for name, value in wanted.items())
    return False
