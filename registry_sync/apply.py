"""What a registry's message changes: births, deaths and their reversal, names, corrections, who acts for whom."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.events import Actor, record
from registry_sync import attributes, intake, matching, people
from registry_sync.batch import Item
from registry_sync.events import (
    AttributesChanged,
    CitizenBorn,
    CitizenDied,
    DeathReversed,
    MessageOutdated,
    NameChanged,
    RepresentativeEnded,
    RepresentativeStated,
)
from registry_sync.intake import Decision
from registry_sync.people import DECEASED, LIVING
from registry_sync.tables import person, person_position
from registry_sync.wire import civil, messages
from registry_sync.wire.messages import Message, Notice, Relation
from registry_sync.wire.shapes import Bad, Identity, Unreadable, precedes

LIFE, NAME, ACTS = "life", "name", "acts"
REPRESENTATIVE = "representative"
NAME_ATTRIBUTES = ("given_name", "middle_name", "family_name", "name")
# attribute -> the field of the register's shape that states it
FACTS = {
    "birthdate": "birth_date",
    "gender": "sex",
    "birth_place": "birth_place",
    "marital_status": "marital_status",
    "address": "address",
    "phone_number": "phone_number",
    "email": "email",
    "household_size": "household_size",
}
_PERSON = select(person).where(person.c.citizen_id == bindparam("citizen")).with_for_update()
_POSITION = select(person_position).where(
    person_position.c.citizen_id == bindparam("citizen"), person_position.c.aspect == bindparam("aspect")
)


def _advance(dialect: Any) -> Any:
    fresh = dialect.insert(person_position)
    given = {name: fresh.excluded[name] for name in ("toe", "source", "sequence")}
    return fresh.on_conflict_do_update(index_elements=["citizen_id", "aspect"], set_=given)


_ADVANCE = {"sqlite": _advance(sqlite), "postgresql": _advance(postgresql)}


@dataclass(frozen=True)
class Applied:
    """What became of a message. `founded` says that it made somebody known."""

    outcome: Literal["applied", "outdated", "quarantined"]
    citizen: str | None = None
    bad: Bad | None = None
    candidates: tuple[str, ...] = ()
    founded: bool = False


@dataclass(frozen=True)
class _Case:
    """A message about somebody known: the message, what it says, whom it is about and what is held."""

    message: Message
    notice: Notice
    citizen: str
    state: str
    identity: Identity
    actor: Actor = field(default=Actor("registry", ""))


def message(db: Session, message: Message, *, actor: Actor, decision: Decision | None = None) -> Applied:
    """Apply a verified message in this transaction; what cannot be applied is returned with its reason.

    A message older than what was applied to the same fact about the same person changes nothing.
    """
    notice = messages.read(message)
    if isinstance(notice, Bad):
        return Applied("quarantined", bad=notice)
    if notice.kind == messages.BIRTH:
        return _birth(db, message, notice, actor, decision)
    citizens = {people.by_identifier(db, kind, value) for kind, value in notice.identifiers}
    found = sorted(citizen for citizen in citizens if citizen)
    if decision and decision.same_as:
        found = [decision.same_as]
    if len(found) != 1:
        reason = "identifiers-disagree" if found else "unknown-person"
        return Applied("quarantined", bad=Bad(reason, "identifier"), candidates=tuple(found))
    row = db.execute(_PERSON, {"citizen": found[0]}).one()
    case = _Case(message, notice, found[0], row.state, people.opened(db, found[0], row.identity), actor)
    try:
        applied = _KINDS[notice.kind](db, case)
    except Unreadable as error:
        return Applied("quarantined", found[0], error.bad)
    if applied.outcome == "outdated":
        event = MessageOutdated(citizen=case.citizen, source=message.source, message=notice.kind)
        record(db, event, actor=actor, about=[case.citizen])
    return applied


def _birth(db: Session, message: Message, notice: Notice, actor: Actor, decision: Decision | None) -> Applied:
    assert notice.birth is not None  # noqa: S101  (messages.read gives every birth its record)
    item = Item(message.token.encode(), notice.birth)
    (placed,) = intake.take(
        db, message.source, [item], run=message.id_hash[:36], actor=actor, decision=decision, shelve=False
    )
    if placed.bad:
        return Applied("quarantined", placed.citizen, placed.bad, placed.candidates)
    if placed.how == "founded":
        assert placed.citizen is not None  # noqa: S101  (who was founded has a citizen ID)
        event = CitizenBorn(citizen=placed.citizen, source=message.source)
        record(db, event, actor=actor, about=[placed.citizen])
    outdated = placed.outcome in ("repeated", "unchanged")
    if placed.citizen is not None and not outdated:
        _state_parents(db, message, notice, placed.citizen, actor)
    return Applied("outdated" if outdated else "applied", placed.citizen, founded=placed.how == "founded")


def _death(db: Session, case: _Case) -> Applied:
    died = case.notice.stated.death_date or ""
    if died and case.identity.born and precedes(died, case.identity.born):
        raise Unreadable("death-before-birth", "death_date")
    return _life(db, case, DECEASED, CitizenDied(citizen=case.citizen, source=case.message.source))


def _death_reversed(db: Session, case: _Case) -> Applied:
    return _life(db, case, LIVING, DeathReversed(citizen=case.citizen, source=case.message.source))


def _life(db: Session, case: _Case, state: str, event: CitizenDied | DeathReversed) -> Applied:
    if not _newest(db, case, LIFE):
        return Applied("outdated", case.citizen)
    _update(db, case, state=state, state_as_of=case.message.as_of)
    if case.state != state:
        record(db, event, actor=case.actor, about=[case.citizen])
    return Applied("applied", case.citizen)


def _name_change(db: Session, case: _Case) -> Applied:
    who = civil.overlaid(case.notice.stated, case.identity)
    if not _newest(db, case, NAME):
        return Applied("outdated", case.citizen)
    changed = _state(db, case, civil.name_values(who), complete=NAME_ATTRIBUTES)
    _remember_name(db, case, changed)
    _identify(db, case, who)
    if changed:
        event = NameChanged(citizen=case.citizen, source=case.message.source, attributes=changed)
        record(db, event, actor=case.actor, about=[case.citizen])
    return Applied("applied", case.citizen)


def _correction(db: Session, case: _Case) -> Applied:
    stated = case.notice.stated
    civil.overlaid(stated, case.identity)  # refuses the whole before any part of it counts
    corrected = [*civil.facts(stated), *([NAME] if stated.name else [])]
    if not corrected:
        raise Unreadable("nothing-to-change")
    newest = [aspect for aspect in corrected if _newest(db, case, aspect)]
    if not newest:
        return Applied("outdated", case.citizen)
    late = {FACTS.get(aspect, aspect): None for aspect in corrected if aspect not in newest}
    stated = msgspec.structs.replace(stated, **late)
    who, values = civil.overlaid(stated, case.identity), civil.facts(stated)
    if stated.name:
        values |= civil.name_values(who)
    changed = _state(db, case, values, complete=NAME_ATTRIBUTES if stated.name else ())
    _remember_name(db, case, changed)
    _identify(db, case, who)
    if changed:
        event = AttributesChanged(
            citizen=case.citizen, source=case.message.source, attributes=changed, cause="correction"
        )
        record(db, event, actor=case.actor, about=[case.citizen])
    return Applied("applied", case.citizen)


def _state_parents(db: Session, message: Message, notice: Notice, child: str, actor: Actor) -> None:
    """Announce the parents whom a birth names; who is not known here acts for nobody here."""
    for relation in notice.relations:
        parent = _known(db, relation)
        if (
            parent is not None
            and parent != child
            and _advanced(db, message, notice, child, f"{ACTS}:{parent}")
        ):
            event = RepresentativeStated(
                citizen=child,
                source=message.source,
                representative=parent,
                relation=relation.kind,
                as_of=message.as_of,
            )
            record(db, event, actor=actor, about=[child])


def _representative(db: Session, case: _Case) -> Applied:
    relation = case.notice.relations[0]
    acts = _known(db, relation)
    if acts is None:
        raise Unreadable("unknown-person", REPRESENTATIVE)
    if acts == case.citizen:
        raise Unreadable("wrong-shape", REPRESENTATIVE)
    if not _newest(db, case, f"{ACTS}:{acts}"):
        return Applied("outdated", case.citizen)
    facts = {"citizen": case.citizen, "source": case.message.source, "representative": acts}
    facts |= {"relation": relation.kind, "as_of": case.message.as_of}
    event: RepresentativeStated | RepresentativeEnded
    if case.notice.kind == messages.REPRESENTATIVE:
        event = RepresentativeStated(**facts, until=relation.until or None, scope=relation.scope)
    else:
        event = RepresentativeEnded(**facts)
    record(db, event, actor=case.actor, about=[case.citizen])
    return Applied("applied", case.citizen)


def _known(db: Session, relation: Relation) -> str | None:
    """Return the one citizen that all known identifiers are of, or None."""
    citizens = {people.by_identifier(db, kind, value) for kind, value in relation.identifiers} - {None}
    return citizens.pop() if len(citizens) == 1 else None


_KINDS: dict[str, Callable[[Session, _Case], Applied]] = {
    messages.DEATH: _death,
    messages.DEATH_REVERSED: _death_reversed,
    messages.NAME_CHANGE: _name_change,
    messages.CORRECTION: _correction,
    messages.REPRESENTATIVE: _representative,
    messages.REPRESENTATIVE_ENDED: _representative,
}


def _newest(db: Session, case: _Case, aspect: str) -> bool:
    """Tell whether nothing newer was applied to this fact, and if so remember this message as the newest."""
    return _advanced(db, case.message, case.notice, case.citizen, aspect)


def _advanced(db: Session, message: Message, notice: Notice, citizen: str, aspect: str) -> bool:
    sequence = notice.sequence
    row = db.execute(_POSITION, {"citizen": citizen, "aspect": aspect}).first()
    if row is not None:
        counted = row.source == message.source and row.sequence is not None and sequence is not None
        if sequence < row.sequence if counted else message.toe < row.toe:
            return False
    values = {
        "citizen_id": citizen,
        "aspect": aspect,
        "toe": message.toe,
        "source": message.source,
        "sequence": sequence,
    }
    db.execute(_ADVANCE[db.get_bind().dialect.name], values)
    return True


def _state(db: Session, case: _Case, values: dict[str, Any], *, complete: tuple[str, ...]) -> tuple[str, ...]:
    message = case.message
    return attributes.put(db, case.citizen, message.source, values, as_of=message.as_of, complete=complete)


def _remember_name(db: Session, case: _Case, changed: tuple[str, ...]) -> None:
    before = civil.name_values(case.identity).get("name", "")
    if "name" in changed and before:
        source, as_of = case.message.source, case.message.as_of
        attributes.keep_former_name(db, case.citizen, source, before, as_of=as_of)


def _identify(db: Session, case: _Case, who: Identity) -> None:
    if who != case.identity:
        _update(db, case, identity=people.sealed(db, case.citizen, who))
        matching.keep(db, [(block, case.citizen) for block in matching.blocks(db, who)])


def _update(db: Session, case: _Case, **values: Any) -> None:
    db.execute(
        update(person).where(person.c.citizen_id == case.citizen).values(changed_at=clock.now(), **values)
    )
