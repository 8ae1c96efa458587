"""The desk's pad: the citizen chooses a card's PIN on it, or confirms with card and PIN what a clerk asks for."""

from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin import desk as room
from admin.desk import Before
from consent import assurance, desk, disclosure, history, showing
from consent.desk import Sitting
from core import language, pages
from core.database import Database
from core.errors import TooMany
from core.events import Actor
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp import accounts
from idp.errors import AccountLocked, OrderOver
from idp.login import card, counter, pads, pin, throttle
from idp.login.assurance import SUBSTANTIAL
from idp.login.pads import Pad
from idp.login.pages import browser
from idp.login.pages.card import NO_NUMBER, WRONG, missing, proof_page
from idp.login.pages.pins import twice

router = APIRouter(prefix="/pad")
HOME, NOW, PROOF = "/pad", "/pad/now", "/pad/card"


@router.get("")
def begin(request: Request) -> Response:
    """Ask for the code on the clerk's screen."""
    return _begin_page(request)


@router.post("")
def join(request: Request, database: Db, form: Form) -> Response:
    """Join this pad to the procedure whose code was typed."""
    with database.writing() as db:
        token, wait = pads.take(db, form.get("pad-code"), browser.visitor(request))
    if wait:
        raise TooMany(retry_after=wait)
    if token is None:
        return _begin_page(
            request,
            errors={"pad-code": _("No clerk shows this code now, or it was typed already. Ask the clerk.")},
        )
    return browser.set_stage(request, see_other(NOW), token)


@router.get("/now")
def now(request: Request, database: Db) -> Response:
    """Show the next step of what this pad was joined to."""
    with database.reading() as db:
        pad = _pad(db, request)
    if pad is None:
        return see_other("/pad")
    if pad.kind == pads.CARD:
        return _pin_page(request, database, pad)
    return _confirm_page(request, database, pad) if pad.proved else _number_page(request, database, pad)


@router.post("/pin")
def choose_pin(request: Request, database: Db, form: Form) -> Response:
    """Keep the PIN that the citizen chose for their new card; the clerk does not see it."""
    with database.reading() as db:
        pad = _pad(db, request, kind=pads.CARD)
        order = counter.of_clerk(db, pad.ref, clerk=pad.clerk) if pad else None
    if pad is None or order is None:
        return see_other("/pad")
    errors, digits = twice(form, unlike=(order.citizen,))
    if errors:
        return _pin_page(request, database, pad, errors=errors)
    throttle.choose(database, order.citizen)
    verifier = pin.prepare(database.parts, digits)
    try:
        with database.writing() as db:
            counter.choose_pin(db, order.id, verifier, language=language.current())
    except OrderOver:
        return _leave(request, "over")
    return _leave(request, "pin")


@router.post("/card")
def prove(request: Request, database: Db, form: Form) -> Response:
    """Take card and PIN of the citizen whom a clerk asks; anybody else's are wrong ones."""
    with database.reading() as db:
        pad = _pad(db, request, kind=pads.SITTING)
        sitting = _sitting(db, pad) if pad else None
    if pad is None or sitting is None:
        return _leave(request, "over")
    number = card.read(form.get("card-number"))
    if number is None:
        errors: dict[str, str | Lazy] = {"card-number": NO_NUMBER.format(count=card.NUMBER_DIGITS)}
        return _number_page(request, database, pad, form.get("card-number"), errors=errors)
    if not form.all("pin"):
        return proof_page(request, database, number, action=PROOF, back=NOW)
    errors = missing(form.get("pin"), form.get("card-code"))
    if errors:
        return proof_page(request, database, number, action=PROOF, back=NOW, errors=errors)
    visitor = browser.visitor(request)
    attempt = card.attempt(
        database, number, form.get("pin"), form.get("card-code"), visitor, whose=sitting.citizen
    )
    with database.writing() as db:
        used = card.settle(db, attempt, visitor, place="desk")
        is_open = used is not None and used.account.state == accounts.ACTIVE
        if is_open:
            pads.prove(db, pad)
    if used is not None and not is_open:
        raise AccountLocked(detail=used.account.state)
    if used is None:
        errors = {} if attempt.wait else {"pin": WRONG}
        return proof_page(request, database, number, action=PROOF, back=NOW, errors=errors, wait=attempt.wait)
    return see_other(NOW)


@router.post("/answer")
def answer(request: Request, database: Db, form: Form) -> Response:
    """Keep the citizen's word after card and PIN: confirmed or refused."""
    with database.writing() as db:
        pad = _pad(db, request, kind=pads.SITTING)
        sitting = _sitting(db, pad) if pad and pad.proved else None
        if pad is None or sitting is None:
            return _leave(request, "over")
        before = room.about(db, sitting)
        actor = Actor("citizen", sitting.citizen)
        if form.get("decision") != "confirm" or not assurance.enough(SUBSTANTIAL, before.purpose.acr):
            desk.refuse(db, sitting.id, citizen=sitting.citizen, actor=actor)
            said = "refused"
        else:
            # The pad was joined by a code of the same screen, so this one need not be typed as well.
            desk.confirm(
                db,
                sitting.id,
                citizen=sitting.citizen,
                given_code=desk.code(db, sitting),
                purpose=before.purpose,
                chosen={*before.purpose.required, *set(form.all("attribute")) & set(before.purpose.names)},
                acr=SUBSTANTIAL,
                actor=actor,
            )
            said = "confirmed"
        pads.end(db, pad.ref)
    history.settle(database, sitting.citizen)
    return _leave(request, said)


@router.post("/leave")
def leave(request: Request, database: Db, form: Form) -> Response:
    """Leave the pad without a word; the procedure waits for its clerk."""
    with database.writing() as db:
        if pad := _pad(db, request):
            pads.end(db, pad.ref)
    return _leave(request, "left")


@router.get("/done")
def done(request: Request, how: str = "") -> Response:
    """Say what was done, to whoever stands there, and nothing about whom."""
    return pages.render(request, "admin/pad_done.html", how=how if how in ENDS else "left", ends=ENDS)


ENDS: dict[str, Lazy] = {
    "pin": _("Your PIN is kept. The clerk prints the card now."),
    "confirmed": _("You have confirmed it. The clerk can open it once, in the next minutes."),
    "refused": _("You have refused. The clerk sees nothing."),
    "over": _("Its time ran out, or the clerk ended it. Ask the clerk to begin again."),
    "left": _("Nothing was done. Ask the clerk if you want to begin again."),
}


def _pad(db: Session, request: Request, *, kind: str = "") -> Pad | None:
    found = pads.find(db, browser.stage_token(request))
    return found if found and kind in ("", found.kind) else None


def _sitting(db: Session, pad: Pad) -> Sitting | None:
    found = desk.of_clerk(db, pad.ref, clerk=pad.clerk)
    return found if found.state == "waiting" and not found.is_over else None


def _about(database: Database, pad: Pad) -> Before:
    with database.reading() as db:
        return room.about(db, desk.of_clerk(db, pad.ref, clerk=pad.clerk))


def _leave(request: Request, how: str) -> Response:
    return browser.clear_stage(request, see_other(f"/pad/done?how={how}"))


def _begin_page(request: Request, *, errors: Mapping[str, Lazy] | None = None) -> Response:
    return pages.render(request, "admin/pad.html", status=400 if errors else 200, errors=errors or {})


def _pin_page(
    request: Request, database: Database, pad: Pad, *, errors: Mapping[str, str | Lazy] | None = None
) -> Response:
    with database.reading() as db:
        order = counter.of_clerk(db, pad.ref, clerk=pad.clerk)
    return pages.render(
        request,
        "admin/pad_pin.html",
        status=400 if errors else 200,
        office=order.office,
        least=pin.SHORTEST,
        most=pin.LONGEST,
        errors=errors or {},
    )


def _number_page(
    request: Request,
    database: Database,
    pad: Pad,
    typed: str = "",
    *,
    errors: Mapping[str, str | Lazy] | None = None,
) -> Response:
    before = _about(database, pad)
    return pages.render(
        request,
        "admin/pad_card.html",
        status=400 if errors else 200,
        before=before,
        enough=assurance.enough(SUBSTANTIAL, before.purpose.acr),
        showing=showing,
        typed=typed,
        errors=errors or {},
    )


def _confirm_page(request: Request, database: Database, pad: Pad) -> Response:
    with database.reading() as db:
        sitting = _sitting(db, pad)
        if sitting is None:
            return _leave(request, "over")
        before = room.about(db, sitting)
        values = disclosure.own(db, sitting.citizen, set(before.purpose.names))
    return pages.render(request, "admin/pad_confirm.html", before=before, values=values, showing=showing)
