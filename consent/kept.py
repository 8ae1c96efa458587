"""What hardly ever changes, kept in the process for a second so that a read need not look it up (DESIGN 7)."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

KEPT_SECONDS = 1.0
MOST = 10_000
_Held = dict[Hashable, tuple[float, Any]]

Found = TypeVar("Found")
_by_engine: WeakKeyDictionary[Engine, _Held] = WeakKeyDictionary()
_guard = threading.Lock()


def look_up(db: Session, name: Hashable, find: Callable[[], Found | None]) -> Found | None:
    """Return what `find` finds, at most a second old; what is not there is looked for again each time."""
    engine = db.connection().engine
    held = _by_engine.get(engine)
    if held is None:
        with _guard:
            held = _by_engine.setdefault(engine, {})
    until, found = held.get(name, (0.0, None))
    now = time.monotonic()
    if until > now:
        return cast(Found, found)
    fresh = find()
    if fresh is not None:
        if len(held) >= MOST:
            held.clear()
        held[name] = (now + KEPT_SECONDS, fresh)
    return fresh
