"""A citizen's word on a purpose: allow, refuse, take back; and what ends a grant without them."""

import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent import grants, purposes
from consent.errors import GrantOver, GrantUnknown, NotAsked, RequiredMissing
from consent.events import GrantDeclined, GrantEnded, GrantGiven, GrantWithdrawn
from consent.grants import Grant
from consent.purposes import Purpose
from consent.tables import LIVE_STATES
from consent.tables import grant as table
from core import clock
from core.events import SYSTEM, Actor, record

EXPIRED_AT_ONCE = 500


def decide(
    db: Session,
    *,
    citizen: str,
    client_id: str,
    purpose: Purpose | str,
    allowed: Collection[str],
    lang: str,
    actor: Actor,
    asked: Collection[str] | None = None,
) -> Grant:
    """Keep that a citizen allowed attributes for a purpose, after reading its text in `lang`.

    `asked` is what the page showed (the whole purpose if None): what is required of it must be allowed,
    and what is optional and not allowed counts as a "no" that is not asked again. A live grant is kept
    with its ID and takes the new decision; otherwise a new one begins. It lasts the purpose's valid days.
    Raises RequiredMissing, NotAsked, PurposeUnknown.
    """
    current = purposes.current(db, purpose) if isinstance(purpose, str) else purpose
    shown = frozenset(current.names if asked is None else asked) & frozenset(current.names)
    said = frozenset(allowed)
    if current.by_law or not said or not said <= shown:
        raise NotAsked(detail=current.id)
    if not current.required & shown <= said:
        raise RequiredMissing(detail=current.id)
    before = _hold_live(db, citizen, current.id, actor)
    at = clock.now()
    kept = (
        (before.attributes - shown) if before and before.purpose_version == current.version else frozenset()
    )
    offered = shown | (
        before.offered if before and before.purpose_version == current.version else frozenset()
    )
    after = Grant(
        grant_id=before.grant_id if before else secrets.token_hex(16),
        citizen=citizen,
        agency=current.agency,
        client_id=client_id,
        purpose=current.id,
        purpose_version=current.version,
        text_sha256=current.text_sha256(lang),
        language=current.language(lang),
        attributes=said | kept,
        offered=offered,
        state="given",
        given_at=at,
        expires_at=at + timedelta(days=current.valid_days),
        ended_at=None,
        ended_by=None,
        version=before.version + 1 if before else 1,
    )
    _forget_declined(db, citizen, current.id)
    _keep(db, after, before)
    record(db, _given(after), actor=actor, about=[citizen])
    return after


def decline(
    db: Session,
    *,
    citizen: str,
    client_id: str,
    purpose: Purpose | str,
    lang: str,
    actor: Actor,
    asked: Collection[str] | None = None,
) -> Grant:
    """Keep that a citizen did not allow what was asked. A live grant they gave before stays as it is."""
    current = purposes.current(db, purpose) if isinstance(purpose, str) else purpose
    at = clock.now()
    shown = frozenset(current.names if asked is None else asked) & frozenset(current.names)
    refused = Grant(
        grant_id=secrets.token_hex(16),
        citizen=citizen,
        agency=current.agency,
        client_id=client_id,
        purpose=current.id,
        purpose_version=current.version,
        text_sha256=current.text_sha256(lang),
        language=current.language(lang),
        attributes=frozenset(),
        offered=shown,
        state="declined",
        given_at=at,
        expires_at=at,
        ended_at=at,
        ended_by=actor.kind,
        version=1,
    )
    _forget_declined(db, citizen, current.id)
    _keep(db, refused, None)
    event = GrantDeclined(
        agency=refused.agency,
        client=client_id,
        purpose=refused.purpose,
        purpose_version=refused.purpose_version,
        attributes=tuple(sorted(shown)),
        text_sha256=refused.text_sha256,
        language=refused.language,
    )
    record(db, event, actor=actor, about=[citizen])
    return refused


def withdraw(db: Session, grant: Grant, *, actor: Actor, attributes: Collection[str] | None = None) -> Grant:
    """Take a permission back: whole, or only some attributes; the last attribute takes the whole along.

    Tokens end in the same transaction by the handlers of GrantWithdrawn. A grant that is over already is
    returned as it is. Raises GrantOver if an attribute is not part of it (any more).
    """
    now = _hold(db, grant.grant_id)
    if not now.is_live:
        return now
    gone = now.attributes if attributes is None else frozenset(attributes)
    if not gone or not gone <= now.attributes:
        raise GrantOver(detail=now.grant_id)
    left = now.attributes - gone
    after = (
        replace(now, attributes=left, state="narrowed", version=now.version + 1)
        if left
        else _over(now, state="withdrawn", by=actor.kind)
    )
    _keep(db, after, now)
    event = GrantWithdrawn(
        agency=now.agency,
        client=now.client_id,
        purpose=now.purpose,
        purpose_version=now.purpose_version,
        grant=now.grant_id,
        whole=not left,
        attributes=tuple(sorted(gone)),
        left=tuple(sorted(left)),
    )
    record(db, event, actor=actor, about=[now.citizen])
    return after


def end_all(db: Session, citizen: str, *, reason: str, actor: Actor) -> int:
    """End every live grant of a citizen, as after a death; returns how many ended."""
    query = select(table).where(table.c.citizen == citizen, table.c.state.in_(LIVE_STATES))
    found = [grants.grant(row) for row in db.execute(query.order_by(table.c.grant_id).with_for_update())]
    for grant in found:
        _end(db, grant, state="ended", reason=reason, actor=actor)
    return len(found)


def expire(db: Session) -> int:
    """Note in the histories which grants have run out; returns how many.

    Reads stop at the moment of expiry whether or not this has run.
    """
    query = (
        select(table)
        .where(table.c.state.in_(LIVE_STATES), table.c.expires_at <= clock.now())
        .order_by(table.c.grant_id)
        .limit(EXPIRED_AT_ONCE)
    )
    found = [grants.grant(row) for row in db.execute(query.with_for_update(skip_locked=True))]
    for grant in found:
        _end(db, grant, state="expired", reason="expired", actor=SYSTEM)
    return len(found)


def _end(db: Session, grant: Grant, *, state: str, reason: str, actor: Actor) -> None:
    _keep(db, _over(grant, state=state, by=actor.kind), grant)
    event = GrantEnded(
        agency=grant.agency,
        client=grant.client_id,
        purpose=grant.purpose,
        purpose_version=grant.purpose_version,
        grant=grant.grant_id,
        reason=reason,
    )
    record(db, event, actor=actor, about=[grant.citizen])


def _hold(db: Session, grant_id: str) -> Grant:
    row = db.execute(select(table).where(table.c.grant_id == grant_id).with_for_update()).first()
    if row is None:
        raise GrantUnknown(detail=grant_id[:32])
    return grants.grant(row)


def _hold_live(db: Session, citizen: str, purpose: str, actor: Actor) -> Grant | None:
    query = select(table).where(
        table.c.citizen == citizen, table.c.purpose == purpose, table.c.state.in_(LIVE_STATES)
    )
    row = db.execute(query.with_for_update()).first()
    held = grants.grant(row) if row else None
    if held is not None and not held.is_live:
        _end(db, held, state="expired", reason="expired", actor=SYSTEM)
        return None
    return held


def _over(grant: Grant, *, state: str, by: str) -> Grant:
    return replace(grant, state=state, ended_at=clock.now(), ended_by=by, version=grant.version + 1)


def _keep(db: Session, after: Grant, before: Grant | None) -> None:
    values = {**vars(after), "attributes": sorted(after.attributes), "offered": sorted(after.offered)}
    if before is None:
        try:
            db.execute(insert(table).values(values))
        except IntegrityError as error:  # another decision on this purpose came first
            raise GrantOver(detail=after.purpose) from error
        return
    changed = db.execute(
        update(table)
        .where(table.c.grant_id == before.grant_id, table.c.version == before.version)
        .values(values)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise GrantOver(detail=before.grant_id)


def _forget_declined(db: Session, citizen: str, purpose: str) -> None:
    # The decision stays in the history; the list of permissions shows only the last word.
    db.execute(
        delete(table).where(
            table.c.citizen == citizen, table.c.purpose == purpose, table.c.state == "declined"
        )
    )


def _given(grant: Grant) -> GrantGiven:
    return GrantGiven(
        agency=grant.agency,
        client=grant.client_id,
        purpose=grant.purpose,
        purpose_version=grant.purpose_version,
        grant=grant.grant_id,
        attributes=tuple(sorted(grant.attributes)),
        left_out=tuple(sorted(grant.offered - grant.attributes)),
        text_sha256=grant.text_sha256,
        language=grant.language,
        expires_at=grant.expires_at,
    )
