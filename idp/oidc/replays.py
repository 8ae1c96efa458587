"""What may be used once: the IDs of proofs and assertions that were taken, kept until they expire anyway."""

import hashlib
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from idp.oidc.tables import seen as table

_ADD = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing().returning(table.c.kind),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing().returning(table.c.kind),
}


def first_time(db: Session, kind: str, key: str, *, until: datetime) -> bool:
    """Tell whether something is used for the first time, and remember it until it could not be used any more.

    One statement decides, so of two at once, on any workers, one is the first. `kind` says what it is, at most 16
    characters; `key` names it whole (with its issuer) and is kept hashed.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    values = {"kind": kind, "key_hash": digest, "expires_at": until}
    return db.execute(_ADD[db.get_bind().dialect.name], values).first() is not None


def purge(db: Session) -> None:
    """Forget what has expired."""
    db.execute(delete(table).where(table.c.expires_at <= clock.now()))
