"""Makes again what is known of withheld entries besides the logs: for a ledger that came back from an older backup."""

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from consent.ledger import logs, note, signer, subjects, tiles, withheld
from consent.ledger.tables import entry, fixed, subject
from consent.ledger.tables import withheld as table
from core.database import Database
from keys.errors import Shredded

_ENTRIES = (
    select(entry, subject.c.chain)
    .join(subject, (subject.c.log == entry.c.log) & (subject.c.label == entry.c.label))
    .order_by(entry.c.log, entry.c.leaf_index)
)


def keep_note(database: Database, written: str) -> None:
    """Keep a checkpoint whose hash the open log takes in as a file too: no log and no key could make it again."""
    tiles.replace(_folder(database) / withheld.hash_of(written), written.encode(), mode=0o600)


def _folder(database: Database) -> Path:
    return signer.home(database) / "withheld"


def restore(database: Database) -> int:
    """Make the rows that are missing from the logs' entries and from the files kept; returns how many.

    When each entry is due, as its sealed record says; that it was told, as the entry that tells it does; which
    checkpoints were fixed. Of these the first open checkpoint kept afterwards is later than the lost one.
    """
    with database.writing() as db:
        known = {(row.log, row.leaf_index) for row in db.execute(select(table.c.log, table.c.leaf_index))}
        numbers = {log.origin: log.number for log in logs.listing(db, logs.WITHHELD)}
        missing: dict[subjects.Place, dict[str, Any]] = {}
        for row in db.execute(_ENTRIES.where(entry.c.log.in_(numbers.values()))).mappings():
            place = row["log"], row["leaf_index"]
            said = _said(db, row, place)
            if place not in known and said:
                missing[place] = withheld.row(*place, datetime.fromisoformat(said["data"]["disclose_after"]))
        told = {}
        query = _ENTRIES.where(entry.c.log.in_(logs.SHOWN), entry.c.kind == withheld.REVEALED)
        for row in db.execute(query).mappings():
            if said := _said(db, row, (row["log"], row["leaf_index"])):
                place = numbers[said["data"]["sealed"]["log"]], said["data"]["sealed"]["index"]
                told[place] = row["event_id"], datetime.fromisoformat(said["at"])
                due = datetime.fromisoformat(said["data"]["disclose_after"])
                missing |= {} if place in known else {place: withheld.row(*place, due)}
        withheld.keep(db, list(missing.values()))
        for (log, index), (by, at) in told.items():
            here = (table.c.log == log, table.c.leaf_index == index, table.c.revealed_at.is_(None))
            db.execute(update(table).where(*here).values(revealed_at=at, revealed_by=by))
        return len(missing) + _fixed(db, _folder(database), numbers)


def _said(db: Session, row: Any, place: subjects.Place) -> dict[str, Any] | None:
    if row["opening"] is not None:
        with contextlib.suppress(Shredded):
            _nonce, record = subjects.open_opening(db, row["chain"], place, row["opening"])
            found: dict[str, Any] = json.loads(record)
            return found
    return None


def _fixed(db: Session, folder: Path, numbers: dict[str, int]) -> int:
    known, count = set(db.scalars(select(fixed.c.event_id))), 0
    query = select(entry.c.event_id, entry.c.payload).where(
        entry.c.log.in_(logs.SHOWN), entry.c.kind == withheld.FIXED
    )
    for row in db.execute(query):
        said = json.loads(row.payload or b"{}")
        path = folder / said["data"]["sha256"]
        if row.event_id in known or not path.exists():
            continue
        written = path.read_text("utf-8")
        head = note.Checkpoint.parse(note.split(written)[0])
        values = {"log": numbers[head.origin], "size": head.size, "note": written}
        at = datetime.fromisoformat(said["at"])
        db.execute(insert(fixed).values(event_id=row.event_id, at=at, **values))
        count += 1
    return count
