"""The transmitter's endpoints (OpenID Shared Signals Framework 1.0): discovery, streams, subjects, polls."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.database import Database
from core.events import Actor
from core.web import Content, Db
from idp.oidc import bearer
from idp.oidc.api import ANY_ORIGIN, DISCOVERY_SECONDS, NO_STORE, call, denied
from idp.oidc.bearer import Denied
from idp.oidc.client import Client
from idp.oidc.metadata import SSF_MANAGE, SSF_READ
from idp.signals import bodies, discovery, outbox, polling, streams, subjects, vocabulary
from idp.signals.bodies import AboutSubject, Poll, Status, Verify, Wish
from idp.signals.errors import StreamRefused

router = APIRouter()


@router.get("/.well-known/ssf-configuration")
def configuration(request: Request) -> Response:
    """Say what the transmitter can do and where (SSF 1.0, 7.1)."""
    headers = {"Cache-Control": f"public, max-age={DISCOVERY_SECONDS}", **ANY_ORIGIN}
    return JSONResponse(discovery.document(request.app.state.settings), headers=headers)


@router.post("/ssf/stream")
def create(request: Request, database: Db, content: Content) -> Response:
    """Make the client's stream (SSF 1.0, 8.1.1.1)."""
    who = _caller(request, database, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    wish = bodies.read(content, Wish)
    with database.writing() as db:
        streams.pace(db, who.client_id)
        made = streams.document(db, streams.create(db, who, wish, actor=_actor(who)))
    return _json(made, status=201)


@router.get("/ssf/stream")
def show(request: Request, database: Db, stream_id: str | None = None) -> Response:
    """Give the configuration of one stream, or of all the client has (SSF 1.0, 8.1.1.2)."""
    who = _caller(request, database, SSF_READ, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    with database.reading() as db:
        if stream_id is not None:
            return _json(streams.document(db, streams.read(db, who.client_id, stream_id)))
        found = streams.find(db, who.client_id)
        return _json([streams.document(db, found)] if found else [])


@router.patch("/ssf/stream")
def change(request: Request, database: Db, content: Content) -> Response:
    """Change what is given (SSF 1.0, 8.1.1.3)."""
    return _changed(request, database, content, replaced=False)


@router.put("/ssf/stream")
def replace(request: Request, database: Db, content: Content) -> Response:
    """Replace the configuration (SSF 1.0, 8.1.1.4)."""
    return _changed(request, database, content, replaced=True)


@router.delete("/ssf/stream")
def remove(request: Request, database: Db, stream_id: str = "") -> Response:
    """Delete a stream; what it was still to get is dropped (SSF 1.0, 8.1.1.5)."""
    who = _caller(request, database, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    with database.writing() as db:
        streams.pace(db, who.client_id)
        found = streams.read(db, who.client_id, stream_id)
        outbox.drop(db, found)
        streams.remove(db, found, actor=_actor(who))
    return Response(status_code=204, headers=NO_STORE)


@router.get("/ssf/status")
def show_status(request: Request, database: Db, stream_id: str = "") -> Response:
    """Give a stream's status (SSF 1.0, 8.1.2.1)."""
    who = _caller(request, database, SSF_READ, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    with database.reading() as db:
        found = streams.read(db, who.client_id, stream_id)
    return _json(_status(found))


@router.post("/ssf/status")
def set_status(request: Request, database: Db, content: Content) -> Response:
    """Enable, pause or disable a stream (SSF 1.0, 8.1.2.2)."""
    who = _caller(request, database, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    wish = bodies.read(content, Status)
    with database.writing() as db:
        streams.pace(db, who.client_id)
        found = streams.read(db, who.client_id, wish.stream_id)
        after = streams.set_status(db, found, wish.status, wish.reason, actor=_actor(who))
        if not after.keeps:
            outbox.drop(db, after)
    return _json(_status(after))


@router.post("/ssf/subjects/add")
def add_subject(request: Request, database: Db, content: Content) -> Response:
    """Tell about a citizen again, after `remove` (SSF 1.0, 8.1.3.2): whoever concerns the client is told of anyway."""
    who = _about(request, database, content, listening=True)
    return who if isinstance(who, Response) else Response(status_code=200, headers=NO_STORE)


@router.post("/ssf/subjects/remove")
def remove_subject(request: Request, database: Db, content: Content) -> Response:
    """Stop telling about a citizen (SSF 1.0, 8.1.3.3)."""
    who = _about(request, database, content, listening=False)
    return who if isinstance(who, Response) else Response(status_code=204, headers=NO_STORE)


@router.post("/ssf/verify")
def verify(request: Request, database: Db, content: Content) -> Response:
    """Send a verification event down the stream (SSF 1.0, 8.1.4.2)."""
    who = _caller(request, database, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    wish = bodies.read(content, Verify)
    with database.writing() as db:
        found = streams.read(db, who.client_id, wish.stream_id)
        if not found.keeps:
            raise StreamRefused(detail="disabled", mistake="the stream is disabled")
        streams.may_verify(db, found)
        said = {} if wish.state is None else {"state": wish.state}
        outbox.put_about_stream(db, found, vocabulary.VERIFICATION, said)
    return Response(status_code=204, headers=NO_STORE)


@router.post("/ssf/poll/{stream_id}")
def poll(request: Request, database: Db, content: Content, stream_id: str) -> Response:
    """Give the events that wait for a receiver, and take its acknowledgements (RFC 8936)."""
    who = _caller(request, database, SSF_READ, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    wish = bodies.read(content or b"{}", Poll)
    return _json(polling.poll(database, who.client_id, stream_id, wish))


def _caller(request: Request, database: Database, *scopes: str) -> Client | Denied:
    """Return the client that calls, if its token is its own and has one of the scopes."""
    given = bearer.presented(database, call(request))
    if isinstance(given, Denied):
        return given
    with database.reading() as db:
        found = bearer.own(db, given, *scopes)
    return found if isinstance(found, Denied) else found[0]


def _changed(request: Request, database: Database, content: bytes, *, replaced: bool) -> Response:
    who = _caller(request, database, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    wish = bodies.read(content, Wish)
    with database.writing() as db:
        streams.pace(db, who.client_id)
        after = streams.document(db, streams.change(db, who, wish, replaced=replaced, actor=_actor(who)))
    return _json(after)


def _about(request: Request, database: Database, content: bytes, *, listening: bool) -> Response | None:
    who = _caller(request, database, SSF_MANAGE)
    if isinstance(who, Denied):
        return denied(who)
    wish = bodies.read(content, AboutSubject)
    with database.writing() as db:
        found = streams.read(db, who.client_id, wish.stream_id)
        subjects.listen(db, who, found, wish.subject, listening=listening)
    return None


def _status(found: streams.Stream) -> dict[str, Any]:
    said = {"stream_id": found.stream_id, "status": found.status}
    return {**said, "reason": found.reason} if found.reason is not None else said


def _actor(who: Client) -> Actor:
    return Actor("client", who.client_id)


def _json(content: Any, *, status: int = 200) -> Response:
    return JSONResponse(content, status_code=status, headers=NO_STORE)
