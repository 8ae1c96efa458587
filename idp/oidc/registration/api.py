"""`/register`: clients register themselves, read what is kept of them, change it, and leave."""

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import Missing
from core.web import Content, Db, network
from idp.oidc import bearer
from idp.oidc.api import NO_STORE, call
from idp.oidc.bearer import Denied
from idp.oidc.registration import dynamic, telling
from idp.oidc.registration.errors import METADATA, TOKEN, Declined

router = APIRouter()


@router.post(telling.PATH)
def register(request: Request, database: Db, content: Content) -> Response:
    """Register a client (RFC 7591, section 3)."""
    settings = request.app.state.settings
    if settings.registration == "closed":
        raise Missing(detail="registration is closed")
    token = _token(request)
    with database.writing() as db:
        dynamic.pace(db, network(request))
    try:
        with database.reading() as db:
            dynamic.check_invited(db, settings, token)  # before anything is fetched for anybody
        found = dynamic.prepare(settings, _document(content))
        with database.writing() as db:
            made = dynamic.register(db, found, token=token)
    except Declined as declined:
        return _declined(declined)
    told = telling.told(settings, made.client, token=made.token, secret=made.secret)
    return JSONResponse(told, status_code=201, headers=NO_STORE)


@router.get(telling.PATH + "/{client_id}")
def read(request: Request, database: Db, client_id: str) -> Response:
    """Tell a client what is kept of it (RFC 7592, 2.1)."""
    token = _token(request) or ""
    try:
        with database.reading() as db:
            client = dynamic.known_by(db, client_id, token)
    except Declined as declined:
        return _declined(declined)
    return JSONResponse(telling.told(request.app.state.settings, client, token=token), headers=NO_STORE)


@router.put(telling.PATH + "/{client_id}")
def change(request: Request, database: Db, content: Content, client_id: str) -> Response:
    """Put other metadata in the place of a client's own (RFC 7592, 2.2)."""
    settings, token = request.app.state.settings, _token(request) or ""
    try:
        with database.reading() as db:  # who has no token makes us fetch nothing
            dynamic.known_by(db, client_id, token)
        document = _document(content)
        found = dynamic.prepare(settings, document)
        with database.writing() as db:
            client = dynamic.known_by(db, client_id, token)
            client, secret = dynamic.change(db, client, found, document)
    except Declined as declined:
        return _declined(declined)
    return JSONResponse(telling.told(settings, client, token=token, secret=secret), headers=NO_STORE)


@router.delete(telling.PATH + "/{client_id}")
def end(request: Request, database: Db, client_id: str) -> Response:
    """End a client at its own wish (RFC 7592, 2.3)."""
    try:
        with database.writing() as db:
            dynamic.end(db, dynamic.known_by(db, client_id, _token(request) or ""))
    except Declined as declined:
        return _declined(declined)
    return Response(status_code=204, headers=NO_STORE)


def _token(request: Request) -> str | None:
    found = bearer.given(call(request))
    return None if isinstance(found, Denied) else found.token


def _document(content: bytes) -> Any:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Declined(METADATA, "the body is not JSON") from error
    if not isinstance(found, dict):
        raise Declined(METADATA, "the body has to be a JSON object")
    return found


def _declined(declined: Declined) -> Response:
    if declined.error == TOKEN:
        denied = Denied("invalid_token", declined.plain)
        headers = {**NO_STORE, "WWW-Authenticate": denied.challenge}
        return JSONResponse(denied.body, status_code=denied.code, headers=headers)
    body = {"error": declined.error, "error_description": declined.plain}
    return JSONResponse(body, status_code=400, headers=NO_STORE)
