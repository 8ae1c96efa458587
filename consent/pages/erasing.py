"""The room of erasing: what of the history can be erased from when, what was, and whether it is beyond recovery."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import erased, history
from consent.assurance import LEVELS, enough
from consent.ledger import erasure
from core import clock, pages
from core.errors import Invalid, Refused
from core.events import Actor
from core.language import _
from core.web import Citizen, Db, Form, see_other

router = APIRouter(prefix="/my/history")


@router.get("/erasure")
def overview(request: Request, database: Db, me: Citizen) -> Response:
    """Show each year that can be read, from when it may be erased, and every erasure so far."""
    with database.reading() as db:
        years, done = erasure.years(db, me.subject), erasure.of(db, me.subject)
    at, zone = clock.now(), database.parts.settings.time_zone
    waits = {one.year for one in done if one.erased_at is None}
    return pages.render(
        request,
        "consent/erasing.html",
        section="history",
        years=[(one, one.free_from <= at and one.year not in waits, one.year in waits) for one in years],
        done=[(one, erased.basis(one.basis), erased.standing(one, zone)) for one in done],
        day=lambda moment: erased.day(moment, zone),
    )


@router.get("/erasure/{year}")
def confirm(request: Request, database: Db, me: Citizen, year: int) -> Response:
    """Say what erasing a year means, before it is done. Raises MustBeKept, NothingToErase."""
    with database.reading() as db:
        count = erasure.check(db, me.subject, _year(year), basis=erasure.WISH)
    return pages.render(request, "consent/erase_year.html", section="history", year=year, entries=count)


@router.post("/erasure/{year}")
def erase(database: Db, me: Citizen, _form: Form, year: int) -> Response:
    """Erase a year of one's own history, for good: whoever got in with less than two factors may not cover their tracks."""
    if not enough(me.acr, LEVELS[1]):
        raise Refused(_("Sign in with a passkey, or with password and code, to erase your history."))
    history.settle(database, me.subject)
    with database.writing() as db:
        mine = Actor("citizen", me.subject)
        ordered = erasure.order(db, me.subject, _year(year), basis=erasure.WISH, actor=mine)
    erasure.carry_out(database, ordered)
    history.settle(database, me.subject)
    return see_other("/my/history/erasure")


def _year(year: int) -> int:
    if not 1 <= year <= clock.now().year:
        raise Invalid(detail="year")
    return year
