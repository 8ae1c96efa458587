"""What an agency keeps as proof: receipts of decisions and reads that are its own, and a grant as a consent record."""

from typing import Any

from sqlalchemy.orm import Session

from consent import grants, receipts, records
from consent.errors import GrantUnknown
from consent.grants import Grant
from core.database import Database
from idp.oidc import subjects
from idp.oidc.resources.reads import Caller


def receipt(database: Database, who: Caller, event_id: str) -> dict[str, Any]:
    """Return the receipt of one entry of the caller's own agency; raises ReceiptUnknown."""
    with database.reading() as db:
        signed = receipts.for_agency(
            db,
            event_id,
            agency=who.client.agency,
            client=who.client.client_id,
            purposes=_purposes(who),
        )
    return {"event": event_id, "signed": signed}


def of_grant(database: Database, who: Caller, grant_id: str) -> dict[str, Any]:
    """Return the receipts of all decisions on a grant of the caller's; raises GrantUnknown."""
    with database.reading() as db:
        grant = _grant(db, who, grant_id)
        signed = receipts.of_grant(db, grant, client=who.client.client_id)
    return {"grant_id": grant.grant_id, "receipts": signed}


def record(database: Database, who: Caller, grant_id: str) -> dict[str, Any]:
    """Return a grant of the caller's as a consent record (ISO/IEC TS 27560); raises GrantUnknown."""
    with database.reading() as db:
        grant = _grant(db, who, grant_id)
        principal = subjects.sub(db, who.client, grant.citizen)
        company = who.client.subject_type != "public"
        return records.record(db, grant, principal=principal, company=company)


def _grant(db: Session, who: Caller, grant_id: str) -> Grant:
    found = grants.find(db, grant_id)
    if (
        found is None
        or found.agency != who.client.agency
        or found.purpose not in _purposes(who)
        or found.state == "declined"  # of which the agency never got a number
    ):
        raise GrantUnknown(detail=grant_id[:32])
    return found


def _purposes(who: Caller) -> tuple[str, ...]:
    return (who.client.sign_in_purpose, *who.client.purposes)
