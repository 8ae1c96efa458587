"""Where registries hand over their messages: POST /registry/events (RFC 8935)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import forms, limits, web
from core.errors import TooMany
from core.forms import BodyTooLarge
from core.language import _
from core.web import Db
from registry_sync import inbox, trust
from registry_sync.errors import MessageRefused

router = APIRouter()

MESSAGES_A_MINUTE = 6_000  # from one registry
REFUSALS_A_MINUTE = 60  # from one network
OUTCOME_HEADER = "Erti-Outcome"


async def _token(request: Request) -> bytes | None:
    try:
        return await forms.body(request, trust.TOKEN_LIMIT)
    except BodyTooLarge:
        return None


@router.post("/registry/events")
def receive(request: Request, database: Db, token: Annotated[bytes | None, Depends(_token)]) -> Response:
    """Take one signed message of a registry; 202 once it is durably here, applied or put aside.

    `Erti-Outcome` says which: applied, outdated (something newer was applied before) or quarantined.
    """
    network = web.network(request)
    with database.reading() as db:
        wait = limits.check(db, "registry-refused", network, most=REFUSALS_A_MINUTE)
    if wait:
        raise TooMany(retry_after=wait)
    try:
        message = trust.verify(database.parts.settings, _posted(request, token))
    except MessageRefused as refused:
        with database.writing() as db:
            limits.hit(db, "registry-refused", network, most=REFUSALS_A_MINUTE, per_seconds=60)
        return _refusal(refused)
    with database.writing() as db:
        wait = limits.hit(db, "registry-events", message.source, most=MESSAGES_A_MINUTE, per_seconds=60)
        outcome = "" if wait else inbox.receive(db, message)
    if wait:
        raise TooMany(retry_after=wait)
    return Response(status_code=202, headers={OUTCOME_HEADER: outcome, "Cache-Control": "no-store"})


def _posted(request: Request, token: bytes | None) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != f"application/{trust.TYPE}":
        raise MessageRefused("invalid_request", _("The content type must be application/secevent+jwt."))
    if token is None:
        raise MessageRefused("invalid_request", _("The message is too large."))
    return token


def _refusal(refused: MessageRefused) -> Response:
    """Answer as RFC 8935, section 2.3, says."""
    content = {"err": refused.err, "description": str(refused.text)}
    headers = {"Cache-Control": "no-store", "Content-Language": "en"}
    return JSONResponse(content, status_code=400, headers=headers)
