"""Links in letters for who is not signed in: to say "this was not me", or to be let try; each works once."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.orm import Session

from core import clock, sessions
from idp.tables import disavowal as table

KEPT = timedelta(days=7)
TRY, TRY_KEPT = "guessing", timedelta(days=1)  # the notice whose link lets a browser try
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
    ends_at = at + (TRY_KEPT if what == TRY else KEPT)
    db.execute(_INSERT, {"token_hash": sessions.digest(token), "ends_at": ends_at, **vars(suspect)})
    return token


def find(db: Session, token: str, *, to_try: bool = False) -> Suspect | None:
    """Return what a link of one of the two kinds is about, or None when it was used, is too old or never was."""
    columns = (table.c.citizen_id, table.c.what, table.c.at, table.c.sid, table.c.device)
    row = db.execute(select(*columns).where(*_live(token, to_try=to_try))).first()
    return Suspect(**row._asdict()) if row else None


def spend(db: Session, token: str, *, to_try: bool = False) -> Suspect | None:
    """Use a link of one of the two kinds up and return what it is about; of several at once one is told."""
    columns = (table.c.citizen_id, table.c.what, table.c.at, table.c.sid, table.c.device)
    row = db.execute(delete(table).where(*_live(token, to_try=to_try)).returning(*columns)).first()
    return Suspect(**row._asdict()) if row else None


def _live(token: str, *, to_try: bool) -> tuple[ColumnElement[bool], ...]:
    kind = table.c.what == TRY if to_try else table.c.what != TRY
    return (table.c.token_hash == sessions.digest(token), table.c.ends_at > clock.now(), kind)
