"""What a request from a device has to pass where it differs from one by a browser (RFC 8628, 3.1)."""

import re
from typing import Final

from sqlalchemy.orm import Session

from idp.oidc import metadata
from idp.oidc.asked import Asked, Refusal

# None of these says anything where no browser is sent back; a request that relies on one is not done by half.
NOT_TAKEN: Final = ("request", "request_uri", "response_type", "response_mode", "grant_management_action")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def devices_are_the_clients(_db: Session, asked: Asked) -> None:
    """The client registered the grant (RFC 8628, 3.1)."""
    if metadata.DEVICE_GRANT not in asked.client.grant_types:
        raise Refusal("unauthorized_client", "this client does not sign devices in")


def it_is_for_a_device(_db: Session, asked: Asked) -> None:
    """Nothing is asked that only an answer to a browser could give, and nobody wants to be asked nothing."""
    for name in NOT_TAKEN:
        if asked.given(name):
            raise Refusal("invalid_request", f"{name} means nothing for a device")
    if "none" in asked.given("prompt").split():
        raise Refusal("invalid_request", "a device always has to be allowed by somebody: no prompt=none")


def challenge_is_s256(_db: Session, asked: Asked) -> None:
    """Where the client sends a challenge, the device code is bound to it, by S256 alone (RFC 9700, 2.1.1)."""
    challenge, method = asked.given("code_challenge"), asked.given("code_challenge_method")
    if (challenge or method) and (method != "S256" or not _CHALLENGE.fullmatch(challenge)):
        raise Refusal("invalid_request", "code_challenge must be a SHA-256 in base64url, by S256")
    asked.challenge = challenge
