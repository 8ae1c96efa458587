"""Reads, citizen IDs, grants, receipts, consent records, disputes: for agencies' systems with their own token."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from consent import records
from core.database import Database
from core.web import Content, Db
from idp.oidc import bearer
from idp.oidc.api import call
from idp.oidc.bearer import Denied, Shown
from idp.oidc.resources import disputing, grants, papers, reads
from idp.oidc.resources.reads import Caller

router = APIRouter()
NO_STORE = {"Cache-Control": "no-store"}


@router.post("/attributes/read")
def read_attributes(request: Request, database: Db, content: Content) -> Response:
    """Release attributes of a citizen who is not there, for a purpose that they or a law allowed."""
    return _answer(request, database, partial(reads.attributes, content=content), at_the_door=True)


@router.post("/attributes/read/batch")
def read_batch(request: Request, database: Db, content: Content) -> Response:
    """Release attributes of up to a thousand citizens for one purpose, with an answer for each."""
    return _answer(request, database, partial(reads.batch, content=content), at_the_door=True)


@router.post("/citizens/resolve")
def resolve_citizen(request: Request, database: Db, content: Content) -> Response:
    """Give the citizen ID behind an identifier, for a read by law."""
    return _answer(request, database, partial(reads.resolve, content=content), at_the_door=True)


@router.get("/receipts/{event_id}")
def receipt(request: Request, database: Db, event_id: str) -> Response:
    """Give the signed receipt, with its proof, of a decision or read that is the agency's own."""
    return _answer(request, database, partial(papers.receipt, event_id=event_id))


@router.get("/grants/{grant_id}/receipts")
def grant_receipts(request: Request, database: Db, grant_id: str) -> Response:
    """Give the receipts of every decision on a grant: given, narrowed, withdrawn, ended."""
    return _answer(request, database, partial(papers.of_grant, grant_id=grant_id))


@router.get("/grants/{grant_id}/record")
def grant_record(request: Request, database: Db, grant_id: str) -> Response:
    """Give a grant as a consent record (ISO/IEC TS 27560, JSON-LD)."""
    found = partial(papers.record, grant_id=grant_id)
    return _answer(request, database, found, media_type=records.MEDIA_TYPE)


@router.get("/disputes")
def disputes(request: Request, database: Db, state: str = "", after: str = "") -> Response:
    """Give the looks of the agency that citizens do not recognise, with what they wrote."""
    found = partial(disputing.listing, state=state, after=after)
    return _answer(request, database, found, scope=disputing.SCOPE)


@router.post("/disputes/{number}/answer")
def answer_dispute(request: Request, database: Db, content: Content, number: str) -> Response:
    """Take the agency's answer to a dispute; the citizen sees it at once."""
    given = partial(disputing.answer, number=number, content=content)
    return _answer(request, database, given, scope=disputing.SCOPE)


@router.get("/grants/{grant_id}")
def query_grant(request: Request, database: Db, grant_id: str) -> Response:
    """Say what a grant covers, to the client that it was issued to (Grant Management for OAuth 2.0, 6.4)."""
    shown = bearer.presented(database, call(request))
    if isinstance(shown, Denied):
        return _denied(shown)
    found = grants.query(database, shown, grant_id)
    if isinstance(found, Denied):
        return _denied(found, shown)
    return JSONResponse(found, headers={**NO_STORE, **shown.headers})


@router.delete("/grants/{grant_id}")
def revoke_grant(request: Request, database: Db, grant_id: str) -> Response:
    """End a grant at the wish of the client that it was issued to (Grant Management for OAuth 2.0, 6.5)."""
    shown = bearer.presented(database, call(request))
    if isinstance(shown, Denied):
        return _denied(shown)
    refused = grants.revoke(database, shown, grant_id)
    if refused:
        return _denied(refused, shown)
    return Response(status_code=204, headers={**NO_STORE, **shown.headers})


def _denied(refused: Denied, shown: Shown | None = None) -> Response:
    headers = {**NO_STORE, **(shown.headers if shown else {}), **refused.headers}
    return JSONResponse(refused.body, status_code=refused.code, headers=headers)


def _answer(
    request: Request,
    database: Database,
    respond: Callable[[Database, Caller], dict[str, Any]],
    *,
    media_type: str = "application/json",
    scope: str = reads.SCOPE,
    at_the_door: bool = False,
) -> Response:
    shown = bearer.presented(database, call(request))
    if isinstance(shown, Denied):
        return _denied(shown)
    # At the door a suspended agency is refused too, and that stands in the citizen's history.
    who = reads.caller(database, shown, scope=scope, even_suspended=at_the_door)
    if isinstance(who, Denied):
        return _denied(who, shown)
    headers = {**NO_STORE, **shown.headers}
    return JSONResponse(respond(database, who), headers=headers, media_type=media_type)
