"""Who is signed in at this browser: sessions that can be listed, renewed and ended."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Row,
    String,
    Table,
    and_,
    delete,
    false,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from core import clock
from core.database import Base, Document, Moment, parts
from core.settings import Settings

TOUCH_EVERY = timedelta(minutes=1)
FRESH_FOR = timedelta(minutes=10)
CITIZEN, REPAIR, STAFF = "citizen", "repair", "staff"
# The highest assurance, and what is left of it once a session was not used for a while (NIST SP 800-63B-4, 2.3.3).
HIGHEST, RESTED = "urn:erti:loa:high", "urn:erti:loa:substantial"
# (method, route) of what needs a fresh sign-in -> the path to go on at afterwards; `service.freshness` fills it.
Acts = Mapping[tuple[str, str], str]

browser_session = Table(
    "browser_session",
    Base.metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("sid", String(32), nullable=False, unique=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("acr", String(64), nullable=False),
    Column("amr", Document, nullable=False),
    Column("auth_time", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
    Column("user_agent", String(256), nullable=False),
    Column("network", String(64), nullable=False),
    # What every page of its owner must warn of; empty for nothing.
    Column("warning", String(16), nullable=False, server_default=""),
    # It reached the highest assurance, and was used again after it had not been for a while.
    Column("rested", Boolean, nullable=False, server_default=false()),
)
_FIND = select(browser_session)
_INSERT = insert(browser_session)


@dataclass(frozen=True)
class BrowserSession:
    """One signed-in browser; `sid` is the public name used in tokens and pages.

    `kind` is citizen, staff, or repair: a citizen who may do nothing but set up how the account is entered. `acr` is what
    its sign-in is worth now: one at the highest assurance is worth less once it has `rested`, until the next sign-in.
    """

    id_hash: str
    sid: str
    subject: str
    kind: str
    acr: str
    amr: list[str]
    auth_time: datetime
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    user_agent: str
    network: str
    warning: str = ""
    rested: bool = False

    @property
    def is_citizens(self) -> bool:
        """Tell whether it is a citizen's, whatever it may do."""
        return self.kind in (CITIZEN, REPAIR)


def digest(token: str) -> str:
    """Return what is stored for a token: its SHA-256, so that a stolen table signs nobody in."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin(
    db: Session, *, subject: str, kind: str, acr: str, amr: Sequence[str], user_agent: str, network: str
) -> tuple[BrowserSession, str]:
    """Start a session and return it with the token that goes into the cookie, and nowhere else."""
    at, token = clock.now(), secrets.token_urlsafe(32)
    session = BrowserSession(
        id_hash=digest(token),
        sid=secrets.token_urlsafe(16),
        subject=subject,
        kind=kind,
        acr=acr,
        amr=list(amr),
        auth_time=at,
        created_at=at,
        last_seen_at=at,
        ends_at=at + timedelta(seconds=parts(db).settings.session_seconds),
        user_agent=user_agent[:256],
        network=network[:64],
    )
    db.execute(_INSERT, vars(session))
    return session, token


def find(db: Session, token: str) -> BrowserSession | None:
    """Return the live session of a cookie, or None when it is unknown, idle too long, or over."""
    return _live(db, browser_session.c.id_hash == digest(token))


def by_sid(db: Session, sid: str) -> BrowserSession | None:
    """Return the live session of a public session name, or None."""
    return _live(db, browser_session.c.sid == sid)


def hold(db: Session, session: BrowserSession) -> bool:
    """Tell whether a session that was read earlier still stands as it was, and keep it so until this commits."""
    which = _FIND.where(browser_session.c.id_hash == session.id_hash, *_alive(db))
    return db.execute(which.with_for_update(read=True)).first() is not None


def fresh(session: BrowserSession) -> bool:
    """Tell whether somebody proved who they are within the last ten minutes."""
    return clock.now() - session.auth_time < FRESH_FOR


def over_at(session: BrowserSession, settings: Settings) -> datetime:
    """Return when a session ends if it is not used again: idle for too long, or over in any case.

    A citizen's at the highest assurance rests first; what staff have seldom outlives it, as they have no use for less.
    """
    idle = settings.session_idle_seconds
    if session.kind == STAFF and session.acr == HIGHEST:
        idle = min(idle, settings.high_idle_seconds)
    return min(session.ends_at, session.last_seen_at + timedelta(seconds=idle))


def needs_touch(session: BrowserSession) -> bool:
    """Tell whether the last use is old enough to be worth a write."""
    return clock.now() - session.last_seen_at > TOUCH_EVERY


def touch(db: Session, session: BrowserSession) -> BrowserSession:
    """Note that the session was used now, and that it had rested if it had; return it as it is then."""
    at = clock.now()
    which = update(browser_session).where(browser_session.c.id_hash == session.id_hash)
    unused = browser_session.c.last_seen_at <= at - _rest(db)
    rested = or_(browser_session.c.rested, and_(browser_session.c.acr == HIGHEST, unused))
    db.execute(which.values(last_seen_at=at, rested=rested))
    return replace(session, last_seen_at=at)


def renew(
    db: Session,
    session: BrowserSession,
    *,
    acr: str,
    amr: Sequence[str],
    auth_time: datetime | None = None,
    kind: str | None = None,
) -> str:
    """Give a session a new ID after a new authentication and return its token; the old one ends here.

    Both of its limits begin anew (NIST SP 800-63B-4, 5.2), unless something was only added (`auth_time`).
    The `sid` stays, so agencies' sessions stay tied to it (OpenID Connect Core, section 2, `auth_time`).
    `auth_time` is then that of the authentication to which it was added. `kind` is another from now on.
    """
    token, at = secrets.token_urlsafe(32), clock.now()
    ends_at = at + timedelta(seconds=parts(db).settings.session_seconds)
    fresh = {"acr": acr, "amr": list(amr), "auth_time": at, "last_seen_at": at, "ends_at": ends_at}
    fresh["rested"] = False
    fresh["kind"] = kind or session.kind
    if auth_time is not None:
        fresh |= {"auth_time": auth_time, "ends_at": session.ends_at}
    db.execute(
        update(browser_session)
        .where(browser_session.c.id_hash == session.id_hash)
        .values(id_hash=digest(token), **fresh)
    )
    return token


def warn(db: Session, subject: str, warning: str) -> None:
    """Let every page that a person has open somewhere warn of something, or no more if it is empty."""
    db.execute(update(browser_session).where(browser_session.c.subject == subject).values(warning=warning))


def end(db: Session, session: BrowserSession) -> None:
    """End one session."""
    db.execute(delete(browser_session).where(browser_session.c.id_hash == session.id_hash))


def end_all(db: Session, subject: str, *, keep: BrowserSession | None = None) -> int:
    """End every session of a person, save one that is kept; return how many ended."""
    query = delete(browser_session).where(browser_session.c.subject == subject)
    if keep:
        query = query.where(browser_session.c.id_hash != keep.id_hash)
    return int(db.execute(query).rowcount)  # type: ignore[attr-defined]


def of(db: Session, subject: str) -> list[BrowserSession]:
    """Return a person's live sessions, the last used first."""
    rows = db.execute(
        _FIND.where(browser_session.c.subject == subject, *_alive(db)).order_by(
            browser_session.c.last_seen_at.desc()
        )
    )
    return [_read(db, row) for row in rows]


def every(db: Session, subject: str) -> list[BrowserSession]:
    """Return a person's sessions, those that were idle too long as well: tokens may still hang on them."""
    rows = db.execute(_FIND.where(browser_session.c.subject == subject))
    return [_read(db, row) for row in rows]


def purge(db: Session) -> int:
    """Delete sessions that are over; return how many."""
    gone = db.execute(delete(browser_session).where(browser_session.c.ends_at < clock.now()))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _rest(db: Session) -> timedelta:
    return timedelta(seconds=parts(db).settings.high_idle_seconds)


def _read(db: Session, row: Row[Any]) -> BrowserSession:
    """Return a session with the assurance that it is worth now."""
    session = BrowserSession(**row._asdict())
    if session.acr != HIGHEST:
        return session
    rested = session.rested or session.last_seen_at <= clock.now() - _rest(db)
    return replace(session, acr=RESTED, rested=True) if rested else session


def _alive(db: Session) -> tuple[ColumnElement[bool], ...]:
    at, kept = clock.now(), browser_session.c
    idle = timedelta(seconds=parts(db).settings.session_idle_seconds)
    strict = and_(kept.kind == STAFF, kept.acr == HIGHEST)
    return (
        kept.ends_at > at,
        kept.last_seen_at > at - idle,
        or_(~strict, kept.last_seen_at > at - _rest(db)),
    )


def _live(db: Session, which: ColumnElement[bool]) -> BrowserSession | None:
    row = db.execute(_FIND.where(which, *_alive(db))).first()
    return _read(db, row) if row else None
