"""Near which town, in which country, a network is: estimates read from a file that the operator brings."""

import ipaddress
import struct
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import maxminddb
from babel.core import Locale

from core import language
from core.language import SOURCE_LANGUAGE, Lazy, _
from core.settings import Settings
from idp.errors import PlacesWrong

UNKNOWN: Final = _("a place we do not know")
LOCAL: Final = _("a local network")
VAGUE_KM: Final = 200  # a town that may be wrong by more is none
LOOKED_AT: Final = 4096  # networks at the beginning of a file, in which a place must be found
LONGEST: Final = 100  # characters of a name
# What the reader raises for bytes that make no sense: it promises its own error, and lets others through.
UNREADABLE: Final = (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, OSError, struct.error)
# Whose free data asks for a line wherever it is shown: how `database_type` begins -> the line, and where it leads.
CREDITS: Final = (
    ("DBIP-", "IP Geolocation by DB-IP", "https://db-ip.com"),
    ("GeoLite2-", "GeoLite2 data created by MaxMind", "https://www.maxmind.com"),
)
_LONGEST_PREFIX: Final = {4: 32, 6: 128}


@dataclass(frozen=True)
class Credit:
    """The line that a file's licence asks for, and the address it leads to."""

    line: str
    address: str


@dataclass(frozen=True)
class Name:
    """A town or a country in the languages that the file has; shown in the reader's, else in English."""

    names: Mapping[str, str]
    code: str = ""

    def __str__(self) -> str:
        """Return the name: the file's own in the reader's language, a country's by its code, the file's in English."""
        spoken = language.current()
        return self.names.get(spoken) or _territory(self.code, spoken) or self.names.get(SOURCE_LANGUAGE, "")


class Atlas:
    """One file in MaxMind DB format 2.0, open for as long as the process runs, and read by any number of threads.

    Each look reads the few bytes it needs from the file (pread), so nothing is shared between threads, and a file that
    is overwritten under our hands gives nonsense or nothing, never a crash as a memory map would.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_FILE)
            weakref.finalize(self, self._reader.close)
            about = self._reader.metadata()
            self.kind = str(about.database_type)
            self.made_at = datetime.fromtimestamp(about.build_epoch, UTC)
            found = any(_country(record) is not None for record in self._first())
        except OSError as error:
            raise PlacesWrong(detail=f"{path}: {error.strerror}") from error
        except UNREADABLE as error:
            raise PlacesWrong(detail=f"{path}: not in MaxMind DB format, or damaged") from error
        if not found:
            raise PlacesWrong(
                detail=f"{path}: no countries in it; it says that it is {self.kind[:LONGEST]!r}"
            )

    @property
    def credit(self) -> Credit | None:
        """The line that the licence of this kind of file asks for, if one is known."""
        known = (Credit(line, to) for begins, line, to in CREDITS if self.kind.startswith(begins))
        return next(known, None)

    def near(self, network: str) -> Lazy | None:
        """Say near what a network is, by its first address; nothing if it is no network at all."""
        try:
            first = ipaddress.ip_network(network, strict=False).network_address
        except ValueError:
            return None
        if not first.is_global:
            return LOCAL
        try:
            record = self._reader.get(first)
        except UNREADABLE:
            return UNKNOWN
        country, town = _country(record), _town(record)
        if country is None:
            return UNKNOWN
        if town is None:
            return _("somewhere in {country}").format(country=country)
        return _("near {town}, {country}").format(town=town, country=country)

    def _first(self) -> Iterator[object]:
        """Yield what stands of the first networks, in ascending order."""
        version = 6 if self._reader.metadata().ip_version == 6 else 4
        make = ipaddress.IPv6Address if version == 6 else ipaddress.IPv4Address
        bits, number = _LONGEST_PREFIX[version], 0
        for _one in range(LOOKED_AT):
            record, length = self._reader.get_with_prefix_len(make(number))
            yield record
            number += 1 << (bits - length)
            if number >= 1 << bits:
                return


def of(settings: Settings) -> Atlas | None:
    """Return the atlas that the settings name, opened once; None where they name none. Raises PlacesWrong."""
    return _opened(settings.places_file) if settings.places_file else None


@lru_cache(maxsize=8)
def _opened(path: Path) -> Atlas:
    return Atlas(path)


def _country(record: object) -> Name | None:
    """Return where a network is used, or, where the file does not know that, where it is registered."""
    for part in ("country", "registered_country"):
        said = _table(record, part)
        code = said.get("iso_code")
        code = code.upper() if isinstance(code, str) and len(code) == 2 and code.isascii() else ""
        found = Name(_names(said), code)
        if found.names.get(SOURCE_LANGUAGE) or _territory(code, SOURCE_LANGUAGE):
            return found
    return None


def _town(record: object) -> Name | None:
    radius = _table(record, "location").get("accuracy_radius")
    if isinstance(radius, int) and radius > VAGUE_KM:
        return None
    names = _names(_table(record, "city"))
    return Name(names) if names.get(SOURCE_LANGUAGE) else None


def _table(record: object, part: str) -> dict[str, Any]:
    found = record.get(part) if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}


def _names(said: Mapping[str, Any]) -> dict[str, str]:
    """Return the names in a record that can be shown: short, and nothing in them that is not to be seen."""
    names = said.get("names")
    found = names.items() if isinstance(names, dict) else ()
    return {
        spoken: name
        for spoken, name in found
        if isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST
    }


def _territory(code: str, spoken: str) -> str:
    """Return a country's name by its code (ISO 3166-1) in a language (Unicode CLDR), or nothing."""
    return str(Locale.parse(spoken).territories.get(code, "")) if code.isalpha() and code != "ZZ" else ""
