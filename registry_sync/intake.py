"""Takes records in, many in one transaction: whose each is, what it changes, and what must wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, insert, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.events import Actor, record
from keys import sealing
from registry_sync import attributes, holding, matching, people
from registry_sync.batch import Batch, Entry, Item, Known, Seen, gathered
from registry_sync.events import AttributesChanged, CitizenDied, RecordMatched
from registry_sync.holding import Held
from registry_sync.people import DECEASED, LIVING
from registry_sync.tables import person, person_identifier, source_record
from registry_sync.wire.shapes import Bad, Identity, Record

Outcome = Literal["new", "changed", "unchanged", "repeated", "quarantined"]
How = Literal["", "founded", "matched", "merged", "decided"]
_LOCK = text("SELECT pg_advisory_xact_lock(4872236471)")  # whoever makes people known takes turns
_TOUCH = (
    update(source_record)
    .where(source_record.c.source == bindparam("of_source"), source_record.c.blind == bindparam("of_blind"))
    .values(run=bindparam("of_run"))
)
_MOVE = (
    update(person)
    .where(person.c.citizen_id == bindparam("of_citizen"))
    .values({
        name: bindparam(f"to_{name}")
        for name in ("state", "state_as_of", "numbered", "identity", "changed_at")
    })
)  # fmt: skip


def _keep(dialect: Any) -> Any:
    seen = dialect.insert(source_record)
    set_ = {name: seen.excluded[name] for name in ("citizen_id", "content", "as_of", "run")}
    return seen.on_conflict_do_update(index_elements=["source", "blind"], set_=set_)


_KEEP = {"sqlite": _keep(sqlite), "postgresql": _keep(postgresql)}


@dataclass(frozen=True, slots=True)
class Decision:
    """What staff decided about a record: it is about `same_as`, or about nobody known (`distinct`)."""

    same_as: str | None = None
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one item; `how` says how its person was found, if it is new."""

    outcome: Outcome
    citizen: str | None = None
    how: How = ""
    bad: Bad | None = None
    candidates: tuple[str, ...] = ()


@dataclass
class _Writing:
    """What a batch will write."""

    founded: dict[str, None] = field(default_factory=dict)
    moved: dict[str, None] = field(default_factory=dict)
    identifiers: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    blocks: dict[tuple[bytes, str], None] = field(default_factory=dict)
    seen: dict[bytes, None] = field(default_factory=dict)
    touched: dict[bytes, None] = field(default_factory=dict)
    documents: dict[str, None] = field(default_factory=dict)
    changed: dict[str, set[str]] = field(default_factory=dict)
    died: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    settled: list[bytes] = field(default_factory=list)


def take(
    db: Session,
    source: str,
    items: Sequence[Item],
    *,
    run: str,
    actor: Actor,
    decision: Decision | None = None,
    shelve: bool = True,
) -> list[Placed]:
    """Take items of one source in, in their order, and return what became of each.

    What cannot be placed goes to quarantine, unless `shelve` is false and the caller keeps it. A citizen
    whom a register newly says to be dead is announced as CitizenDied in this transaction.
    """
    if db.get_bind().dialect.name == "postgresql":
        db.execute(_LOCK)
    also = [decision.same_as] if decision and decision.same_as else []
    batch = gathered(db, source, items, run=run, also=also)
    todo = _Writing()
    placed = [_place(batch, todo, entry, decision or Decision()) for entry in batch.entries]
    _write(db, batch, todo)
    if shelve:
        holding.shelve(db, source, holding.RECORD, todo.held, run=run)
    _announce(db, batch, todo, actor)
    return placed


def _place(batch: Batch, todo: _Writing, entry: Entry, decision: Decision) -> Placed:
    """Place one entry. The order of questions:

    1. Can it be read, and did staff not dismiss it?
    2. Was this record taken before: the same, an older one, or a change?
    3. Whose is it, by identifier or by comparison?
    4. Does it agree with what is certain about that person?
    """
    found = entry.record
    if batch.held.get(entry.content) == holding.DISMISSED:  # 1
        return Placed("unchanged")
    if found is None:
        assert isinstance(entry.item.parsed, Bad)  # noqa: S101  (an entry has a record or a reason)
        return _hold(batch, todo, entry, entry.item.parsed)
    seen = batch.seen.get(entry.key)
    if seen and (seen.content == entry.content or found.as_of < seen.as_of):  # 2
        todo.touched[entry.key] = None
        repeated, seen.run = seen.run == batch.run, batch.run
        return Placed("repeated" if repeated else "unchanged", seen.citizen)
    citizen, how, candidates = _whose(batch, entry, found, decision)  # 3
    if isinstance(citizen, Bad):
        return _hold(batch, todo, entry, citizen, candidates)
    if how == "founded":
        _found(batch, todo, citizen, found)
    elif how != "decided" and (bad := _objection(batch, citizen, found)):  # 4
        return _hold(batch, todo, entry, bad, (citizen,))
    _apply(batch, todo, entry, found, citizen)
    if how == "merged":
        todo.merged.append(citizen)
    return Placed("changed" if seen else "new", citizen, how)


def _whose(
    batch: Batch, entry: Entry, found: Record, decision: Decision
) -> tuple[str | Bad, How, tuple[str, ...]]:
    if decision.same_as:
        return decision.same_as, "decided", ()
    owners = {batch.owners[index] for index in entry.identifiers if index in batch.owners}
    seen = batch.seen.get(entry.key)
    if len(owners | ({seen.citizen} if seen else set())) > 1:
        return Bad("identifiers-disagree"), "", tuple(sorted(owners))
    if seen:
        return seen.citizen, "", ()
    national = entry.national
    if national in batch.owners:
        return batch.owners[national], "matched", ()
    if not batch.founds and national is not None:
        return Bad("unknown-person", "national_identifier"), "", ()
    if not decision.distinct:
        same, unsure = _candidates(batch, entry, found.identity)
        if len(same) == 1 and not unsure:
            return same[0], "merged", ()
        if same or unsure:
            return Bad("possible-duplicate"), "", tuple(same + unsure)
    if batch.founds:
        return people.new_citizen_id(), "founded", ()
    return Bad("unknown-person"), "", ()


def _candidates(batch: Batch, entry: Entry, who: Identity) -> tuple[list[str], list[str]]:
    near = set().union(*(batch.sharing.get(block, ()) for block in entry.blocks))
    near.update(batch.owners[index] for index in entry.identifiers if index in batch.owners)
    compare = matching.compared if batch.founds else matching.pointed_at
    verdicts = {citizen: compare(batch.persons[citizen].identity, who) for citizen in sorted(near)}
    same = [citizen for citizen, verdict in verdicts.items() if verdict == "same"]
    return same, [citizen for citizen, verdict in verdicts.items() if verdict == "unsure"]


def _objection(batch: Batch, citizen: str, found: Record) -> Bad | None:
    known = batch.persons[citizen]
    if matching.contradicts(known.identity, found.identity):
        return Bad("identifier-mismatch", "identifier")
    if batch.founds and known.state == DECEASED and not found.died and found.as_of >= known.state_as_of:
        return Bad("death-withdrawn", "death_date")
    return None


def _found(batch: Batch, todo: _Writing, citizen: str, found: Record) -> None:
    state = DECEASED if found.died else LIVING
    batch.persons[citizen] = Known(state, found.as_of, bool(found.identity.birth_number), found.identity)
    todo.founded[citizen] = None


def _apply(batch: Batch, todo: _Writing, entry: Entry, found: Record, citizen: str) -> None:
    held = batch.documents.get(citizen)
    document, changed = attributes.merged(held or {}, found.values, as_of=found.as_of, complete=held or ())
    batch.documents[citizen] = document
    todo.documents[citizen] = None
    if held is not None and changed:
        todo.changed.setdefault(citizen, set()).update(changed)
    if batch.founds:
        _update_person(batch, todo, citizen, found, held or {})
        for index, (kind, _value) in zip(entry.identifiers, found.identifiers, strict=True):
            if index not in batch.owners:
                batch.owners[index] = citizen
                todo.identifiers[index] = (kind, citizen)
        for block in entry.blocks:
            batch.sharing.setdefault(block, set()).add(citizen)
            todo.blocks[block, citizen] = None
    batch.seen[entry.key] = Seen(citizen, entry.content, found.as_of, batch.run)
    todo.seen[entry.key] = None
    if entry.content in batch.held:
        todo.settled.append(entry.content)


def _update_person(
    batch: Batch, todo: _Writing, citizen: str, found: Record, held: attributes.Document
) -> None:
    known = batch.persons[citizen]
    who = _with_newer(known.identity, found, held)
    if found.died and known.state == LIVING and found.as_of >= known.state_as_of:
        known.state, known.state_as_of = DECEASED, found.as_of
        if citizen not in todo.founded:
            todo.died.append(citizen)
    elif who == known.identity:
        return
    known.identity, known.numbered = who, bool(who.birth_number)
    todo.moved[citizen] = None


def _with_newer(known: Identity, found: Record, held: attributes.Document) -> Identity:
    # A message may have announced something newer than this record; then that stays.
    parts = {
        "name": ("given", "second", "family", "maiden", "suffix"),
        "birthdate": ("born",),
        "gender": ("sex",),
    }
    kept = {
        part: getattr(known, part)
        for name, fields in parts.items()
        if name in held and held[name][1] > found.as_of
        for part in fields
    }
    kept["birth_number"] = found.identity.birth_number or known.birth_number
    return msgspec.structs.replace(found.identity, **kept)


def _hold(batch: Batch, todo: _Writing, entry: Entry, bad: Bad, candidates: tuple[str, ...] = ()) -> Placed:
    contents = holding.Contents(entry.item.content, entry.item.header, candidates)
    waits_for = entry.national if bad.reason == "unknown-person" else None
    todo.held.append(Held(entry.content, bad, contents, entry.item.line, waits_for))
    return Placed("quarantined", bad=bad, candidates=candidates)


def _write(db: Session, batch: Batch, todo: _Writing) -> None:
    at = clock.now()
    sealing.ready(db, todo.founded, attributes.SCOPE)

    def row(citizen: str, prefix: str = "") -> dict[str, Any]:
        known = batch.persons[citizen]
        values = {
            "state": known.state,
            "state_as_of": known.state_as_of,
            "numbered": known.numbered,
            "identity": people.sealed(db, citizen, known.identity),
            "changed_at": at,
        }
        return {prefix + name: value for name, value in values.items()}

    _many(db, insert(person), [{"citizen_id": c, "matched_at": at, **row(c)} for c in todo.founded])
    _many(db, _MOVE, [{"of_citizen": c, **row(c, "to_")} for c in todo.moved if c not in todo.founded])
    identifiers = todo.identifiers.items()
    _many(
        db,
        insert(person_identifier),
        [{"blind": index, "kind": kind, "citizen_id": c} for index, (kind, c) in identifiers],
    )
    matching.keep(db, todo.blocks)
    seen = [(key, batch.seen[key]) for key in todo.seen]
    _many(
        db,
        _KEEP[db.get_bind().dialect.name],
        [
            {"source": batch.source, "blind": key, "citizen_id": one.citizen, "content": one.content,
             "as_of": one.as_of, "run": one.run}
            for key, one in seen
        ],
    )  # fmt: skip
    touched = [key for key in todo.touched if key not in todo.seen]
    _many(db, _TOUCH, [{"of_source": batch.source, "of_blind": k, "of_run": batch.run} for k in touched])
    attributes.save(db, {(c, batch.source): batch.documents[c] for c in todo.documents})
    holding.settle(db, batch.source, todo.settled)


def _many(db: Session, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        db.execute(statement, rows)


def _announce(db: Session, batch: Batch, todo: _Writing, actor: Actor) -> None:
    for citizen in todo.merged:
        found = RecordMatched(citizen=citizen, source=batch.source, how="comparison")
        record(db, found, actor=actor, about=[citizen])
    for citizen, names in todo.changed.items():
        event = AttributesChanged(
            citizen=citizen, source=batch.source, attributes=tuple(sorted(names)), cause="update"
        )
        record(db, event, actor=actor, about=[citizen])
    for citizen in todo.died:
        record(db, CitizenDied(citizen=citizen, source=batch.source), actor=actor, about=[citizen])
