"""`POST /attributes/read` and `POST /citizens/resolve`, for agencies' systems with a token of their own."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import forms
from core.database import Database
from core.web import Db
from idp.oidc import bearer
from idp.oidc.bearer import Denied
from idp.oidc.resources import reads
from idp.oidc.resources.reads import Caller

router = APIRouter()
NO_STORE = {"Cache-Control": "no-store"}


async def _content(request: Request) -> bytes:
    return await forms.body(request)


Content = Annotated[bytes, Depends(_content)]


@router.post("/attributes/read")
def read_attributes(request: Request, database: Db, content: Content) -> Response:
    """Release attributes of a citizen who is not there, for a purpose that they or a law allowed."""
    return _answer(request, database, content, reads.attributes)


@router.post("/citizens/resolve")
def resolve_citizen(request: Request, database: Db, content: Content) -> Response:
    """Give the citizen ID behind an identifier, for a read by law."""
    return _answer(request, database, content, reads.resolve)


def _answer(
    request: Request,
    database: Database,
    content: bytes,
    respond: Callable[[Database, Caller, bytes], dict[str, Any]],
) -> Response:
    token = bearer.given(request.headers.getlist("authorization"))
    who = token if isinstance(token, Denied) else reads.caller(database, token)
    if isinstance(who, Denied):
        headers = {**NO_STORE, "WWW-Authenticate": who.challenge}
        return JSONResponse(who.body, status_code=who.code, headers=headers)
    return JSONResponse(respond(database, who, content), headers=NO_STORE)
