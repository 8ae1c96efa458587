"""The pad on a desk: a browser without a sign-in that a clerk's code joins to one procedure."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock, limits, sessions
from core.database import parts
from idp.errors import PadTaken
from idp.login import pin
from idp.login.devices import Visitor
from idp.tables import pad as table
from keys import blind

CARD, SITTING = "card", "sitting"
DIGITS = 8
WRONG_IN_TEN_MINUTES = 30
JOINED, PAD_FOR = "pad:joined", 30 * 86_400


@dataclass(frozen=True)
class Pad:
    """One pad at one procedure: `ref` is the order of a card, or the sitting, of this clerk.

    `proved` says that the citizen has shown card and PIN on it.
    """

    kind: str
    ref: str
    clerk: str
    proved: bool
    ends_at: datetime


def offer(db: Session, kind: str, ref: str, *, clerk: str, ends_at: datetime) -> None:
    """Let one pad join a procedure until it ends, by the code on the clerk's screen. Raises PadTaken."""
    index = _index(db, code(db, ref))
    db.execute(delete(table).where(table.c.code_index == index, table.c.ends_at <= clock.now()))
    facts = {"kind": kind, "ref": ref, "clerk": clerk, "proved": False, "ends_at": ends_at}
    try:
        db.execute(insert(table).values(code_index=index, **facts))
    except IntegrityError as error:
        raise PadTaken from error


def code(db: Session, ref: str) -> str:
    """Return the eight digits on the clerk's screen, which are typed on the pad once; they are stored nowhere."""
    key: bytes = parts(db).keys.secret("pad code")
    number = int.from_bytes(hmac.digest(key, ref.encode(), "sha256")[:8], "big")
    return f"{number % 10**DIGITS:0{DIGITS}}"


def take(db: Session, typed: str, visitor: Visitor) -> tuple[str | None, int]:
    """Join a pad by the code; return the token for its cookie, or None for a wrong one, and the seconds to wait after too many.

    Wrong codes alone are counted: those of a browser that was a pad lately by itself, those of all others with their
    network, so that nobody in the hall keeps its pads from working.
    """
    pad = limits.counts(db, [(JOINED, visitor.browser)])[0].hits > 0
    bucket, key = ("pad:known", visitor.browser) if pad else ("pad", visitor.network)
    limits.hold(db, bucket, key, per_seconds=600)
    if wait := limits.check(db, bucket, key, most=WRONG_IN_TEN_MINUTES):
        return None, wait
    token = _take(db, typed)
    if token:
        limits.hit(db, JOINED, visitor.browser, most=1, per_seconds=PAD_FOR)
    else:
        limits.hit(db, bucket, key, most=WRONG_IN_TEN_MINUTES, per_seconds=600)
    return token, 0


def _take(db: Session, typed: str) -> str | None:
    token = secrets.token_urlsafe(32)
    taken = db.execute(
        update(table)
        .where(
            table.c.code_index == _index(db, pin.read(typed)),
            table.c.token_hash.is_(None),
            table.c.ends_at > clock.now(),
        )
        .values(token_hash=sessions.digest(token))
        .returning(table.c.ref)
    ).first()
    return token if taken else None


def find(db: Session, token: str) -> Pad | None:
    """Return the pad of a browser's cookie, unless its procedure is over."""
    mine = (table.c.token_hash == sessions.digest(token)) & (table.c.ends_at > clock.now())
    row = db.execute(select(table).where(mine)).first() if token else None
    return Pad(row.kind, row.ref, row.clerk, row.proved, row.ends_at) if row else None


def is_taken(db: Session, ref: str) -> bool:
    """Tell whether a pad has joined a procedure."""
    mine = (table.c.ref == ref) & table.c.token_hash.is_not(None)
    return db.execute(select(table.c.ref).where(mine)).first() is not None


def prove(db: Session, pad: Pad) -> None:
    """Keep that the citizen has shown card and PIN on a pad."""
    db.execute(update(table).where(table.c.ref == pad.ref).values(proved=True))


def end(db: Session, ref: str) -> None:
    """End the pad of a procedure."""
    db.execute(delete(table).where(table.c.ref == ref))


def purge(db: Session) -> None:
    """Delete every code that is over."""
    db.execute(delete(table).where(table.c.ends_at <= clock.now()))


def _index(db: Session, digits: str) -> bytes:
    return blind.index(db, "idp.pad", digits)
