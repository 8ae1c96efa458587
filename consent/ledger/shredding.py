"""How an erasure is done: keys are destroyed, and of the entries only what the chain and the tree need is left."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import LargeBinary, Row, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from consent.ledger import aside, logs, openings, subjects
from consent.ledger.events import EntriesErased, HistoryErased
from consent.ledger.tables import entry, head, request, subject
from consent.ledger.tables import erasure as table
from core import clock
from core.database import Database
from core.events import CLEAR_FIELDS, SYSTEM, Actor, record, waiting
from keys import epochs, sealing
from keys.errors import KeysBusy

ORDERED, DONE = "ordered", "done"
ROWS_AT_ONCE: Final = 200
# What is left of an erased entry: its place in the tree and in its chain, and its commitment (ADR 17).
_NOTHING = dict.fromkeys(("event_id", "kind", "month", "opening", *CLEAR_FIELDS))

YEAR_OF = func.substr(entry.c.opening, 1, 4, type_=LargeBinary)
OPEN_LOGS = select(head.c.log).where(head.c.kind == logs.OPEN)
THEIRS = and_(
    entry.c.label
    == select(subject.c.label).where(subject.c.chain == bindparam("chain")).limit(1).scalar_subquery(),
    entry.c.log.in_(OPEN_LOGS),
)
_OF_YEAR = and_(THEIRS, bindparam("year") == YEAR_OF)
_ROWS = select(entry.c.log, entry.c.leaf_index, entry.c.opening, entry.c.kind, entry.c.basis)
_RESEAL = update(entry).where(entry.c.log == bindparam("of_log"), entry.c.leaf_index == bindparam("of_index"))
_WAITING = select(waiting.c.id, waiting.c.sealed).where(
    waiting.c.chain == bindparam("chain"), waiting.c.public.is_(False)
)
_RESEAL_WAITING = update(waiting).where(waiting.c.id == bindparam("of"))
READ = select(table).where(table.c.id == bindparam("id"))
_FORGET = update(table).where(table.c.id == bindparam("of"))


def do(database: Database, row: Row[Any]) -> None:
    """Carry out an ordered erasure: see `erasure.carry_out`."""
    if not row.whole:
        with database.writing() as db:
            logs.lock(db)  # nothing is added to the ledger until this transaction ends
            number = openings.next_generation(db, row.chain)
        while _reseal(database, row, number):
            pass
    with database.writing() as db:
        _finish(db, row)


def _reseal(database: Database, row: Row[Any], number: int) -> int:
    """Seal a few of the year's other entries under the key of the new generation; return how many. They stay readable."""
    key = openings.scope(row.year, number)
    with database.writing() as db:
        sealing.ready(db, [row.chain], key)
        moved = []
        for one in _left_behind(db, row, number):
            place = (one.log, one.leaf_index)
            nonce, content = subjects.open_opening(db, row.chain, place, one.opening)
            sealed = subjects.seal_opening(db, row.chain, key, place, nonce, content)
            moved.append({"of_log": one.log, "of_index": one.leaf_index, "opening": sealed})
        if moved:
            db.execute(_RESEAL, moved)
        return len(moved)


def _finish(db: Session, row: Row[Any]) -> None:
    """Destroy the keys, and leave of the entries what the chain and the tree need. One transaction, under the head lock.

    Nothing is lost by it: new entries are sealed under another generation's key from here on, what waits for the ledger moves
    to it, and a transaction that holds the old key makes this one try again.
    """
    logs.lock(db)
    row = db.execute(READ.with_for_update(), {"id": row.id}).one()
    if row.state != ORDERED:
        return
    family = openings.scope(row.year)
    old = sealing.lock(db, row.chain, family)
    rows = wanted(db, row.chain, row.year, _places(row))
    if row.whole:
        number = openings.next_generation(db, row.chain)
    else:
        number = openings.generations(db, [row.chain])[row.chain]
        if _left_behind(db, row, number, most=1):
            raise KeysBusy(detail="entries were added meanwhile")
    key = openings.scope(row.year, number)
    if row.year == clock.now().year:
        sealing.ready(db, [row.chain], key)
    _move_waiting(db, row.chain, old, key)
    if row.whole:
        aside.forget(db, row.chain, row.year)
    aside.move(db, row.chain, old, key)
    for scope in old:
        if scope != key:
            sealing.shred(db, row.chain, scope)
    _empty(db, row.id, [(one.log, one.leaf_index) for one in rows])
    _told(db, row, len(rows))


def _left_behind(
    db: Session, row: Row[Any], number: int, *, most: int = ROWS_AT_ONCE
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return entries that are to stay and are still sealed under an older key than that of the new generation."""
    front = f"{row.year}:{number}:".encode()
    older = func.substr(entry.c.opening, 1, len(front), type_=LargeBinary) != front
    others = tuple_(entry.c.log, entry.c.leaf_index).not_in(_places(row))
    query = _ROWS.where(_OF_YEAR, older, others).limit(most)
    return db.execute(query, {"chain": row.chain, "year": str(row.year).encode()}).all()


def _move_waiting(db: Session, chain: str, old: Sequence[str], key: str) -> None:
    """Seal what waits for the ledger under the new key, if an old one would be gone when its turn comes."""
    for one in db.execute(_WAITING, {"chain": chain}).all():
        if openings.split(one.sealed)[0] in old:
            plain = openings.unseal(db, chain, one.sealed)
            db.execute(_RESEAL_WAITING, {"of": one.id, "sealed": openings.seal(db, chain, key, plain)})


def _empty(db: Session, erasure_id: str, places: Sequence[tuple[int, int]]) -> None:
    for start in range(0, len(places), ROWS_AT_ONCE):
        some = places[start : start + ROWS_AT_ONCE]
        here = tuple_(entry.c.log, entry.c.leaf_index).in_(some)
        db.execute(update(entry).where(here).values(erasure=erasure_id, **_NOTHING))
        db.execute(delete(request).where(tuple_(request.c.log, request.c.leaf_index).in_(some)))


def _told(db: Session, row: Row[Any], count: int) -> None:
    nobody = dict.fromkeys(("chain", "places", "reference", "reason", "actor_kind", "actor_id"))
    done = {"state": DONE, "erased_at": clock.now(), "entries": count, "epoch": epochs.latest(db)}
    db.execute(_FORGET, {"of": row.id, **nobody, **done})
    if not count:  # another erasure was faster
        return
    actor = Actor(row.actor_kind, row.actor_id)
    said = HistoryErased(
        erasure=row.id,
        basis=row.basis,
        year=row.year,
        whole=row.whole,
        entries=count,
        reference=row.reference,
        reason=row.reason,
    )
    record(db, said, actor=actor, about=[row.chain])
    record(db, EntriesErased(erasure=row.id, basis=row.basis, entries=count), actor=SYSTEM)


def wanted(
    db: Session, citizen: str, year: int, places: Sequence[tuple[int, int]]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the entries of a citizen's year that can be read, or those of them at some places."""
    query = _ROWS.where(_OF_YEAR)
    if places:
        query = query.where(tuple_(entry.c.log, entry.c.leaf_index).in_(places))
    return db.execute(query, {"chain": citizen, "year": str(year).encode()}).all()


def _places(row: Row[Any]) -> list[tuple[int, int]]:
    return [(int(log), int(index)) for log, index in row.places or ()]
