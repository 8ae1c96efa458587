"""The public files of the ledger: checkpoint, tiles and trust policy."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from consent.ledger import publish, signer, tiles
from core.errors import Missing
from core.web import Db
from keys import jwks

router = APIRouter(prefix="/ledger")
TEXT = "text/plain; charset=utf-8"
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
BRIEFLY = {"Cache-Control": "public, max-age=1"}


@router.get("/checkpoint")
def checkpoint(database: Db) -> Response:
    """The newest checkpoint, a signed note (C2SP tlog-tiles, Checkpoints)."""
    with database.reading() as db:
        signed = signer.newest(db)
    if signed is None:
        raise Missing(detail="no checkpoint yet")
    return Response(signed.note, media_type=TEXT, headers=BRIEFLY)


@router.get("/tile/{path:path}")
def tile(path: str, database: Db) -> Response:
    """A tile or an entry bundle of the signed tree (C2SP tlog-tiles)."""
    try:
        wanted = tiles.parse(f"tile/{path}")
    except ValueError as error:
        raise Missing(detail="not a tile") from error
    with database.reading() as db:
        signed = signer.newest(db)
        found = publish.read(db, signer.folder(database), wanted, signed=signed.size if signed else 0)
    if found is None:
        raise Missing(detail="beyond the checkpoint")
    return Response(found, media_type="application/octet-stream", headers=FOREVER)


@router.get("/policy")
def policy(database: Db) -> Response:
    """The trust policy. Whoever fetches it here compares its fingerprint with their activation letter."""
    with database.reading() as db:
        text = signer.policy_text(db)
    return Response(text, media_type=TEXT, headers=BRIEFLY)


@router.get("/receipt-keys")
def receipt_keys(database: Db) -> Response:
    """Every public key that ever signed receipts, retired ones too, as a JWK Set (RFC 7517; ADR 20)."""
    with database.reading() as db:
        found = jwks.historical(db)
    return JSONResponse(found, media_type="application/jwk-set+json", headers=BRIEFLY)
