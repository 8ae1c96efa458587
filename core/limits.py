"""How often something may happen: counters that every process shares."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Column, Integer, String, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.database import Base, Moment

limit_counter = Table(
    "limit_counter",
    Base.metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("until", Moment, nullable=False, index=True),
)


def hit(db: Session, bucket: str, key: str, *, most: int, per_seconds: int, times: int = 1) -> int:
    """Count one event, or several at once; return 0 if it is within `most` per window, else the seconds until the window ends.

    The window begins with the first event. The key is stored hashed, so the table names nobody.
    """
    name, at = _name(bucket, key), clock.now()
    ends = at + timedelta(seconds=per_seconds)
    dialect = sqlite if db.get_bind().dialect.name == "sqlite" else postgresql
    fresh = dialect.insert(limit_counter).values(key_hash=name, hits=0, until=ends)
    db.execute(
        fresh.on_conflict_do_update(
            index_elements=["key_hash"],
            set_={"hits": 0, "until": ends},
            where=limit_counter.c.until <= at,
        )
    )
    row = db.execute(
        update(limit_counter)
        .where(limit_counter.c.key_hash == name)
        .values(hits=limit_counter.c.hits + times)
        .returning(limit_counter.c.hits, limit_counter.c.until)
    ).one()
    return _left(row.until, at) if row.hits > most else 0


def check(db: Session, bucket: str, key: str, *, most: int) -> int:
    """Like `hit` without counting: return the seconds to wait, or 0."""
    at = clock.now()
    row = db.execute(select(limit_counter).where(limit_counter.c.key_hash == _name(bucket, key))).first()
    if row is None or row.until <= at or row.hits < most:
        return 0
    return _left(row.until, at)


def forget(db: Session, bucket: str, key: str) -> None:
    """Start a key's count anew, as after a success."""
    db.execute(delete(limit_counter).where(limit_counter.c.key_hash == _name(bucket, key)))


def purge(db: Session) -> None:
    """Delete counters whose window is over."""
    db.execute(delete(limit_counter).where(limit_counter.c.until <= clock.now()))


def _name(bucket: str, key: str) -> str:
    return hashlib.sha256(f"{bucket}\x00{key}".encode()).hexdigest()


def _left(until: datetime, at: datetime) -> int:
    return max(1, int((until - at).total_seconds()) + 1)
