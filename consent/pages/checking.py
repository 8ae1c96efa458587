"""The room in which a citizen lets their own browser check the history, with what was downloaded or with a kept file."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent.ledger import signer
from core import language, pages
from core.web import Citizen, Db

router = APIRouter(prefix="/my")


@router.get("/history/check")
def check(request: Request, database: Db, me: Citizen) -> Response:
    """Show the check, which a script does; without scripts, how to do it with the program."""
    with database.reading() as db:
        fingerprint = signer.policy_fingerprint(db)
    locale = language.region().replace("_", "-")
    return pages.render(
        request, "consent/check.html", section="history", fingerprint=fingerprint, locale=locale
    )
