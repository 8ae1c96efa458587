"""How a grant's row is held while it changes, and kept: every change goes through here."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent import grants
from consent.errors import GrantOver, GrantUnknown
from consent.grants import Grant
from consent.tables import LIVE_STATES
from consent.tables import grant as table
from core import clock


def hold(db: Session, grant_id: str) -> Grant:
    """Return a grant that nobody else changes, and no read counts on, until the transaction ends; raises GrantUnknown."""
    row = db.execute(select(table).where(table.c.grant_id == grant_id).with_for_update()).first()
    if row is None:
        raise GrantUnknown(detail=grant_id[:32])
    return grants.grant(row)


def hold_unended(db: Session, citizen: str, purpose: str) -> Grant | None:
    """Return the grant for a purpose whose state is live, though its time or its reads may be over, or None."""
    query = select(table).where(
        table.c.citizen == citizen, table.c.purpose == purpose, table.c.state.in_(LIVE_STATES)
    )
    row: Row[Any] | None = db.execute(query.with_for_update()).first()
    return grants.grant(row) if row else None


def over(grant: Grant, *, state: str, by: str) -> Grant:
    """Return a grant as it is when it has ended.

    Its terms do not change with its last read: who made it may still repeat the request, under this version.
    """
    version = grant.version if state == "used-up" else grant.version + 1
    return replace(grant, state=state, ended_at=clock.now(), ended_by=by, version=version)


def keep(db: Session, after: Grant, before: Grant | None) -> None:
    """Write a grant; raises GrantOver if another decision came first."""
    values = grants.values(after)
    if before is None:
        try:
            db.execute(insert(table).values(values))
        except IntegrityError as error:
            raise GrantOver(detail=after.purpose) from error
        return
    changed = db.execute(
        update(table)
        .where(
            table.c.grant_id == before.grant_id,
            table.c.version == before.version,
            table.c.state == before.state,
        )
        .values(values)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise GrantOver(detail=before.grant_id)
