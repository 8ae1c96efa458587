"""Some records to be taken in together, with what the database holds about them, fetched in few statements."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from keys import blind, sealing
from registry_sync import attributes, holding, matching, people
from registry_sync.attributes import Document
from registry_sync.tables import (
    attribute_document,
    person,
    person_block,
    person_identifier,
    source_record,
)
from registry_sync.wire import registers
from registry_sync.wire.shapes import NATIONAL, Bad, Identity, Record

CHUNK = 500

_SEEN = select(source_record).where(
    source_record.c.source == bindparam("source"),
    source_record.c.blind.in_(bindparam("blinds", expanding=True)),
)
_OWNERS = select(person_identifier.c.blind, person_identifier.c.citizen_id).where(
    person_identifier.c.blind.in_(bindparam("blinds", expanding=True))
)
_SHARING = (
    select(person_block.c.blind, person_block.c.citizen_id)
    .join(person, person.c.citizen_id == person_block.c.citizen_id)
    .where(person_block.c.blind.in_(bindparam("blinds", expanding=True)))
    .where(or_(person.c.numbered.is_(False), person.c.numbered == bindparam("numbered_too")))
)
_PERSONS = select(person).where(person.c.citizen_id.in_(bindparam("citizens", expanding=True)))
_DOCUMENTS = select(attribute_document.c.citizen_id, attribute_document.c.sealed).where(
    attribute_document.c.source == bindparam("source"),
    attribute_document.c.citizen_id.in_(bindparam("citizens", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One record as it came: its bytes, what was read in them, its line, and the header it stood under.

    `part` is where it ends in its file, if the line was too long to be kept in one piece.
    """

    content: bytes
    parsed: Record | Bad
    line: int = 0
    header: tuple[str, ...] = ()
    part: int = 0


@dataclass(slots=True)
class Entry:
    """An item with its blind indexes."""

    item: Item
    content: bytes
    record: Record | None = None
    key: bytes = b""
    identifiers: list[bytes] = field(default_factory=list)
    blocks: list[bytes] = field(default_factory=list)

    @property
    def national(self) -> bytes | None:
        """The blind index of the national identifier, if the record has one."""
        kinds = [kind for kind, _value in self.record.identifiers] if self.record else []
        return self.identifiers[kinds.index(NATIONAL)] if NATIONAL in kinds else None


@dataclass(slots=True)
class Seen:
    """What was last taken under a record's key."""

    citizen: str
    content: bytes
    as_of: str
    run: str


@dataclass(slots=True)
class Known:
    """A person as held, or as about to be written."""

    state: str
    state_as_of: str
    numbered: bool
    identity: Identity


@dataclass
class Batch:
    """The entries and what is held about them; `intake` changes the maps and writes what it changed."""

    source: str
    run: str
    entries: list[Entry]
    seen: dict[bytes, Seen] = field(default_factory=dict)
    owners: dict[bytes, str] = field(default_factory=dict)
    sharing: dict[bytes, set[str]] = field(default_factory=dict)
    persons: dict[str, Known] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    held: dict[bytes, str] = field(default_factory=dict)

    @property
    def founds(self) -> bool:
        """Whether this source can make somebody known here."""
        return registers.named(self.source).FOUNDS_PEOPLE


def gathered(db: Session, source: str, items: Sequence[Item], *, run: str, also: Sequence[str] = ()) -> Batch:
    """Return the items as a batch. `also` names citizens to fetch in any case."""
    batch = Batch(source, run, [_entry(db, source, item) for item in items])
    batch.held = _held(db, batch)
    records = [entry for entry in batch.entries if entry.record]
    for row in _all(db, _SEEN, "blinds", (entry.key for entry in records), source=source):
        batch.seen[row.blind] = Seen(row.citizen_id, row.content, row.as_of, row.run)
    times = Counter(entry.key for entry in records)
    moving = [entry for entry in records if times[entry.key] > 1 or not _as_before(batch, entry)]
    blinds = (index for entry in moving for index in entry.identifiers)
    batch.owners = {row.blind: row.citizen_id for row in _all(db, _OWNERS, "blinds", blinds)}
    _find_sharing(db, batch, moving)
    _fetch(db, batch, moving, also)
    return batch


def _entry(db: Session, source: str, item: Item) -> Entry:
    content = holding.fingerprint(db, item.content, item.part)
    if isinstance(item.parsed, Bad):
        return Entry(item, content)
    found = item.parsed
    return Entry(
        item,
        content,
        found,
        blind.index(db, f"registry_sync.record.{source}", found.key),
        [people.identifier(db, kind, value) for kind, value in found.identifiers],
    )


def _as_before(batch: Batch, entry: Entry) -> bool:
    seen = batch.seen.get(entry.key)
    return seen is not None and seen.content == entry.content


def _held(db: Session, batch: Batch) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for chunk in _chunks(entry.content for entry in batch.entries):
        found.update(holding.states(db, batch.source, chunk))
    return found


def _find_sharing(db: Session, batch: Batch, entries: list[Entry]) -> None:
    # Whoever has a birth registration number cannot be somebody else who has one: most need no comparing.
    every: list[bytes] = []
    unnumbered: list[bytes] = []
    for entry in entries:
        if entry.record is None:
            continue
        entry.blocks = (
            matching.blocks(db, entry.record.identity) if batch.founds or entry.national is None else []
        )
        if entry.key not in batch.seen and not any(index in batch.owners for index in entry.identifiers):
            (unnumbered if entry.record.identity.birth_number else every).extend(entry.blocks)
    for blinds, numbered_too in ((every, True), (unnumbered, False)):
        for row in _all(db, _SHARING, "blinds", blinds, numbered_too=numbered_too):
            batch.sharing.setdefault(row.blind, set()).add(row.citizen_id)


def _fetch(db: Session, batch: Batch, entries: list[Entry], also: Sequence[str]) -> None:
    citizens = {seen.citizen for entry in entries if (seen := batch.seen.get(entry.key))}
    citizens.update(also, batch.owners.values(), *batch.sharing.values())
    sealing.ready(db, citizens, attributes.SCOPE)
    for row in _all(db, _PERSONS, "citizens", citizens):
        who = people.opened(db, row.citizen_id, row.identity)
        batch.persons[row.citizen_id] = Known(row.state, row.state_as_of, row.numbered, who)
    for row in _all(db, _DOCUMENTS, "citizens", citizens, source=batch.source):
        batch.documents[row.citizen_id] = attributes.opened(db, row.citizen_id, batch.source, row.sealed)


def _all(db: Session, statement: Any, name: str, values: Iterable[Any], **also: Any) -> Iterator[Any]:
    for chunk in _chunks(values):
        yield from db.execute(statement, {name: chunk, **also})


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    whole = list(dict.fromkeys(values))
    return (whole[start : start + CHUNK] for start in range(0, len(whole), CHUNK))
