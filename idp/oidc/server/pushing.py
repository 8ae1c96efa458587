"""`/par`: a client says in advance what it will ask, and proves who it is (RFC 9126)."""

from dataclasses import replace
from typing import Final

import structlog
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy.orm import Session

from core import limits
from core.database import Database
from core.forms import Posted
from idp.oidc import authorize, effective, pushed
from idp.oidc.asked import Arrived, Refusal, Refused
from idp.oidc.calls import Call
from idp.oidc.checks.answering import REPEATABLE
from idp.oidc.client import Client
from idp.oidc.dpop import Proof, ProofRefused
from idp.oidc.errors import RequestUnanswerable
from idp.oidc.server.authentication import ALL_METHODS
from idp.oidc.server.core import Server
from idp.oidc.server.requests import Answer, ProofError, Request

log = structlog.get_logger("erti.clients")
# What proves who asks is not part of what is asked (RFC 9126, 2.1), and is never stored.
PROOFS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
# A large agency signs in a hundred people a second; nobody needs a public client for that. One more counts for every
# so many characters, so that what is stored stays within bounds too.
STORED_WITHIN_SECONDS: Final = 600
STORED_AT_MOST: Final = 100_000
PUBLIC_AT_MOST: Final = 3_000
CHARACTERS: Final = 4_096
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def answer(database: Database, posted: Posted, call: Call, *, network: str) -> Answer:
    """Take a pushed authorization request and answer with its `request_uri` (RFC 9126, 2.2). It establishes:

    (1) no parameter is repeated, and there is no `request_uri` among them (2.1);
    (2) the client is who it says, proven as at the token endpoint;
    (3) a DPoP proof that comes with it is good, and by the key that `dpop_jkt` names, where it does (RFC 9449, 10.1);
    (4) it, or anybody from this network where it is public, has not pushed too much;
    (5) the request passes every check that it would have to pass at the authorization endpoint.
    """
    request = Request(posted, call)
    with database.writing() as db:
        server = Server(db)
        try:
            _refuse_form(posted)  # (1)
            server.prove(request)  # (3), which asks for a nonce before anything is used up
            client: Client = server.authenticate_client(request, ALL_METHODS, "pushed").known  # (2)
            if not posted.raw("request"):
                arrived = _bound(_sent(client, posted), request.proof)  # (3)
                return _told(db, server, client, arrived, network=network)
        except OAuth2Error as error:
            return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    # Who asks is proven: their keys may be fetched now, for which no transaction waits.
    try:
        arrived = _bound(_inside(database, client, posted), request.proof)  # (3)
    except OAuth2Error as error:
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    with database.writing() as db:
        return _told(db, server, client, arrived, network=network)


def _told(db: Session, server: Server, client: Client, arrived: Arrived, *, network: str) -> Answer:
    told = _kept(db, client, arrived, network=network)
    return replace(told, headers={**told.headers, **server.headers})


def _inside(database: Database, client: Client, posted: Posted) -> Arrived:
    """Return what a request object asks; what stands beside it does not count (RFC 9126, section 3)."""
    around = _sent(client, posted)
    try:
        return effective.inside(database, client, around.posted)
    except Refusal as refusal:
        return replace(around, unread=refusal)


def _refuse_form(posted: Posted) -> None:
    if any(posted.repeated(name) for name, _value in posted.items if name not in REPEATABLE):
        raise InvalidRequestError(description="A parameter is repeated.")
    if posted.raw("request_uri"):
        raise InvalidRequestError(description="A request_uri cannot be pushed: push the request itself.")


def _sent(client: Client, posted: Posted) -> Arrived:
    items = [pair for pair in posted.items if pair[0] not in PROOFS]
    if not posted.raw("client_id"):
        items.append(("client_id", client.client_id))
    return Arrived(Posted(items))


def _bound(arrived: Arrived, proof: Proof | None) -> Arrived:
    """Return a request that a proof came with, bound to its key: it says as much as `dpop_jkt` (RFC 9449, 10.1)."""
    named = arrived.posted.raw("dpop_jkt")
    if proof is None or named == proof.jkt:
        return arrived
    if named:
        raise ProofError(ProofRefused("dpop_jkt is not the thumbprint of the key of the proof."))
    items = [pair for pair in arrived.posted.items if pair[0] != "dpop_jkt"]
    return replace(arrived, posted=Posted([*items, ("dpop_jkt", proof.jkt)]))


def _kept(db: Session, client: Client, arrived: Arrived, *, network: str) -> Answer:
    size = sum(len(name) + len(value) for name, value in arrived.posted.items)
    wait = limits.hit(
        db,
        "par",
        network if client.is_public else client.client_id,
        most=PUBLIC_AT_MOST if client.is_public else STORED_AT_MOST,
        per_seconds=STORED_WITHIN_SECONDS,
        times=1 + size // CHARACTERS,
    )
    if wait:  # (4)
        told = _error(429, "temporarily_unavailable", "Too many requests were pushed.")
        return Answer(told.status, told.body, {**told.headers, "Retry-After": str(wait)})
    if arrived.unread is not None:
        return _refused(client, "it_could_be_read", arrived.unread.error, arrived.unread.description)
    uri = pushed.new_uri()
    try:
        asked = authorize.examine(db, arrived.posted, pushed=pushed.name(uri), signed=arrived.signed)  # (5)
    except RequestUnanswerable as problem:
        return _refused(client, problem.logged["rule"], problem.logged["error"], problem.detail)
    if isinstance(asked, Refused):
        return _error(400, asked.error, asked.description)
    pushed.keep(db, client.client_id, arrived.posted, uri=uri, signed=arrived.signed)
    return Answer(201, {"request_uri": uri, "expires_in": pushed.SECONDS}, dict(NO_STORE))


def _error(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description}, dict(NO_STORE))


def _refused(client: Client, rule: str, error: str, says: str) -> Answer:
    log.info("request refused", client=client.client_id, error=error, rule=rule, detail=says)
    return _error(400, error, says)
