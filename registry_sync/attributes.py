"""What the registers say about each person, sealed, with the day each value is as of."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from keys import sealing
from keys.errors import Shredded
from registry_sync import holding
from registry_sync.catalogue import CATALOGUE, ENROLMENT
from registry_sync.errors import RecordUnknown
from registry_sync.tables import attribute_document as table
from registry_sync.tables import former_name as former_table
from registry_sync.tables import quarantined_record

__all__ = [
    "CATALOGUE",
    "SCOPE",
    "Document",
    "Envelope",
    "former_name",
    "keep_former_name",
    "merged",
    "opened",
    "put",
    "read",
    "read_many",
    "save",
    "unmatched",
]

SCOPE = "attributes"
# attribute -> (value, as-of date)
Document = dict[str, tuple[Any, str]]

_ENCODE = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(Document)
_OF_CITIZEN = select(table.c.citizen_id, table.c.source, table.c.sealed).where(
    table.c.citizen_id == bindparam("citizen")
)
_OF_MANY = select(table.c.citizen_id, table.c.source, table.c.sealed).where(
    table.c.citizen_id.in_(bindparam("citizens", expanding=True)),
    table.c.source.in_(bindparam("sources", expanding=True)),
)
AT_ONCE = 500
_FORMER = b"former-name"
_UNMATCHED = select(quarantined_record).where(quarantined_record.c.id == bindparam("record"))
_OF_SOURCE = _OF_CITIZEN.where(table.c.source == bindparam("source"))


def _upsert(dialect: Any) -> Any:
    fresh = dialect.insert(table)
    return fresh.on_conflict_do_update(
        index_elements=["citizen_id", "source"],
        set_={"sealed": fresh.excluded.sealed, "changed_at": fresh.excluded.changed_at},
    )


_UPSERT = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}


@dataclass(frozen=True)
class Envelope:
    """One value as it is handed over: the register it comes from, and the date (RFC 3339) it is as of."""

    value: Any
    source: str
    as_of: str


def read(db: Session, citizen_id: str, names: Iterable[str]) -> dict[str, Envelope]:
    """Return what the registers hold of the named attributes; what they do not hold is left out.

    Only `consent.disclosure` may call this. Raises Shredded if the citizen was erased.
    """
    wanted = _by_source(names)
    found: dict[str, Envelope] = {}
    for row in db.execute(_OF_CITIZEN, {"citizen": citizen_id}):
        if row.source in wanted:
            _take(db, row, wanted, found)
    return found


def read_many(
    db: Session, citizen_ids: Iterable[str], names: Iterable[str]
) -> dict[str, dict[str, Envelope]]:
    """Like `read` for many people, with few queries. Who was erased in the meantime is left out.

    Only `consent.disclosure` may call this.
    """
    wanted = _by_source(names)
    people = list(dict.fromkeys(citizen_ids))
    found: dict[str, dict[str, Envelope]] = {citizen: {} for citizen in people}
    if not wanted:
        return found
    rows = [
        row
        for start in range(0, len(people), AT_ONCE)
        for row in db.execute(
            _OF_MANY, {"citizens": people[start : start + AT_ONCE], "sources": sorted(wanted)}
        )
    ]
    sealing.fetch(db, {row.citizen_id for row in rows}, SCOPE)
    for row in rows:
        try:
            _take(db, row, wanted, found[row.citizen_id])
        except Shredded:
            found[row.citizen_id] = {}
    return found


def unmatched(db: Session, record_id: str) -> tuple[str, bytes]:
    """Return the source and the whole content of something in quarantine, uncovered.

    Only `consent.disclosure` may call this. Raises RecordUnknown if it is not (or no longer) there.
    """
    row = db.execute(_UNMATCHED, {"record": record_id}).first()
    if row is None or row.sealed is None:
        raise RecordUnknown
    return row.source, holding.opened(db, row.source, row.content, row.sealed).raw


def put(
    db: Session,
    citizen_id: str,
    source: str,
    values: Mapping[str, Any],
    *,
    as_of: str,
    complete: Collection[str] = (),
) -> tuple[str, ...]:
    """Set what a source says about a citizen and return the names of what changed; see `merged`."""
    row = db.execute(_OF_SOURCE, {"citizen": citizen_id, "source": source}).first()
    held = opened(db, citizen_id, source, row.sealed) if row else {}
    document, changed = merged(held, values, as_of=as_of, complete=complete)
    save(db, {(citizen_id, source): document})
    return changed


def merged(
    held: Document, values: Mapping[str, Any], *, as_of: str, complete: Collection[str]
) -> tuple[Document, tuple[str, ...]]:
    """Lay newly stated values over a document; return the new document and the names of what changed.

    What is held as of a later day stays. `complete` names attributes about which everything is
    stated now: those of them without a value are no longer stated.
    """
    document, changed = dict(held), []
    for name, value in values.items():
        before = held.get(name)
        if before is not None and before[1] > as_of:
            continue
        document[name] = (value, as_of)
        if before is None or before[0] != value:
            changed.append(name)
    for name in complete:
        if name in held and name not in values and held[name][1] <= as_of:
            del document[name]
            changed.append(name)
    return document, tuple(sorted(changed))


def keep_former_name(db: Session, citizen_id: str, source: str, name: str, *, as_of: str) -> None:
    """Keep the name that a register has just replaced, until its owner read of it; of several changes the first name."""
    mine = former_table.c.citizen_id == citizen_id
    if db.execute(update(former_table).where(mine).values(source=source, as_of=as_of)).rowcount:  # type: ignore[attr-defined]
        return
    sealed = sealing.seal(db, citizen_id, SCOPE, name.encode(), aad=_FORMER)
    row = {"citizen_id": citizen_id, "source": source, "as_of": as_of, "sealed": sealed}
    db.execute(insert(former_table).values(row))


def former_name(db: Session, citizen_id: str) -> Envelope | None:
    """Return the name that was replaced, with the register and the day of the new one, or None if that was read.

    Only `consent.disclosure` may call this.
    """
    row = db.execute(select(former_table).where(former_table.c.citizen_id == citizen_id)).first()
    if row is None:
        return None
    name = sealing.unseal(db, citizen_id, SCOPE, row.sealed, aad=_FORMER).decode()
    return Envelope(name, row.source, row.as_of)


def save(db: Session, documents: Mapping[tuple[str, str], Document]) -> None:
    """Seal and store many documents, by citizen ID and source."""
    if not documents:
        return
    at = clock.now()
    db.execute(
        _UPSERT[db.get_bind().dialect.name],
        [
            {
                "citizen_id": citizen_id,
                "source": source,
                "sealed": sealing.seal(db, citizen_id, SCOPE, _ENCODE.encode(document), aad=source.encode()),
                "changed_at": at,
            }
            for (citizen_id, source), document in documents.items()
        ],
    )


def opened(db: Session, citizen_id: str, source: str, sealed: bytes) -> Document:
    """Open one sealed document."""
    return _DECODE.decode(sealing.unseal(db, citizen_id, SCOPE, sealed, aad=source.encode()))


def _by_source(names: Iterable[str]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for name in names:
        if name in CATALOGUE:
            wanted.setdefault(CATALOGUE[name].source, []).append(name)
            wanted.setdefault(ENROLMENT, []).append(name)
    return wanted


def _take(
    db: Session, row: Row[*tuple[Any, ...]], wanted: Mapping[str, list[str]], found: dict[str, Envelope]
) -> None:
    document = opened(db, row.citizen_id, row.source, row.sealed)
    for name in wanted[row.source]:
        # What a test citizen was enrolled with gives way to what the register itself says.
        if name in document and (row.source != ENROLMENT or name not in found):
            found[name] = Envelope(document[name][0], row.source, document[name][1])
