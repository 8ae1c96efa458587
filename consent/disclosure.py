"""The one door: no attribute value leaves except through here, each after its entry in the ledger."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent import agencies, door, endings, evidence, secrecy
from consent import unmatched as looks
from consent.door import Ask, NotReleased, Situation
from consent.errors import AskMalformed, RefusedTooOften
from consent.events import Disclosed, RecordUnmasked, StaffLooked
from consent.evidence import Entry
from consent.grants import Grant
from consent.ledger.errors import RequestReused
from consent.ledger.sequencer import Integrated, Refused
from consent.mandates import Mandate
from consent.resolving import ResolveAsk, resolve
from consent.staff_asks import StaffAsk, UnmatchedAsk
from core import limits
from core.database import Database
from core.events import OFFICE, Actor, record
from keys.errors import Shredded
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
    "former_name",
    "is_called",
    "own",
    "release",
    "release_all",
    "resolve",
    "staff",
    "unmatched",
]

REFUSALS_A_MINUTE = 600
REFUSALS_IN_BATCHES_A_MINUTE = 6_000
REFUSALS_OF_ONE_AN_HOUR = (
    300  # each is an entry: nobody buries a look under refused tries, or a history under its size
)
LONGEST_REASON = 500


@dataclass(frozen=True)
class Released:
    """A "yes": the values by attribute (what no register holds is left out), and the entry that stands for it.

    `withheld` was asked for as well, and is not covered.
    """

    values: dict[str, Envelope]
    receipt: Integrated
    withheld: tuple[str, ...] = ()


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
    (4) the entry is durable in the ledger, and the grant, mandate or sitting stood at that very moment.

    Only then are values returned. Raises RuntimeError (1), RefusedTooOften (2), LedgerBusy when the entry
    is not durable in time or could not be proved, RequestReused for a request ID that is spent (`evidence.obtain`).
    """
    door.outside_writing(database)  # (1)
    with database.reading() as db:
        found = door.situation(db, ask)
        refused = door.refusal(found)  # (2)
        values = {} if refused else attributes.read(db, ask.citizen, found.names)  # (3)
    if refused:
        _keep_refusal(database, found, refused)
        return refused
    if door.reads_are_left(found, repeats=False):
        _throttle_repeats(database, [found])
    receipt = evidence.obtain(database, _entry(found))  # (4)
    endings.use_up(database, _counted([found]))
    return door.ended(receipt.rule) if isinstance(receipt, Refused) else _released(found, values, receipt)


def release_all(database: Database, asks: Sequence[Ask]) -> list[Released | NotReleased | RequestReused]:
    """Release attributes of many citizens to one client for one purpose; one answer for each, in their order.

    Establishes for each what `release` does, with a few queries for all, and hands every entry to the
    sequencer at once. Raises as `release` does, for the whole; AskMalformed for asks of different kinds.
    """
    door.outside_writing(database)
    if not asks:
        return []
    with database.reading() as db:
        found = door.situations(db, asks)
        refused = [door.refusal(one) for one in found]
        going = [one for one, no in zip(found, refused, strict=True) if no is None]
        names = {name for one in going for name in one.names}
        values = attributes.read_many(db, [one.ask.citizen for one in going], names)
    _keep_refusals(database, [(one, no) for one, no in zip(found, refused, strict=True) if no])
    _throttle_repeats(database, [one for one in going if door.reads_are_left(one, repeats=False)])
    receipts = iter(evidence.obtain_all(database, [_entry(one) for one in going]))
    endings.use_up(database, _counted(going))
    answers: list[Released | NotReleased | RequestReused] = []
    for one, no in zip(found, refused, strict=True):
        receipt = None if no else next(receipts)
        if no is not None:
            answers.append(no)
        elif isinstance(receipt, Integrated):
            held = values.get(one.ask.citizen, {})
            told = {name: held[name] for name in one.names if name in held}
            answers.append(_released(one, told, receipt))
        elif isinstance(receipt, Refused):
            answers.append(door.ended(receipt.rule))
        elif receipt is not None:
            answers.append(receipt)
    return answers


def _released(found: Situation, values: dict[str, Envelope], receipt: Integrated) -> Released:
    return Released(values, receipt, found.beyond if found.ask.narrow else ())


def _entry(found: Situation) -> Entry:
    """Return the entry that a release rests on: what it says, in whose chains, and what must stand meanwhile."""
    ask = found.ask
    grant = found.grant if found.names else None
    rests_on = (grant.grant_id, str(grant.version)) if grant else ("", "")
    beside = []
    if found.mandate is not None:
        beside.append((f"{evidence.MANDATE}:{found.mandate.id}", found.mandate.version))
    if found.sitting is not None:
        beside.append((f"{evidence.DESK}:{found.sitting.id}", found.sitting.version))
    also = [f"{name} {version}" for name, version in beside]
    facts = (ask.citizen, ask.purpose, *rests_on, *also, *sorted(found.names))
    return Entry(
        event=_disclosed(found, outcome="released"),
        about=_chains(found),
        actor=_actor(found),
        client=ask.client,
        request_id=found.request_id,
        bound_to=evidence.binding(ask.body_sha256, *facts),
        relies_on=(grant.grant_id, grant.version) if grant else None,
        beside=tuple(beside),
    )


def _chains(found: Situation) -> list[str]:
    """Return whose histories a read joins: the citizen's, of whoever acts for them, and at a desk the office's."""
    ask = found.ask
    chains = [ask.citizen if found.person else agencies.chain(ask.agency)]
    if found.representative is not None:
        chains.append(found.representative.citizen_id)
    if ask.channel == "desk":
        chains.append(OFFICE)
    return chains


def _actor(found: Situation) -> Actor:
    if found.ask.channel == "desk" and found.ask.official:
        return Actor("staff", found.ask.official)
    return Actor("client", found.ask.client)


def own(db: Session, citizen: str, names: Iterable[str]) -> dict[str, Envelope]:
    """Return a citizen's values for the citizen's own session. No entry; never for a helper or a clerk."""
    return attributes.read(db, citizen, names)


def is_called(db: Session, citizen: str, name: str) -> bool:
    """Tell whether the name that the registers hold of somebody has no other words than `name`. No value leaves, so no entry.

    The caller owes that `name` is the asker's own: whoever could choose it might guess a citizen's.
    """
    try:
        held = attributes.read(db, citizen, ("name", "given_name", "family_name"))
    except Shredded:
        return False
    parts = ("name",) if "name" in held else ("given_name", "family_name")
    theirs = {word for part in parts if part in held for word in str(held[part].value).casefold().split()}
    return bool(theirs) and theirs <= set(name.casefold().split())


def former_name(db: Session, citizen: str) -> Envelope | None:
    """Return the name that a register replaced and that its owner has not read of yet, for the citizen's own session."""
    return attributes.former_name(db, citizen)


def called(db: Session, mandate: Mandate) -> str:
    """Return the name of whom a live mandate is about, and no more, for its holder's own session. No entry: both agreed, or a register says so."""
    held = attributes.read(db, mandate.giver, ("name",)) if mandate.is_live else {}
    return str(held["name"].value) if "name" in held else people.grouped(mandate.giver)


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
        client=f"{evidence.BY_STAFF}{staff_id}",
        request_id=request_id,
        bound_to=evidence.binding(request_id),
    )
    receipt = evidence.obtain(database, entry)
    if isinstance(receipt, Integrated):
        return receipt
    raise RuntimeError("a look by staff relies on no grant, so none can have ended")


def _counted(found: Sequence[Situation]) -> list[Grant]:
    """Return the grants that these reads were counted under, and that may have come to their last."""
    relied = [one.grant for one in found if one.grant is not None and one.names]
    return [grant for grant in relied if grant.allowance.reads is not None]


def _throttle_repeats(database: Database, found: Sequence[Situation]) -> None:
    # The ledger refuses all but the repetition itself, with an entry each: not as many as anybody likes.
    if not found:
        return
    client, times = found[0].ask.client, len(found)
    bucket, most = ("door.refused", REFUSALS_A_MINUTE)
    if times > 1:
        bucket, most = "door.refused.batch", REFUSALS_IN_BATCHES_A_MINUTE
    with database.writing() as db:
        wait = limits.hit(db, bucket, client, most=most, per_seconds=60, times=times)
    if wait:
        raise RefusedTooOften(retry_after=wait)


def _keep_refusal(database: Database, found: Situation, refused: NotReleased) -> None:
    event = _disclosed(found, outcome="refused", rule=refused.rule)
    with database.writing() as db:
        wait = max(
            limits.hit(db, "door.refused", found.ask.client, most=REFUSALS_A_MINUTE, per_seconds=60),
            _count_for_one(db, found),
        )
        if not wait and not event.disclose_after:
            record(db, event, actor=_actor(found), about=_chains(found))
    if wait:
        raise RefusedTooOften(retry_after=wait)
    if event.disclose_after:
        evidence.obtain(database, _withheld_refusal(found, event))


def _count_for_one(db: Session, found: Situation) -> int:
    who = f"{found.ask.client} {found.ask.citizen}"
    return limits.hit(db, "door.refused.one", who, most=REFUSALS_OF_ONE_AN_HOUR, per_seconds=3600)


def _keep_refusals(database: Database, refused: Sequence[tuple[Situation, NotReleased]]) -> None:
    clients = Counter(found.ask.client for found, _no in refused)
    if not clients:
        return
    events = [(found, _disclosed(found, outcome="refused", rule=no.rule)) for found, no in refused]
    most, wait = REFUSALS_IN_BATCHES_A_MINUTE, 0
    with database.writing() as db:
        for client, times in clients.items():
            wait = limits.hit(db, "door.refused.batch", client, most=most, per_seconds=60, times=times)
        wait = max([wait, *(_count_for_one(db, found) for found, _no in refused)])
        for found, event in events if not wait else ():
            if not event.disclose_after:
                record(db, event, actor=_actor(found), about=_chains(found))
    if wait:
        raise RefusedTooOften(retry_after=wait)
    kept_back = [_withheld_refusal(found, event) for found, event in events if event.disclose_after]
    evidence.obtain_all(database, kept_back)


def _withheld_refusal(found: Situation, event: Disclosed) -> Entry:
    """Return the entry of a refused read that a law withholds: what waits for the ledger would be in the open log."""
    return Entry(
        event=event,
        about=[found.ask.citizen],
        actor=_actor(found),
        client=found.ask.client,
        request_id="",
        bound_to=b"",
    )


def _disclosed(found: Situation, *, outcome: str, rule: str | None = None) -> Disclosed:
    ask, terms, released = found.ask, found.purpose, outcome == "released"
    # What does not exist, or is another's, must not stand in a history under a name the asker chose.
    known = terms if terms is not None and terms.agency == ask.agency else None
    until = secrecy.until(known) if found.person else None
    names = [name for name in (found.names if released else ask.attributes) if name in CATALOGUE]
    withheld = tuple(name for name in found.beyond if name in CATALOGUE)
    return Disclosed(
        agency=ask.agency,
        client=ask.client,
        purpose=known.id if known else None,
        purpose_version=known.version if known else None,
        basis=known.basis["kind"] if known else None,
        law=known.law if known else None,
        attributes=tuple(names),
        grant=found.grant.grant_id if found.grant and known else None,
        channel="law" if known and known.by_law and ask.channel == "standing" else ask.channel,
        case=ask.case,
        official=ask.official,
        withheld=withheld or None,
        citizen=ask.citizen if found.representative else None,
        representative=found.representative.citizen_id if found.representative else None,
        mandate=found.mandate.id if found.mandate else None,
        office=found.sitting.office if found.sitting else None,
        sitting=ask.sitting,
        confirmed_at=found.sitting.answered_at if found.sitting else None,
        request_id=found.request_id,
        outcome=outcome,
        rule=rule,
        disclose_after=until,
        withholding_law=known.withholding_law if known and until else None,
    )
