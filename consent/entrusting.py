"""A citizen's word that another may act for them, and the other's word that they will."""

import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from consent import agencies as agencies_of
from consent import capacity, mandates
from consent import purposes as purposes_of
from consent.acts import MandateOffered
from consent.errors import MandateMalformed, MandateOver, MandateUnknown
from consent.mandates import Mandate
from core import clock
from core.events import Actor, record
from registry_sync import people

LONGEST = timedelta(days=5 * 366)
MOST_OPEN = 50


def offer(
    db: Session,
    *,
    giver: str,
    holder: str,
    agencies: Collection[str],
    purposes: Collection[str],
    until: datetime,
    actor: Actor,
) -> Mandate:
    """Offer another citizen the right to act for the giver. It counts for nothing until they accept.

    Whether the other exists is neither looked up nor told: an offer to nobody waits until it is over.
    Raises TooYoung or DecidesOtherwise for whom another decides, and MandateMalformed for a mandate to oneself, for
    nothing, in the past, for more than five years, or one too many.
    """
    if why := capacity.bar(db, giver):
        raise why
    at = clock.now()
    known = {agency.id for agency in agencies_of.listing(db)}
    named = {one.id for one in purposes_of.listing(db) if not one.by_law}
    good = people.is_citizen_id(holder) and holder != giver and at < until <= at + LONGEST
    if not good or not (agencies or purposes) or not set(agencies) <= known or not set(purposes) <= named:
        raise MandateMalformed(detail="offer")
    if mandates.standing(db, giver) >= MOST_OPEN:
        raise MandateMalformed(detail="too many")
    made = Mandate(
        id=secrets.token_hex(16),
        giver=giver,
        holder=holder,
        agencies=tuple(sorted(set(agencies))),
        purposes=tuple(sorted(set(purposes))),
        state="offered",
        offered_at=at,
        answered_at=None,
        expires_at=until,
        ended_at=None,
        ended_by=None,
        version=1,
    )
    mandates.begin(db, made)
    event = MandateOffered(
        mandate=made.id,
        giver=giver,
        holder=holder,
        agencies=made.agencies,
        purposes=made.purposes,
        expires_at=until,
    )
    record(db, event, actor=actor, about=[giver])
    return made


def accept(db: Session, mandate_id: str, *, holder: str, actor: Actor) -> Mandate:
    """Let the other accept an offer: from now on it counts.

    Raises TooYoung or DecidesOtherwise for a holder for whom another decides, MandateUnknown, and MandateOver also where
    the giver has come to be such a person since.
    """
    now = mandates.hold_one(db, mandate_id)
    if now.holder != holder:
        raise MandateUnknown(detail=mandate_id[:32])
    if why := capacity.bar(db, holder):
        raise why
    if not now.is_open or capacity.bar(db, now.giver):
        raise MandateOver(detail=now.id)
    after = replace(now, state="given", answered_at=clock.now(), version=now.version + 1)
    mandates.keep(db, after, now)
    record(db, mandates.given(after), actor=actor, about=[now.giver, now.holder])
    return after
