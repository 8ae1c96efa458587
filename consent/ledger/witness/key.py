"""A witness's key: one seed in one file, of which its two cosigning keys are made."""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from consent.ledger import tiles
from consent.ledger.note import BadNote, CosignatureSigner, Mldsa44Signer, Signer

FILE = "witness-key.json"
SEED_BYTES = 32


class BadKey(ValueError):
    """The key file is not there, not whole, or readable by others."""


@dataclass(frozen=True)
class Key:
    """What a witness signs with: its name, and both kinds of cosignature."""

    name: str
    signers: tuple[Signer, ...]


def make(folder: Path, name: str) -> Key:
    """Make the key on the first call, with this name; later calls return it. Raises BadKey."""
    path = folder / FILE
    if not path.exists():
        seed = secrets.token_bytes(SEED_BYTES)
        _signers(name, seed)  # a name that cannot be signed with is refused before anything is written
        folder.mkdir(parents=True, exist_ok=True)
        tiles.replace(path, json.dumps({"name": name, "seed": seed.hex()}).encode() + b"\n", mode=0o600)
    key = load(folder)
    if key.name != name:
        raise BadKey(f"the key in {folder} has the name {key.name}; a witness does not change its name")
    return key


def load(folder: Path) -> Key:
    """Read the key. Raises BadKey."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise BadKey(f"others can read {path}; set its mode to 600")
            said = json.loads(file.read())
        return Key(said["name"], _signers(said["name"], bytes.fromhex(said["seed"])))
    except FileNotFoundError as error:
        raise BadKey(f"there is no key in {folder}; `erti witness key` makes one") from error
    except BadKey:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise BadKey(f"{path} is not a witness's key file") from error


def _signers(name: str, seed: bytes) -> tuple[Signer, ...]:
    if len(seed) != SEED_BYTES:
        raise BadKey("a witness's seed has 32 bytes")
    ed25519, mldsa = (hmac.digest(seed, f"erti witness {kind}".encode(), hashlib.sha256) for kind in "46")
    try:
        return (CosignatureSigner(name, ed25519), Mldsa44Signer(name, mldsa))
    except BadNote as error:
        raise BadKey(str(error)) from error
