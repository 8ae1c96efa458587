"""The grants of the token endpoint: a code, a refresh token, a client in its own name."""

from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from core.events import Actor, Event, record
from idp.oidc import binding, metadata, subjects, tokens
from idp.oidc.events import SignedIn
from idp.oidc.families import Family
from idp.oidc.server.authentication import ALL_METHODS, CONFIDENTIAL_METHODS
from idp.oidc.server.requests import Registered
from idp.oidc.tokens import Redeemed, Refresh


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

    def check_client(self, client: Registered) -> bool:
        return self.found.family.client_id == client.known.client_id

    def get_scope(self) -> str:
        return self.found.scope


class S256(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 alone; whatever is wrong with a verifier, the grant is (RFC 7636, 4.6; RFC 9700, 4.8.2)."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar[list[str]] = ["S256"]
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        try:
            super().validate_code_verifier(grant, result)
        except InvalidRequestError as error:
            raise InvalidGrantError(description="The code_verifier does not fit the code.") from error


def first_tokens(
    grant: Any, family: Family, *, scope: str, with_refresh: bool, event: Event
) -> dict[str, Any]:
    """Return the first tokens of a family, whose citizen's history says from now on that they signed in."""
    server, request, client = grant.server, grant.request, grant.request.client.known
    token: dict[str, Any] = server.access(client, scope=scope, family=family, request=request)
    if with_refresh:
        token["refresh_token"] = tokens.issue_refresh(
            server.db, family, scope=scope, cnf=binding.of_refresh(client, request.cnf)
        )
    server.add_id_token(token, client, family, nonce=family.nonce)
    for citizen in family.both:
        subjects.learn(server.db, client, citizen)
    record(server.db, event, actor=Actor("citizen", family.person), about=family.both)
    return token


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Tokens for a code (RFC 6749, 4.1.3)."""

    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def query_authorization_code(self, code: str, client: Registered) -> _Code | None:
        # Used up before anything else is looked at: a code that came with a wrong part is burnt.
        redeemed = tokens.redeem(self.server.db, code, client.known)
        held = binding.shown(self.request.call, self.request.proof)
        return _Code(redeemed) if redeemed and binding.holds(redeemed.cnf, held) else None

    def authenticate_user(self, authorization_code: _Code) -> Family:
        return authorization_code.redeemed.family

    def generate_token(self, *, user: Family, scope: str, include_refresh_token: bool) -> dict[str, Any]:
        client = self.request.client.known
        event = SignedIn(agency=client.agency, client=client.client_id, acr=user.acr, **user.named)
        return first_tokens(self, user, scope=scope, with_refresh=include_refresh_token, event=event)

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """Nothing is left to do: the code was used up when it was looked for."""


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """Tokens for a refresh token (RFC 6749, 6)."""

    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> _Refresh | None:
        held = binding.shown(self.request.call, self.request.proof)
        found = tokens.refreshable(self.server.db, refresh_token, self.request.client.known, held=held)
        return _Refresh(found) if found else None

    def authenticate_user(self, refresh_token: _Refresh) -> Family:
        return refresh_token.found.family

    def issue_token(self, user: Family, refresh_token: _Refresh) -> dict[str, Any]:
        server, client, found = self.server, self.request.client.known, refresh_token.found
        server.audience(client, user, self.request)
        fresh = tokens.rotate(server.db, found, client, cnf=binding.of_refresh(client, self.request.cnf))
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


class ClientGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """A token in the client's own name (RFC 6749, 4.4)."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def validate_requested_scope(self) -> None:
        allowed = [scope for scope in metadata.CLIENT_SCOPES if self.client.known.may_ask_scope(scope)]
        asked = (self.request.payload.scope or "").split() or allowed
        if not asked or not set(asked) <= set(allowed):
            raise InvalidScopeError
        self.granted = " ".join(dict.fromkeys(asked))

    def generate_token(self, **_asked: Any) -> dict[str, Any]:
        token: dict[str, Any] = self.server.access(
            self.client.known, scope=self.granted, family=None, request=self.request
        )
        return token
