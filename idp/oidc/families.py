"""Authorizations: the family of a code and of every token that came of it, ended by one update."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, select, update
from sqlalchemy.orm import Session

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

    `refresh_until` is when its refresh tokens end, however often they are used.
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

    @property
    def is_live(self) -> bool:
        """True until it is ended."""
        return self.ended_at is None


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
) -> Family:
    """Begin the family of a citizen's sign-in at a client; `grants` are the IDs of the decisions it relies on.

    `details` are its authorization_details as asked, `grant_id` the client's handle.

    Without offline access it can be refreshed no longer than the browser session lasts at most.
    """
    at, offline = clock.now(), "offline_access" in scopes
    longest = at + timedelta(seconds=parts(db).settings.refresh_token_seconds)
    family = Family(
        id=secrets.token_hex(16),
        client_id=client.client_id,
        citizen=session.subject,
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
        refresh_until=longest if offline else min(longest, session.ends_at),
        ended_at=None,
        ended_by=None,
        details=list(details),
        grant_id=grant_id,
    )
    db.execute(_INSERT, vars(family))
    links = [{"authorization_id": family.id, "grant_id": grant_id} for grant_id in grants]
    if links:
        db.execute(_LINK, links)
    return family


def read(db: Session, family_id: str) -> Family:
    """Return a family that a token or code names."""
    return Family(**db.execute(_FIND, {"id": family_id}).one()._asdict())


def of_session(db: Session, sid: str) -> tuple[str | None, list[str]]:
    """Return whose browser session this is or was, and at which clients they signed in from it."""
    rows = db.execute(select(table.c.citizen, table.c.client_id).where(table.c.sid == sid).distinct()).all()
    return (rows[0].citizen if rows else None), sorted({row.client_id for row in rows})


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
        record(db, event, actor=Actor("client", client.client_id), about=[family.citizen])


def end_for_grant(db: Session, grant_id: str) -> int:
    """End every family that relies on a grant, with all its tokens, in the caller's transaction."""
    which = table.c.id.in_(_OF_GRANT.params(grant_id=grant_id))
    return end(db, which, reason="grant")


def end_for_citizen(db: Session, citizen: str) -> int:
    """End every family of a citizen."""
    return end(db, table.c.citizen == citizen, reason="citizen")


def end_for_session(db: Session, sid: str) -> int:
    """End the families of a browser session, save those for offline access (OpenID Connect Back-Channel Logout, 2.7)."""
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
    return end(db, (table.c.citizen == citizen) & which, reason="security")


def end_offline(db: Session, citizen: str) -> int:
    """End the families of a citizen that are for offline access, whichever session they came from."""
    return end(db, (table.c.citizen == citizen) & table.c.offline.is_(True), reason="security")


def end_for_client(db: Session, client_id: str) -> int:
    """End every family of a client."""
    return end(db, table.c.client_id == client_id, reason="client")


def end(db: Session, which: ColumnElement[bool], *, reason: str) -> int:
    """End the live families among these; return how many ended."""
    statement = update(table).where(which, table.c.ended_at.is_(None))
    gone = db.execute(statement.values(ended_at=clock.now(), ended_by=reason))
    return int(gone.rowcount)  # type: ignore[attr-defined]
