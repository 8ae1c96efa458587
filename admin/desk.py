"""The desk: a clerk asks for one procedure, the citizen confirms on their own phone, the clerk sees it once and prints it."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin.errors import NothingShown
from admin.frame import show
from admin.permissions import Official, WorksDesk
from consent import agencies, assurance, desk, disclosure, evidence, history, purposes, showing
from consent.desk import Sitting
from consent.disclosure import Ask, NotReleased
from consent.errors import RequiredMissing
from consent.purposes import Purpose
from core import language, limits, pages
from core.database import Database
from core.errors import TooMany
from core.events import Actor
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, see_other
from idp.login import pads
from idp.staff import accounts
from registry_sync import people

router = APIRouter()
SITTINGS_AN_HOUR = 60
CODES_AN_HOUR = 20
LONGEST_OFFICE = 120
LONGEST_CASE = 200
BODY = "0" * 64  # a sitting is shown once, whatever else the clerk's browser sends


@dataclass(frozen=True)
class Before:
    """A sitting with what it is about, for the page of either side. `clerk` is the clerk's name."""

    sitting: Sitting
    purpose: Purpose
    agency_name: str
    clerk: str


# -- the clerk's side


@router.get("/desk")
def begin(request: Request, official: WorksDesk, database: Db) -> Response:
    """Show the form on which a procedure is begun."""
    typed = {"citizen": "", "office": "", "purpose": "", "case": ""}
    return _form(request, database, official, typed=typed, errors={})


@router.post("/desk")
def open_sitting(request: Request, database: Db, official: WorksDesk, form: Form) -> Response:
    """Ask a citizen for one procedure. What is answered does not tell whether there is such a citizen."""
    typed = {name: form.get(name) for name in ("citizen", "office", "purpose", "case")}
    citizen = people.compact(typed["citizen"])
    with database.reading() as db:
        purpose = purposes.find(db, typed["purpose"])
    errors = _mistakes(typed, citizen, purpose)
    if errors or citizen is None or purpose is None:
        return _form(request, database, official, typed=typed, errors=errors)
    _throttle(database, "desk.open", official.id, most=SITTINGS_AN_HOUR)
    with database.writing() as db:
        made = desk.begin(
            db,
            clerk=official.id,
            office=typed["office"],
            citizen=citizen,
            purpose=purpose,
            reference=typed["case"],
            actor=official.actor,
        )
        pads.offer(db, pads.SITTING, made.id, clerk=official.id, ends_at=made.expires_at)
    return see_other(f"/desk/{made.id}")


@router.get("/desk/{sitting_id}")
def follow(request: Request, database: Db, official: WorksDesk, sitting_id: str) -> Response:
    """Show how a procedure stands: the code for the citizen, or that they have confirmed."""
    with database.reading() as db:
        before = about(db, desk.of_clerk(db, sitting_id, clerk=official.id))
        code = desk.code(db, before.sitting)
        pad_code, on_pad = pads.code(db, sitting_id), pads.is_taken(db, sitting_id)
    return show(
        request,
        official,
        "desk_sitting.html",
        section="desk",
        before=before,
        code=code,
        pad_code=pad_code,
        on_pad=on_pad,
        citizen=people.grouped(before.sitting.citizen),
    )


@router.post("/desk/{sitting_id}/read")
def read(request: Request, database: Db, official: WorksDesk, _form: Form, sitting_id: str) -> Response:
    """Show what the citizen confirmed, once it stands in their history; sent again within minutes, the same."""
    with database.reading() as db:
        before = about(db, desk.of_clerk(db, sitting_id, clerk=official.id))
    sitting = before.sitting
    said = disclosure.release(
        database,
        Ask(
            citizen=sitting.citizen,
            agency=sitting.agency,
            client=evidence.AT_A_DESK,
            purpose=sitting.purpose,
            attributes=before.purpose.names,
            request_id=sitting.id,
            body_sha256=BODY,
            channel="desk",
            case=sitting.reference or None,
            official=official.id,
            narrow=True,  # to what the citizen confirmed
            sitting=sitting.id,
        ),
    )
    if isinstance(said, NotReleased):
        raise NothingShown(said.text, detail=said.rule)
    return show(
        request,
        official,
        "desk_receipt.html",
        section="desk",
        before=before,
        citizen=people.grouped(sitting.citizen),
        values=said.values,
        missing=[name for name in before.sitting.agreed if name not in said.values],
        withheld=said.withheld,
        receipt=said.receipt,
    )


@router.post("/desk/{sitting_id}/close")
def close(database: Db, official: WorksDesk, _form: Form, sitting_id: str) -> Response:
    """End a procedure from the clerk's side."""
    with database.writing() as db:
        desk.close(db, sitting_id, clerk=official.id, actor=official.actor)
        pads.end(db, sitting_id)
    return see_other("/desk")


# -- the citizen's side


@router.get("/my/desk")
def confirmations(request: Request, database: Db, me: Citizen) -> Response:
    """Show the citizen what clerks ask for at this moment."""
    return _asked(request, database, me, errors={})


@router.post("/my/desk/{sitting_id}")
def answer(request: Request, database: Db, me: Citizen, form: Form, sitting_id: str) -> Response:
    """Keep the citizen's word: confirmed with the code on the clerk's screen, or refused."""
    actor = Actor("citizen", me.subject)
    if form.get("decision") != "confirm":
        with database.writing() as db:
            desk.refuse(db, sitting_id, citizen=me.subject, actor=actor)
        history.settle(database, me.subject)
        return see_other("/my/desk")
    _throttle(database, "desk.code", me.subject, most=CODES_AN_HOUR)
    with database.writing() as db:
        waiting = {one.id: one for one in desk.waiting(db, me.subject)}
        sitting = waiting.get(sitting_id)
        purpose = purposes.read(db, sitting.purpose, sitting.purpose_version) if sitting else None
        if purpose is None:
            return see_other("/my/desk")
        if not assurance.enough(me.acr, purpose.acr):
            return see_other(f"/login?return_to=/my/desk&acr={purpose.acr}")
        try:
            right = desk.confirm(
                db,
                sitting_id,
                citizen=me.subject,
                given_code=form.get("code"),
                purpose=purpose,
                chosen={*purpose.required, *form.all("attribute")},
                acr=me.acr,
                actor=actor,
            )
        except RequiredMissing:
            right = False
    history.settle(database, me.subject)
    if not right:
        wrong = _(
            "This is not the code on the clerk's screen. After three wrong ones the clerk begins again."
        )
        return _asked(request, database, me, errors={f"code-{sitting_id}": wrong})
    return see_other("/my/desk?done=1")


def _asked(
    request: Request, database: Database, me: BrowserSession, *, errors: Mapping[str, Lazy]
) -> Response:
    with database.reading() as db:
        waiting = [about(db, one) for one in desk.waiting(db, me.subject)]
        values = disclosure.own(db, me.subject, {name for before in waiting for name in before.purpose.names})
    return pages.render(
        request,
        "admin/my_desk.html",
        status=400 if errors else 200,
        section="sharing",
        waiting=waiting,
        values=values,
        showing=showing,
        errors=errors,
        done=bool(request.query_params.get("done")),
    )


# -- both


def about(db: Session, sitting: Sitting) -> Before:
    """Return a sitting with what a page says of it."""
    clerk = accounts.find(db, sitting.clerk)
    return Before(
        sitting,
        purposes.read(db, sitting.purpose, sitting.purpose_version),
        agencies.read(db, sitting.agency).name(language.current()),
        clerk.name if clerk else sitting.clerk,
    )


def _mistakes(typed: Mapping[str, str], citizen: str | None, purpose: Purpose | None) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if citizen is None:
        errors["citizen"] = _("This is not a citizen ID. Check each character; the last one is a check.")
    if not 0 < len(typed["office"]) <= LONGEST_OFFICE or not typed["office"].isprintable():
        errors["office"] = _("Say at which office and counter you are.")
    if purpose is None:
        errors["purpose"] = _("Choose the procedure.")
    if len(typed["case"]) > LONGEST_CASE or not typed["case"].isprintable():
        errors["case"] = _("This case reference is too long.")
    elif purpose is not None and purpose.by_law and not typed["case"]:
        errors["case"] = _("A procedure that rests on a law needs the case it is for.")
    return errors


def _throttle(database: Database, bucket: str, who: str, *, most: int) -> None:
    with database.writing() as db:
        wait = limits.hit(db, bucket, who, most=most, per_seconds=3600)
    if wait:
        raise TooMany(_("This was done very often in a short time. Wait a while."), retry_after=wait)


def _form(
    request: Request,
    database: Database,
    official: Official,
    *,
    typed: Mapping[str, str],
    errors: Mapping[str, Lazy],
) -> Response:
    reads = language.current()
    with database.reading() as db:
        called = {agency.id: agency.name(reads) for agency in agencies.listing(db)}
        procedures = [
            (one.id, f"{called.get(one.agency, one.agency)}: {one.text(reads)['title']}")
            for one in purposes.listing(db)
        ]
    return show(
        request,
        official,
        "desk.html",
        section="desk",
        status=400 if errors else 200,
        typed=typed,
        errors=errors,
        procedures=procedures,
    )
