"""What an entry is: its record, the commitment that hides it, and the leaf that stands in the tree."""

import base64
import hashlib
import hmac
from typing import Any

import rfc8785

COMMITMENT = 0x01
PUBLIC = 0x03
NONCE_BYTES = 32
_KEY = hashlib.sha256(b"erti/entry/v1").digest()
_CHAIN = b"erti/chain/v1"


def record(body: dict[str, Any], *, label: bytes, seq: int, previous: bytes) -> bytes:
    """The record of an entry in JCS (RFC 8785): what happened, and its place in its chain.

    `seq` counts from 1; `previous` is the chain's head before this entry.
    """
    place = {"chain": label.hex(), "seq": seq, "prev": base64_of(previous)}
    return rfc8785.dumps(body | place)


def public_record(body: dict[str, Any]) -> bytes:
    """The record of a public leaf in JCS: the same facts, without who acted."""
    return rfc8785.dumps({name: value for name, value in body.items() if name != "actor"})


def base64_of(data: bytes) -> str:
    """Standard base64, as everywhere in records, bundles and notes."""
    return base64.b64encode(data).decode("ascii")


def commitment(nonce: bytes, content: bytes) -> bytes:
    """The hiding, binding commitment to a record: HMAC-SHA256 over nonce, length and record."""
    return hmac.digest(_KEY, nonce + len(content).to_bytes(4, "big") + content, "sha256")


def leaf(leaf_type: int, content: bytes) -> bytes:
    """Leaf data: one type byte, then a commitment or a public record."""
    return bytes([leaf_type]) + content


def first_head(label: bytes) -> bytes:
    """The head of a chain without entries."""
    return hashlib.sha256(_CHAIN + label).digest()


def next_head(head: bytes, entry: bytes) -> bytes:
    """The head of a chain after an entry with this commitment."""
    return hashlib.sha256(_CHAIN + head + entry).digest()
