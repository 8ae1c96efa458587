"""JWK Sets at clients' addresses, as this process last saw them: fetched outside transactions, and not at anybody's beck."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy.engine import Engine

from core import outbound
from core.database import Database
from core.outbound import CallRefused
from core.settings import Settings
from idp.oidc.errors import ClientKeysWrong

MOST_KEPT: Final = 2_000
KEPT_SECONDS: Final = 600.0  # whatever Cache-Control says: neither a day nor a second
AGAIN_SECONDS: Final = 10.0  # in which one more fetch of an address comes to be allowed, whatever for
AT_ONCE: Final = 3  # fetches that may have come together: a client may change its keys just after we saw them
FAILED_SECONDS: Final = 5.0  # without a fetch after one that failed
STALE_SECONDS: Final = 3_600.0  # how long keys go on when their address does not answer
FETCH_SECONDS: Final = 4.0
LIMIT: Final = 65_536  # bytes
FETCHES_AT_ONCE: Final = 8  # threads of this process that may be waiting for clients' servers
WAITERS: Final = 4  # threads that may wait for a fetch by another

log = structlog.get_logger("erti.clients")
Keys = tuple[Any, ...]
Read = Callable[[Any], Keys]


class _Entry:
    """What is known of one address."""

    def __init__(self) -> None:
        self.keys: Keys = ()
        self.fetched_at: float | None = None
        self.failed_at: float | None = None
        self.fetching = threading.Lock()
        self.waiting = threading.BoundedSemaphore(WAITERS)
        self._allowed, self._counted_at = float(AT_ONCE), time.monotonic()

    def is_younger(self, seconds: float) -> bool:
        """Tell whether the keys were fetched less than this long ago."""
        return self.fetched_at is not None and time.monotonic() - self.fetched_at < seconds

    def has_a_turn(self) -> bool:
        """Tell whether the address may be called now."""
        at = time.monotonic()
        failed = self.failed_at is not None and at - self.failed_at < FAILED_SECONDS
        return not failed and self._turns(at) >= 1

    def take_a_turn(self) -> None:
        """Count that the address is called."""
        at = time.monotonic()
        self._allowed, self._counted_at = self._turns(at) - 1, at

    def _turns(self, at: float) -> float:
        return min(AT_ONCE, self._allowed + (at - self._counted_at) / AGAIN_SECONDS)

    def usable(self) -> Keys:
        """Return the keys, unless nobody could confirm them for too long."""
        return self.keys if self.is_younger(STALE_SECONDS) else ()


class _Kept:
    """The addresses that one process knows, those least used forgotten first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._guard = threading.Lock()
        self.turns = threading.BoundedSemaphore(FETCHES_AT_ONCE)

    def entry(self, uri: str) -> _Entry:
        """Return what is known of an address, a blank entry at first."""
        with self._guard:
            entry = self._entries.setdefault(uri, _Entry())
            self._entries.move_to_end(uri)
            while len(self._entries) > MOST_KEPT:
                self._entries.popitem(last=False)
            return entry


def held(engine: Engine, uri: str) -> Keys:
    """Return the keys that were last fetched from an address, without a call."""
    return _kept(engine).entry(uri).usable()


def is_due(engine: Engine, uri: str) -> bool:
    """Tell whether the keys at an address should be fetched before they are used, and can be."""
    entry = _kept(engine).entry(uri)
    return not entry.is_younger(KEPT_SECONDS) and entry.has_a_turn()


def at(database: Database, uri: str, read: Read, *, again: bool = False) -> Keys:
    """Return the keys at an address: those held while they are young, else fetched; none if that fails too long.

    `again` asks for a new fetch because the keys that are held do not do. However often anybody asks, one process
    calls an address at most once in AGAIN_SECONDS (AT_ONCE together), from one thread; a few others wait for that one,
    the rest go on with what is held. Raises RuntimeError inside a write transaction: nobody's slow server may hold
    that up.
    """
    if database.in_writing():
        raise RuntimeError("a client's keys are fetched before a write transaction is opened")
    kept = _kept(database.engine)
    entry = kept.entry(uri)
    before = entry.fetched_at
    if entry.is_younger(KEPT_SECONDS) and not again:
        return entry.keys
    if entry.fetching.acquire(blocking=False):
        try:
            if entry.fetched_at == before and kept.turns.acquire(blocking=False):
                _fetch(database.parts.settings, kept, entry, uri, read)
        finally:
            entry.fetching.release()
    elif again or not entry.usable():
        _wait(entry)
    return entry.usable()


def _fetch(settings: Settings, kept: _Kept, entry: _Entry, uri: str, read: Read) -> None:
    try:
        if not entry.has_a_turn():
            return
        entry.take_a_turn()
        entry.failed_at = time.monotonic()  # unless it ends well
        answer = outbound.fetch(
            settings,
            "GET",
            uri,
            headers={"Accept": "application/jwk-set+json, application/json"},
            seconds=FETCH_SECONDS,
            limit=LIMIT,
        )
        if answer.status == 200:
            entry.keys, entry.fetched_at = read(json.loads(answer.body)), time.monotonic()
            entry.failed_at = None
        else:
            log.info("client keys not fetched", uri=uri, why=f"status {answer.status}")
    except (CallRefused, ClientKeysWrong, ValueError, RecursionError) as error:
        entry.failed_at = time.monotonic()  # what was held goes on for a while
        log.info("client keys not fetched", uri=uri, why=getattr(error, "detail", "") or type(error).__name__)
    finally:
        kept.turns.release()


def _wait(entry: _Entry) -> None:
    if entry.waiting.acquire(blocking=False):
        try:
            if entry.fetching.acquire(timeout=FETCH_SECONDS):
                entry.fetching.release()
        finally:
            entry.waiting.release()


def _kept(engine: Engine) -> _Kept:
    return _KEPT.setdefault(engine, _Kept())


# One process's view, for each database it has open.
_KEPT: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()
