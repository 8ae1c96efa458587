"""Work that may fail in a way nobody foresaw: the one place that catches everything, for a thread that must not end."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from core.database import is_away
from core.errors import TooMany
from keys.errors import KeysBusy

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """How work failed. Only `name` and `where` may be logged or kept: messages can hold what they are about."""

    error: Exception

    @property
    def name(self) -> str:
        """The class of the error."""
        return type(self.error).__name__

    @property
    def where(self) -> str:
        """The file and line that raised it."""
        last = traceback.extract_tb(self.error.__traceback__)[-1:]
        return "".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in last)

    @property
    def passing(self) -> bool:
        """True if the same work may succeed later: the database or a file system is away, or others hold what is needed."""
        return is_away(self.error) or isinstance(self.error, OSError | TooMany | KeysBusy)


def attempt(work: Callable[[], T]) -> T | Failure:
    """Do work, and return what it returns or how it failed. Whoever calls this says so, and goes on."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  (that is what it is for)
        return Failure(error)
