"""Proof that something is in the ledger: nothing is told before its receipt is at hand."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent.ledger.entries import base64_of
from consent.ledger.sequencer import Disclosure, Refused, Ticket
from core import clock
from core.database import Database, parts
from core.events import CLEAR_FIELDS, Actor, Event
from keys import signing

TYP = "erti-receipt+jwt"


@dataclass(frozen=True)
class Receipt:
    """Where an entry stands in the ledger: its event, its index, and the commitment that hides its content."""

    event_id: str
    index: int
    commitment: bytes

    def data(self) -> dict[str, str | int]:
        """Return it as JSON data, with the commitment in base64."""
        return {"event": self.event_id, "index": self.index, "commitment": base64_of(self.commitment)}


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
    body_sha256: bytes
    relies_on: tuple[str, int] | None = None


def binding(body_sha256: str, *facts: str) -> bytes:
    """Return the hash that a request ID is claimed with: of the body, and of what else makes it this request.

    A GET has no body, so the same request ID for another citizen must not pass for a repetition.
    """
    return hashlib.sha256("\n".join((body_sha256, *facts)).encode()).digest()


def obtain(database: Database, entry: Entry) -> Receipt | None:
    """Hand an entry to the sequencer and wait until it is durable; None if the grant had ended by then.

    A repeated request gets the first receipt. Raises LedgerBusy if the ledger is not in time, RequestReused
    when a request ID comes with another body, RuntimeError if this process has no sequencer.
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
            body_sha256=entry.body_sha256,
        )
    )
    outcome = ticket.wait()
    if isinstance(outcome, Refused):
        return None
    return Receipt(outcome.event_id, outcome.index, outcome.commitment)


def signed(db: Session, receipt: Receipt, *, audience: str) -> str:
    """Return a receipt as a JWS that the agency can keep (RFC 7515); it does not expire."""
    settings = parts(db).settings
    claims = {
        "iss": settings.issuer,
        "aud": audience,
        "iat": clock.seconds(clock.now()),
        "jti": receipt.event_id,
        "ledger": settings.ledger_origin,
        **receipt.data(),
    }
    return signing.sign(db, claims, typ=TYP)
