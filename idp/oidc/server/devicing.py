"""Devices at the provider's endpoints: they ask for codes, and poll until somebody has decided (RFC 8628)."""

from typing import Any, Final
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.errors import AccessDeniedError
from authlib.oauth2.rfc8628 import (
    AuthorizationPendingError,
    DeviceCodeGrant,
    ExpiredTokenError,
    SlowDownError,
)
from sqlalchemy.orm import Session

from core import limits
from core.database import parts
from core.forms import Posted
from idp.oidc import authorize, devices, metadata
from idp.oidc.asked import Refused
from idp.oidc.calls import Call
from idp.oidc.checks.answering import REPEATABLE
from idp.oidc.client import Client
from idp.oidc.events import DeviceSignedIn
from idp.oidc.families import Family
from idp.oidc.server import grants
from idp.oidc.server.authentication import ALL_METHODS
from idp.oidc.server.core import Server
from idp.oidc.server.pushing import NO_STORE, PROOFS
from idp.oidc.server.requests import Answer, Request

PAGE: Final = "/device"
ASKED_WITHIN_SECONDS: Final = 600
ASKED_AT_MOST: Final = 10_000
PUBLIC_AT_MOST: Final = 1_000
_ERRORS: Final[dict[str, type[OAuth2Error]]] = {
    "invalid_grant": InvalidGrantError,
    "expired_token": ExpiredTokenError,
    "access_denied": AccessDeniedError,
    "authorization_pending": AuthorizationPendingError,
    "slow_down": SlowDownError,
}


def answer(db: Session, posted: Posted, call: Call, *, network: str) -> Answer:
    """Take a device's request and answer with its codes (RFC 8628, 3.2). It establishes:

    (1) no parameter is repeated;
    (2) the client is who it says, proven as at the token endpoint;
    (3) it, or anybody from this network where it is public, has not asked too often;
    (4) the request passes every check that it would have to pass at the authorization endpoint.
    """
    request = Request(posted, call)
    server = Server(db)
    try:
        if any(posted.repeated(name) for name, _value in posted.items if name not in REPEATABLE):  # (1)
            raise InvalidRequestError(description="A parameter is repeated.")
        client: Client = server.authenticate_client(request, ALL_METHODS, "device").known  # (2)
    except OAuth2Error as error:
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    wait = limits.hit(
        db,
        "device",
        network if client.is_public else client.client_id,
        most=PUBLIC_AT_MOST if client.is_public else ASKED_AT_MOST,
        per_seconds=ASKED_WITHIN_SECONDS,
    )
    if wait:  # (3)
        told = _error(429, "temporarily_unavailable", "Too many devices asked.")
        return Answer(told.status, told.body, {**told.headers, "Retry-After": str(wait)})
    mine = Posted([pair for pair in posted.items if pair[0] not in {*PROOFS, "client_id", "user_code"}])
    arrived = Posted([("client_id", client.client_id), *mine.items])
    asked = authorize.examine(db, arrived, device="new")  # (4)
    if isinstance(asked, Refused):
        return _error(400, asked.error, asked.description)
    device_code, user_code = devices.ask(db, client, arrived, challenge=asked.challenge)
    page = parts(db).settings.issuer + PAGE
    body = {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?{urlencode({'user_code': user_code})}",
        "expires_in": devices.SECONDS,
        "interval": devices.INTERVAL,
    }
    return Answer(200, body, dict(NO_STORE))


class DeviceGrant(DeviceCodeGrant):  # type: ignore[misc]
    """Tokens for a device code, once its citizen has allowed it (RFC 8628, 3.4 and 3.5)."""

    GRANT_TYPE = metadata.DEVICE_GRANT
    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def validate_token_request(self) -> None:
        form = self.request.form
        if "device_code" not in form:
            raise InvalidRequestError(description="device_code is missing.")
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        found = devices.redeem(
            self.server.db,
            form["device_code"],
            self.request.client.known,
            verifier=form.get("code_verifier", ""),
        )
        if isinstance(found, str):
            raise _ERRORS[found]
        self.request.user = found

    def create_token_response(self) -> Any:
        client, family = self.request.client, self.request.user
        token = self.generate_token(user=family, with_refresh=client.check_grant_type("refresh_token"))
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def generate_token(self, *, user: Family, with_refresh: bool) -> dict[str, Any]:
        client = self.request.client.known
        event = DeviceSignedIn(agency=client.agency, client=client.client_id, acr=user.acr)
        return grants.first_tokens(self, user, scope=user.scope, with_refresh=with_refresh, event=event)


def _error(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description}, dict(NO_STORE))
