"""What can be done about a token at Erti: ask what it is worth, and end it."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from idp.oidc import families, introspection, tokens
from idp.oidc.client import Client
from idp.oidc.server.authentication import ALL_METHODS, CONFIDENTIAL_METHODS
from idp.oidc.server.requests import Registered, Request
from idp.oidc.tables import authorization
from idp.oidc.tokens import Access, Refresh


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """The end of a token at its client's wish (RFC 7009)."""

    CLIENT_AUTH_METHODS = ALL_METHODS

    def check_params(self, request: Request, client: Registered) -> None:
        if "token" not in request.form:
            raise InvalidRequestError(description="token is missing")

    def authenticate_token(self, request: Request, client: Registered) -> Access | Refresh | None:
        self.check_params(request, client)
        found = self.server.token(request.form["token"], client.known)
        return found if self.server.owns(client.known, found) else None

    def revoke_token(self, token: Access | Refresh, _request: Request) -> None:
        if isinstance(token, Access):
            tokens.end_access(self.server.db, token)
        else:  # RFC 7009, 2.1: what came of the same grant goes with it
            families.end(self.server.db, authorization.c.id == token.family.id, reason="revoked")


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """What a token is worth, for whom it was issued to or is meant for (RFC 7662)."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def authenticate_token(self, request: Request, client: Registered) -> Access | Refresh | None:
        if "token" not in request.form:
            raise InvalidRequestError(description="token is missing")
        found = self.server.token(request.form["token"], client.known)
        meant = isinstance(found, Access) and found.audience in client.known.serves
        return found if meant or self.server.owns(client.known, found) else None

    def create_endpoint_response(self, request: Request) -> Any:
        """Answer as JSON or, to whom asks for it or has to be answered so, as a signed JWT (RFC 9701, section 5)."""
        status, body, headers = super().create_endpoint_response(request)
        client: Client = request.client.known
        if introspection.JWT not in request.call.accept and not client.signs_messages:
            return status, body, headers
        kept = [(name, value) for name, value in headers if name != "Content-Type"]  # no-store among them
        told = introspection.signed(self.server.db, client, body)
        return status, told, [*kept, ("Content-Type", introspection.JWT)]

    def create_introspection_payload(self, token: Access | Refresh | None) -> dict[str, Any]:
        return introspection.facts(self.server.db, token)
