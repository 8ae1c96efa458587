"""Key-encryption epochs: a new one begins, every key moves to it, and the old one's key is destroyed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.database import Database, parts
from core.events import Actor, record
from keys.errors import CustodyBroken, EpochInUse, EpochUnknown
from keys.events import SealingEpochBegun, SealingEpochDestroyed
from keys.ring import DATA_KEY_SECONDS, Keyring
from keys.tables import data_key, key_epoch, signing_key

OPEN, CLOSED, DESTROYED = "open", "closed", "destroyed"
KEYS_AT_ONCE: Final = 500
TRIES: Final = 10
TRY_AGAIN_SECONDS: Final = 0.05

# FOR SHARE: many transactions may wrap with the open epoch at once, and `begin`, which closes it, waits for all of them.
_NEWEST = (
    select(key_epoch.c.number)
    .where(key_epoch.c.state == OPEN)
    .order_by(key_epoch.c.number.desc())
    .limit(1)
    .with_for_update(read=True)
)
_ALL = select(key_epoch).order_by(key_epoch.c.number.desc())
_LOCKED = select(key_epoch).order_by(key_epoch.c.number).with_for_update()
_CLOSE = update(key_epoch).where(key_epoch.c.state == OPEN)
_FIRST = {
    "sqlite": sqlite.insert(key_epoch).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(key_epoch).on_conflict_do_nothing(),
}
# NO KEY UPDATE lets those go on who hold a data key in place (`sealing.hold`); a key that is being destroyed is skipped.
_OLD_KEYS = (
    select(data_key)
    .where(data_key.c.epoch < bindparam("newest"))
    .limit(bindparam("most"))
    .with_for_update(key_share=True, skip_locked=True)
)
_MOVE_KEY = update(data_key).where(
    data_key.c.owner == bindparam("of"),
    data_key.c.scope == bindparam("in_scope"),
    data_key.c.epoch == bindparam("old"),
)
_OLD_SIGNING = (
    select(signing_key)
    .where(signing_key.c.epoch < bindparam("newest"), signing_key.c.wrapped.is_not(None))
    .with_for_update(key_share=True)
)
_MOVE_SIGNING = update(signing_key).where(signing_key.c.kid == bindparam("of"))
_DATA = select(data_key.c.epoch, func.count().label("keys")).group_by(data_key.c.epoch)
_SIGNING = (
    select(signing_key.c.epoch, func.count().label("keys"))
    .where(signing_key.c.wrapped.is_not(None))
    .group_by(signing_key.c.epoch)
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Epoch:
    """One epoch: `state` is open (wraps), closed (only unwraps) or destroyed; `wrapped` counts its keys."""

    number: int
    state: str
    begun_at: datetime
    closed_at: datetime | None
    destroyed_at: datetime | None
    wrapped: int


def newest(db: Session) -> int:
    """Return the epoch that wraps new keys, and keep it open until this write transaction ends.

    So no key can be wrapped by an epoch after it was closed, however long a process believed it the newest.
    """
    for _attempt in range(TRIES):
        number = db.scalar(_NEWEST)
        if number is not None:
            return int(number)
        # None: the first start; or the epoch was closed while we waited for it, and another look finds the next.
        if db.scalar(select(func.count()).select_from(key_epoch)) == 0:
            first = {"number": parts(db).keys.custody.epoch(), "state": OPEN, "begun_at": clock.now()}
            db.execute(_FIRST[db.get_bind().dialect.name], first)
    raise CustodyBroken(detail="no open epoch")


def listing(db: Session) -> list[Epoch]:
    """Return every epoch, the newest first, with how many keys it wraps."""
    counts: dict[int, int] = {}
    for query in (_DATA, _SIGNING):
        for row in db.execute(query):
            counts[row.epoch] = counts.get(row.epoch, 0) + row.keys
    return [
        Epoch(row.number, row.state, row.begun_at, row.closed_at, row.destroyed_at, counts.get(row.number, 0))
        for row in db.execute(_ALL)
    ]


def begin(db: Session, *, actor: Actor) -> int:
    """Begin an epoch that wraps from now on and close those before it; return its number.

    Waits for transactions that wrap with the epoch it closes. Keys stay where they are until `rewrap`.
    """
    newest(db)
    known = db.execute(_LOCKED).all()
    number = int(parts(db).keys.custody.begin_epoch(above=max(row.number for row in known)))
    at = clock.now()
    db.execute(_CLOSE.values(state=CLOSED, closed_at=at))
    db.execute(insert(key_epoch).values(number=number, state=OPEN, begun_at=at))
    record(db, SealingEpochBegun(epoch=number), actor=actor)
    return number


def rewrap(db: Session, *, most: int = KEYS_AT_ONCE) -> int:
    """Wrap up to `most` data keys, and all signing keys, of older epochs anew under the newest; return how many.

    The keys themselves stay the same, so whatever they seal stays as it is. Can be repeated and interrupted at will.
    """
    ring: Keyring = parts(db).keys
    number, custody = newest(db), ring.custody
    rows = db.execute(_OLD_KEYS, {"newest": number, "most": most}).all()
    moved: list[dict[str, Any]] = []
    for row in rows:
        aad = key_context(row.owner, row.scope)
        key = custody.unwrap(row.epoch, row.wrapped, aad)
        moved.append(
            {
                "of": row.owner,
                "in_scope": row.scope,
                "old": row.epoch,
                "epoch": number,
                "wrapped": custody.wrap(number, key, aad),
            }
        )
    if moved:
        db.execute(_MOVE_KEY, moved)
    signing = db.execute(_OLD_SIGNING, {"newest": number}).all()
    for row in signing:
        pem = custody.unwrap(row.epoch, row.wrapped, row.kid.encode())
        wrapped = custody.wrap(number, pem, row.kid.encode())
        db.execute(_MOVE_SIGNING, {"of": row.kid, "epoch": number, "wrapped": wrapped})
    return len(moved) + len(signing)


def rewrap_all(database: Database, progress: Progress | None = None) -> int:
    """Move every key to the newest epoch, one bounded transaction after the other; return how many were moved.

    `progress` is told how many are done and how many there were. Raises EpochInUse if keys stay locked by others.
    """
    with database.reading() as db:
        total = _left(db)
    done = tries = 0
    while True:
        with database.writing() as db:
            moved = rewrap(db)
        done += moved
        if progress:
            progress(done, max(total, done))
        if moved:
            tries = 0
            continue
        with database.reading() as db:
            if not _left(db):
                return done
        tries += 1
        if tries > TRIES:
            raise EpochInUse(detail="keys stay locked")
        time.sleep(TRY_AGAIN_SECONDS)


def tend(database: Database) -> int:
    """Go on with a move that was begun: one bounded batch; return how many keys were moved. For the worker."""
    with database.reading() as db:
        if not _left(db):
            return 0
    with database.writing() as db:
        return rewrap(db)


def destroy(db: Session, number: int, *, actor: Actor) -> None:
    """Destroy a closed epoch's key-encryption key for good, once nothing is wrapped by it.

    The key goes first and the commit comes after: an epoch that is said to be destroyed is. Whatever was wrapped by
    it before, in a backup too, stays shut. Raises EpochUnknown, EpochInUse; does nothing if it was done before.
    """
    row = db.execute(_ALL.where(key_epoch.c.number == number).with_for_update()).first()
    if row is None:
        raise EpochUnknown(detail=str(number))
    if row.state == DESTROYED:
        return
    if row.state == OPEN:
        raise EpochInUse(detail="it wraps new keys")
    # Nobody can add to these: `begin` closed the epoch after the last transaction that wrapped with it had ended.
    wrapped = next((epoch.wrapped for epoch in listing(db) if epoch.number == number), 0)
    if wrapped:
        raise EpochInUse(detail=f"it wraps {wrapped} keys")
    parts(db).keys.custody.destroy_epoch(number)
    values = {"state": DESTROYED, "destroyed_at": clock.now()}
    db.execute(update(key_epoch).where(key_epoch.c.number == number).values(**values))
    record(db, SealingEpochDestroyed(epoch=number), actor=actor)


def latest(db: Session) -> int:
    """Return the highest epoch there is: whatever was destroyed before now was wrapped by it or an earlier one."""
    return int(db.scalar(select(func.max(key_epoch.c.number))) or 0)


def gone_since(db: Session, number: int) -> datetime | None:
    """Return since when everything wrapped by epochs up to `number` is beyond recovery; None if it is not.

    That is when the last of them was destroyed, and every process has forgotten what it had unwrapped by then.
    """
    rows = db.execute(_ALL.where(key_epoch.c.number <= number)).all()
    if not rows or any(row.destroyed_at is None for row in rows):
        return None
    since: datetime = max(row.destroyed_at for row in rows) + timedelta(seconds=DATA_KEY_SECONDS)
    return since if since <= clock.now() else None


def key_context(owner: str, scope: str) -> bytes:
    """What a wrapped data key is bound to."""
    return b"\x00".join((owner.encode(), scope.encode(), b"key"))


def _left(db: Session) -> int:
    number = latest(db)
    return sum(epoch.wrapped for epoch in listing(db) if epoch.number < number)
