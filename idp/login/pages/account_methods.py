"""`/my/account/…`: adding, changing and removing ways to sign in, by somebody who just proved who they are."""

from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from core import pages, sessions
from core.database import Database
from core.errors import Conflict
from core.events import Actor
from core.language import _
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, Owner, see_other
from idp import accounts
from idp.errors import LastStrongMethod, NameTaken, NameUnfit, PasskeyUnproven, PasswordUnfit
from idp.login import devices, holding, methods, passkey, password, recovery, stages, throttle, totp
from idp.login.ceremony import Rejected
from idp.login.devices import Visitor
from idp.login.pages import browser, choosing, codes
from idp.login.pages.account import AGAIN, HOME, page
from idp.login.stages import Stage

router = browser.router()
PURPOSE = "another"
KEY = "key"
NOT_ACCEPTED = _("The passkey was not accepted. Try again.")


@router.get("/my/account/passkeys/new")
def show_passkey(request: Request, database: Db, me: Owner, kind: str = "") -> Response:
    """Offer to make another passkey; `kind` is ``key`` for a security key."""
    return _passkey_page(request, database, me, key=kind == KEY) if _may(database, me) else see_other(AGAIN)


@router.post("/my/account/passkeys")
def add_passkey(request: Request, database: Db, me: Owner, form: Form) -> Response:
    """Add the passkey that was just made."""
    if not _may(database, me):
        return see_other(AGAIN)
    visitor, key, text = browser.visitor(request), form.get("kind") == KEY, None
    words = devices.words(visitor.user_agent)
    try:
        with database.writing() as db:
            accounts.hold(db, me.subject)
            made = passkey.made(
                db, me.subject, form.get("credential"), purpose=PURPOSE, browser=visitor.browser
            )
            if isinstance(made, Rejected):
                text = NOT_ACCEPTED
            else:
                bounds = methods.handed_on(me)
                passkey.put(
                    db,
                    me.subject,
                    made,
                    name=form.get("name"),
                    acr=me.acr,
                    actor=_self(me),
                    browser=words,
                    held_by=bounds.held_by,
                )
                if bounds.held_by:
                    holding.begin(db, me)
    except PasskeyUnproven as problem:
        text = problem.text
    if text is not None:
        return _passkey_page(request, database, me, key=key, errors={"passkey-create": text})
    return see_other(HOME)


@router.post("/my/account/passkeys/{passkey_id}/rename")
def rename_passkey(request: Request, database: Db, me: Citizen, form: Form, passkey_id: str) -> Response:
    """Give a passkey another name."""
    if not _may(database, me):
        return see_other(AGAIN)
    with database.writing() as db:
        passkey.rename(db, me.subject, passkey_id, form.get("name"), actor=_self(me))
    return see_other(HOME)


@router.post("/my/account/passkeys/{passkey_id}/remove")
def remove_passkey(request: Request, database: Db, me: Citizen, form: Form, passkey_id: str) -> Response:
    """Remove a passkey, unless it is the last safe way in; whoever is signed in elsewhere has to begin again."""
    if not _may(database, me):
        return see_other(AGAIN)
    try:
        with database.writing() as db:
            methods.remove_passkey(db, me, passkey_id, browser.visitor(request))
    except LastStrongMethod as problem:
        return page(request, database, me, status=409, errors={f"passkey-remove-{passkey_id}": problem.text})
    return see_other(HOME)


@router.get("/my/account/password")
def show_password(request: Request, database: Db, me: Owner) -> Response:
    """Ask for a new password."""
    return _shut_to(database, me) or choosing.password_page(request, me.subject, action=f"{HOME}/password")


@router.post("/my/account/password")
def change_password(request: Request, database: Db, me: Owner, form: Form) -> Response:
    """Change the password at once where there is an app; else the app comes next, and both begin together."""
    if (elsewhere := _shut_to(database, me)) is not None:
        return elsewhere
    secret = form.raw("password")
    with database.reading() as db:
        account = accounts.find(db, me.subject)
        unlike: tuple[str, ...] = (me.subject,)
        if me.kind == sessions.CITIZEN:  # anybody else could try out names and birthdays here
            unlike = password.words(db, me.subject, account.username if account else "")
    try:
        password.fit(database.parts, secret, unlike=unlike)
    except PasswordUnfit as problem:
        return choosing.password_page(
            request, me.subject, action=f"{HOME}/password", errors={"password": problem.text}
        )
    throttle.choose(database, me.subject)
    verifier = password.prepare(database.parts, secret)
    with database.writing() as db:
        accounts.hold(db, me.subject)
        # Beside an app that is held back it would be held back as well: that one is replaced.
        if methods.of(db, me.subject).by_app and me.kind == sessions.CITIZEN:
            password.put(db, me.subject, verifier, actor=_self(me))
            methods.shut_others_out(db, me, browser.visitor(request), reason="security")
            return see_other(HOME)
        data = {"verifier": verifier, "secret": totp.new_secret()}
        token = stages.begin(db, stages.CHANGE, me.subject, return_to=HOME, data=data)
    return browser.set_stage(request, see_other(f"{HOME}/app"), token)


@router.post("/my/account/password/remove")
def remove_password(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Remove password and app, unless they are the last safe way in."""
    if not _may(database, me):
        return see_other(AGAIN)
    try:
        with database.writing() as db:
            methods.remove_password(db, me, browser.visitor(request))
    except LastStrongMethod as problem:
        return page(request, database, me, status=409, errors={"password-remove": problem.text})
    return see_other(HOME)


@router.post("/my/account/app/new")
def begin_app(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Begin to set up another app beside the citizen's own password; the one in use works until the new one is confirmed."""
    if not _may(database, me):
        return see_other(AGAIN)
    with database.writing() as db:
        if not methods.of(db, me.subject).own_password:
            return see_other(f"{HOME}/password")
        data = {"secret": totp.new_secret()}
        token = stages.begin(db, stages.CHANGE, me.subject, return_to=HOME, data=data)
    return browser.set_stage(request, see_other(f"{HOME}/app"), token)


@router.get("/my/account/app")
def show_app(request: Request, database: Db, me: Owner) -> Response:
    """Show the secret of the app that is being set up."""
    stage = _stage(request, database, me)
    if stage is None or "secret" not in stage.data:
        return see_other(HOME)
    return choosing.app_page(request, stage, action=f"{HOME}/app")


@router.post("/my/account/app")
def confirm_app(request: Request, database: Db, me: Owner, form: Form) -> Response:
    """Confirm the new app by a first code; a new password that waits for it begins with it."""
    stage = _stage(request, database, me)
    if stage is None or "secret" not in stage.data:
        return see_other(HOME)
    if (elsewhere := _shut_to(database, me)) is not None:
        return elsewhere
    with database.writing() as db:
        accounts.hold(db, me.subject)
        step = totp.step(stage.data["secret"], form.get("totp-code"))
        if step is not None and stages.end(db, stage):
            _set_up_app(db, me, stage, step, browser.visitor(request))
    if step is None:
        return choosing.app_page(
            request, stage, action=f"{HOME}/app", errors={"totp-code": choosing.WRONG_CODE}
        )
    return browser.clear_stage(request, see_other(HOME))


@router.post("/my/account/codes/new")
def make_codes(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Make new recovery codes; the old ones end."""
    if not _may(database, me):
        return see_other(AGAIN)
    with database.writing() as db:
        throttle.new_codes(db, me.subject)
        made = recovery.make(db, me.subject, acr=me.acr, actor=_self(me))
        token = stages.begin(db, stages.CHANGE, me.subject, return_to=HOME, data={"codes": made})
    return browser.set_stage(request, see_other(f"{HOME}/codes"), token)


@router.get("/my/account/codes")
def show_codes(request: Request, database: Db, me: Citizen) -> Response:
    """Show the new recovery codes until their owner says they are kept."""
    stage = _stage(request, database, me)
    if stage is None or "codes" not in stage.data:
        return see_other(HOME)
    return codes.page(request, stage.data["codes"], action=f"{HOME}/codes", activated=False)


@router.get("/my/account/codes/file")
def save_codes(request: Request, database: Db, me: Citizen) -> Response:
    """Hand the new recovery codes over as a file, as long as they are shown."""
    stage = _stage(request, database, me)
    if stage is None or "codes" not in stage.data:
        return see_other(HOME)
    return codes.file(request, stage.data["codes"], me.subject)


@router.post("/my/account/codes")
def codes_kept(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Forget the text of the codes."""
    with database.writing() as db:
        if stage := stages.find(db, browser.stage_token(request), stages.CHANGE, citizen_id=me.subject):
            stages.end(db, stage)
    return browser.clear_stage(request, see_other(HOME))


@router.post("/my/account/name")
def choose_name(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Choose another name to sign in with."""
    if not _may(database, me):
        return see_other(AGAIN)
    with database.writing() as db:
        throttle.try_name(db, me.subject)
    try:
        with database.writing() as db:
            accounts.choose_name(db, me.subject, form.get("username"), actor=_self(me))
    except (NameTaken, NameUnfit) as problem:
        typed = form.get("username")
        return page(request, database, me, status=400, errors={"username": problem.text}, typed=typed)
    return see_other(HOME)


def _set_up_app(db: Session, me: BrowserSession, stage: Stage, step: int, visitor: Visitor) -> None:
    """Let app and password begin; everybody else is shut out, save by somebody who only repairs the account."""
    bounds = methods.handed_on(me)
    own, new = methods.of(db, me.subject).own_password, "verifier" in stage.data
    if own if bounds.held_by else not (own or new):
        raise Conflict(detail="the password is another than when this began")
    totp.put(db, me.subject, stage.data["secret"], step, bounds=bounds, actor=_self(me))
    if verifier := stage.data.get("verifier"):
        password.put(db, me.subject, verifier, actor=_self(me))
    if bounds.held_by:
        holding.begin(db, me)
    else:
        methods.shut_others_out(db, me, visitor, reason="security")


def _shut_to(database: Database, me: BrowserSession) -> Response | None:
    """Return where to go instead of a page about the password; who only repairs the account touches none but their own."""
    with database.reading() as db:
        found = methods.of(db, me.subject)
    if not methods.may_change(me, found):
        return see_other(AGAIN)
    return see_other(HOME) if me.kind == sessions.REPAIR and found.own_password else None


def _may(database: Database, me: BrowserSession) -> bool:
    with database.reading() as db:
        return methods.may_change(me, methods.of(db, me.subject))


def _stage(request: Request, database: Database, me: BrowserSession) -> Stage | None:
    with database.reading() as db:
        return stages.find(db, browser.stage_token(request), stages.CHANGE, citizen_id=me.subject)


def _self(me: BrowserSession) -> Actor:
    return Actor("citizen", me.subject)


def _passkey_page(
    request: Request,
    database: Database,
    me: BrowserSession,
    *,
    key: bool,
    errors: dict[str, Any] | None = None,
) -> Response:
    visitor = browser.visitor(request)
    with database.writing() as db:
        handle = accounts.hold(db, me.subject).handle
        options = passkey.ask_new(
            db,
            me.subject,
            handle,
            purpose=PURPOSE,
            browser=visitor.browser,
            key=key,
            nameless=me.kind == sessions.REPAIR,
        )
    return pages.render(
        request,
        "idp/passkey.html",
        status=400 if errors else 200,
        options=options,
        kind=KEY if key else "",
        errors=errors or {},
    )
