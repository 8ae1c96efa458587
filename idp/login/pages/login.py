"""Signing in: passkey first, password and code, or a recovery code."""

import json

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import limits, pages, sessions
from core.database import Database
from core.errors import TooMany
from core.events import SYSTEM, record
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Db, Form, Here, see_other
from idp import accounts
from idp.errors import PasskeyRefused, PasskeySuspected, PasskeyUnknown
from idp.events import SecondFactorFailed
from idp.login import (
    assurance,
    devices,
    entry,
    methods,
    passkey,
    password,
    recovery,
    stages,
    stepup,
    throttle,
    totp,
)
from idp.login.ceremony import Known, Rejected
from idp.login.devices import Visitor, known
from idp.login.entry import Entered, Shut
from idp.login.pages import browser
from idp.login.pages import stepup as more
from idp.login.pages.browser import JsonText
from idp.login.stages import Stage

router = browser.router()
WRONG = _("The sign-in name or the password is not right. Check both and try again.")
WRONG_CODE = _(
    "That code is not right, or was used already. Wait for the next one in your app and try again."
)
WRONG_RECOVERY = _(
    "That did not work. Check the name and the code; each code works once. If you have a password, sign in with it "
    "first and use the recovery code in place of the app's code."
)
PASSKEYS_IN_TEN_MINUTES = 300


@router.get("/login")
def show(
    request: Request,
    database: Db,
    here: Here,
    return_to: str = "",
    login_hint: str = "",
    acr: str = "",
) -> Response:
    """Offer the ways to sign in; whoever is signed in and needs more assurance is asked for what is missing alone.

    `fresh` in the query wants a whole sign-in; `other` is set by who wishes to sign in from the start.
    """
    where = browser.where_to(return_to)
    if here and here.kind == sessions.CITIZEN and "other" not in request.query_params:
        with database.reading() as db:
            missing = stepup.lacking(db, here, acr, fresh="fresh" in request.query_params)
        if missing and (missing.stuck or missing.code or missing.passkeys):
            return more.page(request, database, missing, where)
    return _page(request, database, where, username=login_hint[:254], wanted=acr)


@router.post("/login")
def login(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check name and password; on to the code if the account has an app."""
    visitor, return_to = browser.visitor(request), browser.where_to(form.get("return_to"))
    username, wanted = form.get("username"), form.get("acr")
    secret = form.raw("password")
    if not username or not secret:
        errors = {} if username else {"username": _("Enter your citizen ID, e-mail address or sign-in name.")}
        errors |= {} if secret else {"password": _("Enter your password.")}
        return _page(request, database, return_to, username=username, wanted=wanted, errors=errors)
    attempt = password.attempt(database, username, secret, visitor)
    if attempt.wait:
        return _page(request, database, return_to, username=username, wanted=wanted, wait=attempt.wait)
    outcome: Entered | Shut | str | None = None
    with database.writing() as db:
        account = password.settle(db, attempt, visitor)
        if account and totp.has(db, account.citizen_id):
            outcome = stages.begin(db, stages.SECOND_FACTOR, account.citizen_id, return_to=return_to)
        elif account:
            outcome = entry.enter(db, account, assurance.PASSWORD, visitor, before=here)
    if outcome is None:
        errors = {"password": WRONG}
        return _page(request, database, return_to, username=username, wanted=wanted, errors=errors)
    if isinstance(outcome, str):
        return browser.set_stage(request, see_other("/login/code"), outcome)
    return browser.let_in(request, browser.opened(outcome), return_to)


@router.get("/login/code")
def show_code(request: Request, database: Db, here: Here) -> Response:
    """Ask for the code of the app."""
    with database.reading() as db:
        stage = stages.find(db, browser.stage_token(request), stages.SECOND_FACTOR)
    return _code_page(request, database, stage) if stage else see_other("/login")


@router.post("/login/code")
def code(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check the code, or a recovery code in its place, and begin the session."""
    visitor, outcome, over = browser.visitor(request), None, False
    typed, spare = form.get("totp-code"), form.get("recovery-code")
    with database.writing() as db:
        stage = _held_stage(db, request)
        if stage is None:
            return see_other("/login")
        citizen_id = stage.citizen_id
        is_known = known(db, visitor, citizen_id)
        wait = throttle.attempt(db, throttle.CODE, citizen_id, visitor, known=is_known)
        if wait:
            throttle.stopped(db, throttle.CODE, citizen_id)
        elif recovery.use(db, citizen_id, spare) if spare else totp.accept(db, citizen_id, typed):
            throttle.succeeded(db, throttle.CODE, citizen_id, visitor, known=is_known)
            stages.end(db, stage)
            outcome = _by_app(db, citizen_id, visitor, here)
        elif over := stages.failed(db, stage):
            throttle.failed(db, throttle.CODE, visitor)
            record(db, SecondFactorFailed(), actor=SYSTEM, about=[citizen_id])
    if outcome is not None:
        return browser.clear_stage(request, browser.let_in(request, browser.opened(outcome), stage.return_to))
    if over:
        errors = {"password": _("The code was wrong too often. Sign in again from the start.")}
        return browser.clear_stage(request, _page(request, database, stage.return_to, errors=errors))
    return _code_page(
        request, database, stage, wait=wait, spare=bool(spare), error=None if wait else WRONG_CODE
    )


@router.get("/login/recovery")
def show_recovery(request: Request, here: Here, return_to: str = "") -> Response:
    """Ask for name and recovery code of somebody who lost their passkey."""
    return _recovery_page(request, browser.where_to(return_to))


@router.post("/login/recovery")
def recover(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Come in with a recovery code alone, to repair the account: only where there is no password to add to it."""
    visitor, return_to = browser.visitor(request), browser.where_to(form.get("return_to"), "/my/account")
    username, outcome = form.get("username"), None
    with database.writing() as db:
        wait = throttle.in_turn(db, throttle.RECOVERY, visitor)
        # Nobody's ID stands in for an unknown name, so that the work is the same.
        citizen_id = ("" if wait else accounts.owner(db, username)) or ""
        owner = "" if methods.of(db, citizen_id).own_password else citizen_id
        if recovery.use(db, owner, form.get("recovery-code")):
            account = accounts.hold(db, owner)
            outcome = entry.enter(db, account, assurance.RECOVERY, visitor, before=here)
        elif not wait:
            throttle.failed(db, throttle.RECOVERY, visitor)
    if outcome is not None:
        return browser.let_in(request, browser.opened(outcome), "/my/account")
    return _recovery_page(request, return_to, username, wait=wait, error=None if wait else WRONG_RECOVERY)


@router.post("/login/passkey/options")
def passkey_options(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Give a script of the sign-in page the options for `navigator.credentials.get`, as JSON.

    Who is signed in and needs more assurance is asked for a passkey of their own that reaches it.
    """
    visitor, return_to = browser.visitor(request), browser.where_to(form.get("return_to"))
    with database.writing() as db:
        wait, options = _crowded(db, "passkey:options", visitor), ""
        if not wait:
            only = _that_reach(db, here, form.get("acr"))
            options = passkey.ask_sign_in(db, browser=visitor.browser, return_to=return_to, only=only)
    if wait:
        raise TooMany(retry_after=wait)
    return _no_store(JSONResponse(json.loads(options)))


@router.post("/login/passkey/verify")
def passkey_verify(request: Request, database: Db, here: Here, answer: JsonText) -> Response:
    """Check a passkey's answer and begin the session; the JSON says where to go."""
    visitor, outcome = browser.visitor(request), None
    with database.writing() as db:
        wait = _crowded(db, "passkey:verify", visitor)
    if wait:
        raise TooMany(retry_after=wait)
    with database.writing() as db:
        proved = passkey.prove(db, answer, browser=visitor.browser)
        if not isinstance(proved, Rejected):
            amr = assurance.passkey(device_bound=proved.device_bound)
            outcome = entry.enter(
                db, proved.account, amr, visitor, before=here, most=proved.bound_acr, held=proved.held
            )
    if isinstance(proved, Rejected):
        raise _why(proved)(detail=proved.reason)
    if outcome is None:
        raise PasskeyRefused
    response = JSONResponse({"location": proved.return_to})
    return _no_store(browser.dress(request, response, browser.opened(outcome)))


def _by_app(
    db: Session, citizen_id: str, visitor: Visitor, here: BrowserSession | None
) -> Entered | Shut | None:
    """Let in whoever gave password and code, as far as the app is bound; nobody if there is none any more."""
    account, bounds = accounts.hold(db, citizen_id), totp.bounds(db, citizen_id)
    if bounds is None:
        return None
    return entry.enter(
        db,
        account,
        assurance.PASSWORD_AND_CODE,
        visitor,
        before=here,
        most=bounds.acr,
        held=bool(bounds.held_by),
    )


def _held_stage(db: Session, request: Request) -> Stage | None:
    """Return the sign-in under way, with its account held: a change of password or app may end it until then."""
    token = browser.stage_token(request)
    if begun := stages.find(db, token, stages.SECOND_FACTOR):
        accounts.hold(db, begun.citizen_id)
    return stages.find(db, token, stages.SECOND_FACTOR) if begun else None


def _that_reach(db: Session, here: BrowserSession | None, wanted: str) -> list[Known]:
    if here is None or here.kind != sessions.CITIZEN:
        return []
    missing = stepup.lacking(db, here, wanted)
    return [one.known for one in missing.passkeys] if missing else []


def _why(rejected: Rejected) -> type[PasskeyRefused]:
    if rejected.stranger:
        return PasskeyUnknown
    return PasskeySuspected if rejected.reason == passkey.SUSPECTED else PasskeyRefused


def _crowded(db: Session, bucket: str, visitor: Visitor) -> int:
    """Count a look at a passkey: of a browser that an account was used from alone, of all others with their network."""
    own = devices.name(db, visitor)
    bucket, key = (f"{bucket}:known", own) if own else (bucket, visitor.network)
    return limits.hit(db, bucket, key, most=PASSKEYS_IN_TEN_MINUTES, per_seconds=600)


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(
    request: Request,
    database: Database,
    return_to: str,
    *,
    username: str = "",
    wanted: str = "",
    errors: dict[str, Lazy] | None = None,
    wait: int = 0,
) -> Response:
    leads = browser.leads(database, return_to)
    return pages.render(
        request,
        "idp/login.html",
        status=400 if errors else 200,
        form_action=leads.origins,
        client=leads.name,
        return_to=return_to,
        username=username or ("" if errors or wait else leads.hint),
        wanted=wanted if wanted in assurance.ORDER else "",
        errors=errors or {},
        wait=wait,
    )


def _code_page(
    request: Request,
    database: Database,
    stage: Stage,
    *,
    wait: int = 0,
    spare: bool = False,
    error: Lazy | None = None,
) -> Response:
    return pages.render(
        request,
        "idp/code.html",
        status=400 if error else 200,
        form_action=browser.leads(database, stage.return_to).origins,
        errors={("recovery-code" if spare else "totp-code"): error} if error else {},
        spare=spare,
        wait=wait,
    )


def _recovery_page(
    request: Request, return_to: str, username: str = "", *, wait: int = 0, error: Lazy | None = None
) -> Response:
    return pages.render(
        request,
        "idp/recovery.html",
        status=400 if error else 200,
        return_to=return_to,
        username=username,
        errors={"recovery-code": error} if error else {},
        wait=wait,
    )
