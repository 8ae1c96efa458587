"""Password hashing in a pool that sheds load."""

import functools
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import TooMany
from core.language import _
from core.settings import Settings

BUSY_SECONDS = 2


class Pool:
    """So many hashes at once as there are cores, so many waiting, and a quick no to the rest."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
        )
        self._most = (settings.hashing_slots or os.cpu_count() or 1) + settings.hashing_queue
        self._slots = threading.BoundedSemaphore(settings.hashing_slots or os.cpu_count() or 1)
        self._inside = 0
        self._guard = threading.Lock()
        self._nobodys = ""

    def hash(self, secret: bytes) -> str:
        """Return a new verifier (argon2id, RFC 9106); raises TooMany when the queue is full."""
        with self._slot():
            return self._hasher.hash(secret)

    def check(self, verifier: str | None, secret: bytes) -> tuple[bool, str | None]:
        """Tell whether a secret fits, and give a new verifier if the old one was made with other parameters.

        Without a verifier the same work is done against nobody's. Raises TooMany when the queue is full.
        """
        with self._slot():
            if verifier is None:
                self._fits(self._nobody(), secret)
                return False, None
            right = self._fits(verifier, secret)
            stale = right and self._hasher.check_needs_rehash(verifier)
            return right, self._hasher.hash(secret) if stale else None

    def warm(self) -> None:
        """Make nobody's verifier before the first visitor could time it."""
        self._nobody()

    def _nobody(self) -> str:
        if not self._nobodys:
            self._nobodys = self._hasher.hash(secrets.token_bytes(32))
        return self._nobodys

    def _fits(self, verifier: str, secret: bytes) -> bool:
        try:
            return self._hasher.verify(verifier, secret)
        except (VerificationError, InvalidHashError):
            return False

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self._guard:
            if self._inside >= self._most:
                raise TooMany(
                    _("Very many people are signing in just now. Try again in a few seconds."),
                    overload=True,
                    retry_after=BUSY_SECONDS,
                )
            self._inside += 1
        try:
            with self._slots:
                yield
        finally:
            with self._guard:
                self._inside -= 1


@functools.lru_cache(maxsize=16)
def pool(settings: Settings) -> Pool:
    """Return this process's hashing pool for some settings."""
    made = Pool(settings)
    made.warm()
    return made
