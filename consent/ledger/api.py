"""The public files of the ledger: checkpoint, tiles and trust policy."""

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from consent.ledger import logs, publish, signer, tiles
from consent.ledger import policy as policies
from core.database import Database, parts
from core.errors import Missing
from core.web import Db
from keys import jwks

router = APIRouter(prefix="/ledger")
TEXT = "text/plain; charset=utf-8"
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
BRIEFLY = {"Cache-Control": "public, max-age=1"}


@router.get("/checkpoint")
def checkpoint(database: Db) -> Response:
    """The newest checkpoint of the log that grows, a signed note (C2SP tlog-tiles, Checkpoints)."""
    return _checkpoint(database, None)


@router.get("/tile/{path:path}")
def tile(path: str, database: Db) -> Response:
    """A tile or an entry bundle of the log that grows, in its signed tree (C2SP tlog-tiles)."""
    return _tile(database, None, path)


@router.get("/logs")
def listing(database: Db) -> Response:
    """Every log there is, the oldest first: where its files are, whether it was frozen for good, its policy's fingerprint."""
    with database.reading() as db:
        found = [
            {
                "origin": log.origin,
                "url": f"/ledger/logs/{log.number}",
                "frozen": log.frozen,
                "policy": policies.fingerprint(policies.text(parts(db), log.origin)),
            }
            for log in logs.listing(db)
        ]
    return JSONResponse({"logs": found}, headers=BRIEFLY)


@router.get("/logs/{number}/checkpoint")
def checkpoint_of(number: int, database: Db) -> Response:
    """The newest checkpoint of a log, the last one there will be if it is frozen."""
    return _checkpoint(database, number)


@router.get("/logs/{number}/tile/{path:path}")
def tile_of(number: int, path: str, database: Db) -> Response:
    """A tile or an entry bundle of a log."""
    return _tile(database, number, path)


@router.get("/logs/{number}/policy")
def policy_of(number: int, database: Db) -> Response:
    """The trust policy of a log, with the witnesses of now: for comparing with a letter from when it grew."""
    with database.reading() as db:
        text = policies.text(parts(db), logs.origin(db, _number(db, number)))
    return Response(text, media_type=TEXT, headers=BRIEFLY)


def _number(db: Session, number: int | None) -> int:
    """The log that is meant; the one that grows if none is named. Others than open ones are nobody's business."""
    if number is None:
        return logs.current(db).number
    if number not in {log.number for log in logs.listing(db)}:
        raise Missing(detail="no such log")
    return number


def _checkpoint(database: Database, number: int | None) -> Response:
    with database.reading() as db:
        signed = signer.published(db, _number(db, number))
    if signed is None:
        raise Missing(detail="no checkpoint yet")
    return Response(signed.note, media_type=TEXT, headers=BRIEFLY)


def _tile(database: Database, number: int | None, path: str) -> Response:
    try:
        wanted = tiles.parse(f"tile/{path}")
    except ValueError as error:
        raise Missing(detail="not a tile") from error
    with database.reading() as db:
        log = _number(db, number)
        signed = signer.published(db, log)
        folder = signer.folder(database, log)
        found = publish.read(db, folder, log, wanted, signed=signed.size if signed else 0)
    if found is None:
        raise Missing(detail="beyond the checkpoint")
    return Response(found, media_type="application/octet-stream", headers=FOREVER)


@router.get("/policy")
def policy(database: Db) -> Response:
    """The trust policy of the log that grows. Whoever fetches it here compares its fingerprint, as /about/fingerprints says."""
    with database.reading() as db:
        text = signer.policy_text(db)
    return Response(text, media_type=TEXT, headers=BRIEFLY)


@router.get("/receipt-keys")
def receipt_keys(database: Db) -> Response:
    """Every public key that ever signed receipts, retired ones too, as a JWK Set (RFC 7517; ADR 20)."""
    with database.reading() as db:
        found = jwks.historical(db)
    return JSONResponse(found, media_type="application/jwk-set+json", headers=BRIEFLY)
