"""What was set up with a recovery code and stopped as "not me" of late, and how much longer the next then waits."""

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.sessions import CITIZEN, BrowserSession
from idp.login import assurance
from idp.tables import objection as table

REMEMBERED: Final = timedelta(days=30)
MOST_DOUBLINGS: Final = 2


def sure(speaker: BrowserSession | None, citizen_id: str) -> bool:
    """Tell whether who says "not me" is surely the owner: signed in, with two factors, so in no need of a recovery code.

    A letter's link may be in the hand of whoever reads the mail, and a weak session in that of a thief.
    """
    return (
        speaker is not None
        and speaker.subject == citizen_id
        and speaker.kind == CITIZEN
        and assurance.reaches(speaker.acr, assurance.SUBSTANTIAL)
    )


def remember(db: Session, citizen_id: str, *, by_owner: bool) -> None:
    """Remember that something that waited was stopped; `by_owner` if it is sure that they said so."""
    values = {"id": secrets.token_urlsafe(16), "citizen_id": citizen_id, "by_owner": by_owner}
    db.execute(insert(table).values(**values, at=clock.now()))


def lengthened(db: Session, citizen_id: str, usual: int) -> int:
    """Return how many seconds are waited where it would usually be `usual`.

    After an objection of whoever it was: as long as where one address is all that can warn, however often. After each of
    which it is sure that it was the owner's: twice as long, up to four times.
    """
    at = clock.now()
    found = db.scalars(
        select(table.c.by_owner).where(table.c.citizen_id == citizen_id, table.c.at > at - REMEMBERED)
    ).all()
    if not found:
        return usual
    longest = parts(db).settings.recovery_wait_alone_seconds
    sure_ones = sum(1 for by_owner in found if by_owner)
    return max(usual, longest << min(sure_ones, MOST_DOUBLINGS))


def forget(db: Session, citizen_id: str) -> None:
    """Begin anew: a counter saw the owner."""
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))


def purge(db: Session) -> None:
    """Delete what is no longer remembered."""
    db.execute(delete(table).where(table.c.at <= clock.now() - REMEMBERED))
