"""Nonces for DPoP proofs that every node makes alike and knows again, with nothing kept (RFC 9449, sections 8 and 9)."""

import base64
import hashlib
import hmac

from core import clock
from core.database import Parts

SECONDS = 60  # a nonce is new each minute, and good for one more
_BYTES = 18


def current(house: Parts) -> str:
    """Return the nonce of this minute: a MAC of the minute under a secret that all nodes share."""
    return _of(house, _minute())


def knows(house: Parts, given: str) -> bool:
    """Tell whether a nonce is one of ours and fresh: of this minute or the last.

    The next minute's is known too: a node whose clock is a little ahead may have given it.
    """
    minute, tried = _minute(), given.encode(errors="replace")
    return any(hmac.compare_digest(_of(house, minute + step).encode(), tried) for step in (0, -1, 1))


def _minute() -> int:
    return clock.seconds(clock.now()) // SECONDS


def _of(house: Parts, minute: int) -> str:
    key: bytes = house.keys.secret("dpop nonce")
    made = hmac.new(key, minute.to_bytes(8, "big"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made[:_BYTES]).decode()
