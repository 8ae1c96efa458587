"""Why an account is locked and what opens it: paused or closing by its citizen, suspended by staff, at rest after a register's word."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.orm import Session

from consent import endings, mandates
from core import clock
from core.database import parts
from core.events import OFFICE, SYSTEM, Actor, record
from idp import accounts, notify
from idp.accounts import CLOSING, DECEASED, OWN_WISH, PAUSED, SCOPE, SUSPENDED
from idp.errors import AccountLocked, AccountMissing, LockUnknown
from idp.events import ReopeningAsked, ReopeningStopped
from idp.login import assurance, methods, recovery
from idp.login.activation import Seen
from idp.login.events import OpenedAtCounter
from idp.tables import account_lock as table
from keys import sealing

# The weightiest first: that one is told.
GRAVITY = (DECEASED, SUSPENDED, CLOSING, PAUSED)
AT_ONCE = 200
REMINDED_BEFORE = timedelta(days=3)


@dataclass(frozen=True)
class Lock:
    """One reason for which an account is locked.

    `why` are the words of staff. `ends_at` is when an account that is closing closes, or a paused one opens again.
    """

    reason: str
    since: datetime | None = None
    why: str = ""
    ends_at: datetime | None = None


def of(db: Session, citizen_id: str) -> list[Lock]:
    """Return why an account is locked, the weightiest reason first; nothing if it is not."""
    account = accounts.find(db, citizen_id)
    rows = {row.reason: row for row in db.execute(select(table).where(table.c.citizen_id == citizen_id))}
    found = []
    for reason in account.locks if account else ():
        row = rows.get(reason)
        why = _unsealed(db, citizen_id, reason, row.why_sealed) if row and row.why_sealed else ""
        found.append(Lock(reason, row.since, why, row.ends_at) if row else Lock(reason))
    # A reason of somebody else's making weighs more than the citizen's own wish.
    return sorted(found, key=lambda one: (one.reason in OWN_WISH, _weight(one.reason)))


def pause(db: Session, citizen_id: str, *, actor: Actor) -> None:
    """Let nobody sign in until a counter, or the citizen with a recovery code and patience, opens it again.

    Raises AccountMissing.
    """
    _lock(db, citizen_id, PAUSED, actor=actor)


def suspend(db: Session, citizen_id: str, *, why: str, actor: Actor) -> None:
    """Lock an account by staff, who say why; raises AccountMissing if there is none, or it is suspended already."""
    _lock(db, citizen_id, SUSPENDED, actor=actor, why=why)


def reinstate(db: Session, citizen_id: str, *, why: str, actor: Actor) -> bool:
    """Take a suspension away; tell whether the account opened. Raises LockUnknown if there is none."""
    account = accounts.find(db, citizen_id)
    if account is None or SUSPENDED not in account.locks:
        raise LockUnknown
    return accounts.reopen(db, citizen_id, actor=actor, reason=SUSPENDED, why=why)


def begin_closing(db: Session, citizen_id: str, *, actor: Actor) -> datetime:
    """Lock an account that its citizen wants closed, and return when it closes; until then they may keep it.

    Sessions and tokens end at once; ways to sign in, permissions and mandates when it closes. Raises AccountMissing.
    """
    ends_at = clock.now() + timedelta(days=parts(db).settings.closing_days)
    _lock(db, citizen_id, CLOSING, actor=actor, ends_at=ends_at)
    return ends_at


def open_at_counter(db: Session, citizen_id: str, seen: Seen, *, actor: Actor) -> None:
    """Open an account that its citizen paused or was closing, after a clerk's look at them; ways to sign in stay.

    Raises AccountMissing, LockUnknown if it is open or closed, and AccountLocked if somebody else locked it.
    """
    account = accounts.hold(db, citizen_id)
    if not account.opens_at_a_counter:
        raise AccountLocked(detail=account.state)
    if account.state != accounts.LOCKED:
        raise LockUnknown
    record(db, OpenedAtCounter(**vars(seen)), actor=actor, about=[citizen_id, OFFICE])
    for reason in account.locks:
        accounts.reopen(db, citizen_id, actor=actor, reason=reason)


def keep(db: Session, citizen_id: str, *, actor: Actor) -> bool:
    """Keep an account that was about to close; tell whether it opened, which other locks may prevent."""
    return accounts.reopen(db, citizen_id, actor=actor, reason=CLOSING)


def ask_to_open(db: Session, citizen_id: str, code: str) -> datetime | None:
    """Spend a recovery code on opening a paused account after the waiting time; return when, or None for a wrong code.

    The citizen is told, and whoever gets in may stop it until then.
    """
    accounts.hold(db, citizen_id)
    row = db.execute(select(table).where(*_which(citizen_id, PAUSED)).with_for_update()).first()
    if row is None or not recovery.use(db, citizen_id, code):
        return None
    opens_at = clock.now() + timedelta(hours=parts(db).settings.reopening_hours)
    db.execute(update(table).where(*_which(citizen_id, PAUSED)).values(ends_at=opens_at))
    event = ReopeningAsked(citizen=citizen_id, opens_at=opens_at)
    record(db, event, actor=Actor("citizen", citizen_id), about=[citizen_id])
    notify.tell(db, citizen_id, "reopening", {"until": clock.wire(opens_at)})
    return opens_at


def stay_paused(db: Session, citizen_id: str) -> None:
    """Take back that a paused account opens; nothing if nobody asked."""
    asked = table.c.ends_at.is_not(None)
    gone = update(table).where(*_which(citizen_id, PAUSED), asked).values(ends_at=None)
    if db.execute(gone.returning(table.c.reason)).first() is not None:
        event = ReopeningStopped(citizen=citizen_id)
        record(db, event, actor=Actor("citizen", citizen_id), about=[citizen_id])


def may_keep(db: Session, citizen_id: str, *, acr: str, amr: list[str]) -> bool:
    """Tell whether a sign-in at a locked account is strong enough to undo what its citizen wished."""
    wanted = assurance.lower(methods.of(db, citizen_id).best, assurance.SUBSTANTIAL)
    return assurance.reaches(acr, wanted) or assurance.recovered(amr)


def remind(db: Session) -> int:
    """Remind those whose account closes within three days, or whose time is half over where it is short; returns how many.

    One that somebody else locked too does not close yet, and its owner is not troubled with it.
    """
    at, done = clock.now(), 0
    soon = (table.c.reason == CLOSING, ~table.c.reminded, table.c.ends_at <= at + REMINDED_BEFORE)
    query = select(table.c.citizen_id, table.c.since, table.c.ends_at).where(*soon).order_by(table.c.ends_at)
    for row in db.execute(query.with_for_update(skip_locked=True)).all():
        if done == AT_ONCE:
            break
        halfway = row.since + (row.ends_at - row.since) / 2
        if at < halfway or not set(accounts.hold(db, row.citizen_id).locks) <= OWN_WISH:
            continue
        db.execute(update(table).where(*_which(row.citizen_id, CLOSING)).values(reminded=True))
        notify.tell(db, row.citizen_id, "closing-soon", {"until": clock.wire(row.ends_at)})
        done += 1
    return done


def tend(db: Session) -> int:
    """Close the accounts whose time to think better of it is over, and open those that waited; returns how many.

    One that staff suspended, or that a register's word has put at rest, waits until that is over.
    """
    due = table.c.ends_at <= clock.now()
    query = select(table.c.citizen_id, table.c.reason).where(due).order_by(table.c.ends_at)
    done = 0
    # Those that have to wait longer are read as well, and must not fill the places of those that need not.
    for row in db.execute(query.with_for_update(skip_locked=True)).all():
        if done == AT_ONCE:
            break
        account = accounts.hold(db, row.citizen_id)
        if row.reason == PAUSED:
            accounts.reopen(db, row.citizen_id, actor=SYSTEM, reason=PAUSED)
        elif set(account.locks) <= OWN_WISH:
            _close(db, row.citizen_id)
        else:
            continue
        done += 1
    return done


def _close(db: Session, citizen_id: str) -> None:
    """End what an account can be entered with and what was given in it; citizen ID, history and register data stay."""
    actor = Actor("citizen", citizen_id)
    endings.end_all(db, citizen_id, reason="closed", actor=actor)
    for one in [*mandates.given_by(db, citizen_id), *mandates.held_by(db, citizen_id)]:
        if one.state in ("offered", "given") and not one.is_by_law:
            mandates.end(db, one.id, citizen=citizen_id, actor=actor)
    methods.remove_all(db, citizen_id, actor=actor)
    accounts.close(db, citizen_id, actor=actor)
    accounts.forget_name(db, citizen_id)
    db.execute(delete(table).where(table.c.citizen_id == citizen_id, table.c.reason.in_(OWN_WISH)))


def _lock(
    db: Session,
    citizen_id: str,
    reason: str,
    *,
    actor: Actor,
    why: str = "",
    ends_at: datetime | None = None,
) -> None:
    if not accounts.lock(db, citizen_id, reason=reason, actor=actor, why=why or None, until=ends_at):
        raise AccountMissing(detail=f"not there, closed, or {reason} already")
    sealed = sealing.seal(db, citizen_id, SCOPE, why.encode(), aad=_about(reason)) if why else None
    values = {"citizen_id": citizen_id, "reason": reason, "since": clock.now()}
    db.execute(insert(table).values(**values, why_sealed=sealed, ends_at=ends_at))


def _unsealed(db: Session, citizen_id: str, reason: str, sealed: bytes) -> str:
    return sealing.unseal(db, citizen_id, SCOPE, sealed, aad=_about(reason)).decode()


def _about(reason: str) -> bytes:
    return f"lock:{reason}".encode()


def _which(citizen_id: str, reason: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.citizen_id == citizen_id, table.c.reason == reason


def _weight(reason: str) -> int:
    return GRAVITY.index(reason) if reason in GRAVITY else 1
