"""The grant_id that a client holds: which of a citizen's decisions it covers (Grant Management for OAuth 2.0)."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent import endings, grants
from consent.grants import Grant
from core import clock
from core.events import Actor
from idp.oidc import families
from idp.oidc.client import Client
from idp.oidc.tables import authorization, handle_part
from idp.oidc.tables import handle as table

ACTIONS: Final = ("create", "merge", "replace")
KEPT_ENDED = timedelta(days=30)
_FIND = select(table).where(
    table.c.grant_id == bindparam("grant_id"), table.c.client_id == bindparam("client_id")
)
_NEWEST = (
    select(table)
    .where(
        table.c.client_id == bindparam("client_id"),
        table.c.citizen == bindparam("citizen"),
        table.c.ended_at.is_(None),
    )
    .order_by(table.c.created_at.desc(), table.c.grant_id)
    .limit(1)
)
_PARTS = select(handle_part.c.consent_id).where(handle_part.c.grant_id == bindparam("grant_id"))
_COVERED = (
    select(table.c.grant_id)
    .join(handle_part)
    .where(
        handle_part.c.consent_id == bindparam("consent_id"),
        table.c.client_id == bindparam("client_id"),
        table.c.ended_at.is_(None),
    )
    .limit(1)
)
_ADD_PART = {
    "sqlite": sqlite.insert(handle_part).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(handle_part).on_conflict_do_nothing(),
}


@dataclass(frozen=True)
class Handle:
    """One handle of a client on what a citizen allowed it. `scope` holds standard scopes with spaces between."""

    grant_id: str
    client_id: str
    citizen: str
    scope: str
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None


def find(db: Session, grant_id: str, client: Client) -> Handle | None:
    """Return a client's own handle, ended or not; another client's is as unknown as a made-up one."""
    row = db.execute(_FIND, {"grant_id": grant_id, "client_id": client.client_id}).first()
    return _handle(row) if row else None


def hold(db: Session, client: Client, citizen: str, *, action: str, grant_id: str) -> Handle | None:
    """Return the handle that an authorization goes into, held until the transaction ends; None if a new one begins.

    Without an action it is the newest that the client has of this citizen. Raises LookupError when the one
    that was named has ended or is another citizen's.
    """
    if action == "create":
        return None
    if not action:
        where = {"client_id": client.client_id, "citizen": citizen}
        row = db.execute(_NEWEST.with_for_update(), where).first()
        return _handle(row) if row else None
    row = db.execute(_FIND.with_for_update(), {"grant_id": grant_id, "client_id": client.client_id}).first()
    if row is None or row.ended_at is not None or row.citizen != citizen:
        raise LookupError("no such handle")
    return _handle(row)


def settle(
    db: Session,
    held: Handle | None,
    client: Client,
    citizen: str,
    *,
    action: str,
    scopes: Iterable[str],
    consents: Sequence[str],
) -> str:
    """Let a handle, or a new one, cover these decisions; returns its grant ID.

    With ``replace`` it covers nothing else from now on: what it covered before ends, by the agency. Else it
    covers these as well.
    """
    at = clock.now()
    if held is None:
        held = Handle(secrets.token_hex(16), client.client_id, citizen, "", at, at, None)
        db.execute(insert(table).values(**vars(held)))
    elif action == "replace":
        dropped = [one for one in parts(db, held.grant_id) if one not in consents]
        _end_decisions(db, dropped, Actor("client", client.client_id))
        db.execute(delete(handle_part).where(handle_part.c.grant_id == held.grant_id))
    before = [] if action == "replace" else held.scope.split()
    named = " ".join(dict.fromkeys([*before, *(one for one in scopes if ":" not in one)]))
    db.execute(update(table).where(table.c.grant_id == held.grant_id).values(scope=named, changed_at=at))
    if consents:
        rows = [{"grant_id": held.grant_id, "consent_id": one} for one in dict.fromkeys(consents)]
        db.execute(_ADD_PART[db.get_bind().dialect.name], rows)
    return held.grant_id


def parts(db: Session, grant_id: str) -> list[str]:
    """Return the IDs of the decisions that a handle covers, live or over."""
    return sorted(db.scalars(_PARTS, {"grant_id": grant_id}))


def live_parts(db: Session, grant_id: str) -> list[Grant]:
    """Return the decisions that a handle covers and that count now."""
    found = [grants.find(db, one) for one in parts(db, grant_id)]
    return [one for one in found if one is not None and one.is_live]


def decision(db: Session, grant_id: str, client: Client) -> Grant | None:
    """Return a single decision by its own ID, if one of the client's handles covers it."""
    covered = db.scalar(_COVERED, {"consent_id": grant_id, "client_id": client.client_id})
    return grants.find(db, grant_id) if covered else None


def end(db: Session, grant_id: str, client: Client) -> None:
    """End a client's handle: every decision it covers, by the agency, and every token issued under it.

    One that has ended already stays so.
    """
    row = db.execute(_FIND.with_for_update(), {"grant_id": grant_id, "client_id": client.client_id}).first()
    if row is None or row.ended_at is not None:
        return
    _end_decisions(db, parts(db, grant_id), Actor("client", client.client_id))
    families.end(db, authorization.c.grant_id == grant_id, reason="revoked")
    db.execute(update(table).where(table.c.grant_id == grant_id).values(ended_at=clock.now()))


def end_decision(db: Session, grant: Grant, client: Client) -> None:
    """End one decision that a client's handle covers, by the agency; tokens that rely on it end too."""
    endings.by_agency(db, grant, actor=Actor("client", client.client_id))


def purge(db: Session) -> None:
    """Forget handles that ended a while ago."""
    db.execute(delete(table).where(table.c.ended_at <= clock.now() - KEPT_ENDED))


def _end_decisions(db: Session, consents: Sequence[str], actor: Actor) -> None:
    for one in consents:
        grant = grants.find(db, one)
        if grant is not None:
            endings.by_agency(db, grant, actor=actor)


def _handle(row: Row[Any]) -> Handle:
    return Handle(**row._asdict())
