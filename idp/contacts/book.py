"""A citizen's addresses and numbers: added once they are checked, removed, and told of each other."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.events import Actor, record
from idp import accounts, notify
from idp.contacts import undoing
from idp.errors import ContactsFull
from idp.events import ContactAdded, ContactRemoved
from idp.notices import reach
from idp.tables import contact as table
from idp.tables import contact_undo

MOST = 5


def add(db: Session, citizen_id: str, address: str, *, actor: Actor) -> None:
    """Add an address or number that was just checked; everywhere else is told, and may take it back for some days.

    The account may be regained with it once those days are over: at once only if nobody else is told of it.
    One that was there before a new letter is checked again. Raises ContactsFull.
    """
    accounts.hold(db, citizen_id)
    known = reach.of(db, citizen_id)
    mine = [one for one in known if one.told_until is None and not (one.doubted and one.address == address)]
    if any(one.address == address for one in mine):
        return
    if len(mine) >= MOST:
        raise ContactsFull
    others = [one for one in reach.heeded(db, citizen_id) if one != address]
    _forget(db, [one.id for one in known if one.address == address])
    at, days = clock.now(), timedelta(days=parts(db).settings.contact_undo_days)
    name = reach.keep(db, citizen_id, address, checked_at=at, trusted_from=at + days if others else at)
    record(db, ContactAdded(what=reach.kind(address)), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "contact-checked", to=[address])
    if others:
        facts = undoing.offer(db, citizen_id, name, undoing.ADDED)
        notify.tell(db, citizen_id, "contact-added", {"what": reach.masked(address), **facts}, to=others)
    _tell_the_rest(db, citizen_id, [address, *others])


def remove(db: Session, citizen_id: str, contact_id: str, *, actor: Actor) -> None:
    """Remove an address or number; it and all others are told, and may put it back for some days.

    What was put back once and is removed again stays away: whoever removes it can sign in, and who put it back
    could only read its mail.
    """
    accounts.hold(db, citizen_id)
    found = next((one for one in reach.kept(db, citizen_id) if one.id == contact_id), None)
    if found is None:
        return
    told = reach.heeded(db, citizen_id)
    until = clock.now() + timedelta(days=parts(db).settings.contact_undo_days)
    db.execute(update(table).where(table.c.id == contact_id).values(told_until=until))
    final = found.put_back
    record(db, ContactRemoved(what=found.kind, final=final), actor=actor, about=[citizen_id])
    what = {"what": reach.masked(found.address)}
    if final:
        notify.tell(db, citizen_id, "contact-gone", what, to=told)
    else:
        facts = undoing.offer(db, citizen_id, contact_id, undoing.REMOVED)
        notify.tell(db, citizen_id, "contact-removed", {**what, **facts}, to=told)
    _tell_the_rest(db, citizen_id, told)


def purge(db: Session) -> int:
    """Delete what was removed and need not be told any more, and offers that ended; return how many rows."""
    at = clock.now()
    over = (
        delete(table).where(table.c.told_until <= at).returning(table.c.id),
        delete(contact_undo).where(contact_undo.c.ends_at <= at).returning(contact_undo.c.contact_id),
    )
    return sum(len(db.execute(one).all()) for one in over)


def _tell_the_rest(db: Session, citizen_id: str, told: Sequence[str]) -> None:
    """Tell those who have no say that something changed: they get no code to take it back."""
    if rest := [one for one in reach.everywhere(db, citizen_id) if one not in told]:
        notify.tell(db, citizen_id, "contact-changed", to=rest)


def _forget(db: Session, names: Sequence[str]) -> None:
    """Take away what is known of contacts for good."""
    db.execute(delete(contact_undo).where(contact_undo.c.contact_id.in_(names)))
    db.execute(delete(table).where(table.c.id.in_(names)))
