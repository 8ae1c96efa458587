"""`/my/account`: where the citizen is signed in, and with what; sessions are ended here."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core import pages, sessions
from core.database import Database
from core.events import Actor
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, network, see_other
from idp import accounts
from idp.login import devices, methods
from idp.login.pages import browser
from registry_sync import people

router = APIRouter()
HOME = "/my/account"
AGAIN = f"/login?return_to={HOME}"


@router.get("/my/account")
def show(request: Request, database: Db, me: Citizen) -> Response:
    """Show the ways to sign in and the places where one is signed in."""
    return page(request, database, me)


@router.post("/my/account/sessions/{sid}/end")
def end_session(request: Request, database: Db, me: Citizen, form: Form, sid: str) -> Response:
    """End one of the citizen's sessions; another's, or one that is over, is left alone."""
    with database.writing() as db:
        session = sessions.by_sid(db, sid)
        if session and session.kind == "citizen" and session.subject == me.subject:
            accounts.end_session(db, session, reason="ended-elsewhere", actor=Actor("citizen", me.subject))
    return see_other(HOME)


@router.post("/my/account/sessions/end")
def end_other_sessions(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """End every session of the citizen but this one, and forget every other browser."""
    with database.writing() as db:
        methods.shut_others_out(db, me, browser.visitor(request), reason="ended-elsewhere")
    return see_other(HOME)


def page(
    request: Request,
    database: Database,
    me: BrowserSession,
    *,
    status: int = 200,
    errors: dict[str, Any] | None = None,
) -> Response:
    """Render the page, with what went wrong in it."""
    with database.reading() as db:
        account = accounts.find(db, me.subject)
        found = methods.of(db, me.subject)
        open_sessions = [one for one in sessions.of(db, me.subject) if one.kind == "citizen"]
    here = network(request)
    return pages.render(
        request,
        "idp/account.html",
        status=status,
        section="security",
        citizen_id=people.grouped(me.subject),
        username=account.username if account and account.named else "",
        methods=found,
        sessions=[
            {
                "sid": one.sid,
                "device": devices.words(one.user_agent),
                "here": one.sid == me.sid,
                "network": one.network,
                "same_network": one.network == here,
                "since": one.created_at,
                "seen": one.last_seen_at,
            }
            for one in open_sessions
        ],
        may_change=methods.may_change(me, found),
        fresh=methods.fresh(me),
        again=AGAIN,
        errors=errors or {},
    )
