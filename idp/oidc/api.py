"""The provider's endpoints for programs: discovery, keys, tokens, UserInfo, introspection, revocation."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import structlog
from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import forms, web
from core.database import Database
from core.errors import Missing, Problem
from core.forms import BodyTooLarge, FormUnreadable, Posted
from core.web import Db, network
from idp.oidc import assertions, bearer, discovery, encryption, protected, trusted, userinfo
from idp.oidc.assertions import Proof, Unproven
from idp.oidc.bearer import Denied, Shown
from idp.oidc.calls import Call
from idp.oidc.server import devicing, endpoints, pushing
from idp.oidc.server.requests import Answer
from idp.oidc.userinfo import Told
from keys import jwks

log = structlog.get_logger("erti.clients")
router = APIRouter()
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Programs that run in a browser may read these answers; no cookie counts here, so nothing else opens with it.
ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "DPoP-Nonce, WWW-Authenticate, Erti-Entry",
}
PREFLIGHT = {
    **ANY_ORIGIN,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, dpop",
    "Access-Control-Max-Age": "3600",
}
ENTRY_HEADER = "Erti-Entry"  # whose receipt an agency gets at /receipts/{event_id}
KEYS_SECONDS = 900
DISCOVERY_SECONDS = 3600


async def _form(request: Request) -> Posted | Problem:
    # What cannot be read gets the standard's own error, not a page of ours.
    try:
        return await forms.parsed(request)
    except (BodyTooLarge, FormUnreadable) as problem:
        return problem


ClientForm = Annotated[Posted | Problem, Depends(_form)]
Respond = Callable[[Session, Posted, Call], Answer]


# Routes are tried from the top, so those that are asked all the time stand there.
@router.post("/token")
def token(request: Request, database: Db, form: ClientForm) -> Response:
    """Give tokens for a code, for a refresh token, or to a client in its own name (RFC 6749, 3.2)."""
    return _answer(request, database, form, endpoints.token)


@router.get("/userinfo")
@router.post("/userinfo")
def user_info(request: Request, database: Db, form: ClientForm) -> Response:
    """Give what a citizen shares with the client that holds the token (OpenID Connect Core 1.0, 5.3)."""
    posted = form if isinstance(form, Posted) and request.method == "POST" else None
    found = bearer.presented(database, call(request), posted)
    if isinstance(found, Denied):
        return denied(found)
    told = _told(database, found)
    if isinstance(told, Denied):
        return denied(told, found)
    entry = {ENTRY_HEADER: told.event_id} if told.event_id else {}
    headers = {**NO_STORE, **ANY_ORIGIN, **found.headers, **entry}
    if told.jwt:
        return Response(told.jwt, media_type="application/jwt", headers=headers)
    return JSONResponse(told.claims, headers=headers)


@router.post("/introspect")
def introspect(request: Request, database: Db, form: ClientForm) -> Response:
    """Say whether a token is good (RFC 7662)."""
    return _answer(request, database, form, endpoints.introspect, writes=False)


@router.get("/.well-known/openid-configuration")
@router.get("/.well-known/oauth-authorization-server")
def configuration(request: Request) -> Response:
    """Say what the provider can do and where."""
    headers = {"Cache-Control": f"public, max-age={DISCOVERY_SECONDS}", **ANY_ORIGIN}
    return JSONResponse(discovery.document(request.app.state.settings), headers=headers)


@router.get(protected.WELL_KNOWN)
@router.get(protected.WELL_KNOWN + "/{path:path}")
def protected_resource(request: Request, path: str = "") -> Response:
    """Say how one of Erti's own resources is called (RFC 9728, section 3)."""
    found = protected.document(request.app.state.settings, _here(request), path)
    if found is None:
        raise Missing
    return JSONResponse(
        found, headers={"Cache-Control": f"public, max-age={DISCOVERY_SECONDS}", **ANY_ORIGIN}
    )


@router.get("/jwks.json")
def keys(database: Db) -> Response:
    """Give the public signing keys, those that will sign soon among them."""
    with database.reading() as db:
        found = jwks.public(db)
    headers = {"Cache-Control": f"public, max-age={KEYS_SECONDS}", **ANY_ORIGIN}
    return JSONResponse(found, media_type="application/jwk-set+json", headers=headers)


@router.post("/par")
def push(request: Request, database: Db, form: ClientForm) -> Response:
    """Keep an authorization request that a client sends in advance (RFC 9126)."""
    if isinstance(form, Problem):
        return _unreadable(form)
    return _sent(pushing.answer(database, form, _proved(request, database, form), network=network(request)))


@router.post("/device_authorization")
def ask_for_a_device(request: Request, database: Db, form: ClientForm) -> Response:
    """Give a device without a browser the codes with which somebody can let it in (RFC 8628, 3.1)."""
    return _answer(request, database, form, partial(devicing.answer, network=network(request)))


@router.post("/revoke")
def revoke(request: Request, database: Db, form: ClientForm) -> Response:
    """End a token (RFC 7009)."""
    return _answer(request, database, form, endpoints.revoke)


@router.options("/token")
@router.options("/par")
@router.options("/device_authorization")
@router.options("/revoke")
@router.options("/userinfo")
def preflight() -> Response:
    """Let programs that run in a browser call these endpoints."""
    return Response(status_code=204, headers=PREFLIGHT)


def call(request: Request) -> Call:
    """Return what came with a request that can prove who calls."""
    # Read down once, and no URL object made of it: this is on the way of every token.
    found: dict[bytes, list[str]] = {b"authorization": [], b"dpop": [], b"accept": []}
    for name, value in request.scope["headers"]:
        if name in found:
            found[name].append(value.decode("latin-1"))
    return Call(
        method=request.scope["method"],
        url=_here(request) + request.scope["path"],
        authorization=tuple(found[b"authorization"]),
        dpop=tuple(found[b"dpop"]),
        certificate=web.certificate(request),
        accept=",".join(found[b"accept"]),
    )


def _here(request: Request) -> str:
    """Return the address of this service that the request came to: the issuer's, or the one for certificates."""
    settings = request.app.state.settings
    alias, issuer = str(settings.mtls_address), str(settings.issuer)
    by_alias = alias and request.headers.get("host", "").lower() == urlsplit(alias).netloc
    return alias if by_alias else issuer


def denied(refusal: Denied, shown: Shown | None = None) -> Response:
    """Answer that a token is missing or not good (RFC 6750, section 3; RFC 9449, 7.1)."""
    refusal = shown.refused(refusal) if shown else refusal
    headers = {**NO_STORE, **ANY_ORIGIN, **(shown.headers if shown else {}), **refusal.headers}
    return JSONResponse(refusal.body, status_code=refusal.code, headers=headers)


def _told(database: Database, shown: Shown) -> Told | Denied:
    return encryption.with_keys(database, lambda: userinfo.answer(database, shown))


def _answer(
    request: Request, database: Database, form: Posted | Problem, respond: Respond, *, writes: bool = True
) -> Response:
    if isinstance(form, Problem):
        return _unreadable(form)
    made = _proved(request, database, form)
    opening = database.writing if writes or isinstance(made.assertion, Proof) else database.reading

    def attempt() -> Answer:
        with opening() as db:
            return respond(db, form, made)

    return _sent(encryption.with_keys(database, attempt))


def _proved(request: Request, database: Database, form: Posted) -> Call:
    """Return the call with what becomes of its assertion, which takes its time before a transaction is opened."""
    made = call(request)
    trusted.fetch(database, form.get("client_id"), made.certificate)
    found = assertions.read(database, form, made.url)
    if isinstance(found, Unproven):
        log.info("assertion refused", client=found.client_id[:128], why=found.why)
    return replace(made, assertion=found) if found else made


def _unreadable(problem: Problem) -> Response:
    body = {"error": "invalid_request", "error_description": "The body is not a form that can be read."}
    status = 413 if isinstance(problem, BodyTooLarge) else 400
    return JSONResponse(body, status_code=status, headers={**NO_STORE, **ANY_ORIGIN})


def _sent(answer: Answer) -> Response:
    headers = {**answer.headers, **ANY_ORIGIN}
    kind = headers.pop("Content-Type", None)
    if isinstance(answer.body, str):
        return Response(answer.body, status_code=answer.status, headers=headers, media_type=kind)
    body = msgspec.json.encode(answer.body)
    return Response(body, status_code=answer.status, headers=headers, media_type="application/json")
