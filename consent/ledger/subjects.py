"""Chains: their labels, their running heads, and what a chain's owner may read of it."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from consent.ledger import entries, logs, openings, policy
from consent.ledger.tables import entry, subject
from core.database import Parts, among, parts, texts
from keys import vrf
from keys.errors import Shredded

LABELS_KEPT = 200_000
_NAMED = among(subject.c.chain, "chains")
_LABELS = {
    engine: select(subject.c.chain, subject.c.label).where(named, subject.c.log.in_(logs.SHOWN))
    for engine, named in _NAMED.items()
}
_FIND = {
    engine: select(subject).where(subject.c.log == bindparam("log"), named)
    for engine, named in _NAMED.items()
}
_OF = select(entry).where(
    entry.c.label == bindparam("label"),
    entry.c.log == bindparam("log"),
    entry.c.leaf_index < bindparam("below"),
)
EVERYTHING = 2**62
# Where an entry stands: the number of its log, and its index there.
Place = tuple[int, int]


@dataclass
class Chain:
    """A chain as it stands: how many entries, and the head after them."""

    name: str
    label: bytes
    n: int
    head: bytes
    generation: int = 0


@dataclass(frozen=True)
class Opened:
    """One entry of a chain; `record` and `nonce` are None when its opening was destroyed."""

    index: int
    seq: int
    commitment: bytes
    nonce: bytes | None
    record: bytes | None
    kind: str | None = None

    @property
    def facts(self) -> dict[str, Any] | None:
        """The record as data."""
        return None if self.record is None else json.loads(self.record)


class Labels:
    """Labels of chains, computed once in this process (2 ms each) and kept."""

    def __init__(self, house: Parts) -> None:
        self._house = house
        self._kept: dict[str, bytes] = {}
        self._guard = threading.Lock()
        self._public: bytes | None = None

    def missing(self, names: Iterable[str]) -> list[str]:
        """The names whose label is not at hand."""
        return [name for name in names if name not in self._kept]

    def keep(self, name: str, label: bytes) -> None:
        """Remember a label read from the database."""
        with self._guard:
            if len(self._kept) >= LABELS_KEPT:
                self._kept.clear()
            self._kept[name] = label

    def of(self, name: str) -> bytes:
        """The label of a chain: SHA-256 of the VRF output for its name (RFC 9381)."""
        if name not in self._kept:
            secret = policy.vrf_secret(self._house)
            self._public = self._public or vrf.public(secret)
            output = vrf.evaluate(secret, name.encode(), public_key=self._public)
            self.keep(name, hashlib.sha256(output).digest())
        return self._kept[name]

    def prepare(self, db: Session, names: Iterable[str]) -> None:
        """Have the labels of these chains at hand, so that nobody waits for them under the head lock."""
        missing = self.missing(set(names))
        if missing:
            for row in db.execute(_LABELS[db.get_bind().dialect.name], {"chains": texts(db, missing)}):
                self.keep(row.chain, row.label)
            for name in missing:
                self.of(name)


def label_of(house: Parts, name: str) -> bytes:
    """The label of one chain."""
    return Labels(house).of(name)


def proof_of(house: Parts, name: str) -> bytes:
    """The VRF proof that a label is the chain's."""
    return vrf.prove(policy.vrf_secret(house), name.encode())


def standing(db: Session, log: int, names: Sequence[str], labels: Labels) -> dict[str, Chain]:
    """The chains of a log as they stand, new ones at their beginning. For the holder of the head lock."""
    found = {
        row.chain: Chain(row.chain, row.label, row.n, row.head)
        for row in db.execute(_FIND[db.get_bind().dialect.name], {"log": log, "chains": texts(db, names)})
    }
    for name in names:
        if name not in found:
            label = labels.of(name)
            found[name] = Chain(name, label, 0, entries.first_head(label))
    return found


def leaf_data(row: Mapping[Any, Any]) -> bytes:
    """The leaf data of an entry's row."""
    content = row["commitment"] if row["leaf_type"] == entries.COMMITMENT else row["payload"]
    return entries.leaf(row["leaf_type"], content)


def seal_opening(db: Session, chain: str, key: str, place: Place, nonce: bytes, record: bytes) -> bytes:
    """Seal nonce and record under the chain's key of a scope (`openings.scope`), bound to the entry's place."""
    return openings.seal(db, chain, key, nonce + record, aad=_place(place))


def open_opening(db: Session, chain: str, place: Place, sealed: bytes) -> tuple[bytes, bytes]:
    """Nonce and record of an entry. Raises keys.errors.Shredded if the key is destroyed, BadSeal if altered."""
    plain = openings.unseal(db, chain, sealed, aad=_place(place))
    return plain[: entries.NONCE_BYTES], plain[entries.NONCE_BYTES :]


def _place(place: Place) -> bytes:
    log, index = place
    return (log - logs.FIRST).to_bytes(2, "big") + index.to_bytes(6, "big")


def chain(db: Session, name: str, *, log: int | None = None, below: int | None = None) -> Iterator[Opened]:
    """Every entry of a chain in a log, oldest first, opened; only those before leaf `below` if given.

    The log that grows, if none is named.
    """
    place = {
        "label": label_of(parts(db), name),
        "log": logs.current(db).number if log is None else log,
        "below": EVERYTHING if below is None else below,
    }
    rows = db.execute(_OF.order_by(entry.c.seq), place)
    return (_open(db, name, row) for row in rows.mappings())


def _open(db: Session, name: str, row: Mapping[Any, Any]) -> Opened:
    nonce = record = None
    if row["opening"] is not None:
        with contextlib.suppress(Shredded):
            nonce, record = open_opening(db, name, (row["log"], row["leaf_index"]), row["opening"])
    return Opened(row["leaf_index"], row["seq"], row["commitment"], nonce, record, row["kind"])
