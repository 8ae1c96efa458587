"""What is asked for: scopes, claims, purposes, details, a grant, resources, how surely and as whom to sign in."""

import re
from typing import Final

from sqlalchemy.orm import Session

from consent import assurance, purposes
from core.database import parts
from idp.oidc import claims, details, handles, id_tokens, metadata, protected, subjects
from idp.oidc.asked import Asked, Refusal
from keys.errors import BadToken
from registry_sync.catalogue import CATALOGUE

PURPOSE_SCOPE: Final = "purpose:"
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
NOT_TAKEN: Final = "invalid_authorization_details"
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_SECONDS = re.compile(r"[0-9]{1,9}")


def scopes_are_for_this_client(_db: Session, asked: Asked) -> None:
    """Scopes nobody knows are left out (OpenID Connect Core 1.0, 3.1.2.1); something must remain."""
    given = asked.given("scope").split()
    if any(not _SCOPE.fullmatch(scope) for scope in given):
        raise Refusal("invalid_scope", "scope holds a character that it may not")
    known = [
        scope
        for scope in dict.fromkeys(given)
        if scope in metadata.SCOPES
        and scope not in metadata.CLIENT_SCOPES
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
    settings = parts(db).settings
    given = tuple(dict.fromkeys(protected.audience(settings, one) for one in asked.posted.all("resource")))
    if not set(given) <= {*asked.client.resources, settings.issuer}:
        raise Refusal("invalid_target", "this client may not ask for a token for the resource")
    asked.resources = given


def age_is_a_number(_db: Session, asked: Asked) -> None:
    """`max_age` is a number of seconds; the client's default counts where it is not sent."""
    given = asked.given("max_age")
    if given and not _SECONDS.fullmatch(given):
        raise Refusal("invalid_request", "max_age must be a number of seconds")
    asked.max_age = int(given) if given else asked.client.default_max_age


def assurance_can_be_met(_db: Session, asked: Asked) -> None:
    """The least of the levels counts that the request wants, or the client by default; an essential unknown one is unmet."""
    wish = asked.claims.id_token.get("acr")
    asked.acr_essential = wish is not None and wish.essential and bool(wish.values)
    wanted = wish.values if wish and wish.values else asked.given("acr_values").split()
    wanted = wanted or asked.client.default_acr_values
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
            found = id_tokens.hinted(db, hint, audience=asked.client.client_id)
        except BadToken as error:
            raise Refusal("invalid_request", "id_token_hint is not a token for this client") from error
        named.add(str(found.get("sub")))
        act = found.get("act")
        asked.actor = str(act.get("sub", "")) if isinstance(act, dict) else ""
    if len(named) > 1:
        raise Refusal("invalid_request", "the request names two people")
    asked.subject = next(iter(named), "")
