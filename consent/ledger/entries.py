"""What an entry is: its record, the commitment that hides it, and the leaf that stands in the tree."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from consent.ledger import jcs
from keys.quick import Mac

COMMITMENT = 0x01
MAP_ROOT = 0x02
PUBLIC = 0x03
NONCE_BYTES = 32
_commit = Mac(hashlib.sha256(b"erti/entry/v1").digest()).digest
CHAIN = b"erti/chain/v1"
_commit_split = Mac(hashlib.sha256(b"erti/withheld/v1").digest()).digest
_PLACE = ("prev", "seq")


class Draft:
    """A record that still lacks its place: everything that needs no lock is done.

    JCS orders members by name, and a record's are always the same nine, so the place fits in between.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self.kind: str = body["kind"]
        self.month: str = body["at"][:7]
        self._first = jcs.dumps({"actor": body["actor"], "at": body["at"]})[:-1]
        facts = {"data": body["data"], "event": body["event"], "kind": body["kind"]}
        self._middle = jcs.dumps(facts)[1:-1]

    def record(self, *, label: bytes, seq: int, previous: bytes) -> bytes:
        """The record of an entry in JCS (RFC 8785): what happened, and its place in its chain.

        `seq` counts from 1; `previous` is the chain's head before this entry.
        """
        chain = f',"chain":"{label.hex()}",'.encode()
        rest = f',"prev":"{base64_of(previous)}","seq":{seq},"v":1}}'.encode()
        return self._first + chain + self._middle + rest


def record(body: dict[str, Any], *, label: bytes, seq: int, previous: bytes) -> bytes:
    """The record of an entry; see Draft."""
    return Draft(body).record(label=label, seq=seq, previous=previous)


def public_record(body: dict[str, Any]) -> bytes:
    """The record of a public leaf in JCS: the same facts, without who acted."""
    return jcs.dumps({name: value for name, value in body.items() if name != "actor"})


def base64_of(data: bytes) -> str:
    """Standard base64, as everywhere in records, bundles and notes."""
    return base64.b64encode(data).decode("ascii")


def commitment(nonce: bytes, content: bytes) -> bytes:
    """The hiding, binding commitment to a record: HMAC-SHA256 over nonce, length and record."""
    return _commit(nonce + len(content).to_bytes(4, "big") + content)


@dataclass(frozen=True)
class Split:
    """A record in two parts that can be opened one without the other: what happened, and its place in its chain.

    A withheld entry is shown when it is due. Its number in its chain would tell how many others are
    withheld about the same citizen, so that part is never opened for them (ADR 23).
    """

    facts: bytes
    nonce: bytes
    place: bytes  # the commitment to the other part

    @property
    def commitment(self) -> bytes:
        """What stands in the tree: the commitments to both parts, in one."""
        return _commit_split(commitment(self.nonce, self.facts) + self.place)


def split(nonce: bytes, content: bytes) -> Split:
    """Split a record. Each part has a nonce of its own, made from the entry's, which is never shown."""
    said: dict[str, Any] = json.loads(content)
    facts = jcs.dumps({name: value for name, value in said.items() if name not in _PLACE})
    place = jcs.dumps({name: said[name] for name in _PLACE})
    one, other = (hmac.digest(nonce, part, "sha256") for part in (b"facts", b"place"))
    return Split(facts, one, commitment(other, place))


def split_commitment(nonce: bytes, content: bytes) -> bytes:
    """The commitment to a record that is withheld, whose two parts can be opened apart."""
    return split(nonce, content).commitment


def map_root(root: bytes, chains: int, at: int) -> bytes:
    """A map root's payload: the map's root hash, how many chains are in it, and the time in seconds since 1970."""
    return root + chains.to_bytes(8, "big") + at.to_bytes(8, "big")


def leaf(leaf_type: int, content: bytes) -> bytes:
    """Leaf data: one type byte, then a commitment, a map root or a public record."""
    return bytes([leaf_type]) + content


def first_head(label: bytes) -> bytes:
    """The head of a chain without entries."""
    return hashlib.sha256(CHAIN + label).digest()


def next_head(head: bytes, entry: bytes) -> bytes:
    """The head of a chain after an entry with this commitment."""
    return hashlib.sha256(CHAIN + head + entry).digest()
