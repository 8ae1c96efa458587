"""What ends a permission without its citizen: time, its last read, a death, the agency, an authority."""

import secrets
from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, TextClause, insert, select, update
from sqlalchemy.orm import Session

from consent import agencies, grants, holding, purposes
from consent.errors import GrantOver
from consent.events import GrantEnded, PurposeInvalidated
from consent.grants import Grant
from consent.tables import INVALIDATING, LIVE_STATES, UNTOLD, USED_UP, invalidation
from consent.tables import grant as table
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record

ENDED_AT_ONCE = 500
LONGEST_REASON = 500


def end_all(db: Session, citizen: str, *, reason: str, actor: Actor) -> int:
    """End every live grant of a citizen, as after a death; returns how many ended."""
    query = select(table).where(table.c.citizen == citizen, table.c.state.in_(LIVE_STATES))
    found = [grants.grant(row) for row in db.execute(query.order_by(table.c.grant_id).with_for_update())]
    for grant in found:
        end(db, grant, state="ended", reason=reason, actor=actor)
    return len(found)


def expire(db: Session) -> int:
    """Note in the histories which grants have run out, in time or in reads, or were invalidated; returns how many.

    Reads stop at the moment itself, whether or not this has run.
    """
    return sum(_settle(db, which(), ended) for which, ended in _DUE)


def use_up(database: Database, counted: Sequence[Grant]) -> None:
    """End those grants whose last read was made; a transaction of its own, outside the sequencer's.

    A handler that waited for a lock there would hold up everybody. If this is not reached, `expire` does it.
    """
    if not counted:
        return
    with database.reading() as db:
        found = [grants.find(db, grant.grant_id) for grant in counted]
    over = sorted({now.grant_id for now in found if now and now.state in LIVE_STATES and now.is_used_up})
    if not over:
        return
    with database.writing() as db:
        for grant_id in over:
            now = holding.hold(db, grant_id)
            if now.state in LIVE_STATES and now.is_used_up:
                end(db, now, state="used-up", reason="used-up", actor=SYSTEM)


def by_agency(db: Session, grant: Grant, *, actor: Actor) -> Grant:
    """End a grant at the wish of the agency that holds it; one that is over already is returned as it is."""
    now = holding.hold(db, grant.grant_id)
    if now.state not in LIVE_STATES:
        return now
    return end(db, now, state="ended-by-agency", reason="agency", actor=actor)


def invalidate(db: Session, grant_id: str, *, why: str, actor: Actor) -> Grant:
    """End a grant by the word of an authority, with its reason; raises GrantUnknown, GrantOver."""
    now = holding.hold(db, grant_id)
    if now.state not in LIVE_STATES:
        raise GrantOver(detail=grant_id)
    return end(db, now, state="invalidated", reason="invalidated", actor=actor, why=why[:LONGEST_REASON])


def invalidate_all(db: Session, purpose_id: str, *, why: str, actor: Actor) -> int:
    """End every live grant of a purpose by the word of an authority; returns how many.

    From the commit on nothing relies on them; each citizen is told, and tokens end, by `expire`, some
    hundred at a time. Raises PurposeUnknown.
    """
    purpose = purposes.current(db, purpose_id)
    at, reason = clock.now(), why[:LONGEST_REASON]
    word = insert(invalidation).values(
        id=secrets.token_hex(16), purpose=purpose.id, staff=actor.id, at=at, reason=reason
    )
    db.execute(word)
    ended = db.execute(
        update(table)
        .where(table.c.purpose == purpose.id, table.c.state.in_(LIVE_STATES))
        .values(state=INVALIDATING, ended_at=at, ended_by=actor.kind, version=table.c.version + 1)
    )
    count = int(ended.rowcount)  # type: ignore[attr-defined]
    event = PurposeInvalidated(agency=purpose.agency, purpose=purpose.id, grants=count, why=reason)
    record(db, event, actor=actor, about=[agencies.chain(purpose.agency)])
    return count


def end(db: Session, grant: Grant, *, state: str, reason: str, actor: Actor, why: str | None = None) -> Grant:
    """End a grant that the caller holds. Tokens end in the same transaction by the handlers of GrantEnded."""
    after = holding.over(grant, state=state, by=actor.kind)
    holding.keep(db, after, grant)
    event = GrantEnded(
        agency=grant.agency,
        client=grant.client_id,
        purpose=grant.purpose,
        purpose_version=grant.purpose_version,
        outcome=state,
        grant=grant.grant_id,
        reason=reason,
        why=why,
    )
    record(db, event, actor=actor, about=[grant.citizen])
    return after


def ended_unsaid(db: Session, grant: Grant) -> None:
    """End a held grant whose time or reads are over, though nobody has said so yet."""
    reason = "used-up" if grant.is_used_up else "expired"
    end(db, grant, state=reason, reason=reason, actor=SYSTEM)


def _invalidated(db: Session, grant: Grant) -> None:
    said = db.execute(
        select(invalidation)
        .where(invalidation.c.purpose == grant.purpose)
        .order_by(invalidation.c.at.desc())
        .limit(1)
    ).one()
    actor = Actor("staff", said.staff)
    end(db, grant, state="invalidated", reason="invalidated", actor=actor, why=said.reason)


def _settle(
    db: Session, which: ColumnElement[bool] | TextClause, ended: Callable[[Session, Grant], None]
) -> int:
    query = select(table).where(which).order_by(table.c.grant_id).limit(ENDED_AT_ONCE)
    found = [grants.grant(row) for row in db.execute(query.with_for_update(skip_locked=True))]
    for grant in found:
        ended(db, grant)
    return len(found)


def _expired() -> ColumnElement[bool]:
    return table.c.state.in_(LIVE_STATES) & (table.c.expires_at <= clock.now())


_DUE: tuple[tuple[Callable[[], ColumnElement[bool] | TextClause], Callable[[Session, Grant], None]], ...] = (
    (_expired, ended_unsaid),
    (lambda: USED_UP, ended_unsaid),
    (lambda: UNTOLD, _invalidated),
)
