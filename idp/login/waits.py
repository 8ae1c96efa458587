"""The waiting time of somebody who comes back by e-mail: begun, stopped by the owner, or spent at its end."""

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock, sessions
from core.database import parts
from core.errors import Refused
from core.events import SYSTEM, Actor, record
from idp import accounts, notify
from idp.errors import WaitOver
from idp.events import ReentryBegun, ReentryChosen, ReentryStopped
from idp.login import codes
from idp.notices import reach
from idp.tables import counter_only, reentry_proof
from idp.tables import reentry_wait as table
from keys import blind, sealing

GROUPS = 3  # 60 bits, and the indexes are keyed
WARNING = "reentry"
OPEN_FOR = timedelta(days=7)
# Each time one was stopped, the next takes twice as long, up to four times: somebody else reads the mail.
REMEMBERED = timedelta(days=30)
MOST_DOUBLINGS = 2
_AAD = b"reentry-stop"
_WAITS = select(table.c.id).where(table.c.citizen_id == bindparam("citizen_id"), table.c.state == "waiting")


def begin(db: Session, citizen_id: str) -> str:
    """Begin the waiting time and tell the citizen everywhere; return the token for the cookie of the browser that asked.

    One that is under way is replaced, so that the wait begins anew. Raises AccountMissing, or Refused for an account that
    is locked or is given back at a counter only.
    """
    account = accounts.hold(db, citizen_id)
    if account.state != accounts.ACTIVE or only_at_counter(db, citizen_id):
        raise Refused(detail=account.state)
    stop(db, citizen_id, how="replaced", actor=SYSTEM)
    told = reach.heeded(db, citizen_id)
    at, seconds = clock.now(), length(db, citizen_id, len(told))
    opens_at = at + timedelta(seconds=seconds)
    token, code = secrets.token_urlsafe(32), codes.draw(GROUPS)
    db.execute(
        insert(table).values(
            id=secrets.token_urlsafe(16),
            citizen_id=citizen_id,
            state="waiting",
            token_hash=sessions.digest(token),
            stop_index=_stop_index(db, code),
            stop_sealed=sealing.seal(db, citizen_id, reach.SCOPE, code.encode(), aad=_AAD),
            letters=len(told),
            told=0,
            seconds=seconds,
            started_at=at,
            opens_at=opens_at,
            closes_at=opens_at + OPEN_FOR,
        )
    )
    sessions.warn(db, citizen_id, WARNING)
    record(db, ReentryBegun(opens_at=opens_at), actor=SYSTEM, about=[citizen_id])
    notify.tell(db, citizen_id, "recovery-begun", {"code": code, "until": clock.wire(opens_at)}, to=told)
    return token


def stop(db: Session, citizen_id: str, *, how: str, actor: Actor) -> bool:
    """Stop what is under way for a citizen and tell them; tell whether there was anything."""
    stopped = db.execute(
        update(table)
        .where(table.c.citizen_id == citizen_id, table.c.state == "waiting")
        .values(state="replaced" if how == "replaced" else "stopped")
        .returning(table.c.id)
    ).first()
    if stopped is None:
        return False
    db.execute(delete(reentry_proof).where(reentry_proof.c.citizen_id == citizen_id))
    sessions.warn(db, citizen_id, "")
    record(db, ReentryStopped(how=how), actor=actor, about=[citizen_id])
    if how != "replaced":
        notify.tell(db, citizen_id, "recovery-stopped")
    return True


def stop_by_code(db: Session, typed: str) -> bool:
    """Stop what a code from a letter or text message, as typed, was sent about; tell whether it was one."""
    citizen_id = stoppable(db, typed)
    if not citizen_id:
        return False
    accounts.hold(db, citizen_id)
    # Asked again: another wait may have taken its place meanwhile, which this code does not stop.
    return bool(stoppable(db, typed)) and stop(db, citizen_id, how="code", actor=SYSTEM)


def stoppable(db: Session, typed: str) -> str:
    """Return whose way back a code as typed would stop; empty if nobody's."""
    which = (table.c.stop_index == _stop_index(db, typed), table.c.state == "waiting")
    return db.scalar(select(table.c.citizen_id).where(*which)) or ""


def waits_for(db: Session, citizen_id: str) -> bool:
    """Tell whether somebody waits to come back into this account."""
    return db.execute(_WAITS, {"citizen_id": citizen_id}).first() is not None


def under_way(db: Session, token: str) -> Row[Any] | None:
    """Return the wait of the browser that holds this token, while it lasts."""
    live = (table.c.state == "waiting", table.c.closes_at > clock.now())
    return db.execute(select(table).where(table.c.token_hash == sessions.digest(token), *live)).first()


def finishes(db: Session, wait: Row[Any], typed: str) -> bool:
    """Tell whether a code as typed is the one that was sent when the waiting time was over."""
    return (
        wait.finish_index is not None
        and wait.opens_at <= clock.now()
        and secrets.compare_digest(wait.finish_index, _finish_index(db, wait.id, typed))
    )


def draw_finish(db: Session, wait: Row[Any]) -> str:
    """Draw the code with which the browser that asked goes on."""
    code = codes.draw(GROUPS)
    db.execute(
        update(table).where(table.c.id == wait.id).values(finish_index=_finish_index(db, wait.id, code))
    )
    return code


def stop_code(db: Session, wait: Row[Any]) -> str:
    """Return the code that stops a wait, as each letter about it says it."""
    return sealing.unseal(db, wait.citizen_id, reach.SCOPE, wait.stop_sealed, aad=_AAD).decode()


def spend(db: Session, wait_id: str) -> None:
    """Use up a wait that is over, as its citizen sets up a new way to sign in. Raises WaitOver if it was stopped."""
    spent = db.execute(
        update(table)
        .where(
            table.c.id == wait_id,
            table.c.state == "waiting",
            table.c.opens_at <= clock.now(),
            table.c.closes_at > clock.now(),
        )
        .values(state="done")
        .returning(table.c.id)
    ).first()
    if spent is None:
        raise WaitOver


def only_at_counter(db: Session, citizen_id: str) -> bool:
    """Tell whether the citizen wants the account to be given back at a counter only."""
    return db.scalar(select(counter_only.c.since).where(counter_only.c.citizen_id == citizen_id)) is not None


def choose(db: Session, citizen_id: str, *, at_counter: bool, actor: Actor) -> None:
    """Choose whether the account is given back at a counter only; what is under way then stops."""
    accounts.hold(db, citizen_id)
    if only_at_counter(db, citizen_id) == at_counter:
        return
    if at_counter:
        db.execute(insert(counter_only).values(citizen_id=citizen_id, since=clock.now()))
        stop(db, citizen_id, how="choice", actor=actor)
    else:
        db.execute(delete(counter_only).where(counter_only.c.citizen_id == citizen_id))
    record(db, ReentryChosen(counter_only=at_counter), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "counter-only" if at_counter else "mail-again")


def length(db: Session, citizen_id: str, channels: int) -> int:
    """Return how many seconds are waited: longer where one address is all that can warn, and after others were stopped."""
    settings = parts(db).settings
    base = settings.recovery_wait_seconds if channels > 1 else settings.recovery_wait_alone_seconds
    stopped = db.scalar(
        select(func.count()).where(
            table.c.citizen_id == citizen_id,
            table.c.state == "stopped",
            table.c.started_at > clock.now() - REMEMBERED,
        )
    )
    return int(base * 2 ** min(stopped or 0, MOST_DOUBLINGS))


def _stop_index(db: Session, typed: str) -> bytes:
    return blind.index(db, "idp.reentry-stop", codes.read(typed))


def _finish_index(db: Session, wait_id: str, typed: str) -> bytes:
    return blind.index(db, "idp.reentry-finish", f"{wait_id}\x00{codes.read(typed)}")
