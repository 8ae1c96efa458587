"""Taking back a change of addresses, with the code that each of the addresses before it was sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.events import SYSTEM, record
from idp import accounts, notify
from idp.events import ContactChangeUndone
from idp.login import codes
from idp.notices import reach
from idp.tables import contact
from idp.tables import contact_undo as table
from keys import blind

ADDED, REMOVED = "added", "removed"
GROUPS = 3  # 60 bits, and the index is keyed


@dataclass(frozen=True)
class Offer:
    """A change that can be taken back: the address as its owner knows it, and until when."""

    change: str
    what: str
    until: datetime


def offer(db: Session, citizen_id: str, contact_id: str, change: str) -> dict[str, str]:
    """Let a change of an address be taken back; return what a notice says of that."""
    code = codes.draw(GROUPS)
    until = clock.now() + timedelta(days=parts(db).settings.contact_undo_days)
    db.execute(
        insert(table).values(
            code_index=_index(db, code),
            citizen_id=citizen_id,
            contact_id=contact_id,
            change=change,
            ends_at=until,
        )
    )
    return {"code": code, "until": clock.wire(until)}


def look(db: Session, typed: str) -> Offer | None:
    """Return what a code as typed would take back, or None; it stays good."""
    row = db.execute(
        select(table).where(table.c.code_index == _index(db, typed), table.c.ends_at > clock.now())
    ).first()
    if row is None:
        return None
    known = {one.id: one for one in reach.of(db, row.citizen_id)}
    what = reach.masked(known[row.contact_id].address) if row.contact_id in known else ""
    return Offer(row.change, what, row.ends_at)


def take_back(db: Session, typed: str) -> bool:
    """Take back the change that a code as typed stands for, and end every sign-in; tell whether it was one.

    Who has the code reads mail that the account trusted before the change. So it undoes that change and nothing else:
    the address that goes is still told of everything, and one that is put back can be removed again for good.
    """
    row = db.execute(
        delete(table)
        .where(table.c.code_index == _index(db, typed), table.c.ends_at > clock.now())
        .returning(table.c.citizen_id, table.c.contact_id, table.c.change, table.c.ends_at)
    ).first()
    if row is None:
        return False
    account = accounts.hold(db, row.citizen_id)
    if row.change == ADDED:
        undone = {"told_until": row.ends_at, "taken_back": True}
    else:
        undone = {"told_until": None, "put_back": True}
    db.execute(update(contact).where(contact.c.id == row.contact_id).values(undone))
    db.execute(delete(table).where(table.c.contact_id == row.contact_id))
    accounts.end_sessions(db, account.citizen_id, reason="security", actor=SYSTEM)
    event = ContactChangeUndone(citizen=account.citizen_id, change=row.change)
    record(db, event, actor=SYSTEM, about=[account.citizen_id])
    notify.tell(db, account.citizen_id, "contact-undone")
    return True


def _index(db: Session, typed: str) -> bytes:
    return blind.index(db, "idp.contact-undo", codes.read(typed))
