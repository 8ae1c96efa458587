"""Links in letters by which somebody who is not signed in says "this was not me": once, and for a week."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.orm import Session

from core import clock, sessions
from idp.tables import disavowal as table

KEPT = timedelta(days=7)
_INSERT = insert(table)


@dataclass(frozen=True)
class Suspect:
    """What may not have been the citizen: a notice or a kind of entry, and when it was.

    `sid` is the session it came from and `device` the browser's name in the account, both empty where unknown.
    """

    citizen_id: str
    what: str
    at: datetime
    sid: str = ""
    device: str = ""


def make(db: Session, citizen_id: str, what: str, *, sid: str = "", device: str = "") -> str:
    """Make a link's token for something that happens now. Only its hash is kept."""
    token, at = secrets.token_urlsafe(32), clock.now()
    suspect = Suspect(citizen_id, what, at, sid, device)
    db.execute(_INSERT, {"token_hash": sessions.digest(token), "ends_at": at + KEPT, **vars(suspect)})
    return token


def find(db: Session, token: str) -> Suspect | None:
    """Return what a link is about, or None when it was used, is too old or never was."""
    columns = (table.c.citizen_id, table.c.what, table.c.at, table.c.sid, table.c.device)
    row = db.execute(select(*columns).where(*_live(token))).first()
    return Suspect(**row._asdict()) if row else None


def spend(db: Session, token: str) -> Suspect | None:
    """Use a link up and return what it is about; of several at once one is told."""
    columns = (table.c.citizen_id, table.c.what, table.c.at, table.c.sid, table.c.device)
    row = db.execute(delete(table).where(*_live(token)).returning(*columns)).first()
    return Suspect(**row._asdict()) if row else None


def _live(token: str) -> tuple[ColumnElement[bool], ...]:
    return (table.c.token_hash == sessions.digest(token), table.c.ends_at > clock.now())
