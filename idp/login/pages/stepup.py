"""`/login` for somebody who is signed in and needs more assurance: only what is missing is asked."""

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from core import pages, sessions
from core.database import Database
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Db, Form, Here, see_other
from idp import accounts
from idp.login import assurance, devices, entry, stepup, throttle, totp
from idp.login.devices import Visitor
from idp.login.entry import Entered, Shut
from idp.login.pages import browser
from idp.login.stepup import Lacking

router = browser.router()
WRONG_CODE = _(
    "That code is not right, or was used already. Wait for the next one in your app and try again."
)


@router.post("/login/step-up")
def give_code(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check the app's code for a session that began with the password alone."""
    visitor, return_to = browser.visitor(request), browser.where_to(form.get("return_to"))
    wait, outcome, missing = 0, None, None
    with database.writing() as db:
        if (me := _held(db, here)) is not None:
            missing = stepup.lacking(db, me, form.get("acr"))
            if missing and missing.code:
                wait, outcome = _judge(db, me, form.get("totp-code"), visitor)
    if me is None or missing is None or not missing.code:
        return see_other(return_to)  # which asks again for whatever it needs
    if outcome is not None:
        return browser.let_in(request, browser.opened(outcome), return_to)
    error = None if wait else WRONG_CODE
    return page(request, database, missing, return_to, error=error, wait=wait)


def page(
    request: Request,
    database: Database,
    missing: Lacking,
    return_to: str,
    *,
    error: Lazy | None = None,
    wait: int = 0,
) -> Response:
    """Ask for what is missing, or say what can be done where nothing would do."""
    leads = browser.leads(database, return_to)
    return pages.render(
        request,
        "idp/stepup.html",
        status=400 if error else 200,
        form_action=leads.origins,
        client=leads.name,
        leave=leads.leave,
        return_to=return_to,
        missing=missing,
        errors={"totp-code": error} if error else {},
        wait=wait,
    )


def _held(db: Session, here: BrowserSession | None) -> BrowserSession | None:
    """Return the citizen's session if it still stands, with its account held."""
    if here is None or here.kind != sessions.CITIZEN:
        return None
    accounts.hold(db, here.subject)
    return here if sessions.hold(db, here) else None


def _judge(
    db: Session, me: BrowserSession, typed: str, visitor: Visitor
) -> tuple[int, Entered | Shut | None]:
    """Return the seconds to wait if guessing is stopped, and what came of a code that was right."""
    known = devices.known(db, visitor, me.subject)
    if wait := throttle.attempt(db, throttle.CODE, me.subject, visitor, known=known):
        throttle.stopped(db, throttle.CODE, me.subject)
        return wait, None
    if not totp.accept(db, me.subject, typed):
        throttle.failed(db, throttle.CODE, visitor)
        return 0, None
    throttle.succeeded(db, throttle.CODE, me.subject, visitor, known=known)
    account, bounds = accounts.hold(db, me.subject), totp.bounds(db, me.subject)
    return 0, entry.enter(
        db,
        account,
        assurance.PASSWORD_AND_CODE,
        visitor,
        before=me,
        most=bounds.acr if bounds else assurance.LOW,
        added=True,
    )
