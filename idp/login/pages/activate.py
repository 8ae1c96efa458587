"""Activation: code and citizen ID from the letter, then a passkey, or a password and an app."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.database import Database
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Db, Form, Here, see_other
from idp import accounts, names
from idp.errors import NameTaken, NameUnfit, PasskeyUnproven, PasswordUnfit
from idp.login import activation, entry, password, stages, throttle
from idp.login.activation import Finished, Started
from idp.login.ceremony import Rejected
from idp.login.pages import browser, choosing, codes
from idp.login.stages import Stage
from registry_sync import people

router = browser.router()
START = "/activate"
WRONG = _(
    "Citizen ID and code do not belong together, or the code is no longer valid. Check both with your letter."
)
NOT_ACCEPTED = _("The passkey was not accepted. Try again, or choose a password and an app.")


@router.get("/activate")
def show(request: Request, database: Db, here: Here, return_to: str = "") -> Response:
    """Ask for the citizen ID and the code of the letter; go on with what was begun."""
    stage = _stage(request, database)
    return _start_page(request, browser.where_to(return_to), under_way=stage is not None)


@router.post("/activate")
def start(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check code and citizen ID and begin the flow."""
    return_to = browser.where_to(form.get("return_to"))
    typed_id, typed_code = form.get("citizen-id"), form.get("activation-code")
    errors: dict[str, str | Lazy] = {}
    if people.compact(typed_id) is None:
        errors["citizen-id"] = _("Enter the citizen ID of your letter; it has 13 letters and digits.")
    if not typed_code:
        errors["activation-code"] = _("Enter the code of your letter.")
    if errors:
        return _start_page(request, return_to, typed_id, typed_code, errors=errors)
    with database.writing() as db:
        outcome = activation.begin(db, typed_id, typed_code, browser.visitor(request), return_to=return_to)
    if isinstance(outcome, Started):
        return browser.set_stage(request, see_other("/activate/method"), outcome.token)
    if outcome.wait:
        return _start_page(request, return_to, typed_id, typed_code, wait=outcome.wait)
    return _start_page(request, return_to, typed_id, typed_code, errors={"activation-code": WRONG})


@router.get("/activate/method")
def show_method(request: Request, database: Db, here: Here) -> Response:
    """Offer a passkey, or a password with an app."""
    stage = _stage(request, database)
    if stage is None or "codes" in stage.data:
        return _next(stage)
    return _method_page(request, database, stage)


@router.post("/activate/passkey")
def with_passkey(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Open the account with a passkey."""
    visitor, entered = browser.visitor(request), None
    stage = _stage(request, database)
    if stage is None or "codes" in stage.data:
        return _next(stage)
    try:
        with database.writing() as db:
            outcome = activation.with_passkey(
                db, stage, form.get("credential"), name=form.get("name"), visitor=visitor
            )
            if isinstance(outcome, Finished):
                entered = entry.enter(
                    db, outcome.account, outcome.amr, visitor, before=here, most=outcome.most
                )
    except PasskeyUnproven as problem:
        return _method_page(request, database, stage, errors={"passkey-create": problem.text})
    if isinstance(outcome, Rejected) or entered is None:
        return _method_page(request, database, stage, errors={"passkey-create": NOT_ACCEPTED})
    return browser.let_in(request, browser.opened(entered), "/activate/codes")


@router.get("/activate/password")
def show_password(request: Request, database: Db, here: Here) -> Response:
    """Ask for a password and, if wanted, a name to sign in with."""
    stage = _stage(request, database)
    if stage is None or "codes" in stage.data:
        return _next(stage)
    return _password_page(request, stage, str(stage.data.get("name", "")))


@router.post("/activate/password")
def choose_password(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check and keep the chosen password and name; the app comes next."""
    stage = _stage(request, database)
    if stage is None or "codes" in stage.data:
        return _next(stage)
    name, secret = form.get("username"), form.raw("password")
    if name:
        with database.writing() as db:
            throttle.try_name(db, stage.citizen_id)
    errors = _unfit(database, stage, name, secret)
    if errors:
        return _password_page(request, stage, name, errors=errors)
    throttle.choose(database, stage.citizen_id)
    verifier = password.prepare(database.parts, secret)
    with database.writing() as db:
        activation.choose_password(db, stage, verifier=verifier, name=name)
    return see_other("/activate/app")


@router.get("/activate/app")
def show_app(request: Request, database: Db, here: Here) -> Response:
    """Show the secret for the app, as a picture and as text, and ask for a first code."""
    stage = _stage(request, database)
    if stage is None or "secret" not in stage.data:
        return _next(stage)
    return _app_page(request, stage)


@router.post("/activate/app")
def with_app(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check the app's first code and open the account."""
    visitor, entered, over = browser.visitor(request), None, False
    stage = _stage(request, database)
    if stage is None or "secret" not in stage.data:
        return _next(stage)
    try:
        with database.writing() as db:
            finished = activation.with_password(db, stage, form.get("totp-code"))
            if finished:
                entered = entry.enter(
                    db, finished.account, finished.amr, visitor, before=here, most=finished.most
                )
            else:
                over = stages.failed(db, stage)
    except NameTaken as problem:
        errors = {"username": problem.text}
        return _password_page(request, stage, str(stage.data.get("name", "")), errors=errors)
    if over:
        return browser.clear_stage(request, see_other(START))
    if entered is None:
        return _app_page(request, stage, errors={"totp-code": choosing.WRONG_CODE})
    return browser.let_in(request, browser.opened(entered), "/activate/codes")


@router.get("/activate/codes")
def show_codes(request: Request, database: Db, here: Here) -> Response:
    """Show the recovery codes until their owner says they are kept."""
    stage = _stage(request, database)
    if stage is None or "codes" not in stage.data or not _owns(here, stage):
        return _next(None)
    origins = browser.leads(database, stage.return_to).origins
    return codes.page(request, stage.data["codes"], action="/activate/codes", activated=True, origins=origins)


@router.get("/activate/codes/file")
def save_codes(request: Request, database: Db, here: Here) -> Response:
    """Hand the recovery codes over as a file, as long as they are shown."""
    stage = _stage(request, database)
    if stage is None or "codes" not in stage.data or not _owns(here, stage):
        return _next(None)
    return codes.file(request, stage.data["codes"], stage.citizen_id)


@router.post("/activate/codes")
def codes_kept(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Forget the codes' text and go on to where activation was started from."""
    with database.writing() as db:
        stage = stages.find(db, browser.stage_token(request), stages.ACTIVATION)
        if stage is None or "codes" not in stage.data or not _owns(here, stage):
            return _next(None)
        stages.end(db, stage)
    return browser.clear_stage(request, see_other(stage.return_to))


def _stage(request: Request, database: Database) -> Stage | None:
    with database.reading() as db:
        return stages.find(db, browser.stage_token(request), stages.ACTIVATION)


def _next(stage: Stage | None) -> Response:
    return see_other(stages.next_page(stage) if stage else START)


def _owns(here: BrowserSession | None, stage: Stage) -> bool:
    return here is not None and here.subject == stage.citizen_id


def _unfit(database: Database, stage: Stage, name: str, secret: str) -> dict[str, str | Lazy]:
    """Return what is wrong with a wished name and password, by field; about the name the end has the last word."""
    errors: dict[str, str | Lazy] = {}
    try:
        if name:
            names.fit(name)
            with database.reading() as db:
                owner = accounts.find_by_name(db, name)
            if owner and owner.citizen_id != stage.citizen_id:
                raise NameTaken
    except (NameUnfit, NameTaken) as problem:
        errors["username"] = problem.text
    with database.reading() as db:
        unlike = password.words(db, stage.citizen_id, name)
    try:
        password.fit(database.parts, secret, unlike=unlike)
    except PasswordUnfit as problem:
        errors["password"] = problem.text
    return errors


def _start_page(
    request: Request,
    return_to: str,
    citizen_id: str = "",
    code: str = "",
    *,
    errors: dict[str, str | Lazy] | None = None,
    wait: int = 0,
    under_way: bool = False,
) -> Response:
    return pages.render(
        request,
        "idp/activate.html",
        status=400 if errors else 200,
        return_to=return_to,
        citizen_id=citizen_id,
        code=code,
        errors=errors or {},
        wait=wait,
        under_way=under_way,
    )


def _method_page(
    request: Request, database: Database, stage: Stage, *, errors: dict[str, Any] | None = None
) -> Response:
    with database.writing() as db:
        options = activation.ask_passkey(db, stage, browser=browser.visitor(request).browser)
    return pages.render(
        request,
        "idp/activate_method.html",
        status=400 if errors else 200,
        options=options,
        again=stage.data.get("again", False),
        errors=errors or {},
    )


def _password_page(
    request: Request, stage: Stage, name: str, *, errors: dict[str, Any] | None = None
) -> Response:
    return choosing.password_page(
        request, stage.citizen_id, action="/activate/password", name=name, activating=True, errors=errors
    )


def _app_page(request: Request, stage: Stage, *, errors: dict[str, Any] | None = None) -> Response:
    return choosing.app_page(request, stage, action="/activate/app", activating=True, errors=errors)
