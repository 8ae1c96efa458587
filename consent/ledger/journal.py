"""The rows behind each signed tree, sealed in files beside the database: what a restored backup lacks (ADR 22)."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from consent.ledger import tiles
from consent.ledger.events import EntriesErased
from consent.ledger.logs import Log
from consent.ledger.tables import entry, erasure, generation, request, subject
from core import clock
from core.database import Parts, parts
from keys import sealing

CHUNK = 5000
SEGMENT_BYTES = 16 * 1024 * 1024
_HEAD, _NONCE = 20, 12  # length of what is sealed, first row, row after the last
_ROWS = (
    select(entry)
    .where(
        entry.c.log == bindparam("log"),
        entry.c.leaf_index >= bindparam("start"),
        entry.c.leaf_index < bindparam("stop"),
    )
    .order_by(entry.c.leaf_index)
)
_CHAINS = (
    select(subject.c.chain, subject.c.label)
    .where(subject.c.label.in_(bindparam("labels", expanding=True)))
    .distinct()
)
_ERASED = (
    select(entry.c.label)
    .where(entry.c.erasure.in_(bindparam("erasures", expanding=True)), entry.c.label.is_not(None))
    .distinct()
)
_OF_LABELS = select(entry).where(entry.c.label.in_(bindparam("labels", expanding=True)))
_DONE = select(erasure).where(erasure.c.id.in_(bindparam("erasures", expanding=True)))
_GENERATIONS = select(generation).where(generation.c.chain.in_(bindparam("chains", expanding=True)))
_REQUESTS = select(request).where(
    request.c.log == bindparam("log"),
    request.c.leaf_index >= bindparam("start"),
    request.c.leaf_index < bindparam("stop"),
)


class BadJournal(RuntimeError):
    """A journal file that is not whole, or not of this house."""


@dataclass(frozen=True)
class Frame:
    """So many rows of a log with what belongs to them: their chains' names, wrapped keys, claimed requests.

    Where a row says that somebody's entries were erased, also what that did: the chains' entries as they are now, in
    all logs, the chains' generations, and the erasures. Of those chains `keys` are all the keys there are.
    """

    start: int
    stop: int
    entries: list[dict[str, Any]]
    chains: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    erasures: list[dict[str, Any]]
    generations: list[dict[str, Any]]
    rewritten: list[dict[str, Any]]


def folder(house: Parts, log: int) -> Path:
    """Where the journal of a log is."""
    return (house.settings.ledger_journal or house.settings.data_dir / "ledger-journal") / str(log)


def write(db: Session, log: Log, signed: int, size: int) -> None:
    """Make the rows up to `size` durable outside the database, before a tree of that size is signed.

    `signed` is the size signed last: what comes before it is there already, unless the journal is new. Rows
    beyond it may be there too, from a signature that was not finished; what is written later counts.
    """
    house = parts(db)
    place = folder(house, log.number)
    start = signed if _end(place) >= signed else 0
    while start < size:
        stop = min(start + CHUNK, size)
        _append(
            place,
            start,
            stop,
            _sealed(house, log.origin, start, stop, _contents(db, log.number, start, stop)),
        )
        start = stop


def read(house: Parts, log: int, origin: str) -> Iterator[Frame]:
    """Every frame in the order in which they were written; a later one counts more. Raises BadJournal."""
    for start, stop, sealed in _frames(folder(house, log)):
        try:
            plain = _cipher(house).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(origin, start, stop))
            yield Frame(start, stop, **msgspec.msgpack.decode(plain))
        except InvalidTag as error:
            raise BadJournal(f"rows {start} to {stop} of the journal were sealed with other keys") from error
        except (msgspec.DecodeError, TypeError) as error:
            raise BadJournal(f"rows {start} to {stop} of the journal cannot be read") from error


def purge(house: Parts, log: int) -> int:
    """Drop segments older than a setting says, never the newest; returns how many."""
    before = clock.now() - timedelta(days=house.settings.ledger_journal_days)
    old = [
        path
        for path in _segments(folder(house, log))[:-1]
        if datetime.fromtimestamp(path.stat().st_mtime, before.tzinfo) < before
    ]
    for path in old:
        path.unlink()
    return len(old)


def _contents(db: Session, log: int, start: int, stop: int) -> bytes:
    span = {"log": log, "start": start, "stop": stop}
    rows = _dicts(db, _ROWS, span)
    if len(rows) != stop - start:
        raise LookupError(f"entries are missing between {start} and {stop}")
    erasures = sorted(_erasures(rows))
    erased = list(db.scalars(_ERASED, {"erasures": erasures}))
    labels = sorted({row["label"] for row in rows if row["label"] is not None} | set(erased))
    chains: list[dict[str, Any]] = []
    for at in range(0, len(labels), 400):
        chains += _dicts(db, _CHAINS, {"labels": labels[at : at + 400]})
    owners = [row["chain"] for row in chains]
    theirs = [row["chain"] for row in chains if row["label"] in erased]
    facts = {
        "entries": rows,
        "chains": chains,
        "keys": sealing.copies(db, owners, "ledger:") + sealing.copies(db, owners, "withheld:"),
        "requests": _dicts(db, _REQUESTS, span),
        "erasures": _dicts(db, _DONE, {"erasures": erasures}),
        "generations": _dicts(db, _GENERATIONS, {"chains": theirs}),
        "rewritten": _dicts(db, _OF_LABELS, {"labels": erased}),
    }
    return msgspec.msgpack.encode(facts)


def _erasures(rows: list[dict[str, Any]]) -> set[str]:
    """The erasures that are told of in these rows."""
    told = [row["payload"] for row in rows if row["kind"] == EntriesErased.kind and row["payload"]]
    return {json.loads(payload)["data"]["erasure"] for payload in told}


def _dicts(db: Session, query: Select[Any], values: dict[str, Any]) -> list[dict[str, Any]]:
    found = db.execute(query, values)
    names = list(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


def _cipher(house: Parts) -> AESGCM:
    return AESGCM(house.keys.secret("ledger journal"))


def _bound(origin: str, start: int, stop: int) -> bytes:
    return b"erti/journal/v1\0" + origin.encode() + b"\0" + start.to_bytes(8, "big") + stop.to_bytes(8, "big")


def _sealed(house: Parts, origin: str, start: int, stop: int, plain: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(house).encrypt(nonce, plain, _bound(origin, start, stop))


def _segments(place: Path) -> list[Path]:
    return sorted(place.glob("*.rows")) if place.is_dir() else []


def _end(place: Path) -> int:
    """The row after the last one that is there; 0 if there is none."""
    end = 0
    for path in reversed(_segments(place)):
        for _start, stop, _at, _length in _heads(path):
            end = stop
        if end:
            break
    return end


def _heads(path: Path) -> Iterator[tuple[int, int, int, int]]:
    """First row, row after the last, place and length of what is sealed, of each whole frame."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + _HEAD <= size:
            file.seek(at)
            head = file.read(_HEAD)
            length = int.from_bytes(head[:4], "big")
            if at + _HEAD + length > size:
                return
            start, stop = int.from_bytes(head[4:12], "big"), int.from_bytes(head[12:], "big")
            yield start, stop, at + _HEAD, length
            at += _HEAD + length


def _frames(place: Path) -> Iterator[tuple[int, int, bytes]]:
    for path in _segments(place):
        with path.open("rb") as file:
            for start, stop, at, length in _heads(path):
                file.seek(at)
                yield start, stop, file.read(length)


def _append(place: Path, start: int, stop: int, sealed: bytes) -> None:
    """Add a frame durably. A frame that a crash left unfinished is cut off first."""
    segments = _segments(place)
    path = segments[-1] if segments else place / f"{0:012}.rows"
    whole = max((at + length for *_rows, at, length in _heads(path)), default=0) if segments else 0
    if whole > SEGMENT_BYTES:
        path, whole = place / f"{int(path.stem) + 1:012}.rows", 0
    if not path.exists():
        tiles.replace(path, b"", mode=0o600)
    head = len(sealed).to_bytes(4, "big") + start.to_bytes(8, "big") + stop.to_bytes(8, "big")
    with path.open("r+b", buffering=0) as file:
        try:
            file.truncate(whole)
            file.seek(whole)
            left = memoryview(head + sealed)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            # What a failed sync leaves reads well until the machine stops, and may be nowhere then: the next
            # frame would come after it, and be out of reach.
            with contextlib.suppress(OSError):
                file.truncate(whole)
            raise
