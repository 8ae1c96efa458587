"""The page of fingerprints: which trust policy each of the ledger's logs has, and what to compare with what."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent.ledger import logs, policy
from core import pages
from core.database import parts
from core.web import Db, Here

router = APIRouter()


@dataclass(frozen=True)
class Line:
    """A log's number, origin and beginning, and the fingerprint of its trust policy with the witnesses of now."""

    log: int
    origin: str
    began: datetime
    fingerprint: str


@router.get("/about/fingerprints")
def fingerprints(request: Request, database: Db, _here: Here) -> Response:
    """Show the fingerprint of every open log's trust policy, the newest first."""
    with database.reading() as db:
        lines = [_line(db, log.number, log.origin) for log in reversed(logs.listing(db))]
    return pages.render(request, "consent/fingerprints.html", lines=lines)


def _line(db: Session, number: int, origin: str) -> Line:
    text = policy.text(parts(db), origin)
    began = datetime.fromisoformat(logs.leaf0(db, number)["at"])
    return Line(number, origin, began, policy.fingerprint(text))
