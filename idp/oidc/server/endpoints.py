"""The endpoints that take a form from a client: tokens, introspection, revocation."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy.orm import Session

from core.forms import Posted
from idp.oidc.calls import Call
from idp.oidc.checks.answering import REPEATABLE
from idp.oidc.server.core import Server
from idp.oidc.server.devicing import DeviceGrant
from idp.oidc.server.exchanging import ExchangeGrant
from idp.oidc.server.grants import S256, ClientGrant, CodeGrant, RefreshGrant
from idp.oidc.server.looking import Introspection, Revocation
from idp.oidc.server.requests import Answer, ProofError, Request

GRANTS: dict[str, tuple[Any, ...]] = {
    CodeGrant.GRANT_TYPE: (CodeGrant, [S256(required=False)]),
    **{grant.GRANT_TYPE: (grant,) for grant in (RefreshGrant, ClientGrant, DeviceGrant, ExchangeGrant)},
}


def token(db: Session, posted: Posted, call: Call) -> Answer:
    """Answer a token request (RFC 6749, 3.2). Errors are answers too: the caller commits either way."""
    server = Server(db)
    # The one that is asked for and no other: Authlib would ask each in turn. One that is not there it refuses.
    if grant := GRANTS.get(posted.get("grant_type")):
        server.register_grant(*grant)

    def respond(request: Request) -> Answer:
        try:
            server.prove(request)
        except ProofError as error:
            return server.handle_error_response(request, error)  # type: ignore[no-any-return]
        return server.create_token_response(request)  # type: ignore[no-any-return]

    return _answered(server, respond, posted, call, needs="grant_type")


def introspect(db: Session, posted: Posted, call: Call) -> Answer:
    """Answer whether a token is good, to whoever it was issued to or is meant for (RFC 7662); it writes nothing."""
    server = Server(db)
    server.register_endpoint(Introspection)
    return _answered(
        server, lambda given: server.create_endpoint_response("introspection", given), posted, call
    )


def revoke(db: Session, posted: Posted, call: Call) -> Answer:
    """End a token at its client's wish; one that is not its own is left alone without a word (RFC 7009)."""
    server = Server(db)
    server.register_endpoint(Revocation)
    return _answered(server, lambda given: server.create_endpoint_response("revocation", given), posted, call)


def _answered(
    server: Server, respond: Callable[[Request], Answer], posted: Posted, call: Call, *, needs: str = "token"
) -> Answer:
    request = Request(posted, call)
    if any(posted.repeated(name) for name, _value in posted.items if name not in REPEATABLE):
        error = InvalidRequestError(description="A parameter is repeated.")
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    if needs not in request.form:
        error = InvalidRequestError(description=f"{needs} is missing.")
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    return respond(request)
