"""The public page about what the law withholds: which agencies may, for how long, and how much there was."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies, purposes, showing, withholding
from core import language, pages
from core.web import Db, Here

router = APIRouter()


@router.get("/about/withheld")
def withheld(request: Request, database: Db, _here: Here) -> Response:
    """Show which purposes a law lets keep their reads back, and what is published of how many there were."""
    reads = language.current()
    with database.reading() as db:
        called = {agency.id: agency.name(reads) for agency in agencies.listing(db)}
        may = [purpose for purpose in purposes.listing(db) if purpose.withheld_days]
        months = withholding.published(db)
    return pages.render(
        request,
        "consent/withheld.html",
        called=called,
        purposes=may,
        months=months,
        delay=request.app.state.settings.withheld_count_months,
        month_name=showing.day,
    )
