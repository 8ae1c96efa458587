"""What `fsck` does to one range of a log by itself: rows are hashed, openings opened, records read."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.orm import Session

from consent.ledger import entries, logs, openings, tree, withheld, withheld_check
from consent.ledger.erased import Gone
from consent.ledger.events import EntriesErased
from consent.ledger.rows import Query
from keys import sealing
from keys.errors import BadSeal, Shredded

ROWS: Final = 4096  # whole tiles, so that their hashes can be made here
NAMES_KEPT: Final = 200_000
# What is wrong with one row is told in this order.
MISSING, NO_LEAF, MAP_ROOT, ROOT, UNKNOWN, NUMBER, OPENING, PLACE, CLEAR = range(9)
_TOLD: Final = {withheld.REVEALED, withheld.FIXED, withheld_check.PUBLISHED}
# What a leaf of each type is hashed behind (RFC 9162 section 2.1.1).
_TYPES: Final = {
    kind: b"\x00" + entries.leaf(kind, b"") for kind in (entries.COMMITMENT, entries.MAP_ROOT, entries.PUBLIC)
}
_ENTRY: Final = _TYPES[entries.COMMITMENT]
_OF_RANGE: Final = "FROM ledger_entry WHERE log = :log AND leaf_index >= :start AND leaf_index < :stop"
# An entry in a chain, with its content, as nearly all are. Of the others more is asked; whether an opening is there
# a database knows without reading it.
_PLAIN: Final = (
    f"leaf_type = {entries.COMMITMENT} AND commitment IS NOT NULL AND label IS NOT NULL "
    "AND opening IS NOT NULL AND erasure IS NULL"
)
_ROWS: Final = {
    openings: Query(
        f"SELECT leaf_index, commitment, label, seq, CASE WHEN {_PLAIN} THEN 1 ELSE 0 END{more} "
        f"{_OF_RANGE} ORDER BY leaf_index LIMIT :most"
    )
    for openings, more in ((True, ", opening, event_id, kind, month"), (False, ""))
}
_RARE: Final = Query(
    "SELECT leaf_index, leaf_type, commitment, payload, label, kind, event_id, erasure, "
    f"CASE WHEN opening IS NULL THEN 0 ELSE 1 END {_OF_RANGE} AND NOT ({_PLAIN})"
)
_NAMES: Final = Query(
    "SELECT DISTINCT ledger_subject.label, chain FROM ledger_subject "  # noqa: S608
    f"JOIN (SELECT label {_OF_RANGE}) AS linked ON linked.label = ledger_subject.label WHERE log = :log"
)
_sha256: Final = hashlib.sha256
Columns = Sequence[Sequence[Any]]
# The head before it that an entry's record names; if the record says otherwise than its row: whether it names the chain
# of the row, and the number and the head that it names.
Said = str | tuple[bool, int, str]


class _Record(msgspec.Struct):
    """What of a record must agree with its place and its row."""

    chain: str
    seq: int
    prev: str
    kind: str
    event: str
    at: str


_record: Final = msgspec.json.Decoder(_Record)


@dataclass(frozen=True)
class Links:
    """The entries of a range that stand in chains, column by column, as whoever follows the chains needs them.

    `of` numbers `labels`; `said` is None for an entry that was not opened.
    """

    labels: Sequence[bytes]
    index: Sequence[int]
    of: Sequence[int]
    seq: Sequence[int | None]
    commitment: Sequence[bytes]
    said: list[Said | None]


@dataclass(frozen=True)
class Part:
    """What one range comes to; what needs the ranges before it is left to `fsck`."""

    indexes: Sequence[int]  # a plain range if none is missing
    leaves: list[bytes]
    tiles: list[bytes]  # the hash of each 256 leaves
    links: Links
    map_roots: list[tuple[int, bytes]] = field(default_factory=list)
    findings: list[tuple[int, int, str]] = field(default_factory=list)
    seen: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = field(default_factory=list)
    gone: Gone = field(default_factory=Gone)


class _Rare(NamedTuple):
    """A row that is not an entry in a chain with its content."""

    leaf_index: int
    leaf_type: int
    commitment: bytes | None
    payload: bytes | None
    label: bytes | None
    kind: str | None
    event_id: str | None
    erasure: str | None
    opened: int

    @property
    def linked(self) -> bool:
        """Whether it stands in a chain all the same."""
        return self.leaf_type == entries.COMMITMENT and self.label is not None


class Names:
    """Whose chain a label of one log is; not more are kept than fit."""

    def __init__(self) -> None:
        self._log = 0
        self._kept: dict[bytes, str] = {}

    def of(self, db: Session, asked: "Range", labels: Sequence[bytes]) -> Mapping[bytes, str]:
        """Return the names of at least these labels, which stand in a range; an unknown one is not in it."""
        if self._log != asked.log or len(self._kept) > NAMES_KEPT:
            self._log, self._kept = asked.log, {}
        if any(label not in self._kept for label in labels):
            self._kept.update(_NAMES.all(db, **asked.where))
        return self._kept


@dataclass(frozen=True)
class Range:
    """The entries of a log from one index to before another, at most ROWS of them."""

    log: int
    kind: str
    start: int
    stop: int
    openings: bool

    @property
    def where(self) -> dict[str, int]:
        """The same for a query."""
        return {"log": self.log, "start": self.start, "stop": self.stop}

    def check(self, db: Session, names: Names) -> Part:
        """Look at every row: at all of them column by column, as there are millions, and at what is rare row by row."""
        rows = _ROWS[self.openings].all(db, **self.where, most=ROWS)
        if not rows:
            return Part(range(0), [], [], Links([], [], [], [], [], []))
        columns: Columns = list(zip(*rows, strict=True))
        index, commitment, _label, _seq, plain = columns[:5]
        contents, rare = list(commitment), dict(self._rare(db, index, plain))
        for place, row in rare.items():
            contents[place] = _content(row) or b""
        leaves = [_sha256(_ENTRY + content).digest() for content in contents]
        for place, row in rare.items():
            leaves[place] = _sha256(_TYPES.get(row.leaf_type, b"") + contents[place]).digest()
        whole = range(0, len(rows) - tree.TILE_WIDTH + 1, tree.TILE_WIDTH)
        tiles = [tree.whole(leaves[at : at + tree.TILE_WIDTH]) for at in whole]
        columns = [index, contents, *columns[2:4], *columns[5:]]
        if rare:
            linked = [place not in rare or rare[place].linked for place in range(len(rows))]
            columns = [[*compress(column, linked)] for column in columns]
        part = Part(_plain_range(index), leaves, tiles, _links(columns))
        for place, row in rare.items():
            _take_rare(part, row, contents[place])
        if self.openings:
            _open_all(db, self, part, columns, names)
            told = (row for row in rare.values() if self.kind == logs.WITHHELD or row.kind in _TOLD)
            part.seen.extend((row._asdict(), None) for row in told if not row.linked)
            part.seen.sort(key=lambda seen: seen[0]["leaf_index"])
        return part

    def _rare(self, db: Session, index: Sequence[int], plain: Sequence[int]) -> Iterator[tuple[int, _Rare]]:
        if not all(plain):
            found = {row[0]: _Rare(*row) for row in _RARE.all(db, **self.where)}
            for place, ok in enumerate(plain):
                if not ok:
                    yield place, found[index[place]]


def _content(row: _Rare) -> bytes | None:
    content = row.commitment if row.leaf_type == entries.COMMITMENT else row.payload
    return content if row.leaf_type in _TYPES else None


def _plain_range(index: Sequence[int]) -> Sequence[int]:
    return range(index[0], index[0] + len(index)) if index[-1] - index[0] == len(index) - 1 else list(index)


def _links(columns: Columns) -> Links:
    index, commitment, label, seq = columns[:4]
    numbers = {one: number for number, one in enumerate(dict.fromkeys(label))}
    return Links([*numbers], index, [numbers[one] for one in label], seq, commitment, [None] * len(index))


def _take_rare(part: Part, row: _Rare, content: bytes) -> None:
    """Take in what is not an entry with its content: map roots, public records, and what was erased."""
    if _content(row) is None:
        part.findings.append((row.leaf_index, NO_LEAF, "it has no leaf"))
    if row.leaf_type == entries.MAP_ROOT:
        part.map_roots.append((row.leaf_index, content))
    elif row.leaf_type == entries.PUBLIC and row.kind == EntriesErased.kind:
        part.gone.public.append(content)
    elif row.leaf_type == entries.COMMITMENT and not row.opened:
        part.gone.silent.setdefault(row.erasure, []).append(row.leaf_index)
    if row.erasure is not None:
        part.gone.marked[row.erasure] += 1
        if row.opened:
            part.gone.back.append(row.leaf_index)


# ------------------------------------------------------------------------------------ openings


Open = Callable[[bytes, int, bytes], bytes]


def _open_all(db: Session, asked: Range, part: Part, columns: Columns, names: Names) -> None:
    """Open every entry of a range that has an opening and whose chain is known, and compare what it says."""
    index, commitment, label, seq, opening, event_id, kind, month = columns
    fronts = [None if sealed is None else openings.front(sealed) for sealed in opening]
    known = names.of(db, asked, part.links.labels)
    openers = _openers(db, known, {*zip(label, fronts, strict=True)})
    hidden, log = asked.kind == logs.WITHHELD, (asked.log - logs.FIRST).to_bytes(2, "big")
    commit = entries.split_commitment if hidden else entries.commitment
    told = {number for number, what in enumerate(kind) if hidden or what in _TOLD}
    records: dict[int, Any] = {}
    rows = zip(index, commitment, label, seq, opening, event_id, kind, month, fronts, strict=True)
    for place, (at, committed, of, seq_of, sealed, event, what, when, front) in enumerate(rows):
        if front is None or of not in known:
            continue
        try:
            plain = openers[of, front](sealed, len(front), log + at.to_bytes(6, "big"))
            nonce, record = plain[: entries.NONCE_BYTES], plain[entries.NONCE_BYTES :]
            if commit(nonce, record) != committed:
                part.findings.append((at, OPENING, "its record is not what the tree commits to"))
                continue
            said = _record.decode(record)
        except Shredded:
            part.findings.append((at, OPENING, "its key is gone, and no erasure says so"))
            continue
        except (BadSeal, OverflowError):
            part.findings.append((at, OPENING, "its opening was altered"))
            continue
        except (msgspec.MsgspecError, ValueError, KeyError):
            part.findings.append((at, OPENING, "its record cannot be read"))
            continue
        if said.kind != what or said.event != event or said.at[:7] != when:
            part.findings.append((at, CLEAR, "its clear columns say something else than its record"))
        own = said.chain == of.hex()
        part.links.said[place] = said.prev if own and said.seq == seq_of else (own, said.seq, said.prev)
        if place in told:
            records[place] = json.loads(record)
    for place in sorted(told):
        facts = _facts(index[place], commitment[place], label[place], kind[place], event_id[place])
        part.seen.append((facts, records.get(place)))


def _facts(index: int, commitment: bytes, label: bytes, kind: str, event_id: str) -> Mapping[str, Any]:
    row = _Rare(index, entries.COMMITMENT, commitment, None, label, kind, event_id, None, 1)
    return row._asdict()


def _openers(
    db: Session, known: Mapping[bytes, str], wanted: set[tuple[bytes, bytes | None]]
) -> Mapping[tuple[bytes, bytes | None], Open]:
    """What opens by label and front of an opening, each key unwrapped once, with few queries.

    It is kept for one range only: what is destroyed meanwhile must be forgotten (`keys.ring`).
    """
    found: dict[tuple[bytes, bytes | None], Open] = {}
    by_scope: dict[str, dict[tuple[bytes, bytes | None], str]] = {}
    for label, front in wanted:
        scope = None if front is None else openings.scope_of(front)
        if scope is None:
            found[label, front] = _altered
        elif label in known:
            by_scope.setdefault(scope, {})[label, front] = known[label]
    for scope, names in by_scope.items():
        with contextlib.suppress(BadSeal):  # a wrapped key that was altered is met again below
            sealing.fetch(db, names.values(), scope)
        for place, name in names.items():
            found[place] = _opener(db, name, scope)
    return found


def _opener(db: Session, name: str, scope: str) -> Open:
    try:
        return sealing.opener(db, name, scope).open
    except Shredded:
        return _gone
    except BadSeal:
        return _altered


def _gone(_sealed: bytes, _at: int, _aad: bytes) -> bytes:
    raise Shredded


def _altered(_sealed: bytes, _at: int, _aad: bytes) -> bytes:
    raise BadSeal
