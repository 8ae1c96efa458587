"""Requests that clients pushed before they send a person here: kept sealed, for one client, for one answer (RFC 9126)."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.events import OFFICE
from core.forms import Posted
from idp.oidc.asked import Arrived
from idp.oidc.tables import pushed_request as table
from keys import sealing

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
SECONDS: Final = 90  # to send the person here; FAPI 2.0 (5.3.2.2) wants less than 600
SCOPE: Final = "pushed request"
_FIND = select(table).where(
    table.c.id_hash == bindparam("id_hash"),
    table.c.client_id == bindparam("client_id"),
    table.c.expires_at > bindparam("at", type_=table.c.expires_at.type),
)
_USE = delete(table).where(table.c.id_hash == bindparam("given_hash")).returning(table.c.client_id)


def new_uri() -> str:
    """Return a `request_uri` that nobody can guess (RFC 9126, 2.2 and 7.1)."""
    return PREFIX + secrets.token_urlsafe(32)


def name(uri: str) -> str:
    """Return what the request behind a `request_uri` is called in here, where the URI itself is never stored."""
    return hashlib.sha256(uri.encode()).hexdigest()


def keep(db: Session, client_id: str, posted: Posted, *, uri: str, signed: bool) -> None:
    """Store the parameters that count under a URI of `new_uri`."""
    expires = clock.now() + timedelta(seconds=SECONDS)
    content = msgspec.json.encode(posted.items)
    db.execute(
        insert(table).values(
            id_hash=name(uri),
            client_id=client_id,
            sealed=sealing.seal(db, OFFICE, SCOPE, content, aad=name(uri).encode()),
            signed=signed,
            expires_at=expires,
            # Whoever came in time may take their time.
            kept_until=expires + timedelta(seconds=parts(db).settings.interaction_seconds),
        )
    )


def find(db: Session, uri: str, client_id: str) -> Arrived | None:
    """Return a request that this client pushed, or None: answered, expired, another's and made up look alike.

    It may be looked for again until it is answered: people reload pages, and browsers look ahead (RFC 9126, 7.3).
    """
    row = db.execute(_FIND, {"id_hash": name(uri), "client_id": client_id, "at": clock.now()}).first()
    if row is None:
        return None
    opened = sealing.unseal(db, OFFICE, SCOPE, row.sealed, aad=row.id_hash.encode())
    items = msgspec.json.decode(opened, type=list[tuple[str, str]])
    return Arrived(Posted(items), pushed=row.id_hash, signed=row.signed)


def use(db: Session, known_as: str) -> bool:
    """Take a request for its one answer; tell whether this call was the one that took it (FAPI 2.0, 5.3.2.2)."""
    return db.execute(_USE, {"given_hash": known_as}).first() is not None


def purge(db: Session) -> None:
    """Delete what nobody answered in time."""
    db.execute(delete(table).where(table.c.kept_until <= clock.now()))
