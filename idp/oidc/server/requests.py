"""What comes to the token endpoints and what goes back, in Authlib's shape."""

from dataclasses import dataclass
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from core.forms import Posted
from idp.oidc import dpop
from idp.oidc.binding import Confirmation
from idp.oidc.calls import Call
from idp.oidc.client import Client
from idp.oidc.dpop import Proof, ProofRefused


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


class ProofError(OAuth2Error):  # type: ignore[misc]
    """A DPoP proof that is not good, or is wanted, or lacks a nonce (RFC 9449, sections 5 and 8)."""

    def __init__(self, refused: ProofRefused) -> None:
        super().__init__(refused.description, error=refused.error)
        self.nonce = refused.nonce

    def get_headers(self) -> list[tuple[str, str]]:
        """Return the headers of any error, and the nonce to come again with."""
        more = [(dpop.NONCE_HEADER, self.nonce)] if self.nonce else []
        return [*super().get_headers(), *more]


class Unauthenticated(InvalidClientError):  # type: ignore[misc]
    """The client did not prove who it is (RFC 6749, 5.2)."""

    status_code = 401
    description = "The client could not be authenticated."


class Request(OAuth2Request):  # type: ignore[misc]
    """A form posted to one of the token endpoints, in Authlib's shape.

    `proof` is the call's DPoP proof once it is verified, `cnf` what the answer's tokens are bound to.
    """

    def __init__(self, posted: Posted, call: Call) -> None:
        # Whether plain http may be is a rule of Erti's settings, which Authlib does not know.
        address = f"https://{call.url.partition('://')[2]}"
        given = " ".join(call.authorization)
        super().__init__(call.method, address, headers={"Authorization": given} if given else {})
        self.call = call
        self.posted = posted
        self.proof: Proof | None = None
        self.cnf: Confirmation | None = None
        self._fields = {name: value for name, value in posted.items if value}
        self.payload = BasicOAuth2Payload(self._fields)

    @property
    def form(self) -> dict[str, str]:
        return self._fields


class Registered(ClientMixin):  # type: ignore[misc]
    """A client as Authlib wants to ask it."""

    def __init__(self, client: Client) -> None:
        self.known = client

    def get_client_id(self) -> str:
        return self.known.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        return self.known.knows_secret(client_secret)

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.known.grant_types
