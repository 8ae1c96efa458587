"""Chains: their labels, their running heads, and what a chain's owner may read of it."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger import entries, policy, tree
from consent.ledger.errors import LedgerMismatch
from consent.ledger.tables import entry, head, subject
from core import clock
from core.database import Parts, parts
from keys import sealing, vrf
from keys.errors import Shredded

LABELS_KEPT = 200_000
_FIND = select(subject).where(subject.c.chain.in_(bindparam("chains", expanding=True)))
_LEAF0 = select(entry.c.payload).where(entry.c.leaf_index == 0)
HEAD = select(head.c.size, head.c.root, head.c.frontier).where(head.c.id == 1)
LOCK_HEAD = HEAD.with_for_update()
_FIRST_HEAD: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(head),
    "postgresql": postgresql.insert(head),
}
_OF = select(entry).where(entry.c.label == bindparam("label"), entry.c.leaf_index < bindparam("below"))
YEAR_DIGITS = 4
EVERYTHING = 2**62


@dataclass
class Chain:
    """A chain as it stands: how many entries, and the head after them."""

    name: str
    label: bytes
    n: int
    head: bytes


@dataclass(frozen=True)
class Opened:
    """One entry of a chain; `record` and `nonce` are None when its opening was destroyed."""

    index: int
    seq: int
    commitment: bytes
    nonce: bytes | None
    record: bytes | None

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
            for row in db.execute(_FIND, {"chains": missing}):
                self.keep(row.chain, row.label)
            for name in missing:
                self.of(name)


def label_of(house: Parts, name: str) -> bytes:
    """The label of one chain."""
    return Labels(house).of(name)


def proof_of(house: Parts, name: str) -> bytes:
    """The VRF proof that a label is the chain's."""
    return vrf.prove(policy.vrf_secret(house), name.encode())


def standing(db: Session, names: Sequence[str], labels: Labels) -> dict[str, Chain]:
    """The chains as they stand, new ones at their beginning. For the holder of the head lock."""
    found = {
        row.chain: Chain(row.chain, row.label, row.n, row.head)
        for row in db.execute(_FIND, {"chains": list(names)})
    }
    for name in names:
        if name not in found:
            label = labels.of(name)
            found[name] = Chain(name, label, 0, entries.first_head(label))
    return found


def opened(db: Session) -> bool:
    """Open the ledger if this is the first start: write leaf 0; True if it was written now.

    On later starts checks that leaf 0 names the origin and keys of this house. Raises LedgerMismatch.
    """
    house = parts(db)
    empty = tree.Frontier()
    values = {"id": 1, "size": 0, "root": empty.root(), "frontier": empty.to_bytes()}
    db.execute(_FIRST_HEAD[db.get_bind().dialect.name].values(values).on_conflict_do_nothing())
    if db.execute(LOCK_HEAD).one().size:
        _check_leaf0(house, db.scalar(_LEAF0) or b"{}")
        return False
    at = clock.wire(clock.now())
    payload = entries.public_record({**_identity(house), "v": 1, "kind": "ledger-opened", "at": at})
    empty.append(tree.leaf_hash(entries.leaf(entries.PUBLIC, payload)))
    row = {
        "leaf_index": 0,
        "leaf_type": entries.PUBLIC,
        "payload": payload,
        "kind": "ledger-opened",
        "month": at[:7],
    }
    db.execute(insert(entry), row)
    db.execute(head.update().values(size=1, root=empty.root(), frontier=empty.to_bytes()))
    return True


def opened_at(db: Session) -> datetime | None:
    """When the ledger was opened, as leaf 0 says; None before that."""
    payload = db.scalar(_LEAF0)
    return None if payload is None else datetime.fromisoformat(json.loads(payload)["at"])


def _identity(house: Parts) -> dict[str, Any]:
    public = entries.base64_of(vrf.public(policy.vrf_secret(house)))
    return {
        "origin": house.settings.ledger_origin,
        "log_keys": [key.text() for key in policy.log_keys(house)],
        "vrf": {"suite": vrf.SUITE, "public": public},
    }


def _check_leaf0(house: Parts, payload: bytes) -> None:
    said = json.loads(payload)
    wrong = [name for name, value in _identity(house).items() if said.get(name) != value]
    if wrong:
        raise LedgerMismatch(detail=f"leaf 0 has another {', '.join(wrong)}")


def leaf_data(row: Mapping[Any, Any]) -> bytes:
    """The leaf data of an entry's row."""
    content = row["payload"] if row["leaf_type"] == entries.PUBLIC else row["commitment"]
    return entries.leaf(row["leaf_type"], content)


def seal_opening(db: Session, chain: str, place: int, nonce: bytes, record: bytes) -> bytes:
    """Seal nonce and record under the chain's key of this year, bound to the entry's index."""
    year = str(clock.now().year)
    sealed = sealing.seal(db, chain, f"ledger:{year}", nonce + record, aad=place.to_bytes(8, "big"))
    return year.encode() + sealed


def open_opening(db: Session, chain: str, place: int, sealed: bytes) -> tuple[bytes, bytes]:
    """Nonce and record of an entry. Raises keys.errors.Shredded if the key is destroyed, BadSeal if altered."""
    scope = f"ledger:{sealed[:YEAR_DIGITS].decode()}"
    plain = sealing.unseal(db, chain, scope, sealed[YEAR_DIGITS:], aad=place.to_bytes(8, "big"))
    return plain[: entries.NONCE_BYTES], plain[entries.NONCE_BYTES :]


def chain(db: Session, name: str, *, below: int | None = None) -> Iterator[Opened]:
    """Every entry of a chain, oldest first, opened; only those before leaf `below` if given."""
    label = label_of(parts(db), name)
    rows = db.execute(
        _OF.order_by(entry.c.seq), {"label": label, "below": EVERYTHING if below is None else below}
    )
    return (_open(db, name, row) for row in rows.mappings())


def _open(db: Session, name: str, row: Mapping[Any, Any]) -> Opened:
    nonce = record = None
    if row["opening"] is not None:
        with contextlib.suppress(Shredded):
            nonce, record = open_opening(db, name, row["leaf_index"], row["opening"])
    return Opened(row["leaf_index"], row["seq"], row["commitment"], nonce, record)
