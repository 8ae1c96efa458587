"""How often something may happen: counters that every process shares."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Integer, String, Table, bindparam, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.database import Base, Moment, among, texts

limit_counter = Table(
    "limit_counter",
    Base.metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("until", Moment, nullable=False, index=True),
)
_FIND = {
    engine: select(limit_counter).where(named)
    for engine, named in among(limit_counter.c.key_hash, "names").items()
}
_FORGET = delete(limit_counter).where(limit_counter.c.key_hash == bindparam("name"))
_PUT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(limit_counter),
    "postgresql": postgresql.insert(limit_counter),
}
# A window that is over begins anew with what is counted now.
_OVER = limit_counter.c.until <= bindparam("at", type_=Moment())
_HIT = {
    engine: put.on_conflict_do_update(
        index_elements=["key_hash"],
        set_={
            "hits": case((_OVER, put.excluded.hits), else_=limit_counter.c.hits + put.excluded.hits),
            "until": case((_OVER, put.excluded.until), else_=limit_counter.c.until),
        },
    ).returning(limit_counter.c.hits, limit_counter.c.until)
    for engine, put in _PUT.items()
}
_HOLD = {
    engine: put.on_conflict_do_update(index_elements=["key_hash"], set_={"hits": limit_counter.c.hits})
    for engine, put in _PUT.items()
}


@dataclass(frozen=True)
class Count:
    """How often something happened in a window, and in how many seconds that ends; both are 0 if there is none."""

    hits: int = 0
    ends_in: int = 0

    def wait(self, most: int) -> int:
        """Return the seconds to wait once it happened `most` times, else 0."""
        return self.ends_in if self.hits >= most else 0


def hit(db: Session, bucket: str, key: str, *, most: int, per_seconds: int, times: int = 1) -> int:
    """Count one event, or several at once; return 0 if it is within `most` per window, else the seconds until the window ends.

    The window begins with the first event. The key is stored hashed, so the table names nobody.
    """
    at = clock.now()
    ends = at + timedelta(seconds=per_seconds)
    values = {"key_hash": _name(bucket, key), "hits": times, "until": ends, "at": at}
    row = db.execute(_HIT[db.get_bind().dialect.name], values).one()
    return _left(row.until, at) if row.hits > most else 0


def check(db: Session, bucket: str, key: str, *, most: int) -> int:
    """Like `hit` without counting: return the seconds to wait, or 0."""
    return counts(db, [(bucket, key)])[0].wait(most)


def counts(db: Session, marks: Sequence[tuple[str, str]]) -> list[Count]:
    """Return the counts of several buckets and keys by one look-up, in their order."""
    at, names = clock.now(), [_name(bucket, key) for bucket, key in marks]
    rows = db.execute(_FIND[db.get_bind().dialect.name], {"names": texts(db, names)})
    found = {row.key_hash: Count(row.hits, _left(row.until, at)) for row in rows if row.until > at}
    return [found.get(name, Count()) for name in names]


def hold(db: Session, bucket: str, key: str, *, per_seconds: int) -> None:
    """Let whoever else counts under this key wait until this transaction ends; counts nothing itself.

    For what is counted only once it was looked at, so that many at the same moment do not all find the count low.
    """
    ends = clock.now() + timedelta(seconds=per_seconds)
    db.execute(_HOLD[db.get_bind().dialect.name], {"key_hash": _name(bucket, key), "hits": 0, "until": ends})


def forget(db: Session, marks: Sequence[tuple[str, str]]) -> None:
    """Start the counts of several buckets and keys anew, as after a success."""
    db.execute(_FORGET, [{"name": _name(bucket, key)} for bucket, key in marks])


def purge(db: Session) -> None:
    """Delete counters whose window is over."""
    db.execute(delete(limit_counter).where(limit_counter.c.until <= clock.now()))


def _name(bucket: str, key: str) -> str:
    return hashlib.sha256(f"{bucket}\x00{key}".encode()).hexdigest()


def _left(until: datetime, at: datetime) -> int:
    return max(1, int((until - at).total_seconds()) + 1)
