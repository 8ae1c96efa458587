"""What registers write, read with care: every text becomes a typed record or the reason why it is none."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import msgspec

from core import clock
from core.language import Lazy, _

NATIONAL = "UIN"  # the national identifier's type in the DCI civil registry shape
BIRTH_NUMBER = "BRN"
EARLIEST_YEAR = 1850
TEXT_LIMIT = 200
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", re.ASCII)
_SPOT = re.compile(r" at `(\$[^`]{0,60})")
# Characters that turn the direction of text around could make one name look like another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

REASONS: dict[str, Lazy] = {
    "not-utf8": _("The bytes are not text in UTF-8."),
    "not-json": _("The line is not JSON."),
    "not-a-row": _("The row is not CSV: a quotation mark is missing or stands in the wrong place."),
    "wrong-columns": _("The row does not have as many columns as the first line names."),
    "wrong-shape": _("A field holds another kind of value than a person record has there."),
    "too-long": _("The line is longer than any record may be."),
    "missing-identifier": _("The record does not say whose it is: its identifier is missing."),
    "missing-name": _("The record has no name."),
    "bad-identifier": _("An identifier holds characters that no identifier has, or is too long."),
    "bad-text": _("A field holds control characters or is too long."),
    "bad-date": _("A date is not a real one, or not written as year, year-month or year-month-day."),
    "bad-year": _("The tax year is not a year."),
    "death-before-birth": _("The date of death lies before the date of birth."),
    "unknown-person": _(
        "Nobody in the civil registry has this identifier. It is tried again after each import."
    ),
    "possible-duplicate": _(
        "This may be a possible duplicate of one person: somebody here is almost the same."
    ),
    "identifiers-disagree": _("The identifiers of this record belong to different people."),
    "identifier-mismatch": _("The identifier belongs to somebody with another name and birth date."),
    "death-withdrawn": _(
        "The record shows as living somebody whose death is registered. A reversal must say so."
    ),
    "unknown-event": _("The message announces a kind of event that is not known here."),
    "nothing-to-change": _("The message says that something changed, but not what."),
}


@dataclass(frozen=True, slots=True)
class Bad:
    """Why something is not a record: a code of REASONS, and the spot (a field's name, never a value)."""

    reason: str
    spot: str = ""


class Unreadable(ValueError):
    """Raised while a record is read, and turned into Bad at the end of it."""

    def __init__(self, reason: str, spot: str = "") -> None:
        super().__init__(reason)
        self.bad = Bad(reason, spot)


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """By what a person is told from others. It stands sealed beside the citizen ID."""

    given: str = ""
    second: str = ""
    family: str = ""
    maiden: str = ""
    suffix: str = ""
    sex: str = ""
    born: str = ""
    birth_place: str = ""
    home: str = ""
    birth_number: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a register. `key` names it within its source; `as_of` is a date; `died` is empty for the living."""

    source: str
    key: str
    identifiers: tuple[tuple[str, str], ...]
    identity: Identity
    as_of: str
    values: dict[str, Any] = field(default_factory=dict)
    died: str = ""


class Identifier(msgspec.Struct, frozen=True):
    """An identifier in the DCI shape."""

    identifier_type: str
    identifier_value: str


class Name(msgspec.Struct, frozen=True):
    """A name in the DCI shape; one to four parts, any may be missing."""

    given_name: str | None = None
    second_name: str | None = None
    surname: str | None = None
    maiden_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class Address(msgspec.Struct, frozen=True):
    """An address in the DCI shape."""

    address_line1: str | None = None
    address_line2: str | None = None
    locality: str | None = None
    sub_region_code: str | None = None
    region_code: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class Person(msgspec.Struct, frozen=True):
    """A person record in the DCI/SPDCI shape, with the household fields of the national register."""

    identifier: list[Identifier] | None = None
    name: Name | None = None
    sex: str | None = None
    birth_date: str | None = None
    birth_place: str | None = None
    death_date: str | None = None
    address: list[Address] | None = None
    marital_status: str | None = None
    phone_number: list[str] | None = None
    email: list[str] | None = None
    household_identifier: str | None = None
    household_size: int | None = None
    parent1_identifier: Identifier | list[Identifier] | None = None
    parent2_identifier: Identifier | list[Identifier] | None = None
    last_updated: str | None = None


Shape = TypeVar("Shape")


def shaped(content: bytes, decoder: msgspec.json.Decoder[Shape]) -> Shape:
    """Read JSON text into a decoder's shape; raises Unreadable with the spot, never with the value."""
    try:
        content.decode("utf-8")
        return decoder.decode(content)
    except UnicodeDecodeError as error:
        raise Unreadable("not-utf8") from error
    except msgspec.ValidationError as error:
        raise Unreadable("wrong-shape", spot(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable("not-json") from error


def spot(error: msgspec.ValidationError) -> str:
    """Return the place of a shape error as a path of field names."""
    found = _SPOT.search(str(error))
    return found.group(1) if found else ""


def text(value: str | None, spot: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text in NFC with single blanks; raises Unreadable for control characters or too much of it."""
    if not value:
        return ""
    if len(value) > limit * 4:
        raise Unreadable("bad-text", spot)
    tidy = " ".join(unicodedata.normalize("NFC", value).split())
    if len(tidy) > limit or (not tidy.isprintable() and _unprintable(tidy)):
        raise Unreadable("bad-text", spot)
    return tidy


def _unprintable(tidy: str) -> bool:
    # Cf holds the joiners that some scripts need; what else is unprintable has no place in a name.
    return any(
        unicodedata.category(letter) in ("Cc", "Cs", "Cn", "Zl", "Zp") or letter in _TURNING
        for letter in tidy
    )


def number(value: str, spot: str) -> str:
    """Return an identifier in the one form in which it is compared: no blanks, upper case."""
    compact = "".join(value.split()).upper()
    if len(compact) > 64 or not compact.isprintable():
        raise Unreadable("bad-identifier", spot)
    return compact


def partial_date(value: str | None, spot: str) -> str:
    """Return a date as written if it is a real day, month or year (``1953-07-21``, ``1953-07``, ``1953``).

    Raises Unreadable for anything else, for years before 1850, and for days to come.
    """
    if not value:
        return ""
    written = value.strip()
    if not _DATE.fullmatch(written) or not written.isascii():
        raise Unreadable("bad-date", spot)
    try:
        day = date.fromisoformat(written + "0000-01-01"[len(written) :])
    except ValueError as error:
        raise Unreadable("bad-date", spot) from error
    if day.year < EARLIEST_YEAR or day > clock.now().date() + timedelta(days=1):
        raise Unreadable("bad-date", spot)
    return written


def precedes(first: str, second: str) -> bool:
    """Tell whether a partial date certainly lies before another."""
    shared = min(len(first), len(second))
    return first[:shared] < second[:shared]
