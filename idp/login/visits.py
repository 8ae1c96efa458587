"""Visits at a counter: a clerk compared somebody with a document, and makes a letter of it or opens the account again."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.events import Actor
from idp import accounts
from idp.accounts import GUARDED, SCOPE, SUSPENDED
from idp.errors import VisitOver, VisitUnknown
from idp.login import activation, locks
from idp.login.activation import Seen
from idp.login.children import Presence
from idp.tables import desk_visit as table
from keys import sealing
from registry_sync import people
from registry_sync.people import LIVING

LASTS = timedelta(minutes=15)
KEPT = timedelta(days=1)
OPEN, LETTER, OPENED, CLOSED = "open", "letter", "opened", "closed"
# Why a counter can make no letter, and open nothing.
NOT_LIVING, LOCKED = "not-living", "locked"


@dataclass(frozen=True)
class Visit:
    """One person before one clerk. `state` is open, or what came of it: letter, opened or closed."""

    id: str
    clerk: str
    office: str
    citizen: str
    document: str
    state: str
    expires_at: datetime

    @property
    def is_over(self) -> bool:
        """True once nothing can come of it any more."""
        return self.state != OPEN or self.expires_at <= clock.now()

    @property
    def seen(self) -> Seen:
        """What the clerk says to have seen, and where."""
        return Seen(self.office, self.clerk, self.document)


def begin(db: Session, citizen: str, seen: Seen, *, facts: Mapping[str, Sequence[str]]) -> Visit:
    """Begin a visit. `facts` are what the door showed the clerk of the person, in words: sealed, and kept while it lasts."""
    made = Visit(
        secrets.token_hex(16), seen.clerk, seen.office, citizen, seen.document, OPEN, clock.now() + LASTS
    )
    sealed = sealing.seal(db, citizen, SCOPE, msgspec.json.encode(facts), aad=_about(made.id))
    db.execute(insert(table).values(**vars(made), facts_sealed=sealed))
    return made


def of_clerk(db: Session, visit_id: str, *, clerk: str) -> Visit:
    """Return a clerk's own visit; raises VisitUnknown, for a colleague's too."""
    return _visit(_row(db, visit_id, clerk))


def facts(db: Session, visit: Visit) -> dict[str, list[str]]:
    """Return what the clerk was shown of the person when the visit began; nothing once it is over."""
    row = _row(db, visit.id, visit.clerk)
    if visit.is_over or row.facts_sealed is None:
        return {}
    opened = sealing.unseal(db, visit.citizen, SCOPE, row.facts_sealed, aad=_about(visit.id))
    return msgspec.json.decode(opened, type=dict[str, list[str]])


def bar(db: Session, citizen: str) -> str:
    """Return why a counter can neither make a letter for somebody nor open their account; empty if it can."""
    person = people.find(db, citizen)
    if person is None or person.state != LIVING:
        return NOT_LIVING
    account = accounts.find(db, citizen)
    if account is None or account.opens_at_a_counter:
        return ""
    return next((one for one in (SUSPENDED, GUARDED) if one in account.locks), LOCKED)


def letter(db: Session, visit: Visit, presence: Presence, *, posted: bool, actor: Actor) -> str:
    """Make the one letter of a visit and return its code. Raises VisitOver, and as `activation.make_code` does."""
    _spend(db, visit, LETTER)
    return activation.make_code(
        db, visit.citizen, seen=visit.seen, actor=actor, presence=presence, posted=posted, alone=True
    )


def open_again(db: Session, visit: Visit, *, actor: Actor) -> None:
    """Open an account that its citizen paused or was closing; ways to sign in stay. Raises VisitOver, AccountLocked, LockUnknown."""
    _spend(db, visit, OPENED)
    locks.open_at_counter(db, visit.citizen, visit.seen, actor=actor)


def close(db: Session, visit: Visit) -> None:
    """End a visit from which nothing came; one that is over stays as it is."""
    mine = (table.c.id == visit.id) & (table.c.state == OPEN)
    db.execute(update(table).where(mine).values(state=CLOSED, facts_sealed=None))


def purge(db: Session) -> None:
    """Forget what was shown in visits whose time ran out, and delete those that were over a day ago."""
    ran_out = (table.c.expires_at <= clock.now()) & table.c.facts_sealed.is_not(None)
    db.execute(update(table).where(ran_out).values(facts_sealed=None))
    db.execute(delete(table).where(table.c.expires_at <= clock.now() - KEPT))


def _spend(db: Session, visit: Visit, state: str) -> None:
    mine = (table.c.id == visit.id) & (table.c.state == OPEN) & (table.c.expires_at > clock.now())
    spent = update(table).where(mine).values(state=state, facts_sealed=None).returning(table.c.id)
    if db.execute(spent).first() is None:
        raise VisitOver


def _row(db: Session, visit_id: str, clerk: str) -> Row[tuple[object, ...]]:
    row = db.execute(select(table).where(table.c.id == visit_id, table.c.clerk == clerk)).first()
    if row is None:
        raise VisitUnknown(detail=visit_id[:32])
    return row


def _visit(row: Row[tuple[object, ...]]) -> Visit:
    return Visit(row.id, row.clerk, row.office, row.citizen, row.document, row.state, row.expires_at)


def _about(visit_id: str) -> bytes:
    return f"visit:{visit_id}".encode()
