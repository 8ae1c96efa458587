"""A citizen's word on a purpose: allow, refuse, let it go on, take back."""

import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from consent import capacity, endings, holding, purposes
from consent.allowances import STANDING, Allowance, Uses
from consent.errors import GrantOver, NotAsked, RequiredMissing, TextChanged
from consent.events import GrantDeclined, GrantExtended, GrantGiven, GrantWithdrawn
from consent.grants import Grant
from consent.mandates import Mandate
from consent.purposes import Purpose
from consent.tables import grant as table
from core import clock
from core.events import Actor, record


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
    limits: Allowance = STANDING,
    exact: bool = False,
    behalf: Mandate | None = None,
) -> Grant:
    """Keep that a citizen allowed attributes for a purpose, after reading its text in `lang`.

    `asked` is what the page showed (the whole purpose if None): what is required of it must be allowed,
    and what is optional and not allowed counts as a "no" that is not asked again. A live grant is kept
    with its ID and takes the new decision (its attributes that were not asked about stay, unless `exact`);
    otherwise a new one begins. It lasts the purpose's valid days, within the purpose's limits narrowed by
    `limits`, and its reads are counted anew. The same as before is an extension. Under a mandate (`behalf`) it is its
    holder's word, and stays when that ends. Raises TooYoung, DecidesOtherwise, RequiredMissing, NotAsked, PurposeUnknown.
    """
    current = purposes.current(db, purpose) if isinstance(purpose, str) else purpose
    shown = frozenset(current.names if asked is None else asked) & frozenset(current.names)
    said = frozenset(allowed)
    capacity.check(db, citizen, actor=actor, behalf=behalf)
    _check_said(current, shown, said)
    before = _hold_live(db, citizen, current.id)
    same_text = before is not None and before.purpose_version == current.version
    stays = before if same_text and not exact else None
    agreed = said | (stays.attributes - shown if stays else frozenset())
    allowance = current.allowance.narrowed(limits)
    same = before is not None and same_text and (agreed, allowance) == (before.attributes, before.allowance)
    at = clock.now()
    after = Grant(
        grant_id=before.grant_id if before else secrets.token_hex(16),
        citizen=citizen,
        agency=current.agency,
        client_id=client_id,
        purpose=current.id,
        purpose_version=current.version,
        text_sha256=current.text_sha256(lang),
        language=current.language(lang),
        attributes=agreed,
        offered=shown | (stays.offered if stays else frozenset()),
        state="extended" if same else "given",
        given_at=at,
        expires_at=until(current, allowance, at),
        ended_at=None,
        ended_by=None,
        version=before.version + 1 if before else 1,
        allowance=allowance,
        uses=_counted_anew(before, allowance),
    )
    _check_not_over(after)
    _forget_declined(db, citizen, current.id)
    holding.keep(db, after, before)
    record(db, _given(after, before, behalf), actor=actor, about=_both(citizen, behalf))
    return after


def _check_not_over(grant: Grant) -> None:
    if grant.expires_at <= grant.given_at:
        raise NotAsked(detail="its last day is over")


def _check_said(purpose: Purpose, shown: frozenset[str], said: frozenset[str]) -> None:
    if purpose.by_law or not said or not said <= shown:
        raise NotAsked(detail=purpose.id)
    if not purpose.required & shown <= said:
        raise RequiredMissing(detail=purpose.id)


def until(purpose: Purpose, allowance: Allowance, at: datetime) -> datetime:
    """Return until when a decision of this moment counts: the purpose's valid days, or the last day if that comes first."""
    longest = at + timedelta(days=purpose.valid_days)
    return longest if allowance.ends is None else min(longest, allowance.ends)


def extend(db: Session, grant: Grant, *, text_sha256: str, lang: str, actor: Actor) -> Grant:
    """Let a live grant go on as it is for another term, at its citizen's own wish and after reading its text.

    Raises TooYoung, DecidesOtherwise, GrantOver if it is over, TextChanged if the purpose has another text by now, or another was read.
    """
    current = purposes.current(db, grant.purpose)
    now = holding.hold(db, grant.grant_id)
    capacity.check(db, now.citizen, actor=actor)
    if not now.is_live:
        raise GrantOver(detail=now.grant_id)
    if now.purpose_version != current.version or current.text_sha256(lang) != text_sha256:
        raise TextChanged(detail=now.grant_id)
    at = clock.now()
    after = replace(
        now,
        text_sha256=text_sha256,
        language=current.language(lang),
        state="extended",
        given_at=at,
        expires_at=until(current, now.allowance, at),
        version=now.version + 1,
        uses=_counted_anew(now, now.allowance),
    )
    holding.keep(db, after, now)
    record(db, _given(after), actor=actor, about=[now.citizen])
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
    behalf: Mandate | None = None,
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
    holding.keep(db, refused, None)
    event = GrantDeclined(
        agency=refused.agency,
        client=client_id,
        purpose=refused.purpose,
        purpose_version=refused.purpose_version,
        attributes=tuple(sorted(shown)),
        text_sha256=refused.text_sha256,
        language=refused.language,
        **_named(behalf),
    )
    record(db, event, actor=actor, about=_both(citizen, behalf))
    return refused


def withdraw(
    db: Session,
    grant: Grant,
    *,
    actor: Actor,
    attributes: Collection[str] | None = None,
    behalf: Mandate | None = None,
) -> Grant:
    """Take a permission back: whole, or only some attributes; the last attribute takes the whole along.

    Tokens end in the same transaction by the handlers of GrantWithdrawn. A grant that is over already is
    returned as it is. Raises GrantOver if an attribute is not part of it (any more).
    """
    now = holding.hold(db, grant.grant_id)
    if not now.is_live:
        return now
    gone = now.attributes if attributes is None else frozenset(attributes)
    if not gone or not gone <= now.attributes:
        raise GrantOver(detail=now.grant_id)
    left = now.attributes - gone
    after = (
        replace(now, attributes=left, state="narrowed", version=now.version + 1)
        if left
        else holding.over(now, state="withdrawn", by=actor.kind)
    )
    holding.keep(db, after, now)
    event = GrantWithdrawn(
        agency=now.agency,
        client=now.client_id,
        purpose=now.purpose,
        purpose_version=now.purpose_version,
        grant=now.grant_id,
        whole=not left,
        attributes=tuple(sorted(gone)),
        left=tuple(sorted(left)),
        **_named(behalf),
    )
    record(db, event, actor=actor, about=_both(now.citizen, behalf))
    return after


def _hold_live(db: Session, citizen: str, purpose: str) -> Grant | None:
    held = holding.hold_unended(db, citizen, purpose)
    if held is not None and not held.is_live:
        endings.ended_unsaid(db, held)
        return None
    return held


def _counted_anew(before: Grant | None, allowance: Allowance) -> Uses:
    """A new decision begins the count of all reads; how many there were in this window stays true."""
    if before is None or before.allowance.every != allowance.every:
        return Uses()
    return Uses(0, before.uses.window, before.uses.in_window, before.uses.at)


def _forget_declined(db: Session, citizen: str, purpose: str) -> None:
    # The decision stays in the history; the list of permissions shows only the last word.
    db.execute(
        delete(table).where(
            table.c.citizen == citizen, table.c.purpose == purpose, table.c.state == "declined"
        )
    )


def _both(citizen: str, behalf: Mandate | None) -> list[str]:
    """Return whose histories a decision joins: the citizen's, and that of whoever decided for them."""
    return [citizen, behalf.holder] if behalf else [citizen]


def _named(behalf: Mandate | None) -> dict[str, str]:
    if behalf is None:
        return {}
    return {"citizen": behalf.giver, "representative": behalf.holder, "mandate": behalf.id}


def _given(
    grant: Grant, before: Grant | None = None, behalf: Mandate | None = None
) -> GrantGiven | GrantExtended:
    ended = tuple(sorted(before.attributes - grant.attributes)) if before else ()
    kind = GrantExtended if grant.state == "extended" else GrantGiven
    return kind(
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
        limits=grant.allowance.document() or None,
        ended=ended or None,
        **_named(behalf),
    )
