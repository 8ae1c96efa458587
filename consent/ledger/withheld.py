"""What the law withholds: when each entry is due, what it says, and which checkpoints of its log were fixed in the open one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from consent.ledger import entries, logs, openings, subjects
from consent.ledger.tables import counted, entry, fixed, head, subject, withheld
from keys import sealing
from keys.errors import Shredded

# What the public records of the open log are called, and the entry by which a citizen is told.
FIXED, COUNTED, REVEALED = "withheld-checkpoint", "withheld-count", "withheld-revealed"

MOST_IN_LOG: Final = 10**9
_PUT: Final = insert(withheld)
_PUBLIC = entry.alias()
# That an open log holds the hash of a checkpoint which covers the entry: its citizen is shown the proof of its time.
_IS_FIXED = (
    select(fixed.c.event_id)
    .join(_PUBLIC, _PUBLIC.c.event_id == fixed.c.event_id)
    .where(
        fixed.c.log == withheld.c.log,
        fixed.c.size > withheld.c.leaf_index,
        fixed.c.open_note.is_not(None),
    )
    .exists()
)
_DUE = (
    select(
        withheld.c.log,
        withheld.c.leaf_index,
        withheld.c.disclose_after,
        head.c.origin,
        subject.c.chain,
        entry.c.commitment,
        entry.c.opening,
    )
    .join(entry, (entry.c.log == withheld.c.log) & (entry.c.leaf_index == withheld.c.leaf_index))
    .join(subject, (subject.c.log == entry.c.log) & (subject.c.label == entry.c.label))
    .join(head, head.c.log == withheld.c.log)
    .where(withheld.c.revealed_at.is_(None), withheld.c.disclose_after <= bindparam("now"), _IS_FIXED)
    .order_by(withheld.c.disclose_after, withheld.c.log, withheld.c.leaf_index)
    .limit(bindparam("most"))
)
_DONE = (
    update(withheld)
    .where(withheld.c.log == bindparam("of"), withheld.c.leaf_index == bindparam("place"))
    .values(revealed_at=bindparam("at"), revealed_by=bindparam("by"))
)
_EMPTY = (
    update(entry)
    .where(entry.c.log == bindparam("of"), entry.c.leaf_index == bindparam("place"))
    .values(opening=None)
)
# The first checkpoint of a log that covers a place and whose hash stands in an open log already.
_COVERING = (
    select(fixed, entry.c.log.label("open_log"), entry.c.leaf_index, entry.c.payload)
    .join(entry, entry.c.event_id == fixed.c.event_id)
    .where(
        fixed.c.log == bindparam("of"),
        fixed.c.size > bindparam("place"),
        fixed.c.open_note.is_not(None),
        entry.c.log.in_(logs.SHOWN),
    )
    .order_by(fixed.c.size, fixed.c.at)
    .limit(1)
)
_UNPROVED = (
    select(fixed.c.event_id, fixed.c.at, entry.c.log, entry.c.leaf_index)
    .join(entry, entry.c.event_id == fixed.c.event_id)
    .where(fixed.c.open_note.is_(None), entry.c.log.in_(logs.SHOWN))
    .order_by(fixed.c.at)
)
_PROVE = (
    update(fixed)
    .where(fixed.c.event_id == bindparam("event"), fixed.c.open_note.is_(None))
    .values(open_size=bindparam("so_large"), open_note=bindparam("signed"))
)
_LAST_FIXED = (
    select(fixed.c.size, fixed.c.at).where(fixed.c.log == bindparam("of")).order_by(fixed.c.at.desc())
)
_BY_AGENCY = (
    select(entry.c.agency, func.count().label("number"))
    .join(withheld, (withheld.c.log == entry.c.log) & (withheld.c.leaf_index == entry.c.leaf_index))
    .where(entry.c.month == bindparam("month"), entry.c.agency.is_not(None))
    .group_by(entry.c.agency)
)
_PUBLISHED = (
    select(entry.c.log, entry.c.leaf_index, entry.c.payload)
    .join(counted, counted.c.event_id == entry.c.event_id)
    .where(entry.c.log.in_(logs.SHOWN))
    .order_by(counted.c.month.desc())
)


@dataclass(frozen=True)
class Kept:
    """One entry that is withheld: where it stands, whose it is, when it is due, and what it says.

    `record` and `nonce` are None where they were erased.
    """

    log: int
    origin: str
    index: int
    commitment: bytes
    chain: str
    disclose_after: datetime
    opening: bytes | None
    nonce: bytes | None
    record: bytes | None

    def opened(self) -> dict[str, Any]:
        """What its citizen is shown: the facts, where they stand, and what proves that they stood there."""
        if self.nonce is None or self.record is None:
            raise Shredded(detail=f"{self.log}/{self.index}")
        parts = entries.split(self.nonce, self.record)
        return {
            "read": json.loads(parts.facts),
            "sealed": {
                "log": self.origin,
                "index": self.index,
                "nonce": entries.base64_of(parts.nonce),
                "place": entries.base64_of(parts.place),
            },
        }


@dataclass(frozen=True)
class Fixed:
    """A checkpoint of the withheld log, the public record that holds its hash, and the first checkpoint with that in it."""

    log: int
    size: int
    note: str
    open_log: int
    open_index: int
    payload: bytes
    open_size: int
    open_note: str


@dataclass(frozen=True)
class Unproved:
    """A public record of which no checkpoint is kept yet, since when, and where it stands."""

    event_id: str
    at: datetime
    log: int
    index: int


@dataclass(frozen=True)
class Count:
    """A month's published count, and where it stands in an open log."""

    log: int
    index: int
    payload: bytes

    @property
    def said(self) -> dict[str, Any]:
        """What the record says: month, least, counts by agency, and at most how many there were."""
        found: dict[str, Any] = json.loads(self.payload)["data"]
        return found


def key_number(log: int, index: int) -> int:
    """By which number the key of one withheld entry goes, in its chain and year: it is destroyed once it is told."""
    return (log - logs.FIRST_WITHHELD) * MOST_IN_LOG + index


def row(log: int, index: int, disclose_after: datetime) -> dict[str, Any]:
    """The row that remembers when an entry is due."""
    return {"log": log, "leaf_index": index, "disclose_after": disclose_after}


def keep(db: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Remember when entries are due."""
    if rows:
        db.execute(_PUT, list(rows))


def due(db: Session, now: datetime, *, most: int) -> list[Kept]:
    """The entries that are due and not revealed yet, the longest due first, once the proof of their time is there."""
    found = []
    for one in db.execute(_DUE, {"now": now, "most": most}):
        nonce, record = _opened(db, one.chain, (one.log, one.leaf_index), one.opening)
        found.append(
            Kept(
                one.log,
                one.origin,
                one.leaf_index,
                one.commitment,
                one.chain,
                one.disclose_after,
                one.opening,
                nonce,
                record,
            )
        )
    return found


def revealed(db: Session, kept: Kept, *, by: str | None, at: datetime) -> None:
    """Remember that an entry was told to its citizen, by which event; by none if it was erased before.

    From then on the entry that tells it holds everything. So that erasing that one is enough, what was
    sealed here goes, with its key.
    """
    db.execute(_DONE, {"of": kept.log, "place": kept.index, "at": at, "by": by})
    db.execute(_EMPTY, {"of": kept.log, "place": kept.index})
    if kept.opening is not None:
        sealing.shred(db, kept.chain, openings.split(kept.opening)[0])


def hash_of(note: str) -> str:
    """What the open log says of a checkpoint of the withheld one: nothing, to whoever has not seen it."""
    return hashlib.sha256(note.encode()).hexdigest()


def fix(db: Session, *, event_id: str, log: int, size: int, note: str, at: datetime) -> None:
    """Keep a checkpoint whose hash a public record holds."""
    db.execute(insert(fixed).values(event_id=event_id, log=log, size=size, note=note, at=at))


def last_fixed(db: Session, log: int) -> tuple[int, datetime] | None:
    """Size and time of the checkpoint of a withheld log that was fixed last."""
    found = db.execute(_LAST_FIXED.limit(1), {"of": log}).first()
    return None if found is None else (found.size, found.at)


def covering(db: Session, log: int, index: int) -> Fixed | None:
    """The first checkpoint that covers a place of a withheld log and was fixed in an open one; None before that."""
    found = db.execute(_COVERING, {"of": log, "place": index}).first()
    if found is None:
        return None
    return Fixed(
        log,
        found.size,
        found.note,
        found.open_log,
        found.leaf_index,
        found.payload,
        found.open_size,
        found.open_note,
    )


def unproved(db: Session) -> list[Unproved]:
    """The public records that stand in an open log, and of which no checkpoint is kept yet."""
    return [Unproved(row.event_id, row.at, row.log, row.leaf_index) for row in db.execute(_UNPROVED)]


def prove(db: Session, event_id: str, *, size: int, note: str) -> None:
    """Keep the first checkpoint of the open log with a public record in it, for good."""
    db.execute(_PROVE, {"event": event_id, "so_large": size, "signed": note})


def by_agency(db: Session, month: str) -> dict[str, int]:
    """How many entries were withheld in a month, by the agency that made them: told already or not."""
    return {row.agency: row.number for row in db.execute(_BY_AGENCY, {"month": month})}


def last_counted(db: Session) -> str | None:
    """The last month whose count is published, or on its way."""
    found: str | None = db.scalar(select(func.max(counted.c.month)))
    return found


def count(db: Session, month: str, event_id: str) -> None:
    """Remember which event publishes a month's count."""
    db.execute(insert(counted).values(month=month, event_id=event_id))


def published(db: Session, *, most: int) -> list[Count]:
    """The published counts, the newest month first."""
    rows = db.execute(_PUBLISHED.limit(most))
    return [Count(row.log, row.leaf_index, row.payload or b"") for row in rows]


def _opened(
    db: Session, chain: str, place: subjects.Place, opening: bytes | None
) -> tuple[bytes | None, bytes | None]:
    if opening is None:
        return None, None
    try:
        return subjects.open_opening(db, chain, place, opening)
    except Shredded:
        return None, None
