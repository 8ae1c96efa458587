"""The room of disputes: saying that one does not recognise a look, and reading the answer."""

from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies, disputes, history, words
from consent.disputes import LONGEST_TEXT, Dispute
from consent.errors import EntryUnknown, NotDisputable
from consent.history import HistoryEntry
from core import language, pages
from core.database import Database
from core.events import Actor
from core.language import Lazy, _
from core.web import Citizen, Db, Form, see_other

router = APIRouter(prefix="/my")


@router.get("/history/entry/{event_id}/dispute")
def ask(request: Request, database: Db, me: Citizen, event_id: str) -> Response:
    """Show what will happen, and take what the citizen wants to say."""
    return _form(request, database, me.subject, event_id, text="", errors={})


@router.post("/history/entry/{event_id}/dispute")
def dispute(request: Request, database: Db, me: Citizen, form: Form, event_id: str) -> Response:
    """Open the dispute; the one there is if the look was disputed before."""
    text = form.get("text").replace("\r\n", "\n")
    if len(text) > LONGEST_TEXT:
        wrong = _("Write at most {longest} characters.").format(longest=LONGEST_TEXT)
        return _form(request, database, me.subject, event_id, text=text, errors={"text": wrong})
    with database.writing() as db:
        opened = disputes.begin(db, me.subject, event_id, text=text, actor=Actor("citizen", me.subject))
    history.settle(database, me.subject)
    return see_other(f"/my/disputes/{opened.id}")


@router.get("/disputes")
def listing(request: Request, database: Db, me: Citizen) -> Response:
    """Show every look that was disputed, and how each stands."""
    with database.reading() as db:
        found = disputes.of(db, me.subject)
        names = _names(database, found)
    return pages.render(
        request,
        "consent/disputes.html",
        section="history",
        disputes=found,
        names=names,
        answers=words.ANSWERS,
    )


@router.get("/disputes/{number}")
def one(request: Request, database: Db, me: Citizen, number: str) -> Response:
    """Show one dispute: what was asked, until when it must be answered, and the answer."""
    history.settle(database, me.subject)
    with database.reading() as db:
        found = disputes.read(db, number, citizen=me.subject)
        written = disputes.written(db, found)
        about = _about(db, found)
        agency = agencies.find(db, found.agency) if found.agency else None
    return pages.render(
        request,
        "consent/dispute.html",
        section="history",
        dispute=found,
        written=written,
        about=about,
        agency=agency,
        agency_name=agency.name(language.current()) if agency else str(_("Erti")),
        answers=words.ANSWERS,
    )


def _about(db: Session, found: Dispute) -> HistoryEntry | None:
    try:
        return history.one(db, found.citizen, found.event_id)
    except EntryUnknown:  # erased since
        return None


def _form(
    request: Request,
    database: Database,
    citizen: str,
    event_id: str,
    *,
    text: str,
    errors: Mapping[str, Lazy],
) -> Response:
    history.settle(database, citizen)
    with database.reading() as db:
        found = history.one(db, citizen, event_id)
        before = disputes.of_entries(db, citizen, [event_id]).get(event_id)
        agency = agencies.find(db, found.agency) if found.agency else None
    if before is not None:
        return see_other(f"/my/disputes/{before.id}")
    if not found.is_look:
        raise NotDisputable(detail=found.kind)
    return pages.render(
        request,
        "consent/dispute_new.html",
        status=400 if errors else 200,
        section="history",
        about=found,
        agency_name=agency.name(language.current()) if agency else str(_("Erti")),
        text=text,
        errors=errors,
        longest=LONGEST_TEXT,
        days_to_answer=request.app.state.settings.dispute_days,
    )


def _names(database: Database, found: list[Dispute]) -> dict[str | None, str]:
    with database.reading() as db:
        called = {agency.id: agency.name(language.current()) for agency in agencies.listing(db)}
    return {None: str(_("Erti"))} | {
        one.agency: called.get(one.agency, one.agency) for one in found if one.agency
    }
