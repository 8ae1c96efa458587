"""`/end-session`: a client asks to end the session, the person decides (OpenID Connect RP-Initiated Logout 1.0)."""

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
from idp.oidc import logout, redirects, tokens
from idp.oidc.logout import Leaving

router = APIRouter()
SIGNED_OUT = "/logout"


@router.get("/end-session")
def ask(request: Request, database: Db, here: Here) -> Response:
    """Ask whether to sign out of Erti too; who is not signed in goes straight on."""
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
    if here is not None:
        _end(database, here)
    response = see_other(leaving.target or SIGNED_OUT)
    clear_session(request, response)
    return response


def _examined(database: Database, posted: Posted) -> Leaving:
    with database.reading() as db:
        return logout.examine(db, posted)


def _end(database: Database, here: BrowserSession) -> None:
    with database.writing() as db:
        if here.kind == "citizen":
            accounts.end_session(db, here, reason="signed-out", actor=Actor("citizen", here.subject))
            tokens.end_for_session(db, here.sid)
        else:
            sessions.end(db, here)
