"""Who of the staff opened a record that was nobody's yet: kept until it is somebody's, and then told to them."""

import dataclasses
from typing import Any

import msgspec
from sqlalchemy import Column, LargeBinary, String, Table, delete, insert, select
from sqlalchemy.orm import Session

from consent.events import RecordUnmasked
from core import clock
from core.database import Base, BigKey, Moment
from core.events import Actor, record
from keys import sealing
from registry_sync.events import RecordMatched

SCOPE = "unmatched"

look = Table(
    "unmatched_look",
    Base.metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("record", String(36), nullable=False, index=True),
    Column("source", String(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)


def chain(source: str) -> str:
    """Return the name of a source's own chain in the ledger."""
    return f"source:{source}"


def remember(db: Session, event: RecordUnmasked) -> None:
    """Keep a look for the person whose record it may turn out to be."""
    content = msgspec.json.encode(dataclasses.asdict(event))
    sealed = sealing.seal(db, chain(event.source), SCOPE, content, aad=event.record.encode())
    db.execute(insert(look).values(record=event.record, source=event.source, sealed=sealed, at=clock.now()))


def tell(db: Session, event: RecordMatched, actor: Actor) -> None:
    """Copy the looks at a record into the history of the citizen it was found to be about.

    A handler of RecordMatched; each look is told once.
    """
    if event.record is None:
        return
    rows = db.execute(select(look).where(look.c.record == event.record).order_by(look.c.id)).all()
    for row in rows:
        content = sealing.unseal(db, chain(row.source), SCOPE, row.sealed, aad=row.record.encode())
        known = msgspec.json.decode(content, type=dict[str, Any])
        seen = RecordUnmasked(**{**known, "looked_at": row.at})
        record(db, seen, actor=Actor("staff", seen.staff), about=[event.citizen])
    db.execute(delete(look).where(look.c.record == event.record))
