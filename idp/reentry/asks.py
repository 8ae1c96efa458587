"""Somebody says that they cannot get in any more: a name is given, and a code goes to the checked addresses."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock, limits, sessions
from core.errors import Refused
from idp import accounts, notify
from idp.accounts import Account
from idp.login import codes, waits
from idp.login.throttle import DAY_SECONDS
from idp.notices import reach
from idp.tables import reentry_ask as table
from idp.tables import reentry_proof as proofs
from keys import blind

LIFE = timedelta(hours=24)
AN_HOUR, A_DAY = 1, 5  # letters with a code to one citizen, however often somebody asks
AT_ONCE = 50


def begin(db: Session, typed: str) -> str:
    """Note that the owner of a sign-in name as typed cannot get in; return the token for the browser's cookie.

    A name that is nobody's does the same work and leaves the same row. What differs happens in `see_to`, where nobody waits.
    """
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": sessions.digest(token),
        "citizen_id": accounts.owner(db, typed) or "",
        "seen_to": False,
        "ends_at": clock.now() + LIFE,
    }
    db.execute(insert(table).values(row))
    return token


def see_to(db: Session) -> int:
    """Send codes for what was asked since; return how many asks were seen to."""
    waiting = select(table.c.token_hash).where(table.c.seen_to.is_(False)).limit(AT_ONCE)
    rows = db.execute(
        update(table)
        .where(table.c.token_hash.in_(waiting))
        .values(seen_to=True)
        .returning(table.c.citizen_id)
    ).all()
    for citizen_id in sorted({row.citizen_id for row in rows if row.citizen_id}):
        _send(db, citizen_id)
    return len(rows)


def find(db: Session, token: str) -> str | None:
    """Return the citizen of a browser's ask while it lasts: empty for a name that is nobody's, None if there is no ask."""
    live = (table.c.token_hash == sessions.digest(token), table.c.ends_at > clock.now())
    found: str | None = db.scalar(select(table.c.citizen_id).where(*live))
    return found


def prove(db: Session, token: str, typed: str) -> str | None:
    """Begin the waiting time if a code as typed is one that was sent to the citizen of this ask; else return None.

    Any code of theirs that lives will do, whichever ask it was sent for: who asks again and again in somebody's name
    neither fills their mailbox nor makes their code worthless. Returns the token of the wait.
    """
    citizen_id = find(db, token)
    index = blind.index(db, "idp.reentry-proof", f"{citizen_id}\x00{codes.read(typed)}")
    right = db.execute(
        delete(proofs)
        .where(proofs.c.code_index == index, proofs.c.ends_at > clock.now())
        .returning(proofs.c.citizen_id)
    ).first()
    if right is None:
        return None
    db.execute(delete(proofs).where(proofs.c.citizen_id == citizen_id))
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))
    try:
        return waits.begin(db, str(citizen_id))
    except Refused:
        return None


def purge(db: Session) -> None:
    """Delete asks and codes that are over."""
    db.execute(delete(table).where(table.c.ends_at <= clock.now()))
    db.execute(delete(proofs).where(proofs.c.ends_at <= clock.now()))


def _send(db: Session, citizen_id: str) -> None:
    account = accounts.hold(db, citizen_id)
    addresses = reach.trusted(db, citizen_id)
    instead = _instead(db, account)
    if not addresses or instead is None:
        return
    if limits.hit(db, "reentry:hour", citizen_id, most=AN_HOUR, per_seconds=3600):
        return
    if limits.hit(db, "reentry:day", citizen_id, most=A_DAY, per_seconds=DAY_SECONDS):
        return
    if instead:
        notify.tell(db, citizen_id, instead, to=addresses)
        return
    code, until = codes.draw(waits.GROUPS), clock.now() + LIFE
    index = blind.index(db, "idp.reentry-proof", f"{citizen_id}\x00{codes.read(code)}")
    db.execute(insert(proofs).values(code_index=index, citizen_id=citizen_id, ends_at=until))
    notify.tell(db, citizen_id, "recovery-code", {"code": code, "until": clock.wire(until)}, to=addresses)


def _instead(db: Session, account: Account) -> str | None:
    """Return what is told to an owner who cannot come back this way; empty if they can, None if nothing is to be told."""
    if account.state == accounts.ACTIVE:
        return "return-counter" if waits.only_at_counter(db, account.citizen_id) else ""
    if account.state != accounts.LOCKED or accounts.DECEASED in account.locks:
        return None
    # The weightiest first: what staff or a register did is not undone by what the owner can do.
    if not set(account.locks) <= accounts.OWN_WISH:
        return "return-locked"
    return "return-closing" if accounts.CLOSING in account.locks else "return-paused"
