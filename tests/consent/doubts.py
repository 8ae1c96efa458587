"""A look by law that a citizen may not recognise, and what an agency does about it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from consent import disclosure, disputes
from core import clock
from core.database import Database
from core.events import Actor
from tests.consent.country import ask

AGENCY = Actor("client", "portal")


def look(database: Database, *names: str, **changes: Any) -> str:
    """Let the revenue agency look by law; return the entry's event."""
    wanted = ask(*names, **({"purpose": "revenue-assessment", "case": "A-17", "official": "O-5"} | changes))
    released = disclosure.release(database, wanted)
    assert isinstance(released, disclosure.Released)
    return released.receipt.event_id


def answer(database: Database, found: disputes.Dispute, **changes: Any) -> disputes.Dispute:
    """Answer a dispute as the agency's system."""
    facts = {"category": "mistake", "text": "A clerk mixed up two files.", "through": "system"} | changes
    with database.writing() as db:
        return disputes.answer(db, found, actor=AGENCY, **facts)


def make_late(database: Database, found: disputes.Dispute) -> None:
    """Let the time for an answer be over."""
    with database.writing() as db:
        db.execute(update(disputes.dispute).values(due_at=clock.now() - timedelta(minutes=1)))
