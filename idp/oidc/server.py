"""Authlib's server core, filled with Erti's clients and tokens: the one place where Authlib is met."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy.orm import Session

from consent import agencies, kept
from core.database import parts
from core.events import Actor, record
from core.forms import Posted
from idp.oidc import clients, details, families, id_tokens, introspection, registration, subjects, tokens
from idp.oidc.authorize import REPEATABLE
from idp.oidc.clients import Client
from idp.oidc.events import SignedIn
from idp.oidc.families import Family
from idp.oidc.tables import authorization
from idp.oidc.tokens import Access, Redeemed, Refresh

SECRET_METHODS = ["client_secret_basic", "client_secret_post"]
ALL_METHODS = [*SECRET_METHODS, "none"]


@dataclass(frozen=True)
class Answer:
    """An answer of the standard, ready to be sent: status, JSON body, headers."""

    status: int
    body: Any
    headers: dict[str, str]


class InvalidTargetError(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """The resource is unknown or not allowed (RFC 8707, section 2)."""

    error = "invalid_target"


class InvalidDetailsError(OAuth2Error):  # type: ignore[misc]
    """`authorization_details` where or as they cannot be taken (RFC 9396, section 5)."""

    error = "invalid_authorization_details"


class _Unauthenticated(InvalidClientError):  # type: ignore[misc]
    status_code = 401
    description = "The client could not be authenticated."


class _Request(OAuth2Request):  # type: ignore[misc]
    """A form posted to one of the token endpoints, in Authlib's shape."""

    def __init__(self, issuer: str, posted: Posted, authorization: str) -> None:
        # Whether plain http may be is a rule of Erti's settings, which Authlib does not know.
        address = f"https://{issuer.partition('://')[2]}/token"
        super().__init__("POST", address, headers={"Authorization": authorization} if authorization else {})
        self.posted = posted
        self._fields = {name: value for name, value in posted.items if value}
        self.payload = BasicOAuth2Payload(self._fields)

    @property
    def form(self) -> dict[str, str]:
        return self._fields


class _Registered(ClientMixin):  # type: ignore[misc]
    """A client as Authlib wants to ask it."""

    def __init__(self, client: Client) -> None:
        self.known = client

    def get_client_id(self) -> str:
        return self.known.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        return self.known.knows_secret(client_secret)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return self.known.token_endpoint_auth_method == method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.known.grant_types


class _Code:
    """A redeemed code as Authlib's grant and its PKCE extension want to ask it."""

    def __init__(self, redeemed: Redeemed) -> None:
        self.redeemed = redeemed
        self.code_challenge = redeemed.challenge
        self.code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return self.redeemed.redirect_uri

    def get_scope(self) -> str:
        return self.redeemed.family.scope


class _Refresh:
    """A refresh token as Authlib's grant wants to ask it."""

    def __init__(self, found: Refresh) -> None:
        self.found = found

    def check_client(self, client: _Registered) -> bool:
        return self.found.family.client_id == client.known.client_id

    def get_scope(self) -> str:
        return self.found.scope


class _S256(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 alone; whatever is wrong with a verifier, the grant is (RFC 7636, 4.6; RFC 9700, 4.8.2)."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar[list[str]] = ["S256"]
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        try:
            super().validate_code_verifier(grant, result)
        except InvalidRequestError as error:
            raise InvalidGrantError(description="The code_verifier does not fit the code.") from error


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def query_authorization_code(self, code: str, client: _Registered) -> _Code | None:
        # Used up before anything else is looked at: a code that came with a wrong part is burnt.
        redeemed = tokens.redeem(self.server.db, code, client.known)
        return _Code(redeemed) if redeemed else None

    def authenticate_user(self, authorization_code: _Code) -> Family:
        return authorization_code.redeemed.family

    def generate_token(self, *, user: Family, scope: str, include_refresh_token: bool) -> dict[str, Any]:
        server, client = self.server, self.request.client.known
        token: dict[str, Any] = server.access(client, scope=scope, family=user, request=self.request)
        if include_refresh_token:
            token["refresh_token"] = tokens.issue_refresh(server.db, user, scope=scope)
        server.add_id_token(token, client, user, nonce=user.nonce)
        subjects.learn(server.db, client, user.citizen)
        event = SignedIn(agency=client.agency, client=client.client_id, acr=user.acr)
        record(server.db, event, actor=Actor("citizen", user.citizen), about=[user.citizen])
        return token

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """Nothing is left to do: the code was used up when it was looked for."""


class _RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> _Refresh | None:
        found = tokens.refreshable(self.server.db, refresh_token, self.request.client.known)
        return _Refresh(found) if found else None

    def authenticate_user(self, refresh_token: _Refresh) -> Family:
        return refresh_token.found.family

    def issue_token(self, user: Family, refresh_token: _Refresh) -> dict[str, Any]:
        server, client, found = self.server, self.request.client.known, refresh_token.found
        server.audience(client, user, self.request)
        fresh = tokens.rotate(server.db, found, client)
        if fresh is None:
            raise InvalidGrantError
        scope = " ".join(dict.fromkeys((self.request.payload.scope or found.scope).split()))
        token: dict[str, Any] = server.access(
            client, scope=scope, family=user, request=self.request, refreshed=True
        )
        if fresh:
            token["refresh_token"] = fresh
        server.add_id_token(token, client, user, nonce=None)
        return token

    def revoke_old_credential(self, refresh_token: _Refresh) -> None:
        """Nothing is left to do: `rotate` used it up in the statement that found it unused."""


class _ClientGrant(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS

    def validate_requested_scope(self) -> None:
        allowed = [scope for scope in registration.CLIENT_SCOPES if self.client.known.may_ask_scope(scope)]
        asked = (self.request.payload.scope or "").split() or allowed
        if not asked or not set(asked) <= set(allowed):
            raise InvalidScopeError
        self.granted = " ".join(dict.fromkeys(asked))

    def generate_token(self, **_asked: Any) -> dict[str, Any]:
        token: dict[str, Any] = self.server.access(
            self.client.known, scope=self.granted, family=None, request=self.request
        )
        return token


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = ALL_METHODS

    def check_params(self, request: _Request, client: _Registered) -> None:
        if "token" not in request.form:
            raise InvalidRequestError(description="token is missing")

    def authenticate_token(self, request: _Request, client: _Registered) -> Access | Refresh | None:
        self.check_params(request, client)
        found = self.server.token(request.form["token"], client.known)
        return found if self.server.owns(client.known, found) else None

    def revoke_token(self, token: Access | Refresh, _request: _Request) -> None:
        if isinstance(token, Access):
            tokens.end_access(self.server.db, token)
        else:  # RFC 7009, 2.1: what came of the same grant goes with it
            families.end(self.server.db, authorization.c.id == token.family.id, reason="revoked")


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = SECRET_METHODS

    def authenticate_token(self, request: _Request, client: _Registered) -> Access | Refresh | None:
        if "token" not in request.form:
            raise InvalidRequestError(description="token is missing")
        found = self.server.token(request.form["token"], client.known)
        meant = isinstance(found, Access) and found.audience in client.known.serves
        return found if meant or self.server.owns(client.known, found) else None

    def create_introspection_payload(self, token: Access | Refresh | None) -> dict[str, Any]:
        return introspection.facts(self.server.db, token)


class _Server(AuthorizationServer):  # type: ignore[misc]
    """One request's view of the authorization server, inside the caller's transaction."""

    def __init__(self, db: Session) -> None:
        super().__init__()
        self.db = db
        self.issuer = parts(db).settings.issuer
        self.register_client_auth_method("client_secret_basic", _by_basic)

    def query_client(self, client_id: str) -> _Registered | None:
        found = clients.find(self.db, client_id)
        if found is None:
            return None
        agency = kept.look_up(self.db, ("agency", found.agency), lambda: agencies.find(self.db, found.agency))
        return _Registered(found) if agency is not None and agency.state == "active" else None

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Answer:
        return Answer(status, body, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: events are recorded where things happen."""

    def save_token(self, token: dict[str, Any], request: _Request) -> None:
        """Nothing is left to do: tokens are stored where they are made."""

    def authenticate_client(
        self, request: _Request, methods: list[str], endpoint: str = "token"
    ) -> _Registered:
        """Authenticate by exactly one method, the registered one (RFC 6749, 2.3); every failure looks the same."""
        basic, posted_secret = "Authorization" in request.headers, "client_secret" in request.form
        if basic and posted_secret:
            raise InvalidRequestError(description="The client authenticates in two ways at once.")
        try:
            client: _Registered = super().authenticate_client(request, methods, endpoint)
        except InvalidClientError as error:
            raise _Unauthenticated from error
        named = request.form.get("client_id")
        if (basic and request.auth_method == "none") or (named and named != client.known.client_id):
            raise _Unauthenticated
        return client

    def audience(self, client: Client, family: Family | None, request: _Request) -> str:
        """Return the resource that a token is for: the one asked for, else the only one authorized, else Erti."""
        asked = request.posted.all("resource")
        authorized = family.resources if family else [*client.resources, self.issuer]
        if len(asked) > 1 or any(one not in authorized for one in asked):
            raise InvalidTargetError(description="One resource at a time, out of those that were authorized.")
        if asked:
            return asked[0]
        return authorized[0] if family and len(authorized) == 1 else self.issuer

    def access(
        self, client: Client, *, scope: str, family: Family | None, request: _Request, refreshed: bool = False
    ) -> dict[str, Any]:
        """Return a token response with an access token in it (RFC 6749, 5.1)."""
        audience = self.audience(client, family, request)
        if "authorization_details" in request.form:
            raise InvalidDetailsError(description="They are asked at the authorization endpoint.")
        made, seconds = tokens.issue_access(
            self.db, client, scope=scope, audience=audience, family=family, refreshed=refreshed
        )
        extra = details.told(self.db, family.citizen, family.details, family.grant_id) if family else {}
        return {"access_token": made, "token_type": "Bearer", "expires_in": seconds, "scope": scope} | extra

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


def token(db: Session, posted: Posted, authorization: str) -> Answer:
    """Answer a token request (RFC 6749, 3.2). Errors are answers too: the caller commits either way."""
    server = _Server(db)
    server.register_grant(_CodeGrant, [_S256(required=False)])
    server.register_grant(_RefreshGrant)
    server.register_grant(_ClientGrant)
    return _answered(server, server.create_token_response, posted, authorization, needs="grant_type")


def introspect(db: Session, posted: Posted, authorization: str) -> Answer:
    """Answer whether a token is good, to whoever it was issued to or is meant for (RFC 7662); it writes nothing."""
    server = _Server(db)
    server.register_endpoint(_Introspection)
    return _answered(
        server, lambda given: server.create_endpoint_response("introspection", given), posted, authorization
    )


def revoke(db: Session, posted: Posted, authorization: str) -> Answer:
    """End a token at its client's wish; one that is not its own is left alone without a word (RFC 7009)."""
    server = _Server(db)
    server.register_endpoint(_Revocation)
    return _answered(
        server, lambda given: server.create_endpoint_response("revocation", given), posted, authorization
    )


def _answered(
    server: _Server, respond: Any, posted: Posted, authorization: str, *, needs: str = "token"
) -> Answer:
    request = _Request(server.issuer, posted, authorization)
    if any(posted.repeated(name) for name, _value in posted.items if name not in REPEATABLE):
        error = InvalidRequestError(description="A parameter is repeated.")
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    if needs not in request.form:
        error = InvalidRequestError(description=f"{needs} is missing.")
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    return respond(request)  # type: ignore[no-any-return]


def _by_basic(query_client: Any, request: _Request) -> _Registered | None:
    """Authenticate by HTTP Basic, whose parts are form-encoded (RFC 6749, 2.3.1); taken bare from clients that do not."""
    scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8, or not even ASCII
        return None
    for client_id, tried in ((unquote_plus(name), unquote_plus(secret)), (name, secret)):
        client: _Registered | None = query_client(client_id) if colon and client_id else None
        if client is not None and client.check_client_secret(tried):
            return client
    return None
