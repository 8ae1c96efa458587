"""The room of disputes: what citizens did not recognise, for those who answer, and for the auditor."""

from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin.errors import NotYourRole
from admin.frame import show
from admin.permissions import Official, ReadsDisputes
from consent import agencies, disputes, history, words
from consent.agencies import Agency
from consent.disputes import CATEGORIES, CONSOLE, LONGEST_ANSWER, LONGEST_SOURCE, Dispute
from consent.errors import DisputeAnsweredAlready, EntryUnknown
from consent.history import HistoryEntry
from core import language
from core.database import Database
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp.oidc import clients, subjects
from registry_sync import people

router = APIRouter(prefix="/admin/disputes")
ROWS = 50
NOTHING = {"category": "", "text": "", "source": ""}


@router.get("")
def listing(
    request: Request,
    database: Db,
    official: ReadsDisputes,
    state: str = "",
    agency: str = "",
    after: str = "",
) -> Response:
    """Show disputes by what is not sealed, those to be answered soonest first."""
    states = (state,) if state in disputes.STATES else disputes.OPEN_STATES
    with database.reading() as db:
        known = {one.id: one.name(language.current()) for one in agencies.listing(db)}
        chosen = agency if agency in known else None
        found = disputes.listing(db, states=states, agency=chosen, after=after[:16], most=ROWS + 1)
    return show(
        request,
        official,
        "disputes.html",
        section="disputes",
        disputes=found[:ROWS],
        more=found[ROWS - 1].id if len(found) > ROWS else "",
        names=known,
        states=disputes.STATES,
        chosen={"state": state if state in disputes.STATES else "", "agency": chosen or ""},
        answers=words.ANSWERS,
    )


@router.get("/{number}")
def one(request: Request, database: Db, official: ReadsDisputes, number: str) -> Response:
    """Show one dispute by what is not sealed."""
    with database.reading() as db:
        found = disputes.read(db, number)
    return _page(request, database, official, found)


@router.post("/{number}/read")
def read(request: Request, database: Db, official: ReadsDisputes, _form: Form, number: str) -> Response:
    """Show what the citizen wrote and which look it is about, once that is on the citizen's record."""
    with database.reading() as db:
        found = disputes.read(db, number)
        _admit(official, found)
    _put_on_record(database, official, found)
    return _page(request, database, official, found, opened=True)


@router.post("/{number}/answer")
def answer(request: Request, database: Db, official: ReadsDisputes, form: Form, number: str) -> Response:
    """Pass on the agency's answer, or give the auditor's about a look by staff."""
    typed = {name: form.get(name).replace("\r\n", "\n") for name in NOTHING}
    with database.reading() as db:
        found = disputes.read(db, number)
        _admit(official, found)
        _not_in_ones_own_cause(official, _about(db, found))
    if not found.is_open:
        raise DisputeAnsweredAlready(detail=found.id)
    if errors := _mistakes(typed, found):
        _put_on_record(database, official, found)  # the form comes back with what the citizen wrote
        return _page(request, database, official, found, opened=True, typed=typed, errors=errors)
    with database.writing() as db:
        disputes.answer(
            db,
            found,
            category=typed["category"],
            text=typed["text"],
            source=typed["source"] if found.agency else "",
            actor=official.actor,
            through=CONSOLE,
        )
    return see_other(f"/admin/disputes/{found.id}")


def _put_on_record(database: Database, official: Official, found: Dispute) -> None:
    """Write into the citizen's history that a member of staff reads this; before every page that shows it."""
    with database.writing() as db:
        disputes.seen(db, found, actor=official.actor, through=CONSOLE)


def _mistakes(typed: Mapping[str, str], found: Dispute) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if typed["category"] not in CATEGORIES:
        errors["category"] = _("Say how the look is judged.")
    if not 0 < len(typed["text"]) <= LONGEST_ANSWER:
        errors["text"] = _("Write the answer, in words that the citizen understands.")
    if found.agency and not 0 < len(typed["source"]) <= LONGEST_SOURCE:
        errors["source"] = _("Say whom at the agency the answer comes from.")
    return errors


def _may_answer(official: Official, found: Dispute) -> bool:
    return official.may("disputes-answer" if found.agency else "disputes-answer-staff")


def _admit(official: Official, found: Dispute) -> None:
    if not _may_answer(official, found):
        raise NotYourRole(detail="dispute")


def _not_in_ones_own_cause(official: Official, about: HistoryEntry | None) -> None:
    # At a desk the look is the agency's, and the clerk its official.
    looked = about.data.get("official" if about.data.get("channel") == "desk" else "staff") if about else None
    if looked == official.id:
        raise NotYourRole(detail="own look")


def _about(db: Session, found: Dispute) -> HistoryEntry | None:
    try:
        return history.one(db, found.citizen, found.event_id)
    except EntryUnknown:  # erased since
        return None


def _called(db: Session, found: Dispute, agency: Agency | None, about: HistoryEntry | None) -> str:
    """Return what the agency calls the citizen, by which it can be asked; nothing where it does not know whom it looked at.

    A private company knows an ID of its own, and nobody who asks it should tell it more.
    """
    known = about is not None and (about.kind == "disclosed" or about.data.get("outcome") == "released")
    if agency is None or not known:
        return ""
    if not agency.is_company:
        return people.grouped(found.citizen)
    every = clients.listing(db, agency=agency.id)  # which all call the citizen the same
    return subjects.sub(db, every[0], found.citizen) if every else ""


def _page(
    request: Request,
    database: Database,
    official: Official,
    found: Dispute,
    *,
    opened: bool = False,
    typed: Mapping[str, str] = NOTHING,
    errors: Mapping[str, Lazy] | None = None,
) -> Response:
    with database.reading() as db:
        agency = agencies.find(db, found.agency) if found.agency else None
        written = disputes.written(db, found) if opened else None
        about = _about(db, found) if opened else None
        called = _called(db, found, agency, about)
    return show(
        request,
        official,
        "dispute.html",
        section="disputes",
        status=400 if errors else 200,
        dispute=found,
        agency=agency,
        written=written,
        about=about,
        citizen=called,
        may_answer=_may_answer(official, found),
        typed=typed,
        errors=errors or {},
        answers=words.ANSWERS,
    )
