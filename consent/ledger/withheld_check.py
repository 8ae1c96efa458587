"""The auditor's check of what the law withholds: that it may be, stood there at the time, and was told when due."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.ledger import entries, logs, note, withheld
from consent.ledger.logs import Log
from consent.ledger.note import BadNote
from consent.ledger.tables import fixed
from consent.ledger.tables import withheld as table
from core import clock

# How much later than it should something may happen here before it is a finding: workers restart, clocks differ.
GRACE: Final = timedelta(days=1)
PUBLISHED = "purpose-published"
Place = tuple[int, int]
Says = Iterator[tuple[str, str]]
Fixes = Mapping[int, list[tuple[int, datetime]]]


@dataclass(frozen=True)
class _Told:
    """An entry of the open log that tells what was withheld."""

    label: bytes
    at: datetime
    read: Mapping[str, Any]
    commitment: bytes


@dataclass
class Seen:
    """What `fsck` saw of it while it went through the rows."""

    stands: dict[Place, tuple[bytes, bytes, str]] = field(default_factory=dict)
    sealed: dict[Place, Mapping[str, Any]] = field(default_factory=dict)
    told: dict[tuple[str, int], _Told] = field(default_factory=dict)
    told_closed: set[str] = field(default_factory=set)
    declared: dict[tuple[str, int], int] = field(default_factory=dict)
    hashes: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    roots: dict[Place, bytes] = field(default_factory=dict)

    def leaf(self, log: Log, row: Mapping[Any, Any]) -> None:
        """Take in one row of a log."""
        if log.kind == logs.WITHHELD:
            if row["leaf_type"] == entries.COMMITMENT:
                place = log.number, row["leaf_index"]
                self.stands[place] = row["label"], row["commitment"], log.origin
        elif row["kind"] == withheld.REVEALED:
            self.told_closed.add(row["event_id"])
        elif row["kind"] in (withheld.FIXED, PUBLISHED) and row["payload"]:
            self._public(row["event_id"], row["kind"], json.loads(row["payload"]))

    def opened(self, log: Log, row: Mapping[Any, Any], said: Mapping[str, Any]) -> None:
        """Take in one entry of which it was found that its record is the one the tree commits to."""
        if log.kind == logs.WITHHELD:
            self.sealed[log.number, row["leaf_index"]] = said
        elif row["kind"] == withheld.REVEALED:
            self.told_closed.discard(row["event_id"])
            where, read = said["data"]["sealed"], said["data"]["read"]
            nonce, place = (base64.b64decode(where[name]) for name in ("nonce", "place"))
            commitment = entries.Split(rfc8785.dumps(read), nonce, place).commitment
            at = datetime.fromisoformat(said["at"])
            self.told[where["log"], where["index"]] = _Told(row["label"], at, read, commitment)

    def _public(self, event_id: str, kind: str, said: Mapping[str, Any]) -> None:
        data = said["data"]
        if kind == withheld.FIXED:
            self.hashes[event_id] = data["sha256"], datetime.fromisoformat(said["at"])
        else:
            basis = data["declaration"]["basis"]
            self.declared[data["purpose"], data["version"]] = basis.get("withhold", {}).get("days", 0)


def findings(db: Session, seen: Seen) -> Says:
    """Yield where something is wrong with what the law withholds, and what:

    an entry whose purpose does not say that it may be withheld, or not for so long; one that nothing says when
    it is due, or another day than its record; one that was not told, late, to somebody else or otherwise than
    it was; one that no open checkpoint of its time fixed; a checkpoint that was fixed and is not the log's;
    a published count that is too small.
    """
    rows = {(row.log, row.leaf_index): row for row in db.execute(select(table))}
    fixes, wrong = _fixes(db, seen)
    yield from wrong
    for place, (label, commitment, origin) in seen.stands.items():
        where, row, told = (
            f"log {place[0]}, entry {place[1]}",
            rows.pop(place, None),
            seen.told.get((origin, place[1])),
        )
        for says in _of_entry(seen, fixes, place, row, told):
            yield where, says
        if told is not None and (told.label, told.commitment) != (label, commitment):
            yield where, "what was revealed is not what was withheld"
    for log, index in rows:
        yield f"log {log}, entry {index}", "it is said to be withheld, and is not there"
    for one in withheld.published(db, most=10_000):
        made = withheld.by_agency(db, one.said["month"])
        if any(number > one.said["counts"].get(agency, 0) for agency, number in made.items()):
            yield f"entry {one.index}", "it says that fewer entries were withheld than there were"


def _of_entry(seen: Seen, fixes: Fixes, place: Place, row: Any, told: _Told | None) -> Iterator[str]:
    said = seen.sealed.get(place) or (told.read if told else None)
    if said is None:
        # Its content goes when it is told, and what told it may have been erased since, on the record.
        if row is None or row.revealed_by not in seen.told_closed:
            yield "its content is gone, and nobody was told it"
        return
    yield from _may_be(seen, said)
    yield from _is_due(row, said)
    yield from _was_told(row, told, said)
    at = datetime.fromisoformat(said["at"])
    if next((then for size, then in fixes.get(place[0], []) if size > place[1]), clock.now()) > at + GRACE:
        yield "no open checkpoint of its time fixed it"


def _may_be(seen: Seen, said: Mapping[str, Any]) -> Iterator[str]:
    data = said["data"]
    days = seen.declared.get((data.get("purpose"), data.get("purpose_version")), 0)
    if not days or "disclose_after" not in data:
        yield "no purpose says that the law withholds it"
    elif _due(said) - datetime.fromisoformat(said["at"]) > timedelta(days=days):
        yield f"it is withheld for longer than the {days} days of its purpose"


def _is_due(row: Any, said: Mapping[str, Any]) -> Iterator[str]:
    by_record = said["data"].get("disclose_after")
    if row is None:
        yield "nothing says when it is due"
    elif clock.wire(row.disclose_after) != by_record:
        yield f"it is due at {by_record}, its row says {clock.wire(row.disclose_after)}"


def _was_told(row: Any, told: _Told | None, said: Mapping[str, Any]) -> Iterator[str]:
    due = _due(said)
    if told is not None and told.at > due + GRACE:
        yield f"it was due at {clock.wire(due)} and was revealed at {clock.wire(told.at)} only"
    elif told is None and clock.now() > due + GRACE:
        yield f"it was due at {clock.wire(due)} and was never revealed"
    elif told is None and row is not None and row.revealed_at is not None:
        yield "it is marked as revealed, and no history has it"


def _due(said: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(said["data"].get("disclose_after") or said["at"])


def _fixes(db: Session, seen: Seen) -> tuple[Fixes, list[tuple[str, str]]]:
    """The checkpoints that were fixed, by log: sizes and times; and what is wrong with them."""
    found: dict[int, list[tuple[int, datetime]]] = {}
    wrong = []
    left = dict(seen.hashes)
    for row in db.execute(select(fixed).order_by(fixed.c.size, fixed.c.at)):
        where = f"log {row.log}, checkpoint {row.size}"
        # One that waits for the open log is not in it yet.
        said, at = left.pop(row.event_id, (withheld.hash_of(row.note), row.at))
        if said != withheld.hash_of(row.note):
            wrong.append((where, "its hash is not the one that the open log holds"))
        if row.open_note is not None and not _is_of_size(row.open_note, row.open_size):
            wrong.append((where, "the open checkpoint that proves its time is another one"))
        if not _is_of(row, seen.roots.get((row.log, row.size))):
            wrong.append((where, "it was fixed in the open log, and the rows do not lead to it"))
        found.setdefault(row.log, []).append((row.size, at))
    wrong += [(f"event {event_id}", "the checkpoint that it fixes is not kept") for event_id in left]
    return found, wrong


def _is_of_size(text: str, size: int) -> bool:
    try:
        return note.Checkpoint.parse(note.split(text)[0]).size == size
    except BadNote:
        return False


def _is_of(row: Any, root: bytes | None) -> bool:
    try:
        said = note.Checkpoint.parse(note.split(row.note)[0])
    except BadNote:
        return False
    return (said.size, said.root) == (row.size, root)
