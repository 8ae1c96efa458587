"""The authorization request, as a list of checks to read down; what fails before the redirect URI never redirects."""

from collections.abc import Callable
from typing import Final

from sqlalchemy.orm import Session

from core.forms import Posted
from idp.oidc.asked import Asked, Refusal, Refused
from idp.oidc.checks import answering, wishing


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


Check = Callable[[Session, Asked], None]
CHECKS: Final[tuple[Check, ...]] = (
    answering.client_is_known,
    answering.redirect_uri_is_registered,
    # From here on errors go back to the client.
    answering.nothing_comes_twice,
    answering.response_mode_is_known,
    answering.response_type_is_code,
    answering.agency_is_active,
    answering.request_came_as_it_must,
    answering.nothing_unsupported,
    answering.pkce_is_in_place,
    answering.key_is_a_thumbprint,
    wishing.scopes_are_for_this_client,
    wishing.prompt_makes_sense,
    wishing.claims_are_readable,
    wishing.purposes_are_the_clients,
    wishing.details_are_the_clients,
    wishing.grant_is_the_clients,
    wishing.resources_are_the_clients,
    wishing.age_is_a_number,
    wishing.assurance_can_be_met,
    wishing.hints_are_ours,
)
