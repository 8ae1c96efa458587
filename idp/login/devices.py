"""Browsers an account was used from before, and a browser's description in words."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from core import clock, sessions
from core.language import Lazy, _
from idp.tables import known_device as table

KNOWN_FOR = timedelta(days=365)
WELCOME, WELCOME_FOR = "letter", timedelta(days=1)  # in place of the `sid` of a sign-in
_KNOWN = select(table.c.sid).where(
    table.c.token_hash == bindparam("token_hash"),
    table.c.citizen_id == bindparam("citizen_id"),
    table.c.ends_at > bindparam("at"),
)
_NAME = (
    select(table.c.device)
    .where(table.c.token_hash == bindparam("token_hash"), table.c.ends_at > bindparam("at"))
    .order_by(table.c.device)
    .limit(1)
)
_INSERT = insert(table)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)


@dataclass(frozen=True)
class Visitor:
    """Who knocks, as far as the request tells: network, browser, and the token of a known device."""

    browser: str
    device: str
    network: str
    user_agent: str


def known(db: Session, visitor: Visitor, citizen_id: str) -> bool:
    """Tell whether this browser was signed in to this account before (OWASP, device cookies), or came by a letter."""
    return _row(db, visitor, citizen_id) is not None


def signed_in_before(db: Session, visitor: Visitor, citizen_id: str) -> bool:
    """Tell whether this browser was signed in to this account before; one that only came by a letter was not."""
    row = _row(db, visitor, citizen_id)
    return row is not None and row.sid != WELCOME


def welcome(db: Session, visitor: Visitor, citizen_id: str) -> str:
    """Let this browser count alone at an account for a day, for whoever has the owner's letter; return the token of its cookie.

    Nothing else follows: when it signs in the owner is told of a new browser. One that is known stays as it is.
    """
    if known(db, visitor, citizen_id):
        return visitor.device
    token, name = remember(db, visitor, citizen_id, sid=WELCOME)
    mine = (table.c.citizen_id == citizen_id, table.c.device == name)
    db.execute(update(table).where(*mine).values(ends_at=clock.now() + WELCOME_FOR))
    return token


def _row(db: Session, visitor: Visitor, citizen_id: str) -> Row[tuple[str | None]] | None:
    if not visitor.device:
        return None
    mine = {"token_hash": sessions.digest(visitor.device), "citizen_id": citizen_id, "at": clock.now()}
    return db.execute(_KNOWN, mine).first()


def name(db: Session, visitor: Visitor) -> str:
    """Return the name of this browser if any account was used from it before, or an empty one; it stays from one sign-in to the next."""
    if not visitor.device:
        return ""
    mine = {"token_hash": sessions.digest(visitor.device), "at": clock.now()}
    return db.scalar(_NAME, mine) or ""


def remember(db: Session, visitor: Visitor, citizen_id: str, *, sid: str) -> tuple[str, str]:
    """Remember this browser for an account; return the new token of its cookie, and its name within the account.

    The token is new each time, so that one planted in a browser beforehand is worth nothing afterwards. The
    name stays. `sid` is of the browser's sign-in.
    """
    token = secrets.token_urlsafe(32)
    new, ends_at, name = sessions.digest(token), clock.now() + KNOWN_FOR, None
    if visitor.device:
        old = table.c.token_hash == sessions.digest(visitor.device)
        mine = delete(table).where(old, table.c.citizen_id == citizen_id).returning(table.c.device)
        name = db.scalar(mine)
        db.execute(update(table).where(old).values(token_hash=new))
    name = name or secrets.token_urlsafe(16)
    values = {"token_hash": new, "citizen_id": citizen_id, "ends_at": ends_at, "sid": sid, "device": name}
    db.execute(_INSERT, values)
    return token, name


def of_session(db: Session, citizen_id: str, sid: str) -> str:
    """Return the name of the browser whose newest sign-in has this `sid`, or an empty one."""
    found = select(table.c.device).where(table.c.citizen_id == citizen_id, table.c.sid == sid)
    return db.scalar(found) or ""


def forget_one(db: Session, citizen_id: str, device: str) -> str:
    """Forget one browser of an account by its name; return the `sid` of its newest sign-in, or an empty one."""
    which = (table.c.citizen_id == citizen_id, table.c.device == device)
    return db.scalar(delete(table).where(*which).returning(table.c.sid)) or ""


def forget_since(db: Session, citizen_id: str, since: datetime, *, keep: Visitor) -> None:
    """Forget each browser that signed in to an account since a moment, or came by a letter, save the one that is kept."""
    late = or_(table.c.ends_at >= since + KNOWN_FOR, table.c.sid == WELCOME)
    gone = delete(table).where(table.c.citizen_id == citizen_id, late)
    if keep.device:
        gone = gone.where(table.c.token_hash != sessions.digest(keep.device))
    db.execute(gone)


def forget(db: Session, citizen_id: str, *, keep: Visitor | None = None) -> None:
    """Forget every browser of an account, save one that is kept."""
    gone = delete(table).where(table.c.citizen_id == citizen_id)
    if keep and keep.device:
        gone = gone.where(table.c.token_hash != sessions.digest(keep.device))
    db.execute(gone)


def words(user_agent: str) -> str | Lazy:
    """Describe a browser in words, e.g. ``Firefox on Windows``; the header is only what the browser claims."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    if browser and system:
        return _("{browser} on {system}").format(browser=browser, system=system)
    return browser or system or _("Unknown browser")


def digest(visitor: Visitor) -> str:
    """Return what stands for the device in counters."""
    return sessions.digest(visitor.device)
