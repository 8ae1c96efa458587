"""What happened to the copy of the registers: never what a record says, only that it changed and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class ImportFinished(Event):
    """A register's file was read to its end. `counts` add up; `reasons` counts what went to quarantine, by reason."""

    kind: ClassVar[str] = "import-finished"
    source: str
    run: str
    sha256: str
    counts: Mapping[str, int]
    reasons: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class CitizenBorn(Event):
    """A registered birth gave a person a citizen ID."""

    kind: ClassVar[str] = "citizen-born"
    citizen: str
    source: str


@dataclass(frozen=True, kw_only=True)
class CitizenDied(Event):
    """A register says that the citizen has died."""

    kind: ClassVar[str] = "citizen-died"
    citizen: str
    source: str


@dataclass(frozen=True, kw_only=True)
class DeathReversed(Event):
    """A register took back a death that it had announced by mistake."""

    kind: ClassVar[str] = "death-reversed"
    citizen: str
    source: str


@dataclass(frozen=True, kw_only=True)
class CitizenErased(Event):
    """What the registers said about the citizen, and their account, was destroyed with its keys; the ID stays."""

    kind: ClassVar[str] = "citizen-erased"
    citizen: str


@dataclass(frozen=True, kw_only=True)
class NameChanged(Event):
    """A register announced a new name; `attributes` names what changed with it."""

    kind: ClassVar[str] = "name-changed"
    citizen: str
    source: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AttributesChanged(Event):
    """What a register says about the citizen changed. `cause` is update or correction."""

    kind: ClassVar[str] = "attributes-changed"
    citizen: str
    source: str
    attributes: tuple[str, ...]
    cause: str


@dataclass(frozen=True, kw_only=True)
class RepresentativeStated(Event):
    """A register says who acts for a citizen by birth (`relation` parent) or by a court's decision (guardian).

    `until` is the last day (RFC 3339 full-date), if one was named; `as_of` the day since which it is so. `scope` is
    decisions (a ward keeps an account of their own and gives no permission in it) or all (it rests).
    """

    kind: ClassVar[str] = "representative-stated"
    citizen: str
    source: str
    representative: str
    relation: str
    as_of: str
    until: str | None = None
    scope: str = "decisions"


@dataclass(frozen=True, kw_only=True)
class RepresentativeEnded(Event):
    """A register says that somebody does not act for a citizen by birth or law any more."""

    kind: ClassVar[str] = "representative-ended"
    citizen: str
    source: str
    representative: str
    relation: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class MessageOutdated(Event):
    """A message came after a newer one about the same facts and changed nothing."""

    kind: ClassVar[str] = "message-outdated"
    citizen: str
    source: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RecordQuarantined(Event):
    """A message of a register could not be applied and was put aside whole."""

    kind: ClassVar[str] = "record-quarantined"
    source: str
    record: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RecordMatched(Event):
    """A record was found to be about this citizen. `how` is comparison, retry, or decision (of staff).

    `record` is its number in quarantine if it was there; then the event stands on the source's chain too.
    """

    kind: ClassVar[str] = "record-matched"
    citizen: str
    source: str
    how: str
    record: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordDismissed(Event):
    """Staff decided that a record in quarantine will not be used."""

    kind: ClassVar[str] = "record-dismissed"
    source: str
    record: str
    reason: str
