"""`/my/account` for somebody who came in with a recovery code, and `/my/account/confirm`: a code by mail beside it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import limits, pages
from core.database import Database
from core.errors import TooMany
from core.language import _
from core.sessions import BrowserSession
from core.web import Db, Form, Owner, clear_session, see_other
from idp.login import holding, methods, stages, throttle, waits
from idp.login.pages import browser
from idp.login.stages import Stage

router = browser.router()
HOME = "/my/account"
CONFIRM = f"{HOME}/confirm"
CODES_A_DAY = 5
WRONG = _("That code is not right. Look for the newest e-mail from us.")
OVER = _("The code was wrong too often, or its time is over. Have another one sent.")


def page(
    request: Request,
    database: Database,
    me: BrowserSession,
    *,
    status: int = 200,
    errors: dict[str, Any] | None = None,
) -> Response:
    """Show what somebody can do who may only repair the account: set up a way in, and confirm it or wait."""
    with database.reading() as db:
        found = methods.of(db, me.subject)
        running = holding.of(db, me.subject)
        may_confirm = holding.may_confirm(db, me)
        mine = holding.holds(db, me.subject, sid=me.sid)
        only_at_counter = waits.only_at_counter(db, me.subject)
    return pages.render(
        request,
        "idp/repair.html",
        status=status,
        held=[one for one in found.passkeys if one.held_by],
        held_app=found.password and not found.own_password,
        own_password=found.own_password,
        ends_at=running.ends_at if running else None,
        longer=running is not None and running.longer,
        only_at_counter=only_at_counter,
        mine=mine,
        may_confirm=may_confirm,
        fresh=methods.fresh(me),
        errors=errors or {},
    )


@router.post("/my/account/confirm/send")
def send(request: Request, database: Db, me: Owner, form: Form) -> Response:
    """Send a code to the addresses checked long ago, if this session set something up."""
    with database.writing() as db:
        if not holding.may_confirm(db, me):
            return see_other(HOME)
        wait = limits.hit(db, "confirm", me.sid, most=CODES_A_DAY, per_seconds=throttle.DAY_SECONDS)
        token = "" if wait else holding.ask(db, me)
    if wait:
        raise TooMany(retry_after=wait)
    return browser.set_stage(request, see_other(CONFIRM), token)


@router.get("/my/account/confirm")
def ask(request: Request, database: Db, me: Owner) -> Response:
    """Ask for the code that was sent."""
    stage = _stage(request, database, me)
    return _code_page(request) if stage else see_other(HOME)


@router.post("/my/account/confirm")
def confirm(request: Request, database: Db, me: Owner, form: Form) -> Response:
    """Let what this browser set up sign in from now on, if the code is right; it is then used at once."""
    stage = _stage(request, database, me)
    if stage is None:
        return see_other(HOME)
    with database.writing() as db:
        right = holding.confirm(db, stage, me, form.get("code"))
    if right is None:
        return browser.clear_stage(request, page(request, database, me, status=400, errors={"send": OVER}))
    if not right:
        return _code_page(request, errors={"code": WRONG})
    request.state.session = None
    response = pages.render(request, "idp/repaired.html")
    clear_session(request, response)
    return browser.clear_stage(request, response)


def _stage(request: Request, database: Database, me: BrowserSession) -> Stage | None:
    with database.reading() as db:
        return stages.find(db, browser.stage_token(request), stages.CONFIRM, citizen_id=me.subject)


def _code_page(request: Request, *, errors: dict[str, Any] | None = None) -> Response:
    return pages.render(
        request, "idp/repair_code.html", status=400 if errors else 200, errors=errors or {}, home=HOME
    )
