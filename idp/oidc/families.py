"""Authorizations: the family of a code and of every token that came of it, ended by one update."""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, select, update
from sqlalchemy.orm import Session

from consent.mandates import Mandate
from core import clock
from core.database import parts
from core.events import Actor, record
from core.sessions import BrowserSession
from idp.oidc.client import Client
from idp.oidc.events import ReplayStopped
from idp.oidc.tables import authorization as table
from idp.oidc.tables import authorization_grant

JUST_NOW = timedelta(minutes=1)
_INSERT = insert(table)
_LINK = insert(authorization_grant)
_FIND = select(table).where(table.c.id == bindparam("id"))
_OF_GRANT = select(authorization_grant.c.authorization_id).where(
    authorization_grant.c.grant_id == bindparam("grant_id")
)


@dataclass(frozen=True)
class Family:
    """One authorization. `scope` holds its scopes with spaces between; `attributes` what UserInfo may ask the door for.

    `refresh_until` is when its refresh tokens end, however often they are used. `actor` is who signed in where they act
    for the citizen, under `mandate`, which lasts until `acting_until`: nothing of the family outlives it.
    """

    id: str
    client_id: str
    citizen: str
    sid: str
    scope: str
    attributes: list[str]
    resources: list[str]
    nonce: str | None
    acr: str
    amr: list[str]
    auth_time: datetime
    offline: bool
    created_at: datetime
    refresh_until: datetime
    ended_at: datetime | None
    ended_by: str | None
    details: list[dict[str, Any]] = field(default_factory=list)
    grant_id: str | None = None
    actor: str | None = None
    mandate: str | None = None
    acting_until: datetime | None = None

    @property
    def is_live(self) -> bool:
        """True until it is ended, or the mandate that it rests on is over."""
        return self.ended_at is None and (self.acting_until is None or self.acting_until > clock.now())

    @property
    def person(self) -> str:
        """Whose sign-in it was: the citizen's own, or that of whoever acts for them."""
        return self.actor or self.citizen

    @property
    def both(self) -> list[str]:
        """Whose histories tell of it: the citizen's, and that of whoever acts for them."""
        return [self.citizen, self.actor] if self.actor else [self.citizen]

    @property
    def named(self) -> dict[str, str | None]:
        """What an event says of who acts for whom."""
        if not self.actor:
            return {}
        return {"citizen": self.citizen, "representative": self.actor, "mandate": self.mandate}


def begin(
    db: Session,
    client: Client,
    session: BrowserSession,
    *,
    scopes: tuple[str, ...],
    attributes: Iterable[str],
    resources: Iterable[str],
    nonce: str,
    grants: Iterable[str],
    details: Iterable[dict[str, Any]] = (),
    grant_id: str | None = None,
    acting: Mandate | None = None,
) -> Family:
    """Begin the family of a citizen's sign-in at a client; `grants` are the IDs of the decisions it relies on.

    With a mandate it is about its giver, and the sign-in is the holder's.

    `details` are its authorization_details as asked, `grant_id` the client's handle.

    Without offline access it can be refreshed no longer than the browser session lasts at most.
    """
    at, offline = clock.now(), "offline_access" in scopes
    longest = at + timedelta(seconds=parts(db).settings.refresh_token_seconds)
    until = longest if offline else min(longest, session.ends_at)
    family = Family(
        id=secrets.token_hex(16),
        client_id=client.client_id,
        citizen=acting.giver if acting else session.subject,
        sid=session.sid,
        scope=" ".join(scopes),
        attributes=sorted(attributes),
        resources=list(resources),
        nonce=nonce or None,
        acr=session.acr,
        amr=session.amr,
        auth_time=session.auth_time,
        offline=offline,
        created_at=at,
        refresh_until=min(until, acting.expires_at) if acting else until,
        ended_at=None,
        ended_by=None,
        details=list(details),
        grant_id=grant_id,
        actor=session.subject if acting else None,
        mandate=acting.id if acting else None,
        acting_until=acting.expires_at if acting else None,
    )
    db.execute(_INSERT, vars(family))
    links = [{"authorization_id": family.id, "grant_id": grant_id} for grant_id in grants]
    if links:
        db.execute(_LINK, links)
    return family


def read(db: Session, family_id: str) -> Family:
    """Return a family that a token or code names."""
    return Family(**db.execute(_FIND, {"id": family_id}).one()._asdict())


def of_session(db: Session, sid: str) -> list[tuple[str, str]]:
    """Return about whom and at which clients somebody signed in from a browser session, as pairs."""
    rows = db.execute(select(table.c.citizen, table.c.client_id).where(table.c.sid == sid).distinct())
    return sorted((row.citizen, row.client_id) for row in rows)


def acting(db: Session, *, actor: str = "", mandate: str = "") -> list[tuple[str, str, str]]:
    """Return the sign-ins for another that last, or ended just now, by who acts or by mandate: client, citizen, sid."""
    at = clock.now()
    whose = table.c.mandate == mandate if mandate else table.c.actor == actor
    lasts = table.c.ended_at.is_(None) | (table.c.ended_at > at - JUST_NOW)
    columns = (table.c.client_id, table.c.citizen, table.c.sid)
    rows = db.execute(select(*columns).where(whose, lasts).distinct())
    return sorted((row.client_id, row.citizen, row.sid) for row in rows)


def last_of(db: Session, client_id: str, sid: str) -> Family | None:
    """Return the newest sign-in at a client from a browser session, whether it lasts or not."""
    mine = select(table).where(table.c.client_id == client_id, table.c.sid == sid)
    row = db.execute(mine.order_by(table.c.created_at.desc()).limit(1)).first()
    return Family(**row._asdict()) if row else None


def clients_of(db: Session, citizen: str) -> list[str]:
    """Return the clients at which a citizen has a sign-in that lasts, or that ended just now, by the same change."""
    at = clock.now()
    lasts = table.c.ended_at.is_(None) | (table.c.ended_at > at - JUST_NOW)
    which = (table.c.citizen == citizen, lasts, table.c.refresh_until > at)
    return list(db.scalars(select(table.c.client_id).where(*which).distinct()))


def stop_replay(db: Session, family: Family, client: Client, *, what: str) -> None:
    """End a family because its code or refresh token came a second time (RFC 6749, 4.1.2; RFC 9700, 4.14.2)."""
    if end(db, table.c.id == family.id, reason="replay"):
        event = ReplayStopped(agency=client.agency, client=client.client_id, what=what)
        record(db, event, actor=Actor("client", client.client_id), about=family.both)


def end_for_grant(db: Session, grant_id: str) -> int:
    """End every family that relies on a grant, with all its tokens, in the caller's transaction."""
    which = table.c.id.in_(_OF_GRANT.params(grant_id=grant_id))
    return end(db, which, reason="grant")


def end_for_citizen(db: Session, citizen: str) -> int:
    """End every family of a citizen: what is about them, and where they act for another."""
    return end(db, _touching(citizen), reason="citizen")


def end_for_mandate(db: Session, mandate: str) -> int:
    """End every family that rests on a mandate, with all its tokens, in the caller's transaction."""
    return end(db, table.c.mandate == mandate, reason="mandate")


def end_for_session(db: Session, sid: str, *, offline: bool = False) -> int:
    """End the families of a browser session.

    Those for offline access stay (OpenID Connect Back-Channel Logout, 2.7) unless `offline` says that they go too.
    """
    if offline:
        return end(db, table.c.sid == sid, reason="security")
    return end(db, (table.c.sid == sid) & table.c.offline.is_(False), reason="session")


def end_disavowed(
    db: Session, citizen: str, sids: Iterable[str], *, since: datetime | None, keep: str = ""
) -> int:
    """End the families of some of a citizen's sessions, and all begun `since`, those for offline access as well.

    Those of the session `keep` stay.
    """
    which: ColumnElement[bool] = table.c.sid.in_(list(sids))
    if since is not None:
        which |= (table.c.created_at >= since) & (table.c.sid != keep)
    return end(db, _touching(citizen) & which, reason="security")


def end_offline(db: Session, citizen: str, *, by: Collection[str] = ()) -> int:
    """End the families of a citizen that are for offline access, whichever session they came from, over or not.

    With `by` only those whose sign-in was by one of these methods (`amr`).
    """
    which: ColumnElement[bool] = _touching(citizen) & table.c.offline.is_(True)
    if by:
        rows = db.execute(select(table.c.id, table.c.amr).where(which, table.c.ended_at.is_(None)))
        which = table.c.id.in_([row.id for row in rows if set(by) & set(row.amr)])
    return end(db, which, reason="security")


def end_for_client(db: Session, client_id: str) -> int:
    """End every family of a client."""
    return end(db, table.c.client_id == client_id, reason="client")


def _touching(citizen: str) -> ColumnElement[bool]:
    return (table.c.citizen == citizen) | (table.c.actor == citizen)


def end(db: Session, which: ColumnElement[bool], *, reason: str) -> int:
    """End the live families among these; return how many ended."""
    statement = update(table).where(which, table.c.ended_at.is_(None))
    gone = db.execute(statement.values(ended_at=clock.now(), ended_by=reason))
    return int(gone.rowcount)  # type: ignore[attr-defined]
