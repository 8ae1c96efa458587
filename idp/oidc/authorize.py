"""The authorization request, as a list of checks to read down; what fails before the redirect URI never redirects."""

from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.orm import Session

from core.forms import Posted
from idp.oidc.asked import Asked, Refusal, Refused
from idp.oidc.checks import answering, connecting, wishing
from idp.oidc.interactions import Interaction

log = structlog.get_logger("erti.clients")


def examine(
    db: Session,
    posted: Posted,
    *,
    pushed: str = "",
    signed: bool = False,
    unread: Refusal | None = None,
    device: str = "",
) -> Asked | Refused:
    """Run CHECKS over a request, or DEVICE_CHECKS over a device's; the log says what its client's developer has to change.

    Raises RequestUnanswerable while there is nowhere safe to answer to.
    """
    asked = Asked(posted, pushed=pushed, signed=signed, unread=unread, device=device)
    for check in DEVICE_CHECKS if device else CHECKS:
        try:
            check(db, asked)
        except Refusal as refusal:
            log.info(
                "request refused",
                client=asked.client.client_id,
                error=refusal.error,
                rule=check.__name__,
                detail=refusal.description,
            )
            return Refused(asked, refusal.error, refusal.description)
    return asked


def resumed(db: Session, interaction: Interaction) -> Asked | Refused:
    """Run CHECKS once more over a request that is under way: what it asks may have changed since it came."""
    return examine(
        db,
        interaction.posted,
        pushed=interaction.pushed,
        signed=interaction.signed,
        device=interaction.device,
    )


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
    answering.it_could_be_read,
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
DEVICE_CHECKS: Final[tuple[Check, ...]] = (
    answering.client_is_known,
    answering.nothing_comes_twice,
    connecting.devices_are_the_clients,
    answering.agency_is_active,
    answering.nothing_unsupported,
    connecting.it_is_for_a_device,
    connecting.challenge_is_s256,
    wishing.scopes_are_for_this_client,
    wishing.prompt_makes_sense,
    wishing.claims_are_readable,
    wishing.purposes_are_the_clients,
    wishing.details_are_the_clients,
    wishing.resources_are_the_clients,
    wishing.age_is_a_number,
    wishing.assurance_can_be_met,
)
