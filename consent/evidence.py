"""Nothing is told before it is in the ledger: hands entries over and waits until they are durable."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from consent import kept, tables, uses
from consent.ledger import signer
from consent.ledger.errors import LedgerBusy, RequestReused
from consent.ledger.sequencer import MOST_IN_BATCH, Disclosure, Integrated, Refused, Sequencer
from core import clock
from core.database import Database
from core.events import CLEAR_FIELDS, Actor, Event

MANDATE, DESK = "mandate", "desk"
# What reads without being a client of an agency, as entries name it.
AT_A_DESK, BY_STAFF = "desk", "staff:"
# What else than a grant an entry may rely on: where it stands, and the state in which it counts.
_BESIDE: dict[str, tuple[Table, str]] = {
    MANDATE: (tables.mandate, "given"),
    DESK: (tables.sitting, "confirmed"),
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is to be made durable: the event, whose chains it joins, who did it, and what makes it repeatable.

    `relies_on` is the grant and its version on which the read rests, if it rests on one; `beside` what else
    must stand at that moment, as ``mandate:ID`` or ``desk:ID`` and version.
    """

    event: Event
    about: Sequence[str]
    actor: Actor
    client: str
    request_id: str
    bound_to: bytes
    relies_on: tuple[str, int] | None = None
    beside: tuple[tuple[str, int], ...] = ()


def binding(body_sha256: str, *facts: str) -> bytes:
    """Return the hash that a request ID is claimed with: of the body, and of what else makes it this request.

    A GET has no body, so the same request ID for another citizen must not pass for a repetition; nor may it
    under another grant, or another version of one.
    """
    return hashlib.sha256("\n".join((body_sha256, *facts)).encode()).digest()


def is_reserved(client_id: str) -> bool:
    """Tell whether a client's ID would make its entries look like those of the service's own desks or staff."""
    said = client_id.casefold()
    return said == AT_A_DESK or said.startswith(BY_STAFF)


def obtain(database: Database, entry: Entry) -> Integrated | Refused:
    """Hand an entry to the sequencer and wait until it is durable; Refused if what it relied on had ended by then.

    A repeated request gets the place of the first. Raises LedgerBusy if the ledger is not in time,
    RequestReused when a request ID comes bound to something else, or too late, RuntimeError if this process has no sequencer.
    """
    return _sequencer(database).submit(_disclosure(entry)).wait()


def obtain_all(database: Database, entries: Sequence[Entry]) -> list[Integrated | Refused | RequestReused]:
    """Hand many entries over at once and wait until all are durable. One outcome for each, in their order.

    They get the time of as many deadlines as they fill batches. Raises LedgerBusy if one is not in time:
    those that are durable are found again when the whole is repeated.
    """
    sequencer = _sequencer(database)
    tickets = sequencer.submit_all([_disclosure(entry) for entry in entries])
    seconds = sequencer.deadline * (1 + len(tickets) // MOST_IN_BATCH)
    outcomes: list[Integrated | Refused | RequestReused] = []
    late: LedgerBusy | None = None
    for ticket in tickets:
        try:
            outcomes.append(ticket.wait(0 if late else seconds))
        except RequestReused as reused:
            outcomes.append(reused)
        except LedgerBusy as busy:
            late = busy
    if late is not None:
        raise late
    return outcomes


def checkpoint(db: Session) -> str | None:
    """Return the newest checkpoint that is published, at most a second old: whoever keeps it can tell a fork later."""
    signed = kept.look_up(db, "checkpoint", lambda: signer.published(db))
    return signed.note if signed else None


def stands(db: Session, pairs: Iterable[tuple[str, int]]) -> uses.Held:
    """Say of each (ID, version) that reads rely on whether it stands at this moment: a grant by its ID, else ``kind:ID``.

    ``ok``, ``ended`` or ``locked``, as `uses.hold` has it, who also counts; what is ok stays so until the
    caller's transaction ends.
    """
    wanted = sorted(set(pairs))
    found = uses.hold(db, [pair for pair in wanted if ":" not in pair[0]])
    for kind, (table, state) in _BESIDE.items():
        mine = [pair for pair in wanted if pair[0].partition(":")[0] == kind and ":" in pair[0]]
        if mine:
            found.update(_held(db, mine, table, state))
    return found


def _held(
    db: Session, pairs: Sequence[tuple[str, int]], table: Table, state: str
) -> Mapping[tuple[str, int], str]:
    names = sorted({name.partition(":")[2] for name, _version in pairs})
    query = select(table.c.id, table.c.version, table.c.state, table.c.expires_at).where(
        table.c.id.in_(names)
    )
    there = {row.id for row in db.execute(query)}
    held = {row.id: row for row in db.execute(query.with_for_update(read=True, skip_locked=True))}
    at, found = clock.now(), {}
    for name, version in pairs:
        row = held.get(name.partition(":")[2])
        if row is None:
            found[name, version] = "locked" if name.partition(":")[2] in there else "ended"
        else:
            good = row.version == version and row.state == state and row.expires_at > at
            found[name, version] = "ok" if good else "ended"
    return found


def _sequencer(database: Database) -> Sequencer:
    sequencer: Sequencer | None = database.parts.sequencer
    if sequencer is None:
        raise RuntimeError("no sequencer: nothing can be released")
    return sequencer


def _disclosure(entry: Entry) -> Disclosure:
    grant_id, version = entry.relies_on or (None, 0)
    return Disclosure(
        event=entry.event,
        about=tuple(dict.fromkeys(entry.about)),
        actor=entry.actor,
        **{name: getattr(entry.event, name, None) for name in CLEAR_FIELDS},
        grant_id=grant_id,
        grant_version=version,
        client=entry.client,
        request_id=entry.request_id,
        body_sha256=entry.bound_to,
        beside=entry.beside,
        disclose_after=getattr(entry.event, "disclose_after", None),
    )
