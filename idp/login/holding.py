"""What somebody with too little set up, or a clerk alone made: held back until its time is over, or it is confirmed."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock, limits, sessions
from core.database import Database, parts
from core.errors import TooMany
from core.events import SYSTEM, Actor, record
from core.sessions import BrowserSession
from idp import accounts, notify
from idp.events import HoldBegan, HoldEnded, PasswordRemoved
from idp.login import (
    assurance,
    card,
    codes,
    objections,
    passkey,
    password,
    recovery,
    stages,
    throttle,
    totp,
    waits,
)
from idp.login.stages import Stage
from idp.notices import reach
from idp.tables import account
from idp.tables import card as cards
from idp.tables import holding as table
from idp.tables import passkey as passkeys
from idp.tables import totp as apps

BEGUN, HEARD, REMINDED = notify.UNHEARD, notify.HEARD, 2
SET_UP_A_DAY = 5  # by one session: each is told to everybody, and lets the time begin anew
LAST_PART = 8  # the reminder goes out when an eighth of the time is left
PUT_OFF_EVERY = timedelta(minutes=1)
BY_TIME, BY_MAIL, DISAVOWED = "time", "mail", "disavowed"
BY_OWNER, BY_OFFICIAL = "owner", "official"
NOTICES = ("held", "counter-held")
ONLY_COUNTER = "held-counter"
HELD = (passkeys, apps, cards)


def begin(db: Session, session: BrowserSession) -> None:
    """Let the time begin anew for what a session of a recovery code has just set up, and tell it everywhere.

    Raises TooMany when that session has set up so much already.
    """
    citizen_id = session.subject
    if wait := limits.hit(db, "held", session.sid, most=SET_UP_A_DAY, per_seconds=throttle.DAY_SECONDS):
        raise TooMany(retry_after=wait)
    _begin(db, citizen_id, at_counter=False, actor=Actor("citizen", citizen_id))


def begin_at_counter(db: Session, citizen_id: str, *, actor: Actor) -> None:
    """Let the time begin for what a clerk alone made for an account that was in use before, and tell it everywhere."""
    _begin(db, citizen_id, at_counter=True, actor=actor)


def confirm_card(db: Session, citizen_id: str, card_id: str, *, how: str, actor: Actor) -> bool:
    """Let a card that a clerk made begin at once: by its owner, signed in safely, or by a second official; tell whether it was held."""
    accounts.hold(db, citizen_id)
    mine = (cards.c.citizen_id == citizen_id, cards.c.id == card_id, cards.c.held_by != "")
    begun = update(cards).where(*mine, cards.c.blocked_at.is_(None)).values(held_by="").returning(cards.c.id)
    if db.execute(begun).first() is None:
        return False
    record(db, HoldEnded(how=how, at_counter=True), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "card-issued")
    if not holds(db, citizen_id):
        forget(db, citizen_id)
    return True


def begins_at(db: Session, citizen_id: str) -> datetime:
    """Return from when what a clerk alone makes now would work: the time in which the owner can object."""
    usual = waits.length(db, citizen_id, len(reach.everywhere(db, citizen_id)))
    return clock.now() + timedelta(seconds=usual)


def of(db: Session, citizen_id: str) -> Row[Any] | None:
    """Return the time that is running for a citizen, with `ends_at` and `longer`, or None if nothing is held back."""
    return db.execute(select(table).where(table.c.citizen_id == citizen_id)).first()


def holds(db: Session, citizen_id: str, *, sid: str = "") -> bool:
    """Tell whether something of a citizen is held back, or something that came from one session."""
    for one in HELD:
        which = (one.c.citizen_id == citizen_id, one.c.held_by == sid if sid else one.c.held_by != "")
        if db.execute(select(one.c.citizen_id).where(*which)).first() is not None:
            return True
    return False


def rests(db: Session, citizen_id: str) -> bool:
    """Tell whether no time lets begin what a recovery code set up: its owner gets the account back at a counter only.

    It begins to wait when the owner takes that choice back. A clerk's card is a counter's word, and waits as always.
    """
    return waits.only_at_counter(db, citizen_id) and _notice(db, citizen_id) == NOTICES[0]


def may_confirm(db: Session, session: BrowserSession) -> bool:
    """Tell whether a session may confirm what it set up by mail: to an address that is trusted for coming back."""
    citizen_id = session.subject
    by_mail = bool(reach.trusted(db, citizen_id)) and not waits.only_at_counter(db, citizen_id)
    return by_mail and bool(parts(db).settings.smtp_url) and holds(db, citizen_id, sid=session.sid)


def ask(db: Session, session: BrowserSession) -> str:
    """Send a code to the trusted addresses and return the token of the flow, for the cookie of this browser."""
    citizen_id, code = session.subject, codes.draw(waits.GROUPS)
    token = stages.begin(db, stages.CONFIRM, citizen_id, return_to="/my/account", data={"code": code})
    until = clock.now() + timedelta(seconds=parts(db).settings.interaction_seconds)
    facts = {"code": code, "until": clock.wire(until)}
    notify.tell(db, citizen_id, "held-code", facts, to=reach.trusted(db, citizen_id))
    return token


def confirm(db: Session, stage: Stage, session: BrowserSession, typed: str) -> bool | None:
    """Release what a session set up if the code as typed is right: True. False if it is wrong, None if once too often.

    A saved code and one that was sent to a checked address are two ways to recover (NIST SP 800-63B-4, 4.2.2.2), so what
    is released reaches substantial, unless the saved codes were made with less: then both may be the same mailbox.
    Whatever else is held back came from somebody with less, and goes.
    """
    citizen_id = session.subject
    accounts.hold(db, citizen_id)  # of two at once the second finds the flow ended
    right = secrets.compare_digest(codes.read(typed), codes.read(str(stage.data["code"])))
    if not right:
        return None if stages.failed(db, stage) else False
    if not stages.end(db, stage) or not may_confirm(db, session):
        return None
    actor = Actor("citizen", citizen_id)
    bound = assurance.lower(recovery.bound(db, citizen_id) or assurance.LOW, assurance.SUBSTANTIAL)
    for one in (passkeys, apps):
        mine = (one.c.citizen_id == citizen_id, one.c.held_by == session.sid)
        db.execute(update(one).where(*mine).values(held_by="", bound_acr=bound))
    _drop_held(db, citizen_id, actor=actor)
    _end(db, citizen_id, how=BY_MAIL, actor=actor)
    # Whoever has both comes in anew with what is released, and alone.
    accounts.end_sessions(db, citizen_id, reason="security", actor=actor)
    notify.tell(db, citizen_id, "held-over")
    return True


def discard(db: Session, citizen_id: str, *, by_owner: bool, actor: Actor) -> bool:
    """Remove what is held back, because somebody says that it was not the owner; tell whether there was anything.

    If there was, what is set up so next waits longer; by how much depends on whether it surely was the owner who said it.
    """
    accounts.hold(db, citizen_id)
    for one in sessions.every(db, citizen_id):
        if one.kind == sessions.REPAIR:
            accounts.end_session(db, one, reason="security", actor=actor)
    stages.end_all(db, stages.CONFIRM, citizen_id)
    notice = _notice(db, citizen_id)
    if not _drop_held(db, citizen_id, actor=actor):
        return False
    objections.remember(db, citizen_id, by_owner=by_owner)
    _end(db, citizen_id, how=DISAVOWED, notice=notice, actor=actor)
    return True


def forget(db: Session, citizen_id: str) -> None:
    """Stop the time, without a word: what it was about is gone, or it begins anew."""
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))


def turn(database: Database) -> None:
    """Take each time that runs one step further: heard of, reminded of, over."""
    at = clock.now()
    with database.reading() as db:
        running = db.execute(select(table, account.c.state).join(account)).all()
        due = [
            row.citizen_id
            for row in running
            if _due(row, at, shut=row.state != accounts.ACTIVE or rests(db, row.citizen_id))
            or not holds(db, row.citizen_id)
        ]
    for citizen_id in due:
        with database.writing() as db:
            _step(db, citizen_id)


def _due(row: Row[Any], at: datetime, *, shut: bool) -> bool:
    whole = timedelta(seconds=row.seconds)
    if shut:
        return bool(row.ends_at < at + whole - PUT_OFF_EVERY)
    return bool(at >= row.ends_at - {HEARD: whole / LAST_PART, REMINDED: timedelta(0)}.get(row.told, whole))


def _step(db: Session, citizen_id: str) -> None:
    whose = accounts.hold(db, citizen_id)
    row, at = of(db, citizen_id), clock.now()
    if row is None:
        return
    if not holds(db, citizen_id):
        forget(db, citizen_id)
        return
    whole, notice = timedelta(seconds=row.seconds), _notice(db, citizen_id)
    mine = update(table).where(table.c.citizen_id == citizen_id)
    shut = whose.state != accounts.ACTIVE or rests(db, citizen_id)
    if shut or (row.told == BEGUN and not _reaches_nobody(db, row)):
        # An owner who is not told cannot object, and one who shut the account has objected to everything.
        db.execute(mine.values(ends_at=at + whole, told=min(row.told, HEARD)))
    elif row.told == BEGUN:
        db.execute(mine.values(told=HEARD))
    elif row.told == HEARD and at >= row.ends_at - whole / LAST_PART:
        ends_at = max(row.ends_at, at + whole / LAST_PART)
        db.execute(mine.values(told=REMINDED, ends_at=ends_at))
        notify.tell(db, citizen_id, f"{notice}-soon", {"until": clock.wire(ends_at)})
    elif row.told == REMINDED and at >= row.ends_at:
        for one in (cards,) if waits.only_at_counter(db, citizen_id) else HELD:
            db.execute(update(one).where(one.c.citizen_id == citizen_id).values(held_by=""))
        _end(db, citizen_id, how=BY_TIME, notice=notice, actor=SYSTEM)
        notify.tell(db, citizen_id, f"{notice}-over")


def _reaches_nobody(db: Session, row: Row[Any]) -> bool:
    """Tell whether there is nowhere to send a letter about it; else the time begins when a notice of it was taken."""
    return not row.letters or not parts(db).settings.smtp_url


def _drop_held(db: Session, citizen_id: str, *, actor: Actor) -> bool:
    held = [one.id for one in passkey.of(db, citizen_id) if one.held_by]
    for one in held:
        passkey.drop(db, citizen_id, one, actor=actor)
    printed = card.of(db, citizen_id)
    if printed is not None and printed.held_by:
        card.drop(db, citizen_id, actor=actor)
        held.append(printed.id)
    app = totp.bounds(db, citizen_id)
    if app is not None and app.held_by:
        password.drop(db, citizen_id)
        totp.drop(db, citizen_id)
        record(db, PasswordRemoved(), actor=actor, about=[citizen_id])
        notify.tell(db, citizen_id, "password-removed")
        return True
    return bool(held)


def _begin(db: Session, citizen_id: str, *, at_counter: bool, actor: Actor) -> None:
    told = reach.everywhere(db, citizen_id)
    usual = waits.length(db, citizen_id, len(told))
    seconds = objections.lengthened(db, citizen_id, usual)
    longer = seconds > usual
    ends_at = clock.now() + timedelta(seconds=seconds)
    forget(db, citizen_id)
    letters = sum("@" in one for one in told)
    values = {"letters": letters, "told": BEGUN, "seconds": seconds, "ends_at": ends_at, "longer": longer}
    db.execute(insert(table).values(citizen_id=citizen_id, **values))
    record(db, HoldBegan(ends_at=ends_at, at_counter=at_counter), actor=actor, about=[citizen_id])
    facts = {"until": clock.wire(ends_at), "longer": longer}
    if not at_counter and waits.only_at_counter(db, citizen_id):
        notify.tell(db, citizen_id, ONLY_COUNTER, to=told)
    else:
        notify.tell(db, citizen_id, NOTICES[at_counter], facts, to=told)


def _notice(db: Session, citizen_id: str) -> str:
    """Return by which name what is held back is told of: a card is told of by what a clerk did."""
    mine = (cards.c.citizen_id == citizen_id, cards.c.held_by != "")
    return NOTICES[db.execute(select(cards.c.id).where(*mine)).first() is not None]


def _end(db: Session, citizen_id: str, *, how: str, actor: Actor, notice: str = NOTICES[0]) -> None:
    if not holds(db, citizen_id):  # else it goes on for what a clerk's card does not let begin
        forget(db, citizen_id)
    record(db, HoldEnded(how=how, at_counter=notice == NOTICES[1]), actor=actor, about=[citizen_id])
