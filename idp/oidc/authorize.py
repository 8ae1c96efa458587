"""The authorization request, as a list of checks to read down; what fails before the redirect URI never redirects."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from consent import agencies, assurance, purposes
from consent.allowances import Allowance
from consent.purposes import Purpose
from core.database import parts
from core.forms import Posted
from idp.oidc import claims, clients, details, handles, registration, subjects
from idp.oidc.claims import Claims
from idp.oidc.clients import Client
from idp.oidc.errors import RequestUnanswerable
from keys import signing
from keys.errors import BadToken
from registry_sync.catalogue import CATALOGUE

LONGEST_STATE = 2000
PURPOSE_SCOPE = "purpose:"
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
RESPONSE_MODES = ("query", "form_post")
REPEATABLE = frozenset({"resource"})  # RFC 8707, section 2
UNSUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
NOT_TAKEN = "invalid_authorization_details"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_SECONDS = re.compile(r"[0-9]{1,9}")


class Refusal(Exception):
    """An error for the client, by a code of the standard; the description is ASCII, for its developer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass
class Asked:
    """An authorization request; CHECKS fill it from top to bottom.

    `attributes` are those of the sign-in purpose that scopes and claims ask for, `beyond` what claims name
    that it does not cover, `extra` the further purposes. `acr` is the least assurance that is wanted, `subject` the
    `sub` that has to sign in. `pieces` are
    purposes and attributes that `authorization_details` name beside the sign-in's, `details` all that they
    name, `limits` how they narrow a purpose. `action` is what shall become of the client's grant `grant_id`,
    `named` whom the request names so far.
    """

    posted: Posted
    client: Client = None  # type: ignore[assignment]  # the first check sees to it
    redirect_uri: str = ""
    state: str = ""
    response_mode: str = "query"
    scopes: tuple[str, ...] = ()
    purpose: Purpose | None = None
    attributes: frozenset[str] = frozenset()
    beyond: frozenset[str] = frozenset()
    extra: tuple[Purpose, ...] = ()
    resources: tuple[str, ...] = ()
    challenge: str = ""
    nonce: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    claims: Claims = field(default_factory=Claims)
    acr: str = assurance.LEVELS[0]
    acr_essential: bool = False
    subject: str = ""
    pieces: tuple[tuple[Purpose, frozenset[str]], ...] = ()
    details: tuple[tuple[str, frozenset[str]], ...] = ()
    limits: dict[str, Allowance] = field(default_factory=dict)
    action: str = ""
    grant_id: str = ""
    named: set[str] = field(default_factory=set)

    def given(self, name: str) -> str:
        """Return a parameter, empty if it was not sent; one without a value counts as not sent (RFC 6749, 3.1)."""
        return self.posted.raw(name)


@dataclass(frozen=True)
class Refused:
    """A request that is answered with an error, at a redirect URI that was validated."""

    asked: Asked
    error: str
    description: str


def examine(db: Session, posted: Posted) -> Asked | Refused:
    """Run CHECKS over a request. Raises RequestUnanswerable while there is nowhere safe to answer to."""
    asked = Asked(posted)
    try:
        for check in CHECKS:
            check(db, asked)
    except Refusal as refusal:
        return Refused(asked, refusal.error, refusal.description)
    return asked


def answer(issuer: str, asked: Asked, parameters: dict[str, str]) -> dict[str, str]:
    """Return an answer's parameters with `state` as it came, and `iss` on success and error alike (RFC 9207, 2)."""
    state = {"state": asked.state} if asked.state else {}
    return {**parameters, **state, "iss": issuer}


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


def scopes_are_for_this_client(_db: Session, asked: Asked) -> None:
    """Scopes nobody knows are left out (OpenID Connect Core 1.0, 3.1.2.1); something must remain."""
    given = asked.given("scope").split()
    if any(not _SCOPE.fullmatch(scope) for scope in given):
        raise Refusal("invalid_scope", "scope holds a character that it may not")
    known = [
        scope
        for scope in dict.fromkeys(given)
        if scope in registration.SCOPES
        and scope not in registration.CLIENT_SCOPES
        and asked.client.may_ask_scope(scope)
    ]
    more = asked.given("authorization_details") or any(scope.startswith(PURPOSE_SCOPE) for scope in given)
    if not known and not more:
        raise Refusal("invalid_scope", "scope is missing, or none of it is for this client")
    asked.scopes = tuple(known)


def prompt_makes_sense(_db: Session, asked: Asked) -> None:
    """`prompt` holds known values, and none stands alone (OpenID Connect Core 1.0, 3.1.2.1)."""
    given = frozenset(asked.given("prompt").split())
    if not given <= PROMPTS or ("none" in given and len(given) > 1):
        raise Refusal("invalid_request", "prompt holds an unknown value, or none beside another")
    asked.prompt = given
    offline = "consent" in given and "refresh_token" in asked.client.grant_types
    if not offline:  # OpenID Connect Core 1.0, section 11
        asked.scopes = tuple(scope for scope in asked.scopes if scope != "offline_access")


def claims_are_readable(_db: Session, asked: Asked) -> None:
    """The `claims` parameter is what OpenID Connect Core 1.0, 5.5 describes."""
    if text := asked.given("claims"):
        try:
            asked.claims = claims.parse(text)
        except claims.ClaimsUnreadable as error:
            raise Refusal("invalid_request", "claims cannot be read") from error


def purposes_are_the_clients(db: Session, asked: Asked) -> None:
    """Each `purpose:` scope names a purpose that this client was registered for; attributes come from the sign-in's."""
    named = [scope.removeprefix(PURPOSE_SCOPE) for scope in dict.fromkeys(asked.given("scope").split())
             if scope.startswith(PURPOSE_SCOPE)]  # fmt: skip
    found = [purposes.find(db, name) if name in asked.client.purposes else None for name in named]
    extra = tuple(purpose for purpose in found if purpose is not None)
    if len(extra) < len(found) or any(purpose.agency != asked.client.agency for purpose in extra):
        raise Refusal("invalid_scope", "this client was not registered for the purpose")
    asked.extra = extra
    if asked.client.sign_in_purpose and "openid" in asked.scopes:
        asked.purpose = purposes.current(db, asked.client.sign_in_purpose)
        asked.attributes = claims.attributes(asked.scopes, asked.claims) & frozenset(asked.purpose.names)
        asked.beyond = frozenset(asked.claims.userinfo) & frozenset(CATALOGUE) - asked.attributes


def details_are_the_clients(db: Session, asked: Asked) -> None:
    """Each of the `authorization_details` is understood whole, and asks no more than its purpose (RFC 9396, 5)."""
    if not (text := asked.given("authorization_details")):
        return
    if details.TYPE not in asked.client.authorization_details_types:
        raise Refusal(NOT_TAKEN, "this client did not register the type")
    try:
        given = details.parse(text)
    except details.DetailsUnreadable as error:
        raise Refusal(NOT_TAKEN, "authorization_details cannot be read, or hold something unknown") from error
    for one in given:
        own = one.purpose in (asked.client.sign_in_purpose, *asked.client.purposes)
        purpose = purposes.find(db, one.purpose) if own else None
        if purpose is None or purpose.agency != asked.client.agency:
            raise Refusal(NOT_TAKEN, "this client was not registered for the purpose")
        names = one.attributes or frozenset(purpose.names)
        if purpose.by_law or not names <= frozenset(purpose.names):
            raise Refusal(NOT_TAKEN, "the purpose rests on a law, or lacks an attribute")
        if not details.narrows(one.limits, purpose.allowance):
            raise Refusal(NOT_TAKEN, "a limit is wider than the purpose's own, or over")
        if purpose in asked.extra:
            raise Refusal(NOT_TAKEN, "the purpose is asked by a scope as well")
        if asked.purpose is not None and purpose.id == asked.purpose.id:
            asked.attributes |= names
        else:
            asked.pieces += ((purpose, names),)
        asked.details += ((purpose.id, names),)
        asked.limits[purpose.id] = one.limits


def grant_is_the_clients(db: Session, asked: Asked) -> None:
    """A grant to be changed is this client's own, and an action says how (Grant Management for OAuth 2.0, 5.2 and 5.3)."""
    asked.action, asked.grant_id = asked.given("grant_management_action"), asked.given("grant_id")
    if not asked.action and not asked.grant_id:
        return
    if asked.client.is_public:
        raise Refusal("invalid_request", "grant management needs a client with a secret")
    if asked.action not in handles.ACTIONS or (asked.action == "create") == bool(asked.grant_id):
        raise Refusal("invalid_request", "grant_management_action is unknown, or does not fit grant_id")
    if asked.grant_id:
        held = handles.find(db, asked.grant_id, asked.client)
        if held is None or held.ended_at is not None:
            raise Refusal("invalid_grant_id", "there is no such grant, or it has ended")
        asked.named.add(subjects.sub(db, asked.client, held.citizen))


def resources_are_the_clients(db: Session, asked: Asked) -> None:
    """Each resource is one that this client may ask tokens for (RFC 8707, section 2)."""
    given = tuple(dict.fromkeys(asked.posted.all("resource")))
    if not set(given) <= {*asked.client.resources, parts(db).settings.issuer}:
        raise Refusal("invalid_target", "this client may not ask for a token for the resource")
    asked.resources = given


def age_is_a_number(_db: Session, asked: Asked) -> None:
    """`max_age` is a number of seconds; the client's default counts where it is not sent."""
    given = asked.given("max_age")
    if given and not _SECONDS.fullmatch(given):
        raise Refusal("invalid_request", "max_age must be a number of seconds")
    asked.max_age = int(given) if given else asked.client.default_max_age


def assurance_can_be_met(_db: Session, asked: Asked) -> None:
    """The least of the wanted levels counts; an essential one that does not exist is said to be unmet."""
    wish = asked.claims.id_token.get("acr")
    asked.acr_essential = wish is not None and wish.essential and bool(wish.values)
    wanted = wish.values if wish and wish.values else asked.given("acr_values").split()
    known = [level for level in assurance.LEVELS if level in wanted]
    if known:
        asked.acr = known[0]
    elif asked.acr_essential:
        raise Refusal("unmet_authentication_requirements", "no such acr is known here")


def hints_are_ours(db: Session, asked: Asked) -> None:
    """`id_token_hint` is a token of ours for this client, expired or not; it and a `sub` claim say who must sign in."""
    wish = asked.claims.id_token.get("sub")
    named = asked.named | ({str(value) for value in wish.values} if wish else set())
    if hint := asked.given("id_token_hint"):
        try:
            found = signing.verify(db, hint, typ="JWT", audience=asked.client.client_id, expired_ok=True)
        except BadToken as error:
            raise Refusal("invalid_request", "id_token_hint is not a token for this client") from error
        named.add(str(found.get("sub")))
    if len(named) > 1:
        raise Refusal("invalid_request", "the request names two people")
    asked.subject = next(iter(named), "")


Check = Callable[[Session, Asked], None]
CHECKS: tuple[Check, ...] = (
    client_is_known,
    redirect_uri_is_registered,
    # From here on errors go back to the client.
    nothing_comes_twice,
    response_mode_is_known,
    response_type_is_code,
    agency_is_active,
    nothing_unsupported,
    pkce_is_in_place,
    scopes_are_for_this_client,
    prompt_makes_sense,
    claims_are_readable,
    purposes_are_the_clients,
    details_are_the_clients,
    grant_is_the_clients,
    resources_are_the_clients,
    age_is_a_number,
    assurance_can_be_met,
    hints_are_ours,
)
