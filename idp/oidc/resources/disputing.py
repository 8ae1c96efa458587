"""Disputes for agencies' systems: what citizens did not recognise, and the agency's answers."""

from typing import Any

from sqlalchemy.orm import Session

from consent import disputes, history
from consent.disputes import OPEN_STATES, STATES, SYSTEM_OF_AGENCY, Dispute
from consent.errors import DisputeMalformed, EntryUnknown
from core import clock
from core.database import Database
from core.events import Actor
from idp.oidc import subjects
from idp.oidc.client import Client
from idp.oidc.resources import bodies
from idp.oidc.resources.bodies import Answer
from idp.oidc.resources.reads import Caller

SCOPE = "disputes"
PAGE = 50
# What the agency itself said or got when it looked, by which it finds its own record of it.
TOLD = (
    "client",
    "purpose",
    "channel",
    "basis",
    "law",
    "case",
    "official",
    "attributes",
    "request_id",
    "outcome",
)


def listing(database: Database, who: Caller, *, state: str = "", after: str = "") -> dict[str, Any]:
    """Return the agency's disputes, those to be answered soonest first; open ones unless a state is named.

    With it they count as received. `next` names the last one if there are more. Raises DisputeMalformed.
    """
    if state and state not in STATES:
        raise DisputeMalformed(detail="state")
    with database.reading() as db:
        found = disputes.listing(
            db,
            states=(state,) if state else OPEN_STATES,
            agency=who.client.agency,
            after=after[:16],
            most=PAGE + 1,
        )
    more, found = len(found) > PAGE, found[:PAGE]
    with database.writing() as db:
        for one in found:
            if one.seen_at is None:
                disputes.seen(db, one, actor=Actor("client", who.client.client_id), through=SYSTEM_OF_AGENCY)
    with database.reading() as db:
        told = [_told(db, who.client, one) for one in found]
    return {"disputes": told, **({"next": found[-1].id} if more else {})}


def answer(database: Database, who: Caller, number: str, content: bytes) -> dict[str, Any]:
    """Answer a dispute of the agency's, once. Raises BodyNotUnderstood, DisputeUnknown, DisputeAnsweredAlready."""
    body = bodies.read(content, Answer)
    with database.writing() as db:
        found = disputes.read(db, number, agency=who.client.agency)
        answered = disputes.answer(
            db,
            found,
            category=body.category,
            text=body.text,
            actor=Actor("client", who.client.client_id),
            through=SYSTEM_OF_AGENCY,
        )
    with database.reading() as db:
        return _told(db, who.client, answered)


def _told(db: Session, client: Client, found: Dispute) -> dict[str, Any]:
    written = disputes.written(db, found)
    told: dict[str, Any] = {
        "dispute": found.id,
        "state": found.state,
        "opened_at": clock.wire(found.opened_at),
        "due_at": clock.wire(found.due_at),
        "text": written.asked,
        "look": _look(db, client, found),
    }
    if found.answered_at:
        told |= {
            "category": found.category,
            "answer": written.answer,
            "answered_at": clock.wire(found.answered_at),
        }
    return told


def _look(db: Session, client: Client, found: Dispute) -> dict[str, Any]:
    """Return the look as the agency knows it. Its content may have been erased since."""
    try:
        entry = history.one(db, found.citizen, found.event_id)
    except EntryUnknown:
        return {"erased": True}
    if entry.erased or entry.at is None:
        return {"erased": True}
    look = {"event": entry.event_id, "kind": entry.kind, "at": clock.wire(entry.at)}
    look |= {name: entry.data[name] for name in TOLD if name in entry.data}
    # An agency that looked for somebody and was refused never learned who it was, and does not now.
    if entry.kind == "disclosed" or entry.data.get("outcome") == "released":
        look["citizen_id"] = subjects.sub(db, client, found.citizen)
    return look
