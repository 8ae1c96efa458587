"""Hashing and randomness for many small things in a row, without a call into the operating system or the key set up anew for each."""

import hashlib
import secrets

from sqlalchemy.orm import Session

BLOCK_BYTES = 64  # of SHA-256
_SHORTENED = hashlib.sha256
_MOST_AT_ONCE = 8192


class Mac:
    """HMAC-SHA256 (RFC 2104) under one key, whose two blocks are hashed once.

    A third of the time of `hmac.digest`, which lets go of the interpreter besides: whoever computes many then waits for
    other threads as many times.
    """

    def __init__(self, key: bytes) -> None:
        key = (_SHORTENED(key).digest() if len(key) > BLOCK_BYTES else key).ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def digest(self, message: bytes) -> bytes:
        """Return the 32 bytes for a message."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class Randomness:
    """Random bytes of the operating system for one transaction, fetched for more and more uses at once."""

    def __init__(self) -> None:
        self._left = memoryview(b"")
        self._next = BLOCK_BYTES

    def take(self, count: int) -> bytes:
        """Return so many bytes, which nobody gets a second time."""
        if len(self._left) < count:
            self._left = memoryview(secrets.token_bytes(max(self._next, count)))
            self._next = min(2 * self._next, _MOST_AT_ONCE)
        taken, self._left = bytes(self._left[:count]), self._left[count:]
        return taken


def randomness(db: Session) -> Randomness:
    """Return the randomness of a transaction. A session is one thread's and one process's, so nothing is given twice."""
    found = db.info.get("randomness")
    if found is None:
        found = db.info["randomness"] = Randomness()
    return found
