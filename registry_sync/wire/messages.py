"""What registries announce: the seven kinds of message, and what each must say."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from registry_sync.wire import civil
from registry_sync.wire.shapes import (
    NATIONAL,
    Bad,
    Identifier,
    Name,
    Person,
    Record,
    Unreadable,
    number,
    partial_date,
    spot,
)

PREFIX = "urn:erti:registry:"
BIRTH, DEATH, DEATH_REVERSED = "birth", "death", "death-reversed"
NAME_CHANGE, CORRECTION = "name-change", "correction"
REPRESENTATIVE, REPRESENTATIVE_ENDED = "representative", "representative-ended"
KINDS = (BIRTH, DEATH, DEATH_REVERSED, NAME_CHANGE, CORRECTION, REPRESENTATIVE, REPRESENTATIVE_ENDED)
PARENT, GUARDIAN = "parent", "guardian"
RELATIONS = (PARENT, GUARDIAN)
DECISIONS, ALL = "decisions", "all"
SCOPES = (DECISIONS, ALL)
_LARGEST = 1 << 53


@dataclass(frozen=True)
class Message:
    """One Security Event Token whose signature was checked (RFC 8417). `toe` is when the event happened."""

    issuer: str
    source: str
    jti: str
    event: str
    payload: dict[str, Any]
    toe: datetime
    token: str

    @property
    def id_hash(self) -> str:
        """Under which a repeat is known: the hash of issuer and `jti`, which is unique per issuer (RFC 8417, 2.2)."""
        return hashlib.sha256(f"{self.issuer}\x00{self.jti}".encode()).hexdigest()

    @property
    def kind(self) -> str:
        """The kind, or an empty text if it is none of ours."""
        kind = self.event.removeprefix(PREFIX)
        return kind if self.event.startswith(PREFIX) and kind in KINDS else ""

    @property
    def as_of(self) -> str:
        """The day on which the event happened, in UTC."""
        return self.toe.date().isoformat()


class Payload(msgspec.Struct, frozen=True):
    """What stands under the event's name in the token."""

    identifier: list[Identifier] | None = None
    person: Person | None = None
    name: Name | None = None
    death_date: str | None = None
    representative: list[Identifier] | None = None
    relation: str | None = None
    until: str | None = None
    scope: str | None = None
    sequence: int | None = None


# Made at import, by one thread: two that first meet a Struct at once crash msgspec 0.22 and the process with it.
_READY = msgspec.json.Decoder(Payload)


@dataclass(frozen=True)
class Relation:
    """Who acts for the person by birth or law: one of RELATIONS, whose, and the last day, if one was named.

    `scope` is one of SCOPES: whether a ward still has an account of their own, without decisions, or none.
    """

    kind: str
    identifiers: tuple[tuple[str, str], ...]
    until: str = ""
    scope: str = DECISIONS

    @property
    def national(self) -> str:
        """The national identifier of whoever acts, or an empty text."""
        return dict(reversed(self.identifiers)).get(NATIONAL, "")


@dataclass(frozen=True)
class Notice:
    """A message that was understood. `sequence` orders messages about one person, if the registry counts them."""

    kind: str
    identifiers: tuple[tuple[str, str], ...]
    stated: Person
    birth: Record | None
    sequence: int | None
    relations: tuple[Relation, ...] = ()

    @property
    def national(self) -> str:
        """The national identifier it names, or an empty text."""
        return dict(reversed(self.identifiers)).get(NATIONAL, "")


def message(claims: dict[str, Any], *, source: str, token: str) -> Message:
    """Return the message in a token's claims, whose presence and kinds `trust` has checked."""
    event, payload = next(iter(claims["events"].items()))
    happened = datetime.fromtimestamp(claims.get("toe", claims["iat"]), UTC)
    return Message(claims["iss"], source, claims["jti"], event, payload, happened, token)


def read(message: Message) -> Notice | Bad:
    """Read what a message says; never raises, whatever it holds."""
    try:
        return _notice(message)
    except msgspec.ValidationError as error:
        return Bad("wrong-shape", spot(error))
    except Unreadable as error:
        return error.bad


def _notice(message: Message) -> Notice:
    if not message.kind:
        raise Unreadable("unknown-event")
    payload = msgspec.convert(message.payload, Payload)
    if payload.sequence is not None and not 0 <= payload.sequence < _LARGEST:
        raise Unreadable("wrong-shape", "sequence")
    stated = payload.person or Person(name=payload.name)
    birth = None
    if message.kind == BIRTH:
        if payload.person is None:
            raise Unreadable("wrong-shape", "person")
        birth = civil.record(msgspec.structs.replace(stated, last_updated=message.as_of))
        return Notice(message.kind, birth.identifiers, stated, birth, payload.sequence, _parents(stated))
    identifiers = _identifiers(payload.identifier)
    if message.kind in (REPRESENTATIVE, REPRESENTATIVE_ENDED):
        return Notice(message.kind, identifiers, stated, None, payload.sequence, (_relation(payload),))
    if message.kind == DEATH:
        stated = Person(death_date=partial_date(payload.death_date, "death_date"))
    elif message.kind == NAME_CHANGE:
        stated = Person(name=payload.name)
        if payload.name is None:
            raise Unreadable("missing-name", "name")
    elif message.kind == CORRECTION and stated.death_date:
        raise Unreadable("wrong-shape", "death_date")
    return Notice(message.kind, identifiers, stated, birth, payload.sequence)


def _parents(person: Person) -> tuple[Relation, ...]:
    named = (
        ("parent1_identifier", person.parent1_identifier),
        ("parent2_identifier", person.parent2_identifier),
    )
    listed = ((where, given if isinstance(given, list) else [given]) for where, given in named if given)
    return tuple(Relation(PARENT, _identifiers(given, where)) for where, given in listed)


def _relation(payload: Payload) -> Relation:
    if payload.relation not in RELATIONS:
        raise Unreadable("wrong-shape", "relation")
    scope = payload.scope or DECISIONS
    if scope not in SCOPES or (scope == ALL and payload.relation != GUARDIAN):
        raise Unreadable("wrong-shape", "scope")
    return Relation(
        payload.relation,
        _identifiers(payload.representative, "representative"),
        _last_day(payload.until or ""),
        scope,
    )


def _last_day(written: str) -> str:
    """Return a day to come or gone, as written; raises Unreadable for anything but a whole date (RFC 3339)."""
    try:
        day = date.fromisoformat(written) if written else None
    except ValueError as error:
        raise Unreadable("bad-date", "until") from error
    if day is not None and day.isoformat() != written:
        raise Unreadable("bad-date", "until")
    return written


def _identifiers(given: list[Identifier] | None, where: str = "identifier") -> tuple[tuple[str, str], ...]:
    pairs = tuple(
        (number(item.identifier_type, "identifier_type"), number(item.identifier_value, "identifier_value"))
        for item in given or ()
    )
    if not any(kind == NATIONAL and value for kind, value in pairs):
        raise Unreadable("missing-identifier", where)
    return tuple((kind, value) for kind, value in pairs if kind and value)
