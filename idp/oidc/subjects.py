"""What a citizen is called by a client: the citizen ID at agencies, an ID of its own at each private company."""

import base64
import hmac
import uuid

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.database import parts
from idp.oidc.client import Client
from idp.oidc.tables import pairwise_subject as table
from registry_sync import people

SUB_BYTES = 20
_LEARN = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
}
_WHO = select(table.c.citizen).where(table.c.sub == bindparam("sub"), table.c.agency == bindparam("agency"))


def sub(db: Session, client: Client, citizen: str) -> str:
    """Return the `sub` of a citizen at a client (OpenID Connect Core 1.0, section 8).

    Pairwise for a private company: all its clients are one sector, so they know a citizen by the same ID, unless
    one registered another sector; that is one of the same company, so no two companies can share one.
    """
    if client.subject_type == "public":
        return citizen
    key: bytes = parts(db).keys.secret("pairwise sub")
    sector = f"{client.agency}\x00{client.sector}" if client.sector else client.agency
    digest = hmac.digest(key, f"{sector}\x00{citizen}".encode(), "sha256")
    return base64.b32encode(digest[:SUB_BYTES]).decode().lower()


def act(db: Session, client: Client, actor: str | None) -> dict[str, str] | None:
    """Return the `act` claim: who acts for the subject, by the same kind of name (RFC 8693, 4.1); None if nobody does."""
    return {"sub": sub(db, client, actor)} if actor else None


def sid(db: Session, client: Client, session_sid: str) -> str:
    """Return the `sid` of a browser session at a client: each agency's own, so that no two can compare theirs."""
    key: bytes = parts(db).keys.secret("sid")
    digest = hmac.digest(key, f"{client.agency}\x00{session_sid}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def txn(db: Session, client: Client, event_id: str) -> str:
    """Return what a client calls an event that others are told of too (`txn`; RFC 8417, section 2.2).

    A private company has a number of its own for it: by one that two of them got they would know that their
    pairwise IDs are of the same citizen.
    """
    if client.subject_type == "public":
        return event_id
    key: bytes = parts(db).keys.secret("txn")
    digest = hmac.digest(key, f"{client.agency}\x00{event_id}".encode(), "sha256")
    return str(uuid.UUID(bytes=digest[:16], version=5))


def learn(db: Session, client: Client, citizen: str) -> None:
    """Keep the way back from a pairwise `sub`, so that the company can ask about the citizen by it."""
    if client.subject_type != "public":
        values = {"sub": sub(db, client, citizen), "agency": client.agency, "citizen": citizen}
        db.execute(_LEARN[db.get_bind().dialect.name], values)


def citizen(db: Session, client: Client, given: str) -> str | None:
    """Return the citizen ID behind what a client calls a citizen, or None."""
    if client.subject_type == "public":
        return people.compact(given)
    return db.scalar(_WHO, {"sub": given, "agency": client.agency})
