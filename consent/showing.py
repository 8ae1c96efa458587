"""How attributes are put in words for people: their labels, values, sources and days."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.numbers import format_decimal

from core import language
from core.language import Lazy, _
from registry_sync import people
from registry_sync.catalogue import CATALOGUE, GROUPS, SOURCES

# Words that registers use; anything else is shown as the register says it.
_WORDS: dict[str, dict[str, Lazy]] = {
    "gender": {"female": _("female"), "male": _("male")},
    "marital_status": {
        "single": _("single"),
        "married": _("married"),
        "divorced": _("divorced"),
        "widowed": _("widowed"),
    },
    "tax_residency": {"resident": _("resident"), "non-resident": _("not resident")},
}
_DATES = ("birthdate",)
_ORDER = {name: place for place, name in enumerate(CATALOGUE)}
_ADDRESS_LINES = ("street_address", "locality", "region", "postal_code", "country")


def label(name: str) -> str:
    """Return what an attribute is called, in the reader's language."""
    found = CATALOGUE.get(name)
    return _by_language(found.label) if found else name


def labels(names: Iterable[str]) -> str:
    """Return several attributes as one phrase: ``given name, birth date and address``."""
    return _phrase(tuple(names), language.current())


@lru_cache(maxsize=4096)  # a long history says the same few again and again
def _phrase(names: tuple[str, ...], _language: str) -> str:
    ordered = sorted(names, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    words = [_within(label(name)) for name in ordered]
    return format_list(words, locale=language.region()) if words else str(_("nothing"))


def source(name: str) -> str:
    """Return what a register is called, in the reader's language."""
    found = SOURCES.get(name)
    return _by_language(found.label) if found else name


def group(name: str) -> str:
    """Return what a group of attributes is called, in the reader's language."""
    return _by_language(GROUPS[name]) if name in GROUPS else name


def person(citizen_id: str) -> str:
    """Return what somebody else is called: their citizen ID, since their name is theirs to tell."""
    return people.grouped(citizen_id)


def value(name: str, held: Any) -> str:
    """Return a value in words: dates and yes or no written out, an address in lines."""
    if isinstance(held, bool):
        return str(_("yes") if held else _("no"))
    if isinstance(held, int | float):
        return str(held) if name == "tax_year" else format_decimal(held, locale=language.region())
    if isinstance(held, Mapping):
        lines = [str(held["formatted"])] if held.get("formatted") else []
        return "\n".join(lines or [str(held[part]) for part in _ADDRESS_LINES if held.get(part)])
    if isinstance(held, list | tuple):
        return format_list([value(name, one) for one in held], locale=language.region()) if held else ""
    text = str(held)
    if name in _DATES:
        return day(text)
    return str(_WORDS.get(name, {}).get(text, text))


def day(written: str) -> str:
    """Return a date in words; a year, or a year and month, where no more is known (RFC 3339 full-date)."""
    locale = language.region()
    try:
        if len(written) == len("2026-01"):
            return format_skeleton("yMMMM", date.fromisoformat(f"{written}-01"), locale=locale)
        return format_date(date.fromisoformat(written), "long", locale=locale)
    except ValueError:
        return written


def narrow_month(written: str) -> str:
    """Return the shortest name of a month (YYYY-MM), as it stands over a column."""
    return format_date(date.fromisoformat(f"{written}-01"), "LLLLL", locale=language.region())


def _by_language(words: Mapping[str, str]) -> str:
    return words.get(language.current()) or next(iter(words.values()))


def _within(words: str) -> str:
    """Return a label as it stands inside a sentence, where only names and abbreviations begin with a capital."""
    return words[:1].lower() + words[1:] if words[1:2].islower() or words[1:2] == "-" else words
