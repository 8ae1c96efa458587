"""A log that grows, is set back as by a restored backup, and is opened on another machine."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, select, update

from consent.ledger import proofs, tree
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import checkpoint, entry, head
from core import events
from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from tests.consent.ledger.reading import CITIZEN, Moved


def grow(database: Database, ledger: Sequencer, count: int) -> None:
    """Add entries."""
    with database.writing() as db:
        for number in range(count):
            events.record(db, Moved(number=number), actor=SYSTEM, about=(CITIZEN,))
    assert ledger.drain(timeout=30)


def forget_head(database: Database, count: int) -> None:
    """Take the last entries out, as a restored backup would."""
    with database.writing() as db:
        size = (db.scalar(select(head.c.size).where(head.c.log == 1)) or 0) - count
        db.execute(delete(entry).where(entry.c.log == 1, entry.c.leaf_index >= size))
        edge = tree.Frontier()
        edge.extend(tree.leaf_hash(data) for data in proofs.leaves(db, 1, 0, size))
        grown = {"size": size, "root": edge.root(), "frontier": edge.to_bytes()}
        db.execute(update(head).where(head.c.log == 1).values(grown))
        db.execute(delete(checkpoint).where(checkpoint.c.log == 1, checkpoint.c.size > size))


def elsewhere(settings: Settings, folder: Path, database: Database) -> Database:
    """The same database from another machine: other data folder, same keys."""
    other = Database(type(database.parts)(settings.model_copy(update={"data_dir": folder})), url=database.url)
    other.parts.keys, other.parts.sealer = database.parts.keys, database.parts.sealer
    return other
