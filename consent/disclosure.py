"""The one door: no attribute value leaves except through here, each after its entry in the ledger."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent import agencies, door, evidence
from consent import unmatched as looks
from consent.door import Ask, NotReleased, Situation
from consent.errors import AskMalformed, RefusedTooOften
from consent.events import Disclosed, RecordUnmasked, StaffLooked
from consent.evidence import Entry
from consent.ledger.sequencer import Integrated
from consent.resolving import ResolveAsk, resolve
from core import limits
from core.database import Database
from core.events import Actor, record
from registry_sync import attributes, people
from registry_sync.attributes import Envelope
from registry_sync.catalogue import CATALOGUE

__all__ = [
    "CATALOGUE",
    "Ask",
    "Envelope",
    "NotReleased",
    "Released",
    "ResolveAsk",
    "StaffAsk",
    "Uncovered",
    "UnmatchedAsk",
    "own",
    "release",
    "resolve",
    "staff",
    "unmatched",
]

REFUSALS_A_MINUTE = 600
LONGEST_REASON = 500


@dataclass(frozen=True)
class Released:
    """A "yes": the values by attribute (what no register holds is left out), and the entry that stands for it."""

    values: dict[str, Envelope]
    receipt: Integrated


@dataclass(frozen=True, kw_only=True)
class StaffAsk:
    """What a member of staff asks of the door: one citizen, with office and reason."""

    staff: str
    office: str
    reason: str
    citizen: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UnmatchedAsk:
    """What a member of staff asks of the door about a record that is nobody's yet, by its quarantine ID."""

    staff: str
    office: str
    reason: str
    record: str


@dataclass(frozen=True)
class Uncovered:
    """A record as its source sent it, and the entry that stands for the look."""

    source: str
    content: bytes
    receipt: Integrated


def release(database: Database, ask: Ask) -> Released | NotReleased:
    """Release attributes to an agency, or say which rule refused. It establishes, in this order:

    (1) no write transaction is open in this thread, which would wait for itself on SQLite (DESIGN 6);
    (2) every rule of `door.CHECKS` holds; a refused read about a known citizen joins their history;
    (3) the values can be read;
    (4) the entry is durable in the ledger, and the grant was live at that very moment.

    Only then are values returned. Raises RuntimeError (1), RefusedTooOften (2), LedgerBusy when the entry
    is not durable in time or could not be proved, RequestReused for a request ID that is spent (`evidence.obtain`).
    """
    door.outside_writing(database)  # (1)
    with database.reading() as db:
        found = door.situation(db, ask)
        refused = door.refusal(found)  # (2)
        values = {} if refused else attributes.read(db, ask.citizen, ask.attributes)  # (3)
    if refused:
        _keep_refusal(database, found, refused)
        return refused
    grant = found.grant if ask.attributes else None
    rests_on = (grant.grant_id, str(grant.version)) if grant else ("", "")
    facts = (ask.citizen, ask.purpose, *rests_on, *sorted(ask.attributes))
    entry = Entry(
        event=_disclosed(found, outcome="released"),
        about=[ask.citizen],
        actor=Actor("client", ask.client),
        client=ask.client,
        request_id=ask.request_id,
        bound_to=evidence.binding(ask.body_sha256, *facts),
        relies_on=(grant.grant_id, grant.version) if grant else None,
    )
    receipt = evidence.obtain(database, entry)  # (4)
    return Released(values, receipt) if receipt else door.ENDED_MEANWHILE


def own(db: Session, citizen: str, names: Iterable[str]) -> dict[str, Envelope]:
    """Return a citizen's values for the citizen's own session. No entry; never for a helper or a clerk."""
    return attributes.read(db, citizen, names)


def staff(database: Database, ask: StaffAsk) -> Released | NotReleased:
    """Show a citizen's attributes to a member of staff, once the look is durable in the citizen's history.

    The caller owes the check of the permission. Raises AskMalformed without office, reason or attributes,
    and otherwise as `release` does.
    """
    door.outside_writing(database)
    office, reason = _why(ask.office, ask.reason)
    if not ask.attributes:
        raise AskMalformed(detail="no attributes")
    with database.reading() as db:
        if people.find(db, ask.citizen) is None:
            return door.NO_SUCH_CITIZEN
        values = attributes.read(db, ask.citizen, ask.attributes)
    request_id = str(uuid.uuid4())
    event = StaffLooked(
        staff=ask.staff,
        office=office,
        reason=reason,
        attributes=ask.attributes,
        request_id=request_id,
        outcome="released",
    )
    receipt = _looked(database, event, chain=ask.citizen, staff_id=ask.staff, request_id=request_id)
    return Released(values, receipt)


def unmatched(database: Database, ask: UnmatchedAsk) -> Uncovered:
    """Open a record in quarantine, which is nobody's yet, once the look is durable on the source's chain.

    When it turns out whose it is, the look joins their history (`consent.unmatched.tell`). The caller owes
    the check of the permission; `registry_sync.quarantine.read` shows the same covered, without an entry.
    Raises AskMalformed without office or reason, RecordUnknown, and otherwise as `release` does.
    """
    door.outside_writing(database)
    office, reason = _why(ask.office, ask.reason)
    with database.reading() as db:
        source, content = attributes.unmatched(db, ask.record)
    request_id = str(uuid.uuid4())
    event = RecordUnmasked(
        staff=ask.staff,
        office=office,
        reason=reason,
        source=source,
        record=ask.record,
        request_id=request_id,
        outcome="released",
    )
    with database.writing() as db:
        looks.remember(db, event)
    receipt = _looked(database, event, chain=looks.chain(source), staff_id=ask.staff, request_id=request_id)
    return Uncovered(source, content, receipt)


def _why(office: str, reason: str) -> tuple[str, str]:
    said = office.strip(), reason.strip()
    if not all(0 < len(text) <= LONGEST_REASON for text in said):
        raise AskMalformed(detail="office or reason")
    return said


def _looked(
    database: Database, event: StaffLooked | RecordUnmasked, *, chain: str, staff_id: str, request_id: str
) -> Integrated:
    entry = Entry(
        event=event,
        about=[chain],
        actor=Actor("staff", staff_id),
        client=f"staff:{staff_id}",
        request_id=request_id,
        bound_to=evidence.binding(request_id),
    )
    receipt = evidence.obtain(database, entry)
    if receipt is None:
        raise RuntimeError("a look by staff relies on no grant, so none can have ended")
    return receipt


def _keep_refusal(database: Database, found: Situation, refused: NotReleased) -> None:
    ask = found.ask
    with database.writing() as db:
        wait = limits.hit(db, "door.refused", ask.client, most=REFUSALS_A_MINUTE, per_seconds=60)
        if not wait:
            event = _disclosed(found, outcome="refused", rule=refused.rule)
            about = ask.citizen if found.person else agencies.chain(ask.agency)
            record(db, event, actor=Actor("client", ask.client), about=[about])
    if wait:
        raise RefusedTooOften(retry_after=wait)


def _disclosed(found: Situation, *, outcome: str, rule: str | None = None) -> Disclosed:
    ask, terms = found.ask, found.purpose
    # What does not exist, or is another's, must not stand in a history under a name the asker chose.
    known = terms if terms is not None and terms.agency == ask.agency else None
    names = tuple(name for name in ask.attributes if name in CATALOGUE)
    return Disclosed(
        agency=ask.agency,
        client=ask.client,
        purpose=known.id if known else None,
        purpose_version=known.version if known else None,
        basis=known.basis["kind"] if known else None,
        law=known.law if known else None,
        attributes=names,
        grant=found.grant.grant_id if found.grant and known else None,
        channel="law" if known and known.by_law else ask.channel,
        case=ask.case,
        official=ask.official,
        request_id=ask.request_id,
        outcome=outcome,
        rule=rule,
    )
