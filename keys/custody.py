"""Where the root of all keys lives: a folder that only the service may read, or a PKCS#11 token."""

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import BadSeal, CustodyBroken

KEY_BYTES = 32
NONCE_BYTES = 12


class Custody(Protocol):
    """Holds the key-encryption keys, one for each epoch, and a root secret; neither ever leaves it whole."""

    def epoch(self) -> int:
        """Return the newest key-encryption epoch, which wraps new keys."""

    def epochs(self) -> list[int]:
        """Return the epochs whose key-encryption keys are here."""

    def begin_epoch(self, above: int = 0) -> int:
        """Make a key-encryption key for a new epoch, numbered above all here and `above`; return its number."""

    def destroy_epoch(self, epoch: int) -> None:
        """Destroy an epoch's key-encryption key, if it is here: what it wrapped can never be unwrapped again."""

    def wrap(self, epoch: int, key: bytes, aad: bytes) -> bytes:
        """Encrypt a key under an epoch's key-encryption key (AES-256-GCM)."""

    def unwrap(self, epoch: int, wrapped: bytes, aad: bytes) -> bytes:
        """Undo `wrap`; raises BadSeal if altered, CustodyBroken if the epoch's key is not here."""

    def secret(self, label: str) -> bytes:
        """Derive 32 stable secret bytes for one labelled use (HKDF-SHA256, RFC 5869)."""

    def elsewhere(self) -> "Callable[[], Custody]":
        """Return what opens the same custody in another process; it can be pickled, and may hold what opens a token."""


class FolderCustody:
    """Keys in files of mode 0600 below a folder of mode 0700: for one machine, or a mounted secret."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._cached: dict[int, AESGCM] = {}
        self._root = self._own(folder / "root.key")
        if not self.epochs():
            self.begin_epoch()

    def epoch(self) -> int:
        """Return the newest key-encryption epoch."""
        return max(self.epochs())

    def epochs(self) -> list[int]:
        """Return the epochs whose keys are in the folder."""
        return sorted(int(path.stem.removeprefix("epoch-")) for path in self._folder.glob("epoch-*.key"))

    def begin_epoch(self, above: int = 0) -> int:
        """Make a new epoch's key-encryption key; safe against another process doing the same."""
        number = max([*self.epochs(), above]) + 1
        self._own(self._path(number))
        return number

    def destroy_epoch(self, epoch: int) -> None:
        """Overwrite and remove an epoch's key file, and wait until both are on the disk.

        A disk that writes elsewhere instead of over (flash, copy-on-write) may keep the old bytes for a while:
        there the folder belongs on an encrypted volume, or the keys on a token.
        """
        self._cached.pop(epoch, None)
        path = self._path(epoch)
        if path.exists():
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def wrap(self, epoch: int, key: bytes, aad: bytes) -> bytes:
        """Encrypt a key under an epoch's key-encryption key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher(epoch).encrypt(nonce, key, aad)

    def unwrap(self, epoch: int, wrapped: bytes, aad: bytes) -> bytes:
        """Undo `wrap`."""
        try:
            return self._cipher(epoch).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad)
        except InvalidTag as error:
            raise BadSeal(detail="wrapped key") from error

    def secret(self, label: str) -> bytes:
        """Derive 32 stable secret bytes for one labelled use."""
        return HKDF(SHA256(), KEY_BYTES, None, b"erti/secret/v1\x00" + label.encode()).derive(self._root)

    def elsewhere(self) -> Callable[[], Custody]:
        """Return what opens the same custody in another process."""
        return partial(FolderCustody, self._folder)

    def _cipher(self, epoch: int) -> AESGCM:
        path = self._path(epoch)
        if not path.exists():  # asked each time, as another process may have destroyed it
            self._cached.pop(epoch, None)
            raise CustodyBroken(detail=f"no key for epoch {epoch}")
        if epoch not in self._cached:
            self._cached[epoch] = AESGCM(path.read_bytes())
        return self._cached[epoch]

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch}.key"

    @staticmethod
    def _own(path: Path) -> bytes:
        """Read a key file, making it first if it is not there; of two makers at once one wins."""
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}.new")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        content = path.read_bytes()
        if len(content) != KEY_BYTES:
            raise CustodyBroken(detail=f"{path.name} has the wrong length")
        return content
