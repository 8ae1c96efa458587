"""What happened: typed events, written sealed in the same transaction as the change they announce."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

import rfc8785
from sqlalchemy import Boolean, Column, LargeBinary, String, Table, insert, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Base, BigKey, Moment, parts

OFFICE = "office:erti"
CLEAR_FIELDS = ("agency", "purpose", "basis", "outcome")
_NAMES: dict[type, tuple[str, ...]] = {}  # of the fields of each event, looked up once


@dataclass(frozen=True)
class Actor:
    """Who did it. `kind` is citizen, agency, client, staff, registry or system."""

    kind: str
    id: str


SYSTEM = Actor("system", "erti")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened. Fields are typed, and never hold an attribute's value.

    Subclasses set `kind` (kebab-case) and a docstring, which is their documentation.
    `public` events become a public record of the ledger instead of an entry in somebody's chain.
    """

    kind: ClassVar[str] = "event"
    public: ClassVar[bool] = False

    def data(self) -> dict[str, Any]:
        """Return the fields as JSON data, without those that are None."""
        return {
            name: value if type(value) is str else plain(value)
            for name in _names(type(self))
            if (value := getattr(self, name)) is not None
        }


def _names(kind: type[Event]) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return _NAMES[kind]


def plain(value: Any) -> Any:
    """Return a value as JSON data: tuples and sets as lists, moments as RFC 3339 text."""
    if type(value) is str:
        return value
    if isinstance(value, datetime):
        return clock.wire(value)
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value


class Sealer(Protocol):
    """How a waiting event is closed to readers of the database; `service.app` fills it with `keys.sealing`."""

    def seal(self, db: Session, chain: str, plaintext: bytes) -> bytes:
        """Seal under the key of the chain's owner."""

    def unseal(self, db: Session, chain: str, sealed: bytes) -> bytes:
        """Undo `seal`."""


Handler = Callable[[Session, Any, Actor], None]
Handlers = dict[type[Event], list[Handler]]

# Emptied by the ledger's sequencer: a row waits here only between its commit and its integration.
waiting = Table(
    "event_waiting",
    Base.metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("event_id", String(36), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("chain", String(128), nullable=False, index=True),
    Column("public", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    *(Column(name, String(128)) for name in CLEAR_FIELDS),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
_INSERT = insert(waiting)
_UNDER_WAY = "event_under_way"


def new_id() -> str:
    """Return a new event ID (a random UUID, RFC 9562 version 4)."""
    return str(uuid.uuid4())


def body(event: Event, event_id: str, at: datetime, actor: Actor) -> dict[str, Any]:
    """Return the part of a ledger record that is known before the entry has its place."""
    return {
        "v": 1,
        "event": event_id,
        "kind": event.kind,
        "at": clock.wire(at),
        "actor": {"kind": actor.kind, "id": actor.id},
        "data": event.data(),
    }


def record(db: Session, event: Event, *, actor: Actor, about: Sequence[str] = ()) -> str:
    """Announce a change: seal the event into the caller's transaction and run its handlers there.

    `about` names the chains it belongs to: a citizen ID, ``agency:ID``, ``source:NAME``, or the office's
    own if empty; one that is named twice gets it once. Returns the event ID. Raises RuntimeError if no sealer was put in, because an event
    that cannot be sealed must not be written.
    """
    house = parts(db)
    if house.sealer is None:
        raise RuntimeError("no sealer: an event cannot be recorded in clear")
    event_id, at = new_id(), clock.now()
    content = rfc8785.dumps(body(event, event_id, at, actor))
    clear = {name: getattr(event, name, None) for name in CLEAR_FIELDS}
    rows = [
        {
            "event_id": event_id,
            "kind": event.kind,
            "chain": chain,
            "public": event.public,
            "at": at,
            "sealed": content if event.public else house.sealer.seal(db, chain, content),
            **clear,
        }
        for chain in (dict.fromkeys(about) or (OFFICE,))
    ]
    db.execute(_INSERT, rows)
    outer = db.info.get(_UNDER_WAY)
    db.info[_UNDER_WAY] = event_id
    for handler in house.handlers.get(type(event), ()):
        handler(db, event, actor)
    db.info[_UNDER_WAY] = outer
    return event_id


def under_way(db: Session) -> str:
    """Return the ID of the event whose handlers are running now, for notices that name it."""
    event_id: str = db.info[_UNDER_WAY]
    return event_id


def chains_under_way(db: Session) -> list[str]:
    """Return the chains of the event whose handlers are running now."""
    query = select(waiting.c.chain).where(waiting.c.event_id == under_way(db)).order_by(waiting.c.id)
    return list(db.scalars(query))
