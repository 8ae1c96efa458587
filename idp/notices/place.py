"""From which browser and which network the request came that is being answered, for what is told of it."""

from contextvars import ContextVar
from dataclasses import dataclass

from core.language import Lazy


@dataclass(frozen=True)
class Place:
    """A browser in words, e.g. ``Firefox on Windows``, and the network it called from; empty where nobody asked through one."""

    browser: str | Lazy = ""
    network: str = ""


_NOWHERE = Place()
_here: ContextVar[Place] = ContextVar("place", default=_NOWHERE)


def note(browser: str | Lazy, network: str) -> None:
    """Remember for the rest of this request from where it came."""
    _here.set(Place(browser, network))


def here() -> Place:
    """Return from where the request came."""
    return _here.get()
