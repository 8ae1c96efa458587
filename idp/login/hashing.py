"""Password hashing by a few threads of low priority, in a pool that sheds load."""

import functools
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import TooMany
from core.language import _
from core.settings import Settings

log = structlog.get_logger("erti.hashing")
BUSY_SECONDS = 2
# Enough that the scheduler lets a request that has work go first, and not so much that sign-ins starve beside them.
NICENESS = 10


class Pool:
    """So many hashes at once as there are cores, so many waiting, and a quick no to the rest.

    Hashes are made by threads of their own, which give way to every request that has something to do: argon2 works
    without Python's lock, so on a full machine all else is served as if nobody signed in.
    """

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
        )
        self._threads = ThreadPoolExecutor(slots(settings), "hashing", initializer=_give_way)
        self._most = at_most(settings)
        self._inside = 0
        self._guard = threading.Lock()
        self._nobodys = ""

    def hash(self, secret: bytes) -> str:
        """Return a new verifier (argon2id, RFC 9106); raises TooMany when the queue is full."""
        return str(self._do(self._hasher.hash, secret))

    def check(self, verifier: str | None, secret: bytes) -> tuple[bool, str | None]:
        """Tell whether a secret fits, and give a new verifier if the old one was made with other parameters.

        Without a verifier the same work is done against nobody's. Raises TooMany when the queue is full.
        """
        right, newer = self._do(self._check, verifier, secret)
        return right, newer

    def warm(self) -> None:
        """Make nobody's verifier before the first visitor could time it."""
        if not self._nobodys:
            self._nobodys = self._hasher.hash(secrets.token_bytes(32))

    @property
    def inside(self) -> int:
        """How many hashes are under way or wait."""
        return self._inside

    def _check(self, verifier: str | None, secret: bytes) -> tuple[bool, str | None]:
        if verifier is None:
            self.warm()
            self._fits(self._nobodys, secret)
            return False, None
        right = self._fits(verifier, secret)
        stale = right and self._hasher.check_needs_rehash(verifier)
        return right, self._hasher.hash(secret) if stale else None

    def _fits(self, verifier: str, secret: bytes) -> bool:
        try:
            return self._hasher.verify(verifier, secret)
        except (VerificationError, InvalidHashError):
            return False

    def _do(self, work: Callable[..., Any], *given: Any) -> Any:
        self._enter()
        try:
            return self._threads.submit(work, *given).result()
        finally:
            with self._guard:
                self._inside -= 1

    def _enter(self) -> None:
        with self._guard:
            if self._inside >= self._most:
                raise TooMany(
                    _("Very many people are signing in just now. Try again in a few seconds."),
                    overload=True,
                    retry_after=BUSY_SECONDS,
                )
            self._inside += 1


def slots(settings: Settings) -> int:
    """Return how many hashes are made at once: as many as cores that this process may use, if nothing else is said."""
    return settings.hashing_slots or _cores()


def at_most(settings: Settings) -> int:
    """Return how many threads may stand in the pool, at work or waiting: so many more than for all else are needed."""
    return slots(settings) + settings.hashing_queue


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _give_way() -> None:
    """Lower the priority of this thread alone, where the system knows such a thing (Linux)."""
    try:
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, min(19, os.getpriority(os.PRIO_PROCESS, me) + NICENESS))
    except (AttributeError, OSError) as error:
        log.info("hashing has no priority of its own", error=type(error).__name__)


@functools.lru_cache(maxsize=16)
def pool(settings: Settings) -> Pool:
    """Return this process's hashing pool for some settings."""
    made = Pool(settings)
    made.warm()
    return made
