"""Token exchange at the token endpoint (RFC 8693)."""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from idp.oidc import binding, exchange, metadata
from idp.oidc.exchange import ACCESS_TOKEN, ExchangeRefused, Wish
from idp.oidc.server.authentication import CONFIDENTIAL_METHODS
from idp.oidc.server.requests import InvalidDetailsError


class ExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """A token for the next service in the row, for one that this service was shown (RFC 8693, 2)."""

    GRANT_TYPE = metadata.EXCHANGE_GRANT
    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def validate_token_request(self) -> None:
        form = self.request.form
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        if "subject_token" not in form or form.get("subject_token_type") != ACCESS_TOKEN:
            raise InvalidRequestError(description="A subject_token is needed, which is an access token.")
        if ("actor_token" in form) != ("actor_token_type" in form):
            raise InvalidRequestError(description="actor_token and actor_token_type come together.")
        if form.get("actor_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError(description="The actor_token has to be an access token.")
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError(description="Only access tokens are issued.")
        if "audience" in form:
            raise OAuth2Error("Name the service by resource.", error="invalid_target")
        if "authorization_details" in form:
            raise InvalidDetailsError(description="They are asked at the authorization endpoint.")

    def create_token_response(self) -> Any:
        request, form = self.request, self.request.form
        wish = Wish(
            subject_token=form["subject_token"],
            actor_token=form.get("actor_token", ""),
            scope=form.get("scope", ""),
            resources=request.posted.all("resource"),
            held=binding.shown(request.call, request.proof),
            cnf=request.cnf,
        )
        try:
            passed = exchange.exchange(self.server.db, request.client.known, wish)
        except ExchangeRefused as refused:
            raise OAuth2Error(refused.description, error=refused.error) from refused
        token = {
            "access_token": passed.token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": binding.token_type(request.cnf),
            "expires_in": passed.seconds,
            "scope": passed.scope,
        }
        return 200, token, self.TOKEN_RESPONSE_HEADER
