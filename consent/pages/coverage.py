"""The public page about how much of the country a history covers: since when, and which agencies not yet."""

from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies, showing
from consent.ledger import logs
from core import language, pages
from core.web import Db, Here

router = APIRouter()


@router.get("/about/coverage")
def coverage(request: Request, database: Db, _here: Here) -> Response:
    """Show which agencies' looks are in every history, since when, and whose are not yet."""
    with database.reading() as db:
        every = agencies.listing(db)
        opened = logs.leaf0(db, logs.FIRST).get("at")
    every.sort(key=lambda agency: agency.name(language.current()))
    return pages.render(
        request,
        "consent/coverage.html",
        covered=[agency for agency in every if agency.covered_since],
        missing=[agency for agency in every if not agency.covered_since],
        since=datetime.fromisoformat(opened) if opened else None,
        written_day=showing.day,
    )
