"""A tool that tries to read erased entries out of what is left: raw files, and every key that the service still holds."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

WRAPPED = 12 + 32 + 16  # nonce, key, tag
BEHIND = 150  # how far behind its owner's name a wrapped key begins: scope and epoch stand between
LONGEST = 4096
FRONT = re.compile(rb"w?20\d\d(?::\d{1,9}:)?\x01")
SCOPE = re.compile(rb"(?:ledger|withheld):20\d\d(?::\d{1,15})?")
RECORD = b'{"actor":{'  # every record of an entry begins so, after its nonce of 32 bytes


def epoch_keys(folder: Path) -> dict[str, bytes]:
    """Every key in the custody's folder, the root secret too: whatever might have wrapped something."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.key*"))}


def contents(paths: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    """The bytes of every file below some paths."""
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                yield file, file.read_bytes()


def data_keys(
    files: Sequence[tuple[Path, bytes]], wrapping: Mapping[str, bytes], owners: Sequence[str]
) -> set[bytes]:
    """Every data key of the owners that one of the wrapping keys opens, wherever in the files it stands.

    Tried is each place behind an owner's name, and in a database's log also each place at which a value of a wrapped key's
    length begins (PostgreSQL writes that length, doubled and plus three, into the byte before it; a log holds changed
    values without the names beside them). Every scope that is written anywhere is tried as the context.
    """
    scopes = {found.group() for _file, content in files for found in SCOPE.finditer(content)}
    contexts = [owner.encode() + b"\0" + scope + b"\0key" for owner in owners for scope in scopes]
    ciphers = [AESGCM(key) for key in wrapping.values()]
    blobs = {
        content[place : place + WRAPPED] for _file, content in files for place in _places(content, owners)
    }
    return {key for blob in blobs for key in _unwrapped(blob, ciphers, contexts)}


def _places(content: bytes, owners: Sequence[str]) -> set[int]:
    places: set[int] = set()
    for owner in owners:
        for found in re.finditer(re.escape(owner.encode()), content):
            places.update(range(found.end(), found.end() + BEHIND))
    short = bytes([(WRAPPED + 1) * 2 + 1])
    places.update(found.end() for found in re.finditer(re.escape(short), content))
    return places


def _unwrapped(blob: bytes, ciphers: Sequence[AESGCM], contexts: Sequence[bytes]) -> Iterator[bytes]:
    for cipher in ciphers if len(blob) == WRAPPED else ():
        for context in contexts:
            try:
                yield cipher.decrypt(blob[:12], blob[12:], context)
            except InvalidTag:
                continue


def records(files: Sequence[tuple[Path, bytes]], keys: Iterable[bytes]) -> set[bytes]:
    """The beginning of every record that one of the keys opens, wherever in the files it is sealed.

    The tag is not asked for, so neither context nor length need be known, and half-overwritten values count too: AES-GCM
    is AES in counter mode, whose second block is the first of the plaintext (NIST SP 800-38D, 7.1).
    """
    held = list(keys)
    found: set[bytes] = set()
    for _file, content in files:
        for front in FRONT.finditer(content):
            nonce, sealed = content[front.end() : front.end() + 12], content[front.end() + 12 :][:LONGEST]
            for key in held:
                cipher = Cipher(algorithms.AES(key), modes.CTR(nonce + b"\0\0\0\2")).decryptor()
                plain = cipher.update(sealed)
                for start in (0, 32):  # a waiting event, an opening
                    if plain[start:].startswith(RECORD):
                        found.add(plain[start:])
    return found


def recovered(
    paths: Iterable[Path], folder: Path, owners: Sequence[str], marker: bytes, known: Iterable[bytes] = ()
) -> tuple[bool, set[bytes]]:
    """Tell whether the marker can be read out of the files with the keys of a custody folder; also every data key found.

    `known` are raw data keys that somebody remembered.
    """
    files = list(contents(paths))
    keys = data_keys(files, epoch_keys(folder), owners) | set(known)
    return any(marker in record for record in records(files, keys)), keys
