"""Signed notes, verifier keys and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

ED25519 = 0x01
COSIGNATURE = 0x04  # Ed25519, with the time at which a witness had seen nothing larger
MLDSA44 = 0x06
WITNESS_KINDS = (COSIGNATURE, MLDSA44)
_PUBLIC_BYTES = {ED25519: 32, COSIGNATURE: 32, MLDSA44: 1312}
_TIME_BYTES = 8
_MOST_BYTES = 256 * 1024
_MOST_SIGNATURES = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadNote(ValueError):
    """A note, key or checkpoint that is malformed, or a signature that does not verify."""


def encode(data: bytes) -> str:
    """Standard base64 (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """Standard base64 in its one canonical form. Raises BadNote."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("not base64") from error
    if encode(data) != text:
        raise BadNote("base64 that is not in its canonical form")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise BadNote("a key name is not empty and has no spaces and no plus sign")


@dataclass(frozen=True)
class VerifierKey:
    """A public key that signs notes: its name, its signature type and its bytes."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID (C2SP signed-note, section Signatures)."""
        text = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(text).digest()[:4]

    def text(self) -> str:
        """The key as a vkey line: name+hex key ID+base64 of type and key."""
        return f"{self.name}+{self.key_id.hex()}+{encode(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey. Raises BadNote, also when the key ID is not the key's own."""
        name, _, rest = text.partition("+")
        key_id, _, material = rest.partition("+")
        _check_name(name)
        data = decode(material)
        if not data or len(data) - 1 != _PUBLIC_BYTES.get(data[0]):
            raise BadNote("a verifier key of an unknown type or of a wrong length")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != key_id:
            raise BadNote("a verifier key whose ID is not its own")
        return key


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: origin, number of leaves, root hash (C2SP tlog-checkpoint; no extension lines)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text. Raises BadNote; extension lines are refused, since Erti's log has none."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise BadNote("a checkpoint has an origin, a size and a root hash, each on its line")
        root = decode(lines[2])
        if len(root) != 32:
            raise BadNote("a checkpoint's root hash has 32 bytes")
        return cls(lines[0], int(lines[1]), root)


@dataclass(frozen=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        """The line as it stands in a note."""
        return f"\N{EM DASH} {self.name} {encode(self.key_id + self.blob)}\n"


class Signer(Protocol):
    """Signs checkpoints with one key."""

    @property
    def key(self) -> VerifierKey:
        """The public half."""

    def sign(self, checkpoint: Checkpoint, *, at: int) -> Signature:
        """Sign at `at`, seconds since 1970."""


class Ed25519Signer:
    """The log's Ed25519 key: signs the note text as it is."""

    def __init__(self, name: str, seed: bytes) -> None:
        _check_name(name)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(name, ED25519, self._private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint, *, at: int) -> Signature:
        """C2SP signed-note, section Ed25519 signatures; this type carries no time."""
        return Signature(self.key.name, self.key.key_id, self._private.sign(checkpoint.text().encode()))


class CosignatureSigner:
    """A witness's Ed25519 key: signs the note text and the time at which it saw it."""

    def __init__(self, name: str, seed: bytes) -> None:
        _check_name(name)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(name, COSIGNATURE, self._private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint, *, at: int) -> Signature:
        """C2SP tlog-cosignature, section Ed25519 signed message."""
        signed = self._private.sign(_timed(checkpoint.text(), at))
        return Signature(self.key.name, self.key.key_id, at.to_bytes(_TIME_BYTES, "big") + signed)


class Mldsa44Signer:
    """The ML-DSA-44 key of a log or a witness: signs a timestamped statement about the whole tree."""

    def __init__(self, name: str, seed: bytes) -> None:
        _check_name(name)
        self._private = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.key = VerifierKey(name, MLDSA44, self._private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint, *, at: int) -> Signature:
        """C2SP tlog-cosignature, section ML-DSA-44 signed message."""
        signed = self._private.sign(_cosigned(self.key.name, checkpoint, at))
        return Signature(self.key.name, self.key.key_id, at.to_bytes(_TIME_BYTES, "big") + signed)


def _timed(text: str, at: int) -> bytes:
    """What an Ed25519 cosignature signs (C2SP tlog-cosignature)."""
    if not 0 <= at < 2**63:
        raise BadNote("a cosignature's time is out of range")
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _cosigned(name: str, checkpoint: Checkpoint, at: int) -> bytes:
    """The `cosigned_message` of C2SP tlog-cosignature for a tree that starts at leaf 0."""
    who, origin = name.encode(), checkpoint.origin.encode()
    if not 0 < len(who) < 256 or not 0 < len(origin) < 256 or not 0 <= at < 2**63:
        raise BadNote("a cosigned name or origin is longer than 255 bytes, or the time is out of range")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(who)]) + who,
            at.to_bytes(8, "big"),
            bytes([len(origin)]) + origin,
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def sign(checkpoint: Checkpoint, signers: Iterable[Signer], *, at: int) -> str:
    """The checkpoint as a signed note, one line per signer, in order."""
    return checkpoint.text() + "\n" + "".join(signer.sign(checkpoint, at=at).line() for signer in signers)


def parse_lines(text: str) -> list[Signature]:
    """Signature lines by themselves, as a witness answers with. Raises BadNote."""
    if len(text) > _MOST_BYTES or not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise BadNote("signature lines that are too long or do not end in a newline")
    lines = text[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise BadNote("too many signatures")
    return [_signature(line) for line in lines]


def split(note: str) -> tuple[str, list[Signature]]:
    """Text and signature lines of a note, nothing verified. Raises BadNote."""
    if len(note) > _MOST_BYTES or any(c < " " and c != "\n" for c in note):
        raise BadNote("a note that is too long or has control characters")
    text, gap, rest = note.rpartition("\n\n")
    if not gap or not rest.endswith("\n"):
        raise BadNote("a note is a text, an empty line and signature lines")
    return text + "\n", parse_lines(rest)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, blob = rest.partition(" ")
    if dash != "\N{EM DASH}":
        raise BadNote("a signature line starts with a dash and a space")
    _check_name(name)
    data = decode(blob)
    if len(data) <= 4:
        raise BadNote("a signature line without a signature")
    return Signature(name, data[:4], data[4:])


def verify(text: str, key: VerifierKey, signature: Signature) -> int | None:
    """Check one signature over a note text; returns its time in seconds, if its type has one.

    Raises BadNote.
    """
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise BadNote("a signature by another key")
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature.blob, text.encode())
            return None
        at = int.from_bytes(signature.blob[:_TIME_BYTES], "big")
        signed = signature.blob[_TIME_BYTES:]
        if key.kind == COSIGNATURE:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signed, _timed(text, at))
        else:
            message = _cosigned(key.name, Checkpoint.parse(text), at)
            MLDSA44PublicKey.from_public_bytes(key.public).verify(signed, message)
        return at
    except (InvalidSignature, ValueError) as error:
        raise BadNote(f"the signature of {key.name} does not verify") from error


def open_checkpoint(
    note: str, keys: Sequence[VerifierKey]
) -> tuple[Checkpoint, dict[VerifierKey, int | None]]:
    """The checkpoint, and which of `keys` signed it when. Lines of other keys are passed over.

    Raises BadNote if none of `keys` signed, or one of them has a line that does not verify.
    """
    text, signatures = split(note)
    signed: dict[VerifierKey, int | None] = {}
    known = {(key.name, key.key_id): key for key in keys}
    for signature in signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            signed[key] = verify(text, key, signature)
    if not signed:
        raise BadNote("no signature by a key that is trusted")
    return Checkpoint.parse(text), signed
