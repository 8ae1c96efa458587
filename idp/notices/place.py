"""From which browser the request came that is being answered, in words, for what is told of it."""

from contextvars import ContextVar

from core.language import Lazy

_here: ContextVar[str | Lazy] = ContextVar("place", default="")


def note(browser: str | Lazy) -> None:
    """Remember for the rest of this request from which browser it came, e.g. ``Firefox on Windows``."""
    _here.set(browser)


def words() -> str:
    """Return the browser in the current language; empty where nobody asked through a browser."""
    return str(_here.get())
