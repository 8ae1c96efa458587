"""Nothing is told before it is in the ledger: hands an entry over and waits until it is durable."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from consent.ledger.sequencer import Disclosure, Integrated, Refused, Ticket
from core.database import Database
from core.events import CLEAR_FIELDS, Actor, Event


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is to be made durable: the event, whose chains it joins, who did it, and what makes it repeatable.

    `relies_on` is the grant and its version on which the read rests, if it rests on one.
    """

    event: Event
    about: Sequence[str]
    actor: Actor
    client: str
    request_id: str
    bound_to: bytes
    relies_on: tuple[str, int] | None = None


def binding(body_sha256: str, *facts: str) -> bytes:
    """Return the hash that a request ID is claimed with: of the body, and of what else makes it this request.

    A GET has no body, so the same request ID for another citizen must not pass for a repetition; nor may it
    under another grant, or another version of one.
    """
    return hashlib.sha256("\n".join((body_sha256, *facts)).encode()).digest()


def obtain(database: Database, entry: Entry) -> Integrated | None:
    """Hand an entry to the sequencer and wait until it is durable; None if the grant had ended by then.

    A repeated request gets the place of the first. Raises LedgerBusy if the ledger is not in time,
    RequestReused when a request ID comes bound to something else, or too late, RuntimeError if this process has no sequencer.
    """
    sequencer = database.parts.sequencer
    if sequencer is None:
        raise RuntimeError("no sequencer: nothing can be released")
    grant_id, version = entry.relies_on or (None, 0)
    ticket: Ticket = sequencer.submit(
        Disclosure(
            event=entry.event,
            about=tuple(entry.about),
            actor=entry.actor,
            **{name: getattr(entry.event, name, None) for name in CLEAR_FIELDS},
            grant_id=grant_id,
            grant_version=version,
            client=entry.client,
            request_id=entry.request_id,
            body_sha256=entry.bound_to,
        )
    )
    outcome = ticket.wait()
    return None if isinstance(outcome, Refused) else outcome
