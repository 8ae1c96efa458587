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
    covered_since: str | None = None


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
    """A citizen allowed an agency to read attributes for a purpose, after reading a text in a language.

    `ended` names what an earlier decision allowed and this one does not. Where somebody decided for the citizen under
    a mandate, both are named.
    """

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
    limits: Mapping[str, Any] | None = None
    ended: tuple[str, ...] | None = None
    citizen: str | None = None
    representative: str | None = None
    mandate: str | None = None


@dataclass(frozen=True, kw_only=True)
class GrantExtended(GrantGiven):
    """A citizen let a permission go on as it was for another term, after reading its text again."""

    kind: ClassVar[str] = "grant-extended"
    outcome: str = "extended"


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
    citizen: str | None = None
    representative: str | None = None
    mandate: str | None = None


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
    citizen: str | None = None
    representative: str | None = None
    mandate: str | None = None


@dataclass(frozen=True, kw_only=True)
class GrantEnded(Event):
    """A permission ended without the citizen withdrawing it; `reason` says how.

    expired, used-up (its last read was made), agency (ended by it), invalidated (by an authority, which says
    `why`), deceased, closed (the account, by the citizen), or erased.
    """

    kind: ClassVar[str] = "grant-ended"
    agency: str
    client: str
    purpose: str
    purpose_version: int
    basis: str = "consent"
    outcome: str = "ended"
    grant: str
    reason: str
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class PurposeInvalidated(Event):
    """An authority declared that no permission for a purpose counts any more; `grants` is how many ended."""

    kind: ClassVar[str] = "purpose-invalidated"
    agency: str
    purpose: str
    outcome: str = "invalidated"
    grants: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Disclosed(Event):
    """Attributes were released to an agency, or a read was refused and `rule` says by which rule.

    `attributes` were released (or, of a refused read, asked for); `withheld` were asked for too and are not
    covered. A read on behalf names both people and the mandate, one at a desk the office, the sitting and
    when the citizen confirmed it.
    With `disclose_after` a law keeps it out of the citizen's history until then.
    """

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
    withheld: tuple[str, ...] | None = None
    citizen: str | None = None
    representative: str | None = None
    mandate: str | None = None
    office: str | None = None
    sitting: str | None = None
    confirmed_at: datetime | None = None
    request_id: str
    outcome: str
    rule: str | None = None
    disclose_after: datetime | None = None
    withholding_law: str | None = None


@dataclass(frozen=True, kw_only=True)
class CitizenResolved(Event):
    """An agency asked for the citizen ID behind an identifier; the identifier itself is not kept.

    With `disclose_after` a law keeps it out of the citizen's history until then.
    """

    kind: ClassVar[str] = "citizen-resolved"
    agency: str
    client: str
    purpose: str | None
    purpose_version: int | None
    basis: str | None
    law: str | None = None
    identifier_type: str
    case: str
    official: str
    request_id: str
    outcome: str
    disclose_after: datetime | None = None
    withholding_law: str | None = None


@dataclass(frozen=True, kw_only=True)
class WithheldRevealed(Event):
    """What a law kept out of a citizen's history joined it: the `read` as it was recorded then.

    `sealed` says where it has stood since, in the log of what is withheld, and holds what opens it there.
    """

    kind: ClassVar[str] = "withheld-revealed"
    agency: str
    purpose: str
    basis: str = "law"
    outcome: str
    disclose_after: datetime
    read: Mapping[str, Any]
    sealed: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class WithheldCheckpoint(Event):
    """The log of what the law withholds was signed: the SHA-256 of that checkpoint, which tells nothing but that."""

    kind: ClassVar[str] = "withheld-checkpoint"
    public: ClassVar[bool] = True
    sha256: str


@dataclass(frozen=True, kw_only=True)
class WithheldCount(Event):
    """How many entries the law withheld in a month in the whole country: at most so many, by agency.

    No count is told smaller than `least`; every agency stands there that may withhold, and nothing is told of persons.
    """

    kind: ClassVar[str] = "withheld-count"
    public: ClassVar[bool] = True
    month: str
    least: int
    counts: Mapping[str, int]
    at_most: int


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


@dataclass(frozen=True, kw_only=True)
class DisputeOpened(Event):
    """A citizen does not recognise a look by an agency or, if none is named, by staff. Not what they wrote."""

    kind: ClassVar[str] = "dispute-opened"
    agency: str | None
    dispute: str
    entry: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class DisputeSeen(Event):
    """A dispute was read by the agency's system, the first time, or by a member of staff of the service."""

    kind: ClassVar[str] = "dispute-seen"
    agency: str | None
    dispute: str
    entry: str
    through: str
    staff: str | None = None


@dataclass(frozen=True, kw_only=True)
class DisputeAnswered(Event):
    """An agency answered a dispute: the look was justified, a mistake, or unauthorised. Not what it wrote."""

    kind: ClassVar[str] = "dispute-answered"
    agency: str | None
    outcome: str
    dispute: str
    entry: str
    through: str
    late: bool


@dataclass(frozen=True, kw_only=True)
class DisputeOverdue(Event):
    """An agency let the time pass in which it had to answer a dispute."""

    kind: ClassVar[str] = "dispute-overdue"
    agency: str | None
    outcome: str = "overdue"
    dispute: str
    entry: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class DisputeClosed(Event):
    """What a dispute was about was erased before it was answered; nobody owes an answer any more."""

    kind: ClassVar[str] = "dispute-closed"
    agency: str | None
    dispute: str
    entry: str


@dataclass(frozen=True, kw_only=True)
class AlertsChanged(Event):
    """A citizen chose which looks they want to be told about by e-mail; the names of the rules that are on."""

    kind: ClassVar[str] = "alerts-changed"
    rules: tuple[str, ...]
    agencies: tuple[str, ...]
