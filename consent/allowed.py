"""What somebody allowed for another under a mandate, and can take back for them."""

from sqlalchemy.orm import Session

from consent import decisions, grants, history, mandates
from consent.errors import GrantUnknown, MandateUnknown
from consent.grants import Grant
from consent.history import Filter
from consent.mandates import Mandate
from core.events import Actor

AT_MOST = 200  # entries that are looked through, the newest first


def by_holder(db: Session, mandate: Mandate) -> list[Grant]:
    """Return the live permissions that the holder of a live mandate gave for its giver; none that anybody else gave.

    By the holder's own history, so that nothing is shown that they did not do themselves.
    """
    if not mandate.is_live:
        return []
    told, _pages = history.entries(db, mandate.holder, only=Filter(group="sharing"), size=AT_MOST)
    named = {
        str(one.data["grant"]): None
        for one in told
        if one.kind in ("grant-given", "grant-extended") and one.data.get("citizen") == mandate.giver
    }
    found = [grants.find(db, grant_id) for grant_id in named]
    return [
        one
        for one in found
        if one is not None
        and one.is_live
        and one.citizen == mandate.giver
        and mandate.covers(agency=one.agency, purpose=one.purpose)
    ]


def take_back(db: Session, mandate_id: str, grant_id: str, *, holder: str, actor: Actor) -> None:
    """Take back what the holder of a mandate allowed for its giver; tokens end with it, and both histories say so.

    Raises MandateUnknown, also for one that is over, and GrantUnknown for what the holder did not allow.
    """
    mandate = mandates.find(db, mandate_id)
    if mandate is None or mandate.holder != holder or not mandates.hold(db, mandate):
        raise MandateUnknown(detail=mandate_id[:32])
    grant = next((one for one in by_holder(db, mandate) if one.grant_id == grant_id), None)
    if grant is None:
        raise GrantUnknown(detail=grant_id[:32])
    decisions.withdraw(db, grant, actor=actor, behalf=mandate)
