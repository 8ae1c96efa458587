"""`/my/account/contact`: where the citizen is written to; `/undo` takes a change of it back."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.database import Database
from core.events import Actor
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, Here, see_other
from idp import accounts
from idp.contacts import addresses, book, checks, undoing
from idp.errors import AddressUnfit, ContactsFull, NumberUnfit
from idp.login import methods, stages, throttle, waits
from idp.login.pages import browser
from idp.login.stages import Stage
from idp.notices import reach

router = browser.router()
HOME = "/my/account/contact"
AGAIN = f"/login?return_to={HOME}"
WRONG = _("That code is not right. Look at the newest message that we sent there.")
OVER = _("The code was wrong too often, or its time is over. Enter the address again for a new one.")
UNKNOWN = _("This code takes nothing back: it is mistyped, was used already, or its time is over.")


@router.get("/my/account/contact")
def show(request: Request, database: Db, me: Citizen) -> Response:
    """Show the addresses and numbers of the citizen, and the forms that change them."""
    return _page(request, database, me)


@router.post("/my/account/contact/new")
def add(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Send a code to an e-mail address or a number as typed."""
    if not _may(database, me):
        return see_other(AGAIN)
    settings = request.app.state.settings
    typed = {"email": form.get("email"), "phone": form.get("phone")}
    field = "phone" if typed["phone"] else "email"
    try:
        if field == "phone":
            address = addresses.phone(typed["phone"], prefixes=settings.sms_prefixes)
        else:
            address = addresses.mail(typed["email"])
        with database.writing() as db:
            checks.count(db, me.subject)
        with database.writing() as db:
            token = checks.begin(db, me.subject, address)
    except (AddressUnfit, NumberUnfit, ContactsFull) as problem:
        return _page(request, database, me, typed=typed, errors={field: problem.text})
    return browser.set_stage(request, see_other(f"{HOME}/code"), token)


@router.get("/my/account/contact/code")
def show_code(request: Request, database: Db, me: Citizen) -> Response:
    """Ask for the code that was sent."""
    stage = _stage(request, database, me)
    return _code_page(request, stage) if stage else see_other(HOME)


@router.post("/my/account/contact/code")
def check(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Add the address if the code is right."""
    stage = _stage(request, database, me)
    if stage is None:
        return see_other(HOME)
    if not _may(database, me):
        return see_other(AGAIN)
    try:
        with database.writing() as db:
            right = checks.answer(db, stage, form.get("code"), actor=_self(me))
    except ContactsFull as problem:
        return _page(request, database, me, errors={"email": problem.text})
    if right is None:
        return browser.clear_stage(request, _page(request, database, me, errors={"email": OVER}))
    if not right:
        return _code_page(request, stage, errors={"code": WRONG})
    return browser.clear_stage(request, see_other(HOME))


@router.post("/my/account/contact/{contact_id}/remove")
def remove(request: Request, database: Db, me: Citizen, form: Form, contact_id: str) -> Response:
    """Remove an address or number."""
    if not _may(database, me):
        return see_other(AGAIN)
    with database.writing() as db:
        book.remove(db, me.subject, contact_id, actor=_self(me))
    return see_other(HOME)


@router.post("/my/account/contact/language")
def choose_language(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Choose the language in which one is written to."""
    chosen = form.get("language")
    if chosen in request.app.state.settings.languages:
        with database.writing() as db:
            accounts.write_in(db, me.subject, chosen)
    return see_other(HOME)


@router.get("/undo")
def show_undo(request: Request, database: Db, here: Here, code: str = "") -> Response:
    """Show which change a code takes back; looking changes nothing, as programs that read mail open links."""
    return _undo_page(request, database, code)


@router.post("/undo")
def undo(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Take a change of addresses back."""
    visitor, typed = browser.visitor(request), form.get("code")
    with database.writing() as db:
        done = undoing.take_back(db, typed)
        wait = throttle.answered(db, throttle.MAILED, visitor, right=done)
    errors: dict[str, str | Lazy] = {} if done or wait else {"code": UNKNOWN}
    return _undo_page(request, database, typed, done=done, wait=wait, errors=errors)


def _may(database: Database, me: BrowserSession) -> bool:
    with database.reading() as db:
        return methods.may_change(me, methods.of(db, me.subject))


def _self(me: BrowserSession) -> Actor:
    return Actor("citizen", me.subject)


def _stage(request: Request, database: Database, me: BrowserSession) -> Stage | None:
    with database.reading() as db:
        found = stages.find(db, browser.stage_token(request), stages.CHANGE, citizen_id=me.subject)
    return found if found and "contact" in found.data else None


def _page(
    request: Request,
    database: Database,
    me: BrowserSession,
    *,
    typed: dict[str, str] | None = None,
    errors: dict[str, str | Lazy] | None = None,
) -> Response:
    with database.reading() as db:
        kept = reach.kept(db, me.subject)
        named = reach.sign_in_address(db, me.subject)
        account = accounts.find(db, me.subject)
        trusted = reach.trusted(db, me.subject)
        may = methods.may_change(me, methods.of(db, me.subject))
        counter_only = waits.only_at_counter(db, me.subject)
    return pages.render(
        request,
        "idp/contact.html",
        status=400 if errors else 200,
        section="security",
        contacts=kept,
        named="" if any(one.address == named for one in kept) else named,
        trusted=trusted,
        may_change=may,
        counter_only=counter_only,
        numbers=bool(request.app.state.settings.sms_url),
        spoken=account.language if account else "",
        again=AGAIN,
        typed=typed or {"email": "", "phone": ""},
        errors=errors or {},
    )


def _code_page(request: Request, stage: Stage, *, errors: dict[str, Any] | None = None) -> Response:
    return pages.render(
        request,
        "idp/contact_code.html",
        status=400 if errors else 200,
        address=stage.data["contact"],
        sent="@" not in stage.data["contact"] or bool(request.app.state.settings.smtp_url),
        errors=errors or {},
    )


def _undo_page(
    request: Request,
    database: Database,
    code: str,
    *,
    done: bool = False,
    wait: int = 0,
    errors: dict[str, str | Lazy] | None = None,
) -> Response:
    with database.reading() as db:
        offer = None if done or not code else undoing.look(db, code)
    return pages.render(
        request,
        "idp/undo.html",
        status=400 if errors else 200,
        code=code[:40],
        offer=offer,
        done=done,
        wait=wait,
        errors=errors or {},
    )
