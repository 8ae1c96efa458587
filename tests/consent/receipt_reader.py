"""Reads receipts as somebody who keeps them would: with published keys, RFC 9162 and C2SP, and none of our code."""

import base64
import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jwt
from joserfc.jwk import KeySet

ENTRY_KEY = hashlib.sha256(b"erti/entry/v1").digest()


def claims(receipt: str, jwks: dict[str, Any]) -> dict[str, Any]:
    """Return what a receipt says once its signature, type and algorithm are checked. Raises JoseError, ValueError."""
    found = jwt.decode(receipt, KeySet.import_key_set(jwks), algorithms=["ES256"])  # type: ignore[arg-type]
    assert found.header["typ"] == "erti-receipt+jwt"
    return dict(found.claims)


def leaf_hash(commitment: bytes) -> bytes:
    """RFC 9162, 2.1.1, over the leaf data of an entry: type byte 01 and its commitment."""
    return hashlib.sha256(b"\x00\x01" + commitment).digest()


def opens(found: dict[str, Any]) -> bool:
    """Tell whether nonce and record of a citizen's receipt open its commitment."""
    record, nonce = found["record"].encode(), base64.b64decode(found["nonce"])
    message = nonce + len(record).to_bytes(4, "big") + record
    return hmac.digest(ENTRY_KEY, message, "sha256") == base64.b64decode(found["commitment"])


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that an inclusion path leads to. Raises ValueError if the path does not fit."""
    if not 0 <= index < size:
        raise ValueError("index")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise ValueError("too long")
        if fn & 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ValueError("too short")
    return r


def proven(found: dict[str, Any], vkey: str) -> int:
    """Check the tlog-proof of a receipt with the log's Ed25519 key; returns the size of the tree. Raises ValueError.

    (1) the proof is C2SP tlog-proof v1; (2) its checkpoint is of the log that the receipt names and signed by
    `vkey`; (3) the leaf of the receipt's commitment stands at its index in that tree.
    """
    head, _, note = found["tlog_proof"].partition("\n\n")
    first, second, *path = head.split("\n")
    if (first, second) != ("c2sp.org/tlog-proof@v1", f"index {found['index']}"):  # (1)
        raise ValueError("not this proof")
    text, _, lines = note.rpartition("\n\n")
    origin, size, root = text.split("\n")
    if origin != found["log"]:  # (2)
        raise ValueError("another log")
    name, key_id, material = vkey.split("+", 2)
    blobs = [line.split(" ")[2] for line in lines.splitlines() if line.startswith(f"\u2014 {name} ")]
    own = [blob for blob in map(base64.b64decode, blobs) if blob[:4].hex() == key_id]
    if not own:
        raise ValueError("not signed by the log")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(material)[1:])
    key.verify(own[0][4:], (text + "\n").encode())
    leaf = leaf_hash(base64.b64decode(found["commitment"]))
    if base64.b64encode(leaf).decode() != found["leaf_hash"]:  # (3)
        raise ValueError("another leaf")
    if root_of(
        leaf, found["index"], int(size), [base64.b64decode(step) for step in path]
    ) != base64.b64decode(root):
        raise ValueError("not in the tree")
    return int(size)
