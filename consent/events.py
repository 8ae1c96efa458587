"""What happens between citizens, agencies and purposes; names of attributes, never their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class AgencyPut(Event):
    """An agency joined, or what is known of it changed."""

    kind: ClassVar[str] = "agency-put"
    agency: str
    names: Mapping[str, str]
    contact: str
    agency_kind: str
    state: str


@dataclass(frozen=True, kw_only=True)
class PurposePublished(Event):
    """A version of a purpose was published: its whole text, so that nobody can later claim another."""

    kind: ClassVar[str] = "purpose-published"
    public: ClassVar[bool] = True
    agency: str
    purpose: str
    version: int
    sha256: str
    declaration: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class GrantGiven(Event):
    """A citizen allowed an agency to read attributes for a purpose, after reading a text in a language."""

    kind: ClassVar[str] = "grant-given"
    agency: str
    client: str
    purpose: str
    purpose_version: int
    basis: str = "consent"
    outcome: str = "given"
    grant: str
    attributes: tuple[str, ...]
    left_out: tuple[str, ...]
    text_sha256: str
    language: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class GrantDeclined(Event):
    """A citizen did not allow what an agency asked."""

    kind: ClassVar[str] = "grant-declined"
    agency: str
    client: str
    purpose: str
    purpose_version: int
    basis: str = "consent"
    outcome: str = "declined"
    attributes: tuple[str, ...]
    text_sha256: str
    language: str


@dataclass(frozen=True, kw_only=True)
class GrantWithdrawn(Event):
    """A citizen took a permission back: `whole`, or some of its attributes."""

    kind: ClassVar[str] = "grant-withdrawn"
    agency: str
    client: str
    purpose: str
    purpose_version: int
    basis: str = "consent"
    outcome: str = "withdrawn"
    grant: str
    whole: bool
    attributes: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GrantEnded(Event):
    """A permission ended without the citizen withdrawing it: it expired, or its citizen died."""

    kind: ClassVar[str] = "grant-ended"
    agency: str
    client: str
    purpose: str
    purpose_version: int
    basis: str = "consent"
    outcome: str = "ended"
    grant: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Disclosed(Event):
    """Attributes were released to an agency, or a read was refused and `rule` says by which rule."""

    kind: ClassVar[str] = "disclosed"
    agency: str
    client: str
    purpose: str | None
    purpose_version: int | None
    basis: str | None
    law: str | None = None
    attributes: tuple[str, ...]
    grant: str | None = None
    channel: str
    case: str | None = None
    official: str | None = None
    request_id: str
    outcome: str
    rule: str | None = None


@dataclass(frozen=True, kw_only=True)
class CitizenResolved(Event):
    """An agency asked for the citizen ID behind an identifier; the identifier itself is not kept."""

    kind: ClassVar[str] = "citizen-resolved"
    agency: str
    client: str
    purpose: str | None
    purpose_version: int | None
    basis: str | None
    law: str | None = None
    identifier_type: str
    case: str
    official: str | None = None
    request_id: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class StaffLooked(Event):
    """Staff of the service looked at a citizen's attributes, with their office and reason."""

    kind: ClassVar[str] = "staff-looked"
    staff: str
    office: str
    reason: str
    basis: str = "staff"
    attributes: tuple[str, ...]
    request_id: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class RecordUnmasked(Event):
    """Staff opened a source's record that was nobody's yet; `looked_at` where it is told later, once it is."""

    kind: ClassVar[str] = "record-unmasked"
    staff: str
    office: str
    reason: str
    basis: str = "staff"
    source: str
    record: str
    request_id: str
    outcome: str
    looked_at: datetime | None = None
