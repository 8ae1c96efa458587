"""The tax register: one taxpayer a row, in CSV with the columns named in the first line."""

import csv
import re
from collections.abc import Sequence

from registry_sync.wire.shapes import (
    NATIONAL,
    Bad,
    Identity,
    Record,
    Unreadable,
    number,
    partial_date,
    text,
)

NAME = "tax"
FOUNDS_PEOPLE = False
COLUMNS = frozenset({
    "taxpayer_number", "national_identifier", "family_name", "given_name", "birth_date", "income_bracket",
    "tax_residency", "employer", "tax_year",
})  # fmt: skip
FIELDS = COLUMNS
_ALSO_CALLED = {"surname": "family_name"}
_YEAR = re.compile(r"(19|20)[0-9]{2}", re.ASCII)


def header(content: bytes) -> list[str] | None:
    """Return the names of the columns, or None if the line does not name each of them once."""
    found = cells(content)
    if found is None:
        return None
    names = [_ALSO_CALLED.get(name.strip().lower(), name.strip().lower()) for name in found]
    return names if set(names) >= COLUMNS and len(set(names)) == len(names) else None


def cells(content: bytes) -> list[str] | None:
    """Return the fields of one row (RFC 4180, section 2), or None if it is not one row."""
    try:
        written = content.decode("utf-8-sig")
        rows = list(csv.reader([written.rstrip("\r\n")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows[0] if len(rows) == 1 else None


def read(content: bytes, header: Sequence[str] = ()) -> Record | Bad:
    """Read one row under a header; never raises, whatever the bytes."""
    try:
        return _record(content, header)
    except Unreadable as error:
        return error.bad


def _record(content: bytes, header: Sequence[str]) -> Record:
    found = cells(content)
    if found is None:
        raise Unreadable("not-a-row" if _is_text(content) else "not-utf8")
    if len(found) != len(header):
        raise Unreadable("wrong-columns")
    row = {name: text(cell, name) for name, cell in zip(header, found, strict=True)}
    key = number(row["taxpayer_number"], "taxpayer_number")
    if not key:
        raise Unreadable("missing-identifier", "taxpayer_number")
    if not _YEAR.fullmatch(row["tax_year"]):
        raise Unreadable("bad-year", "tax_year")
    if not row["given_name"] and not row["family_name"]:
        raise Unreadable("missing-name", "family_name")
    national = number(row["national_identifier"], "national_identifier")
    who = Identity(
        given=row["given_name"],
        family=row["family_name"],
        born=partial_date(row["birth_date"], "birth_date"),
    )
    values = {name: row[name] for name in ("income_bracket", "tax_residency", "employer", "tax_year")}
    return Record(
        source=NAME,
        key=key,
        identifiers=((NATIONAL, national),) if national else (),
        identity=who,
        as_of=f"{row['tax_year']}-12-31",
        values={name: value for name, value in values.items() if value},
    )


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
