"""Pages on which staff join with an invitation, sign in with a passkey, and sign out."""

import structlog
from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from core import limits, pages, sessions
from core.database import Database
from core.errors import TooMany
from core.events import Actor, record
from core.sessions import BrowserSession
from core.web import Db, Form, Here, StaffMember, clear_session, network, own_path, see_other, set_session
from idp import accounts as citizens
from idp.staff import accounts, passkeys
from idp.staff.errors import InvitationSpent, PasskeyRefused
from idp.staff.events import StaffSignedOut
from idp.staff.passkeys import SignedIn

router = APIRouter()
log = structlog.get_logger("erti.sign-in")
HIGH = "urn:erti:loa:high"
SUBSTANTIAL = "urn:erti:loa:substantial"
CONSOLE = "/admin"
FAILURES = 60
WINDOW_SECONDS = 600


@router.get("/staff/join")
def show_join(request: Request, database: Db, _here: Here, invitation: str = "") -> Response:
    """Show an invited person what they are invited to, and let them make their passkey."""
    return _join_page(request, database, invitation)


@router.post("/staff/join")
def join(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Take the new passkey and sign its owner in."""
    _crowded(request, database)
    token = form.get("invitation")
    try:
        with database.writing() as db:
            session_token = _begin(db, request, here, passkeys.join(db, token, form.get("credential")))
    except InvitationSpent:
        _failed(request, database)
        raise
    except PasskeyRefused as refusal:
        _failed(request, database)
        return _join_page(request, database, token, problem=refusal)
    return _signed_in(request, session_token, CONSOLE)


@router.get("/staff/login")
def show_login(request: Request, database: Db, here: Here, return_to: str = CONSOLE) -> Response:
    """Ask a staff member for their passkey."""
    if here and here.kind == sessions.STAFF and sessions.fresh(here):
        return see_other(own_path(return_to, CONSOLE))
    return _login_page(request, database, return_to)


@router.post("/staff/login")
def login(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Check the passkey and begin a staff session."""
    _crowded(request, database)
    return_to = own_path(form.get("return_to"), CONSOLE)
    try:
        with database.writing() as db:
            session_token = _begin(db, request, here, passkeys.sign_in(db, form.get("credential")))
    except PasskeyRefused as refusal:
        log.info("sign-in failed", method="staff-passkey", reason=refusal.detail)
        _failed(request, database)
        return _login_page(request, database, return_to, problem=refusal)
    return _signed_in(request, session_token, return_to)


@router.post("/staff/logout")
def logout(request: Request, database: Db, me: StaffMember, _form: Form) -> Response:
    """End the staff session of this browser."""
    with database.writing() as db:
        sessions.end(db, me)
        record(db, StaffSignedOut(staff=me.subject), actor=Actor("staff", me.subject))
    response = see_other("/staff/login")
    clear_session(request, response)
    return response


def _begin(db: Session, request: Request, here: BrowserSession | None, proved: SignedIn) -> str:
    if here and here.is_citizens:
        # Theirs ends as if they had left it: agencies that hold tokens of it are told.
        citizens.end_session(db, here, reason="replaced", actor=Actor("citizen", here.subject))
    elif here:
        sessions.end(db, here)
    _session, token = sessions.begin(
        db,
        subject=proved.member.id,
        kind=sessions.STAFF,
        acr=HIGH if proved.device_bound else SUBSTANTIAL,
        amr=["hwk" if proved.device_bound else "swk", "user", "mfa"],
        user_agent=request.headers.get("user-agent", ""),
        network=network(request),
    )
    return token


def _signed_in(request: Request, token: str, return_to: str) -> Response:
    response = see_other(return_to)
    set_session(request, response, token)
    return response


def _join_page(
    request: Request, database: Database, invitation: str, *, problem: PasskeyRefused | None = None
) -> Response:
    try:
        with database.reading() as db:
            member = accounts.invited(db, invitation)
            options = passkeys.options_to_join(db, member)
    except InvitationSpent as spent:
        return pages.render(
            request, "idp/staff_join.html", status=403, member=None, problem=spent, refusal=spent.code
        )
    return pages.render(
        request,
        "idp/staff_join.html",
        status=403 if problem else 200,
        member=member,
        invitation=invitation,
        options=options,
        problem=problem,
        refusal=problem.code if problem else "",
    )


def _login_page(
    request: Request, database: Database, return_to: str, *, problem: PasskeyRefused | None = None
) -> Response:
    with database.reading() as db:
        options = passkeys.options_to_sign_in(db)
    return pages.render(
        request,
        "idp/staff_login.html",
        status=403 if problem else 200,
        options=options,
        return_to=own_path(return_to, CONSOLE),
        problem=problem,
        refusal=problem.code if problem else "",
    )


def _crowded(request: Request, database: Database) -> None:
    with database.reading() as db:
        wait = limits.check(db, "staff", network(request), most=FAILURES)
    if wait:
        raise TooMany(retry_after=wait)


def _failed(request: Request, database: Database) -> None:
    with database.writing() as db:
        limits.hit(db, "staff", network(request), most=FAILURES, per_seconds=WINDOW_SECONDS)
