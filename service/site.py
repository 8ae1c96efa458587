"""The front page, the language switch, and what operators ask: health, readiness, figures."""

from fastapi import APIRouter
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from consent.ledger import aside, logs, signer
from core import pages
from core.errors import Missing
from core.events import waiting
from core.web import Db, Here, own_path, see_other, set_language, within
from idp import notify
from idp.login import throttle
from idp.signals import outbox
from service.metrics import Metrics

router = APIRouter()
YEAR_SECONDS = 31_536_000


@router.get("/")
def home(request: Request, _here: Here) -> Response:
    """The front page."""
    return pages.render(request, "core/home.html")


@router.get("/about")
def about(request: Request, _here: Here) -> Response:
    """What Erti does, and its limits."""
    return pages.render(request, "core/about.html")


@router.get("/language/{language}")
def switch_language(request: Request, language: str, return_to: str = "/") -> Response:
    """Remember a language for this browser and go back to the page."""
    if language not in request.app.state.settings.languages:
        raise Missing
    response = see_other(own_path(return_to, "/"))
    set_language(request, response, language, seconds=YEAR_SECONDS)
    return response


@router.get("/healthz")
def healthz() -> Response:
    """Say that the process lives."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(database: Db) -> Response:
    """Say whether this process can serve: the database answers, the sequencer runs, checkpoints are fresh."""
    with database.reading() as db:
        fresh = signer.fresh(db)
    checks = {
        "database": True,
        "sequencer": bool(database.parts.sequencer and database.parts.sequencer.running),
        "checkpoint": fresh,
    }
    ready = all(checks.values())
    return JSONResponse({"ready": ready, **checks}, status_code=200 if ready else 503)


@router.get("/metrics")
def metrics(request: Request, database: Db) -> Response:
    """Give the figures to the networks that the settings name."""
    # What a proxy passes on comes from somewhere else, whatever the proxy's own address is.
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    if forwarded or not within(request, request.app.state.settings.metrics_networks):
        raise Missing
    figures: Metrics = request.app.state.metrics
    with database.reading() as db:
        figures.ledger_size.set(log.size if (log := logs.find(db)) else 0)
        figures.ledger_waiting.set(db.scalar(select(func.count()).select_from(waiting)) or 0)
        figures.ledger_aside.set(aside.count(db))
        backlog, letters = outbox.backlog(db), notify.backlog(db)
        guesses = throttle.everywhere(db)
    figures.signals_waiting.set(backlog.waiting)
    figures.signals_oldest.set(backlog.oldest_seconds)
    figures.signals_failed.labels("refused").set(backlog.refused)
    figures.signals_failed.labels("given-up").set(backlog.given_up)
    figures.letters_waiting.set(letters.waiting)
    figures.letters_oldest.set(letters.oldest_seconds)
    figures.letters_given_up.set(letters.given_up)
    for method, (wrong, alarm) in guesses.items():
        figures.guesses.labels(method).set(wrong)
        figures.guessing.labels(method).set(alarm)
    return Response(figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
