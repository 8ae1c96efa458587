"""Who asks, where the answer goes, and in which form; what fails before the redirect URI never redirects."""

import re
from typing import Final

from sqlalchemy.orm import Session

from consent import agencies
from idp.oidc import clients
from idp.oidc.asked import Asked, Refusal
from idp.oidc.errors import RequestUnanswerable

LONGEST_STATE: Final = 2000
# What is advertised and done. `jwt` is the signed form of what a response type has by default (JARM, 2.3.4).
RESPONSE_MODES: Final = (
    "query",
    "fragment",
    "form_post",
    "jwt",
    "query.jwt",
    "fragment.jwt",
    "form_post.jwt",
)
SIGNED: Final = ".jwt"
REPEATABLE: Final = frozenset({"resource"})  # RFC 8707, section 2
UNSUPPORTED: Final = {"registration": "registration_not_supported"}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def client_is_known(db: Session, asked: Asked) -> None:
    """The client is registered and not switched off (RFC 6749, 4.1.2.1: otherwise no redirect)."""
    given = asked.given("client_id")
    if asked.posted.repeated("client_id"):
        raise RequestUnanswerable("client_is_known", "client_id is repeated: send it once")
    client = clients.find(db, given)
    if client is None:
        says = "no active client has this client_id" if given else "client_id is missing"
        raise RequestUnanswerable("client_is_known", says, client_id=given)
    asked.client = client


def redirect_uri_is_registered(_db: Session, asked: Asked) -> None:
    """The redirect URI is one of the client's, character by character (RFC 9700, 4.1.3); always required."""
    uri, says = asked.given("redirect_uri"), ""
    if asked.posted.repeated("redirect_uri"):
        says = "redirect_uri is repeated: send it once"
    elif not uri:
        says = "redirect_uri is missing: name one of those registered"
    elif not asked.client.accepts(uri):
        says = "redirect_uri is not one of those registered, which are compared character by character"
    if says:
        raise RequestUnanswerable("redirect_uri_is_registered", says, client_id=asked.client.client_id)
    asked.redirect_uri = uri
    asked.response_mode = _usual_mode(asked)


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
    """The answer goes into the query, the fragment, or a form for web redirect URIs; as it is, or signed (JARM, 2.3)."""
    given = asked.given("response_mode")
    mode = _usual_mode(asked) if not given else "query.jwt" if given == "jwt" else given
    web = asked.redirect_uri.startswith(("https://", "http://"))
    if mode not in RESPONSE_MODES or (mode.startswith("form_post") and not web):
        raise Refusal("invalid_request", "this response_mode is not supported")
    if asked.client.signs_messages and not mode.endswith(SIGNED):
        raise Refusal(
            "invalid_request", "answers to this client are signed: response_mode must be jwt or end in .jwt"
        )
    asked.response_mode = mode


def it_could_be_read(_db: Session, asked: Asked) -> None:
    """A request object, by value or by reference, was good (RFC 9101, section 6)."""
    if asked.unread is not None:
        raise asked.unread


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
    """What cannot be done is refused by name, not ignored (OpenID Connect Core 1.0, 3.1.2.6)."""
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


def _usual_mode(asked: Asked) -> str:
    # FAPI 2.0 Message Signing, 5.4.1: what answers this client is signed, be it an error that comes early.
    return "query.jwt" if asked.client.signs_messages else "query"
