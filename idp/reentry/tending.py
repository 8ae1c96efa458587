"""What happens while somebody waits to come back: reminders to the owner, and a code at the end."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.orm import Session

from core import clock, sessions
from core.database import Database
from idp import accounts, notify
from idp.login import waits
from idp.notices import reach
from idp.reentry import asks
from idp.tables import reentry_wait as table

KEPT = timedelta(days=60)
REMINDED, LAST, OPENED = 2, 3, 4  # after notify.HEARD
LAST_PART = 8  # the last reminder goes out when an eighth of the time is left


def turn(database: Database) -> None:
    """Send codes that were asked for, and take each wait one step further if it is time."""
    if database.parts.settings.smtp_url:
        with database.writing() as db:
            asks.see_to(db)
    with database.reading() as db:
        waiting = select(table.c.id, table.c.citizen_id).where(
            table.c.state == "waiting", table.c.told < OPENED
        )
        due = db.execute(waiting).all()
    for one in due:
        with database.writing() as db:
            accounts.hold(db, one.citizen_id)  # whoever stops it holds the account first
            _step(db, one.id)


def purge(db: Session) -> None:
    """Close waits that nobody finished, and delete old ones; how often one was stopped counts for a while."""
    at = clock.now()
    over = db.scalars(
        update(table)
        .where(table.c.state == "waiting", table.c.closes_at <= at)
        .values(state="over")
        .returning(table.c.citizen_id)
    ).all()
    for citizen_id in over:
        sessions.warn(db, citizen_id, "")
    db.execute(delete(table).where(table.c.closes_at <= at - KEPT, table.c.state != "waiting"))
    asks.purge(db)


def _step(db: Session, wait_id: str) -> None:
    wait = db.execute(
        select(table).where(table.c.id == wait_id, table.c.state == "waiting").with_for_update()
    ).first()
    if wait is None:
        return
    at, whole = clock.now(), timedelta(seconds=wait.seconds)
    if wait.told < notify.HEARD:
        _put_off(db, wait)
    elif wait.told < REMINDED and at >= wait.opens_at - whole / 2:
        _tell(db, wait, "recovery-goes-on", REMINDED)
    elif wait.told < LAST and at >= wait.opens_at - whole / LAST_PART:
        _tell(db, wait, "recovery-soon", LAST)
    elif wait.told == LAST and at >= wait.opens_at:
        _open(db, wait)


def _put_off(db: Session, wait: Row[Any]) -> None:
    """Let the time begin anew until one of the notices about it was taken: an owner who is not told cannot stop it."""
    opens_at = clock.now() + timedelta(seconds=wait.seconds)
    moved = {"opens_at": opens_at, "closes_at": opens_at + waits.OPEN_FOR}
    db.execute(update(table).where(table.c.id == wait.id).values(moved))


def _tell(db: Session, wait: Row[Any], notice: str, told: int) -> None:
    facts = {"code": waits.stop_code(db, wait), "until": clock.wire(wait.opens_at)}
    notify.tell(db, wait.citizen_id, notice, facts, to=reach.heeded(db, wait.citizen_id))
    db.execute(update(table).where(table.c.id == wait.id).values(told=told))


def _open(db: Session, wait: Row[Any]) -> None:
    mails = reach.trusted(db, wait.citizen_id)
    others = [one for one in reach.heeded(db, wait.citizen_id) if one not in mails]
    until = clock.wire(wait.closes_at)
    stop = {"code": waits.stop_code(db, wait), "until": until}
    notify.tell(db, wait.citizen_id, "recovery-open", stop, to=others)
    finish = {"code": waits.draw_finish(db, wait), "until": until}
    notify.tell(db, wait.citizen_id, "recovery-finish", finish, to=mails)
    db.execute(update(table).where(table.c.id == wait.id).values(told=OPENED))
