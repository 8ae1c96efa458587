"""One request's view of the authorization server: its clients, and the tokens that it makes."""

from collections.abc import Sequence
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError
from sqlalchemy.orm import Session

from consent import agencies, kept
from core.database import parts
from idp.oidc import assertions, binding, clients, details, dpop, id_tokens, protected, tokens
from idp.oidc.assertions import Proof, Unproven
from idp.oidc.client import Client
from idp.oidc.dpop import ProofRefused
from idp.oidc.families import Family
from idp.oidc.server import authentication
from idp.oidc.server.requests import (
    Answer,
    InvalidDetailsError,
    InvalidTargetError,
    ProofError,
    Registered,
    Request,
    Unauthenticated,
)
from idp.oidc.tokens import Access, Refresh

WANTED = "The tokens of this client are bound to a key or certificate: show it."


class Server(AuthorizationServer):  # type: ignore[misc]
    """One request's view of the authorization server, inside the caller's transaction."""

    def __init__(self, db: Session) -> None:
        super().__init__()
        self.db = db
        self.issuer = parts(db).settings.issuer
        self.headers: dict[str, str] = {}  # what every answer to this request has to say

    def query_client(self, client_id: str) -> Registered | None:
        found = clients.find(self.db, client_id)
        if found is None:
            return None
        agency = kept.look_up(self.db, ("agency", found.agency), lambda: agencies.find(self.db, found.agency))
        return Registered(found) if agency is not None and agency.state == "active" else None

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Answer:
        return Answer(status, body, {**dict(headers), **self.headers})

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: events are recorded where things happen."""

    def save_token(self, token: dict[str, Any], request: Request) -> None:
        """Nothing is left to do: tokens are stored where they are made."""

    def authenticate_client(
        self, request: Request, methods: list[str], endpoint: str = "token"
    ) -> Registered:
        """Authenticate by exactly one method, the registered one (RFC 6749, 2.3); every failure looks the same."""
        basic, proof = "Authorization" in request.headers, request.call.assertion
        if [basic, "client_secret" in request.form, proof is not None].count(True) > 1:
            raise InvalidRequestError(description="The client authenticates in two ways at once.")
        client = authentication.proved(self, request, methods)
        if client is None:
            raise Unauthenticated
        named = request.form.get("client_id")
        if (basic and request.auth_method == "none") or (named and named != client.known.client_id):
            raise Unauthenticated
        if isinstance(proof, Unproven) or (proof is not None and request.auth_method != proof.method):
            raise Unauthenticated
        if isinstance(proof, Proof) and not assertions.first_use(self.db, proof):
            raise Unauthenticated
        self._use_proof(request)
        if endpoint == "token":
            self._bind(client.known, request)
        return client

    def audience(self, client: Client, family: Family | None, request: Request) -> str:
        """Return the resource that a token is for: the one asked for, else the only one authorized, else Erti.

        RFC 8707, 2.2. Of a sign-in for several resources without Erti itself, one has to be named.
        """
        settings = parts(self.db).settings
        asked = [protected.audience(settings, one) for one in request.posted.all("resource")]
        authorized = (family.resources or [self.issuer]) if family else [*client.resources, self.issuer]
        if len(asked) > 1 or any(one not in authorized for one in asked):
            raise InvalidTargetError(description="One resource at a time, out of those that were authorized.")
        if asked:
            return asked[0]
        if self.issuer not in authorized and len(authorized) > 1:
            raise InvalidTargetError(description="Name one of the resources that were authorized.")
        return self.issuer if self.issuer in authorized else authorized[0]

    def access(
        self, client: Client, *, scope: str, family: Family | None, request: Request, refreshed: bool = False
    ) -> dict[str, Any]:
        """Return a token response with an access token in it (RFC 6749, 5.1)."""
        audience = self.audience(client, family, request)
        if "authorization_details" in request.form:
            raise InvalidDetailsError(description="They are asked at the authorization endpoint.")
        made, seconds = tokens.issue_access(
            self.db,
            client,
            scope=scope,
            audience=audience,
            family=family,
            refreshed=refreshed,
            cnf=request.cnf,
        )
        extra = details.told(self.db, family.citizen, family.details, family.grant_id) if family else {}
        return {
            "access_token": made,
            "token_type": binding.token_type(request.cnf),
            "expires_in": seconds,
            "scope": scope,
            **extra,
        }

    def prove(self, request: Request) -> None:
        """Verify the DPoP proof of a request, if it has one; raises ProofError.

        Before the client is asked for and anything is used up: a request that lacks a nonce comes again as it is,
        with the same assertion and code.
        """
        if request.call.dpop:
            try:
                request.proof = dpop.verify(parts(self.db), request.call)
            except ProofRefused as refused:
                dpop.tell(refused, request.call, client=str(request.form.get("client_id", "")))
                raise ProofError(refused) from refused
            self.headers = request.proof.headers

    def _use_proof(self, request: Request) -> None:
        if request.proof is not None:
            try:
                dpop.first_use(self.db, request.proof)
            except ProofRefused as refused:
                raise ProofError(refused) from refused

    def _bind(self, client: Client, request: Request) -> None:
        """Find what the tokens of this answer are bound to, before anything else is used up."""
        try:
            request.cnf = binding.of(client, request.call, request.proof)
        except binding.NotShown as error:
            if client.dpop_bound_access_tokens and request.proof is None:
                raise ProofError(ProofRefused(WANTED)) from error
            raise InvalidRequestError(description=WANTED) from error

    def add_id_token(
        self, token: dict[str, Any], client: Client, family: Family, *, nonce: str | None
    ) -> None:
        """Add an ID token where the scope has openid."""
        if "openid" in token["scope"].split():
            token["id_token"] = id_tokens.make(
                self.db, client, family, access_token=token["access_token"], nonce=nonce
            )

    def token(self, given: str, client: Client) -> Access | Refresh | None:
        """Return what a text stands for, if it is a live access token or a refresh token of this client."""
        found = tokens.live(self.db, given)
        if found is not None:
            return found
        held = tokens.refresh(self.db, given, client)
        return held if held and not held.used else None

    def owns(self, client: Client, found: Access | Refresh | None) -> bool:
        """Tell whether a token was issued to this client; another's is as unknown as a made-up one."""
        return isinstance(found, Refresh) or (found is not None and found.client_id == client.client_id)
