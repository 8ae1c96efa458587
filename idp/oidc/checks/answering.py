"""Who asks, where the answer goes, and in which form; what fails before the redirect URI never redirects."""

import re
from typing import Final

from sqlalchemy.orm import Session

from consent import agencies
from idp.oidc import clients
from idp.oidc.asked import Asked, Refusal
from idp.oidc.errors import RequestUnanswerable

LONGEST_STATE: Final = 2000
RESPONSE_MODES: Final = ("query", "form_post")
REPEATABLE: Final = frozenset({"resource"})  # RFC 8707, section 2
UNSUPPORTED: Final = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def client_is_known(db: Session, asked: Asked) -> None:
    """The client is registered and not switched off (RFC 6749, 4.1.2.1: otherwise no redirect)."""
    if asked.posted.repeated("client_id"):
        raise RequestUnanswerable(detail="client_id twice")
    client = clients.find(db, asked.given("client_id"))
    if client is None:
        raise RequestUnanswerable(detail="client_id")
    asked.client = client


def redirect_uri_is_registered(_db: Session, asked: Asked) -> None:
    """The redirect URI is one of the client's, character by character (RFC 9700, 4.1.3); always required."""
    uri = asked.given("redirect_uri")
    if asked.posted.repeated("redirect_uri") or not uri or not asked.client.accepts(uri):
        raise RequestUnanswerable(detail="redirect_uri")
    asked.redirect_uri = uri


def nothing_comes_twice(_db: Session, asked: Asked) -> None:
    """No parameter is repeated (RFC 6749, 3.1); the state goes back only if there is just one."""
    twice = {name for name, _value in asked.posted.items if asked.posted.repeated(name)} - REPEATABLE
    if "state" not in twice:
        asked.state = asked.given("state")
    if twice:
        raise Refusal("invalid_request", "a parameter is repeated")
    if len(asked.state) > LONGEST_STATE or len(asked.given("nonce")) > LONGEST_STATE:
        asked.state = ""
        raise Refusal("invalid_request", "state or nonce is too long")
    asked.nonce = asked.given("nonce")


def response_mode_is_known(_db: Session, asked: Asked) -> None:
    """The answer goes into the query, or into a form for web redirect URIs; never into the fragment."""
    mode = asked.given("response_mode") or "query"
    web = asked.redirect_uri.startswith(("https://", "http://"))
    if mode not in RESPONSE_MODES or (mode == "form_post" and not web):
        raise Refusal("invalid_request", "this response_mode is not supported")
    asked.response_mode = mode


def response_type_is_code(_db: Session, asked: Asked) -> None:
    """Only the code flow, and only for clients that registered it (RFC 9700, 2.1.2)."""
    kind = asked.given("response_type")
    if not kind:
        raise Refusal("invalid_request", "response_type is missing")
    if kind != "code":
        raise Refusal("unsupported_response_type", "response_type must be code")
    if "authorization_code" not in asked.client.grant_types:
        raise Refusal("unauthorized_client", "this client does not sign people in")


def agency_is_active(db: Session, asked: Asked) -> None:
    """The client's agency is not suspended."""
    agency = agencies.find(db, asked.client.agency)
    if agency is None or agency.state != "active":
        raise Refusal("unauthorized_client", "the agency of this client is suspended")


def nothing_unsupported(_db: Session, asked: Asked) -> None:
    """Request objects are refused by name, not ignored (OpenID Connect Core 1.0, 3.1.2.6)."""
    for name, error in UNSUPPORTED.items():
        if asked.given(name):
            raise Refusal(error, f"{name} is not supported")


def pkce_is_in_place(_db: Session, asked: Asked) -> None:
    """The client proves itself with S256 where it must, and never with plain (RFC 7636, 4.3; RFC 9700, 2.1.1)."""
    challenge, method = asked.given("code_challenge"), asked.given("code_challenge_method")
    if not challenge and (method or asked.client.require_pkce):
        raise Refusal("invalid_request", "code_challenge is missing")
    if challenge and method != "S256":
        raise Refusal("invalid_request", "code_challenge_method must be S256")
    if challenge and not _CHALLENGE.fullmatch(challenge):
        raise Refusal("invalid_request", "code_challenge is not a SHA-256 in base64url")
    asked.challenge = challenge


def key_is_a_thumbprint(_db: Session, asked: Asked) -> None:
    """`dpop_jkt` is the SHA-256 thumbprint of a key, to which the code is bound (RFC 9449, section 10)."""
    asked.jkt = asked.given("dpop_jkt")
    if asked.jkt and not _CHALLENGE.fullmatch(asked.jkt):
        raise Refusal("invalid_request", "dpop_jkt is not a SHA-256 in base64url")


def request_came_as_it_must(_db: Session, asked: Asked) -> None:
    """A client whose requests have to be pushed or signed sends no other (RFC 9126, 4; RFC 9101, 10.5)."""
    if asked.client.must_push and not asked.pushed:
        raise Refusal("invalid_request", "the requests of this client have to be pushed")
    if asked.client.must_sign_requests and not asked.signed:
        raise Refusal("invalid_request", "the requests of this client have to be signed request objects")
