"""`/logout` and `/end-session`: a person, or a client for them, wants to end the session, and the person decides."""

from collections.abc import Sequence
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core import forms, pages, sessions
from core.database import Database
from core.events import Actor
from core.forms import Posted
from core.sessions import BrowserSession
from core.web import Db, Form, Here, RawForm, clear_session, see_other
from idp import accounts
from idp.oidc import redirects, tokens
from idp.oidc.logout import frames, requests
from idp.oidc.logout.requests import Leaving

router = APIRouter()
SIGNED_OUT = "/logout"


@router.get("/logout")
def show(request: Request, here: Here) -> Response:
    """Ask whether to sign out, or say that it is done."""
    return pages.render(request, "idp/logout.html", signed_in=here is not None)


@router.post("/logout")
def leave(request: Request, database: Db, here: Here, form: Form) -> Response:
    """End this browser's session."""
    return _gone(request, database, here, SIGNED_OUT)


@router.get("/end-session")
def ask(request: Request, database: Db, here: Here) -> Response:
    """Ask whether to sign out of Erti too; who is not signed in goes straight on (RP-Initiated Logout 1.0)."""
    leaving = _examined(database, forms.parse(request.scope["query_string"]))
    if here is None:
        return see_other(leaving.target or SIGNED_OUT)
    return pages.render(
        request,
        "idp/oidc_logout.html",
        form_action=(redirects.origin(leaving.target),) if leaving.target else (),
        name=leaving.client.name if leaving.client else "",
        fields=leaving.fields,
    )


@router.post("/end-session")
def ask_by_form(database: Db, form: RawForm) -> Response:
    """Go on with a GET, which carries the session's cookie; nothing is ended yet."""
    leaving = _examined(database, form)
    return see_other(f"/end-session?{urlencode(leaving.fields)}" if leaving.fields else "/end-session")


@router.post("/end-session/confirm")
def confirm(request: Request, database: Db, here: Here, form: Form) -> Response:
    """End the session and every token that hangs on it, then go where the client wanted."""
    leaving = _examined(database, form)
    return _gone(request, database, here, leaving.target or SIGNED_OUT)


def _examined(database: Database, posted: Posted) -> Leaving:
    with database.reading() as db:
        return requests.examine(db, posted)


def _gone(request: Request, database: Database, here: BrowserSession | None, target: str) -> Response:
    """End the session, let the browser tell the clients that want to hear of it there, and go on."""
    framed = _end(database, here) if here is not None else []
    response = _telling(request, framed, target) if framed else see_other(target)
    clear_session(request, response)
    return response


def _end(database: Database, here: BrowserSession) -> list[str]:
    with database.writing() as db:
        if not here.is_citizens:
            sessions.end(db, here)
            return []
        framed = frames.of_session(db, here.sid)
        accounts.end_session(db, here, reason="signed-out", actor=Actor("citizen", here.subject))
        tokens.end_for_session(db, here.sid)
        return framed


def _telling(request: Request, framed: Sequence[str], target: str) -> Response:
    return pages.render(
        request,
        "idp/oidc_signed_out.html",
        frame_src=sorted({redirects.origin(uri) for uri in framed}),
        frames=framed,
        target=target,
    )
