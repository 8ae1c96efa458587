"""A history as files to keep: a table for spreadsheets, and JSON for programs, piece by piece."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from consent.history import HistoryEntry
from core import clock, language

# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("time", "what", "agency", "details", "reference", "place in the ledger")
FORMAT = "erti-history/1"
LEAST_SENT = 64 * 1024


def table(found: Iterable[HistoryEntry]) -> Iterator[bytes]:
    """Yield a history as CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets look for."""
    yield "\ufeff".encode()
    yield _line(COLUMNS)
    for one in found:
        details = "; ".join(f"{term}: {text}" for term, text in one.said.details)
        time = one.at.isoformat(timespec="seconds") if one.at else ""
        yield _line((time, one.said.title, one.agency or "", details, one.event_id, str(one.index)))


def document(
    citizen: str, found: Iterable[HistoryEntry], *, asked: dict[str, str], issuer: str
) -> Iterator[bytes]:
    """Yield a history as JSON in the shape of docs/history.md; `asked` is the filter as it was in the address."""
    front = {
        "format": FORMAT,
        "issuer": issuer,
        "citizen": citizen,
        "made_at": clock.wire(clock.now()),
        "language": language.current(),
        "filter": asked,
    }
    yield msgspec.json.encode(front)[:-1] + b',"entries":['
    number = 0
    for one in found:
        yield (b",\n" if number else b"\n") + msgspec.json.encode(_entry(one))
        number += 1
    yield f'\n],"count":{number}}}\n'.encode()


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in larger pieces, because each one that is sent by itself costs a trip to a thread."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= LEAST_SENT:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _entry(one: HistoryEntry) -> dict[str, Any]:
    return {
        "reference": one.event_id or None,
        "place": {"log": one.log, "index": one.index, "seq": one.seq},
        "at": clock.wire(one.at) if one.at else None,
        "kind": one.kind or None,
        "group": one.group or None,
        "agency": {"id": one.agency, "name": one.agency_name} if one.agency else None,
        "title": one.said.title,
        "details": [{"term": term, "text": text} for term, text in one.said.details],
        "erased": one.erased,
        "record": one.record or None,
    }


def _line(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])
    return out.getvalue().encode()
