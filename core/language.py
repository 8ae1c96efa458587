"""Which language a person reads, and the catalogue of texts in it."""

from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Self

from babel.core import Locale, negotiate_locale
from babel.messages.pofile import read_po

LOCALE_FOLDER = Path(__file__).parent / "locale"
SOURCE_LANGUAGE = "en"
_current: ContextVar[str] = ContextVar("language", default=SOURCE_LANGUAGE)


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return source text -> translation for a language; empty for the source language or an unknown one."""
    path = LOCALE_FOLDER / language / "LC_MESSAGES" / "erti.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        messages = read_po(file, locale=language)
    return {str(message.id): str(message.string) for message in messages if message.id and message.string}


def gettext(text: str) -> str:
    """Return `text` in the current language, or as written where there is no translation."""
    return catalogue(_current.get()).get(text, text)


class Lazy:
    """A text that is translated when it is shown, for texts that stand at module level."""

    __slots__ = ("_facts", "_text")

    def __init__(self, text: str, facts: dict[str, object] | None = None) -> None:
        self._text = text
        self._facts = facts

    @property
    def source(self) -> str:
        """The text as written in the code, its places unfilled: the same for every reader."""
        return self._text

    def __str__(self) -> str:
        text = gettext(self._text)
        return text.format(**self._facts) if self._facts else text

    def __html__(self) -> str:
        return str(self).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def format(self, **facts: object) -> Self:
        """Return the same text with its {named} places filled when shown."""
        return type(self)(self._text, facts)


def _(text: str) -> Lazy:
    """Mark a text for translation; it becomes words in the reader's language when shown."""
    return Lazy(text)


def current() -> str:
    """Return the language of the request being answered, e.g. ``ka``."""
    return _current.get()


def region() -> str:
    """Return the locale that dates and numbers follow: for English the day before the month, as in most of the world."""
    return {"en": "en_GB"}.get(_current.get(), _current.get())


def speak(language: str) -> None:
    """Set the language of what follows in this context."""
    _current.set(language)


def choose(accept_language: str, offered: tuple[str, ...], preferred: str | None = None) -> str:
    """Choose among the offered languages (BCP 47 tags): `preferred`, else Accept-Language (RFC 9110, 12.5.4)."""
    if preferred in offered:
        return str(preferred)
    weighted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _sep, quality = part.strip().partition(";q=")
        try:
            weighted.append((-float(quality or 1), tag.strip().replace("-", "_")))
        except ValueError:
            continue
    wanted = [tag for _weight, tag in sorted(weighted, key=lambda pair: pair[0])]
    return negotiate_locale(wanted, list(offered), sep="_") or offered[0]


@cache
def direction(language: str) -> str:
    """Return ``rtl`` or ``ltr`` for the `dir` attribute of a page in this language."""
    return Locale.parse(language).text_direction
