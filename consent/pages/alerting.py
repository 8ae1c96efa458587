"""The room of alerts: which looks a citizen is told about by e-mail."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies, alerts, history, words
from consent.alerts import Choice
from core import language, pages
from core.events import Actor
from core.web import Citizen, Db, Form, see_other

router = APIRouter(prefix="/my")


@router.get("/alerts")
def show(request: Request, database: Db, me: Citizen, saved: str = "") -> Response:
    """Show which alerts are on."""
    with database.reading() as db:
        chosen = alerts.choice(db, me.subject)
        every = [(agency.id, agency.name(language.current())) for agency in agencies.listing(db)]
    settings = request.app.state.settings
    return pages.render(
        request,
        "consent/alerts.html",
        section="history",
        chosen=chosen,
        rules=words.ALERTS,
        agencies=sorted(every, key=lambda pair: pair[1]),
        saved=bool(saved),
        hours=settings.office_hours,
        most=settings.alert_mails_a_day,
        most_watched=alerts.MOST_WATCHED,
    )


@router.post("/alerts")
def choose(database: Db, me: Citizen, form: Form) -> Response:
    """Keep what is ticked."""
    wanted = Choice(tuple(form.all("rule")), tuple(form.all("agency")))
    with database.writing() as db:
        alerts.choose(db, me.subject, wanted, actor=Actor("citizen", me.subject))
    history.settle(database, me.subject)
    return see_other("/my/alerts?saved=1")
