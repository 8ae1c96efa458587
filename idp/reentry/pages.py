"""`/recover`: coming back by e-mail, step by step; which step it is, the browser's cookie tells."""

from starlette.requests import Request
from starlette.responses import Response

from core import forms, pages
from core.events import Actor
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, Here, see_other
from idp.login import activation, methods, throttle, waits
from idp.login.pages import browser
from idp.reentry import asks

router = browser.router()
COOKIE = "erti_return"
COOKIE_SECONDS = 60 * 86_400  # longer than anybody waits
CONTACT = "/my/account/contact"
NO_NAME = _("Enter your citizen ID, e-mail address or sign-in name.")
WRONG = _("That code is not right, or its time is over. Look for the newest e-mail from us.")
UNKNOWN = _("This code stops nothing: it is mistyped, or there is nothing to stop any more.")


@router.get("/recover")
def show(request: Request, database: Db, here: Here, again: str = "") -> Response:
    """Show the step that this browser has come to; `again` begins from the start."""
    token = "" if again else _token(request)
    with database.reading() as db:
        wait = waits.under_way(db, token) if token else None
        asked = token and asks.find(db, token) is not None
    if wait is not None:
        open_now = wait.finish_index is not None
        return _page(request, "finish" if open_now else "wait", opens_at=wait.opens_at, until=wait.closes_at)
    return _page(request, "code" if asked else "name")


@router.post("/recover")
def ask(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Take a sign-in name. The answer is the same whoever's it is, and the work as well: letters are written later."""
    visitor, typed = browser.visitor(request), form.get("username")
    if not typed:
        return _page(request, "name", errors={"username": NO_NAME})
    with database.writing() as db:
        wait = throttle.in_turn(db, throttle.ASKING, visitor)
        if not wait:
            throttle.failed(db, throttle.ASKING, visitor)
        token = "" if wait else asks.begin(db, typed)
    if wait:
        return _page(request, "name", username=typed, wait=wait)
    return _keep(request, see_other("/recover"), token)


@router.post("/recover/code")
def prove(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Begin the waiting time if the code is one from the letters."""
    visitor, token = browser.visitor(request), None
    with database.writing() as db:
        wait = throttle.in_turn(db, throttle.MAILED, visitor)
        if not wait:
            token = asks.prove(db, _token(request), form.get("code"))
        if not wait and token is None:
            throttle.failed(db, throttle.MAILED, visitor)
    if token is None:
        return _page(request, "code", wait=wait, errors={} if wait else {"code": WRONG})
    return _keep(request, see_other("/recover"), token)


@router.post("/recover/finish")
def finish(request: Request, database: Db, here: Here, form: Form) -> Response:
    """After the waiting time, lead on to choosing new ways to sign in."""
    visitor, stage = browser.visitor(request), ""
    with database.writing() as db:
        wait = throttle.in_turn(db, throttle.MAILED, visitor)
        found = waits.under_way(db, _token(request))
        if found is None:
            return see_other("/recover")
        if not wait and waits.finishes(db, found, form.get("code")):
            stage = activation.begin_again(db, found.citizen_id, found.id, return_to="/my/account")
        elif not wait:
            throttle.failed(db, throttle.MAILED, visitor)
    if not stage:
        step = "finish" if found.finish_index is not None else "wait"
        errors = {} if wait else {"code": WRONG}
        return _page(request, step, opens_at=found.opens_at, until=found.closes_at, wait=wait, errors=errors)
    return browser.set_stage(request, see_other("/activate/method"), stage)


@router.get("/recover/stop")
def show_stop(request: Request, database: Db, here: Here, code: str = "") -> Response:
    """Show what a code stops; looking stops nothing, as programs that read mail open links."""
    return pages.render(
        request, "idp/reentry_stop.html", code=code[:40], done=False, wait=0, errors={}, status=200
    )


@router.post("/recover/stop")
def stop(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Stop a way back with the code from a letter or text message."""
    visitor, typed = browser.visitor(request), form.get("code")
    with database.writing() as db:
        done = waits.stop_by_code(db, typed)
        wait = throttle.answered(db, throttle.MAILED, visitor, right=done)
    errors = {} if done or wait else {"code": UNKNOWN}
    return pages.render(
        request,
        "idp/reentry_stop.html",
        status=400 if errors else 200,
        code=typed[:40],
        done=done,
        wait=wait,
        errors=errors,
    )


@router.post("/my/account/reentry/stop")
def stop_signed_in(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Stop a way back from any browser that is signed in, however long ago and by whatever means."""
    with database.writing() as db:
        waits.stop(db, me.subject, how="page", actor=_self(me))
    return see_other("/my/account")


@router.post("/my/account/reentry")
def choose(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Choose whether the account is given back at a counter only."""
    with database.reading() as db:
        may = methods.may_change(me, methods.of(db, me.subject))
    if not may:
        return see_other(f"/login?return_to={CONTACT}")
    with database.writing() as db:
        waits.choose(db, me.subject, at_counter=bool(form.get("counter")), actor=_self(me))
    return see_other(CONTACT)


def _self(me: BrowserSession) -> Actor:
    return Actor("citizen", me.subject)


def _token(request: Request) -> str:
    return request.cookies.get(forms.cookie_name(request, COOKIE), "")


def _keep(request: Request, response: Response, token: str) -> Response:
    """Put the token of an ask or a wait into the browser."""
    forms.set_cookie(request, response, COOKIE, token, seconds=COOKIE_SECONDS)
    return response


def _page(
    request: Request,
    step: str,
    *,
    username: str = "",
    opens_at: object = None,
    until: object = None,
    wait: int = 0,
    errors: dict[str, Lazy] | None = None,
) -> Response:
    return pages.render(
        request,
        "idp/reentry.html",
        status=400 if errors else 200,
        step=step,
        username=username,
        opens_at=opens_at,
        until=until,
        mails=bool(request.app.state.settings.smtp_url),
        wait=wait,
        errors=errors or {},
    )
