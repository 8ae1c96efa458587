"""What a citizen takes away as proof: the receipt of one entry, and one permission as a consent record."""

import json

from fastapi import APIRouter
from starlette.responses import Response

from consent import grants, history, receipts, records
from consent.ledger.receipts import MEDIA_TYPE as RECEIPT
from core.web import Citizen, Db

router = APIRouter(prefix="/my")


@router.get("/history/entry/{event_id}/receipt")
def receipt(database: Db, me: Citizen, event_id: str) -> Response:
    """Give the signed receipt of one entry, with its opening and, once a checkpoint covers it, its proof."""
    with database.reading() as db:
        signed = receipts.for_citizen(db, event_id, citizen=me.subject)
    return _download(signed.encode(), RECEIPT, f"erti-receipt-{event_id}.jwt")


@router.get("/sharing/{grant_id}/record.jsonld")
def consent_record(database: Db, me: Citizen, grant_id: str) -> Response:
    """Give one permission as a consent record that other programs read (ISO/IEC TS 27560)."""
    history.settle(database, me.subject)
    with database.reading() as db:
        grant = grants.read(db, grant_id, citizen=me.subject)
        found = records.record(db, grant, principal=me.subject)
    name = f"erti-permission-{grant.grant_id}.jsonld"
    return _download(json.dumps(found, ensure_ascii=False, indent=1).encode(), records.MEDIA_TYPE, name)


def _download(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)
