"""Signing out of this browser."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core import pages, sessions
from core.events import Actor
from core.web import Db, Form, Here, clear_session, see_other
from idp import accounts

router = APIRouter()


@router.get("/logout")
def show(request: Request, here: Here) -> Response:
    """Ask whether to sign out, or say that it is done."""
    return pages.render(request, "idp/logout.html", signed_in=here is not None)


@router.post("/logout")
def logout(request: Request, database: Db, here: Here, form: Form) -> Response:
    """End this browser's session."""
    if here:
        with database.writing() as db:
            if here.kind == "citizen":
                accounts.end_session(db, here, reason="signed-out", actor=Actor("citizen", here.subject))
            else:
                sessions.end(db, here)
    response = see_other("/logout")
    clear_session(request, response)
    return response
