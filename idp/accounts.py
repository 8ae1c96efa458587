"""Accounts: one for each living citizen who activated it, found by citizen ID or by a chosen name."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock, sessions
from core.database import parts
from core.events import Actor, record
from idp import names, notify
from idp.errors import AccountLocked, AccountMissing, NameTaken, NameUnfit, NotLiving
from idp.events import (
    AccountActivated,
    AccountClosed,
    AccountReopened,
    LockLifted,
    SessionEnded,
    SignInNameChanged,
)
from idp.events import (
    AccountLocked as WasLocked,
)
from idp.notices import reach
from idp.tables import OF_SOMEBODY, account_lock, activation_code, outbox
from idp.tables import account as table
from keys import blind, sealing
from keys.errors import Shredded
from registry_sync import people

SCOPE = "account"
ACTIVE, LOCKED, CLOSED = "active", "locked", "closed"
PAUSED, CLOSING, SUSPENDED, DECEASED = "paused", "closing", "suspended", "deceased"
GUARDED = "guarded"  # a register says that a guardian acts in everything
OWN_WISH = frozenset({PAUSED, CLOSING})  # a counter that has looked at the person may undo these
# What is mailed about a lock; after a death nobody is written to.
MAILED = {DECEASED: "", PAUSED: "paused", CLOSING: "closing", SUSPENDED: "suspended", GUARDED: "guarded"}
HANDLE_BYTES = 32
# How it was established who somebody is; what each is worth stands in `idp.login.assurance`, and any other is low.
TEST, OPERATOR, COUNTER, COUNTER_AGAIN = "test", "operator", "counter", "counter-again"
UNSEEN = "unseen"  # nobody activated it yet: it is only there to rest
_FIND = select(table).where(table.c.citizen_id == bindparam("citizen_id"))
# Rows that refer to an account, such as letters, may come meanwhile: nobody who holds something else waits for that.
_HOLD = _FIND.with_for_update(key_share=True)
_OWNER = select(table.c.citizen_id).where(
    or_(table.c.citizen_id == bindparam("citizen_id"), table.c.name_index == bindparam("name_index"))
)


@dataclass(frozen=True)
class Account:
    """A citizen's account. `username` is the chosen name, or the citizen ID where none was chosen.

    `proofing` says how it was established who this is (`idp.login.assurance`), and when.
    """

    citizen_id: str
    username: str
    state: str
    locks: tuple[str, ...]
    handle: bytes
    language: str
    proofing: str
    proofed_at: datetime | None

    @property
    def named(self) -> bool:
        """Tell whether a name was chosen."""
        return self.username != self.citizen_id

    @property
    def was_activated(self) -> bool:
        """Tell whether somebody opened it before."""
        return self.proofing != UNSEEN

    @property
    def opens_at_a_counter(self) -> bool:
        """Tell whether a letter from a counter may open it: it is open, or shut by its citizen's own wish."""
        return set(self.locks) <= OWN_WISH


class HeldAccount(Account):
    """An account that nobody else changes until this transaction ends, as `hold` returns it."""


def find(db: Session, citizen_id: str) -> Account | None:
    """Return a citizen's account, or None before its activation."""
    row = db.execute(_FIND, {"citizen_id": citizen_id}).first()
    return Account(*_facts(db, row)) if row else None


def owner(db: Session, typed: str) -> str | None:
    """Return the citizen ID behind a sign-in name as typed: a citizen ID in any spelling, or the chosen name.

    Nothing is unsealed, so a name that is not there takes as long as one that is.
    """
    citizen_id = people.compact(typed) or ""
    index = blind.index(db, "idp.username", names.normal(typed))
    found: str | None = db.scalar(_OWNER, {"citizen_id": citizen_id, "name_index": index})
    return found


def find_by_name(db: Session, typed: str) -> Account | None:
    """Return the account of a sign-in name as typed, or None."""
    citizen_id = owner(db, typed)
    return find(db, citizen_id) if citizen_id else None


def new_handle() -> bytes:
    """Draw a WebAuthn user handle: random bytes that say nothing (WebAuthn level 3, section 14.6.1)."""
    return secrets.token_bytes(HANDLE_BYTES)


def hold(db: Session, citizen_id: str) -> HeldAccount:
    """Return an account and keep others from changing it until this transaction ends; raises AccountMissing."""
    row = db.execute(_HOLD, {"citizen_id": citizen_id}).first()
    if row is None:
        raise AccountMissing
    return HeldAccount(*_facts(db, row))


def hold_any(db: Session, citizen_id: str) -> None:
    """Keep others from changing an account until this transaction ends, where there is one.

    Whoever changes mandates, sessions or waits of a citizen as well does this first, as signed-in citizens do (ADR 42).
    """
    db.execute(_HOLD, {"citizen_id": citizen_id})


def stands(db: Session, session: sessions.BrowserSession) -> bool:
    """Tell whether a session that was read earlier still stands, and keep it and its account so until this commits.

    The account comes first: whoever ends sessions holds it before them.
    """
    if session.is_citizens:
        db.execute(_HOLD, {"citizen_id": session.subject})
    return sessions.hold(db, session)


def activate(
    db: Session, citizen_id: str, *, handle: bytes, language: str, actor: Actor, seen: bool = True
) -> HeldAccount:
    """Open the account of a living citizen, or give one back to who proved themselves at a counter again.

    One that its citizen paused or closed opens by that: same citizen ID, same history, and no permission revived.
    `handle` is the WebAuthn user handle of a new account; `seen` tells whether a clerk looked at the person. Raises
    NotLiving and AccountLocked.
    """
    person = people.find(db, citizen_id)
    if person is None or person.state != "living":
        raise NotLiving
    known = find(db, citizen_id)
    if known and not known.opens_at_a_counter:
        raise AccountLocked(detail=known.state)
    if known and known.state != ACTIVE:
        _open(db, citizen_id, reason=(*known.locks, CLOSED)[0], why=None, actor=actor)
    again = known is not None and known.was_activated
    # Whoever came in by another way leaves no letter behind that was printed for who had no account yet.
    db.execute(delete(activation_code).where(activation_code.c.citizen_id == citizen_id))
    if known:
        at_counter = COUNTER_AGAIN if again else COUNTER
        proofed = {"proofing": at_counter if seen else OPERATOR, "proofed_at": clock.now()}
        db.execute(update(table).where(table.c.citizen_id == citizen_id).values(language=language, **proofed))
    else:
        _insert(db, citizen_id, handle, language, proofing=COUNTER if seen else OPERATOR)
    record(db, AccountActivated(citizen=citizen_id, again=again), actor=actor, about=[citizen_id])
    return hold(db, citizen_id)


def open_for_test(db: Session, citizen_id: str, username: str, *, language: str) -> Account:
    """Open a test citizen's account under a name; `idp.enrol` says when that may be. Raises NameUnfit, NameTaken."""
    _insert(db, citizen_id, new_handle(), language, proofing=TEST)
    _set_name(db, citizen_id, _chosen(username))
    return hold(db, citizen_id)


def choose_name(db: Session, citizen_id: str, typed: str, *, actor: Actor) -> None:
    """Set the sign-in name to a chosen one; an address that was it is told so, and of what follows for some days.

    Raises NameUnfit, or NameTaken when it is or looks like another's.
    """
    name = _chosen(typed)
    account = hold(db, citizen_id)
    if name == account.username:
        return
    told, old = reach.everywhere(db, citizen_id), reach.sign_in_address(db, citizen_id)
    _set_name(db, citizen_id, name)
    record(db, SignInNameChanged(), actor=actor, about=[citizen_id])
    if old in told:
        reach.go_on_telling(db, citizen_id, old)
    notify.tell(db, citizen_id, "name-changed")


def write_in(db: Session, citizen_id: str, language: str) -> None:
    """Write to a citizen in this language from now on."""
    db.execute(update(table).where(table.c.citizen_id == citizen_id).values(language=language))


def lock(
    db: Session,
    citizen_id: str,
    *,
    reason: str,
    actor: Actor,
    why: str | None = None,
    until: datetime | None = None,
) -> bool:
    """Lock an account for a reason and end its sessions; tell whether there was one to lock.

    Further reasons add up, and `reopen` takes them away one by one. `why` are the words of staff, for the citizen;
    `until` is when an account closes that is locked for that. After a death nothing is mailed, and what waits to be is not.
    A guardian's word also counts where there is no account, or a closed one: no letter opens it while it holds.
    """
    row = db.execute(_HOLD, {"citizen_id": citizen_id}).first()
    if reason == GUARDED and row is None:
        _insert(db, citizen_id, new_handle(), parts(db).settings.languages[0], proofing=UNSEEN)
        _set_state(db, citizen_id, LOCKED, [reason])
        return False
    if reason == GUARDED and row is not None and row.state == CLOSED and reason not in row.locks:
        _set_state(db, citizen_id, CLOSED, [*row.locks, reason])
        return False
    if row is None or row.state == CLOSED or reason in row.locks:
        return False
    _set_state(db, citizen_id, LOCKED, [*row.locks, reason])
    end_sessions(db, citizen_id, reason="security", actor=actor)
    event = WasLocked(citizen=citizen_id, reason=reason, why=why, until=until)
    record(db, event, actor=actor, about=[citizen_id])
    if notice := MAILED.get(reason, "locked"):
        notify.tell(db, citizen_id, notice, {"until": clock.wire(until)} if until else None)
    if reason == DECEASED:
        db.execute(delete(outbox).where(outbox.c.citizen_id == citizen_id))
    return True


def reopen(
    db: Session, citizen_id: str, *, actor: Actor, reason: str | None = None, why: str | None = None
) -> bool:
    """Take away one reason for a lock, or all; the account opens when none is left. Tell whether it opened.

    Of a closed account the reason goes as well, and it stays closed.
    """
    row = db.execute(_HOLD, {"citizen_id": citizen_id}).first()
    if row is None or not row.locks or (reason is not None and reason not in row.locks):
        return False
    left = [lock for lock in row.locks if reason is not None and lock != reason]
    if not left and row.state == LOCKED:
        _open(db, citizen_id, reason=reason, why=why, actor=actor)
        notify.tell(db, citizen_id, "reopened")
        return True
    _set_state(db, citizen_id, row.state, left)
    db.execute(delete(account_lock).where(*_whose_lock(citizen_id, reason)))
    event = LockLifted(citizen=citizen_id, reason=reason or "", why=why)
    record(db, event, actor=actor, about=[citizen_id])
    return False


def close(db: Session, citizen_id: str, *, actor: Actor) -> None:
    """Close an account and end its sessions; the history stays. Raises AccountMissing.

    What locked it beside the citizen's own wish goes on barring the way back.
    """
    found = hold(db, citizen_id)
    if found.state != CLOSED:
        _set_state(db, citizen_id, CLOSED, [lock for lock in found.locks if lock not in OWN_WISH])
        end_sessions(db, citizen_id, reason="security", actor=actor)
        record(db, AccountClosed(citizen=citizen_id), actor=actor, about=[citizen_id])


def erase(db: Session, citizen_id: str, *, actor: Actor) -> bool:
    """Close an account and destroy its name, its ways to sign in and the key that sealed them; tell if there was one.

    The row stays, empty and closed, so that nobody activates it again.
    """
    for one in OF_SOMEBODY:
        db.execute(delete(one).where(one.c.citizen_id == citizen_id))
    sealing.shred(db, citizen_id, SCOPE)
    if not forget_name(db, citizen_id):
        return False
    close(db, citizen_id, actor=actor)
    return True


def forget_name(db: Session, citizen_id: str) -> bool:
    """Give up the chosen name and the handle of an account, which others may then have; tell if there was one."""
    nameless = {"name_sealed": None, "name_index": None, "name_shape": None, "handle": new_handle()}
    mine = table.c.citizen_id == citizen_id
    return db.execute(update(table).where(mine).values(nameless).returning(table.c.state)).first() is not None


def end_sessions(
    db: Session,
    citizen_id: str,
    *,
    reason: str,
    actor: Actor,
    keep: sessions.BrowserSession | None = None,
    by: Collection[str] = (),
) -> int:
    """End a citizen's browser sessions, save one that is kept, and record each; return how many ended.

    With `by` only those are meant that came by one of these methods (`amr`).
    """
    ending = [
        one
        for one in sessions.every(db, citizen_id)
        if one.is_citizens and (keep is None or one.sid != keep.sid) and (not by or set(by) & set(one.amr))
    ]
    for one in ending:
        end_session(db, one, reason=reason, actor=actor)
    return len(ending)


def end_session(db: Session, session: sessions.BrowserSession, *, reason: str, actor: Actor) -> None:
    """End one browser session and record it; handlers end the tokens that hang on it."""
    sessions.end(db, session)
    record(db, SessionEnded(sid=session.sid, reason=reason), actor=actor, about=[session.subject])


def _chosen(typed: str) -> str:
    name = names.fit(typed)
    if people.compact(name):
        raise NameUnfit(detail="reads as a citizen ID")
    return name


def _insert(db: Session, citizen_id: str, handle: bytes, language: str, *, proofing: str) -> None:
    at = clock.now()
    db.execute(
        insert(table).values(
            citizen_id=citizen_id,
            state=ACTIVE,
            locks=[],
            handle=handle,
            language=language,
            activated_at=at,
            proofing=proofing,
            proofed_at=at,
        )
    )


def _open(db: Session, citizen_id: str, *, reason: str | None, why: str | None, actor: Actor) -> None:
    _set_state(db, citizen_id, ACTIVE, [])
    db.execute(delete(account_lock).where(account_lock.c.citizen_id == citizen_id))
    event = AccountReopened(citizen=citizen_id, reason=reason, why=why)
    record(db, event, actor=actor, about=[citizen_id])


def _whose_lock(citizen_id: str, reason: str | None) -> tuple[ColumnElement[bool], ...]:
    mine = account_lock.c.citizen_id == citizen_id
    return (mine,) if reason is None else (mine, account_lock.c.reason == reason)


def _set_state(db: Session, citizen_id: str, state: str, locks: list[str]) -> None:
    db.execute(update(table).where(table.c.citizen_id == citizen_id).values(state=state, locks=locks))


def _set_name(db: Session, citizen_id: str, name: str) -> None:
    try:
        db.execute(
            update(table)
            .where(table.c.citizen_id == citizen_id)
            .values(
                name_sealed=sealing.seal(db, citizen_id, SCOPE, name.encode(), aad=b"username"),
                name_index=blind.index(db, "idp.username", name),
                name_shape=blind.index(db, "idp.username-shape", names.shape(name)),
            )
        )
    except IntegrityError as error:
        raise NameTaken(detail="name or shape") from error


def _facts(db: Session, row: Row[Any]) -> tuple[Any, ...]:
    """Return the fields of an account from its row."""
    username = row.citizen_id
    if row.name_sealed is not None:
        try:
            username = sealing.unseal(db, row.citizen_id, SCOPE, row.name_sealed, aad=b"username").decode()
        except Shredded:
            username = row.citizen_id
    said = (row.state, tuple(row.locks), row.handle, row.language, row.proofing, row.proofed_at)
    return (row.citizen_id, username, *said)
