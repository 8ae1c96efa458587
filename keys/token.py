"""Custody on a PKCS#11 token: key-encryption keys and the root never leave the hardware."""

import secrets
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, NoSuchToken, PKCS11Error
from pkcs11.mechanisms import GCMParams

from keys.custody import Custody
from keys.errors import BadSeal, CustodyBroken

NONCE_BYTES = 12
TAG_BITS = 128
ROOT = "erti-root"
EPOCH = "erti-epoch-"
LOCKED_AWAY = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.TOKEN: True}


class TokenCustody:
    """Keys on a token (PKCS#11 v2.40): AES-256-GCM under one key for each epoch, HMAC-SHA256 under the root.

    One session serves all threads in turn, as PKCS#11 sessions are not made for more.
    """

    def __init__(self, module: Path, label: str, pin: str) -> None:
        self._again = partial(TokenCustody, module, label, pin)
        try:
            token = pkcs11.lib(str(module)).get_token(token_label=label)
            self._session = token.open(user_pin=pin, rw=True)
        except (NoSuchToken, PKCS11Error, RuntimeError) as error:
            raise CustodyBroken(detail=f"token {label}: {type(error).__name__}") from error
        self._guard = threading.Lock()
        # Any: what a key can do depends on its class, and the library's types do not follow.
        self._cached: dict[int, Any] = {}
        self._root = self._root_key()
        if not self.epochs():
            self.begin_epoch()

    def epoch(self) -> int:
        """Return the newest key-encryption epoch."""
        return max(self.epochs())

    def epochs(self) -> list[int]:
        """Return the epochs whose keys are on the token."""
        with self._guard:
            labels = [
                str(found[Attribute.LABEL])
                for found in self._session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
            ]
        return sorted(int(label.removeprefix(EPOCH)) for label in labels if label.startswith(EPOCH))

    def begin_epoch(self, above: int = 0) -> int:
        """Make a new epoch's key-encryption key on the token and return its number."""
        number = max([*self.epochs(), above]) + 1
        with self._guard:
            self._session.generate_key(
                KeyType.AES, 256, label=f"{EPOCH}{number}", store=True, template=dict(LOCKED_AWAY)
            )
        return number

    def destroy_epoch(self, epoch: int) -> None:
        """Destroy an epoch's key on the token (C_DestroyObject), every object of that name."""
        with self._guard:
            self._cached.pop(epoch, None)
            named = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: f"{EPOCH}{epoch}"}
            for found in list(self._session.get_objects(named)):
                found.destroy()

    def wrap(self, epoch: int, key: bytes, aad: bytes) -> bytes:
        """Encrypt a key under an epoch's key-encryption key, on the token."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        try:
            with self._guard:
                sealed: bytes = self._key(epoch).encrypt(
                    key, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad, TAG_BITS)
                )
        except PKCS11Error as error:
            self._cached.pop(epoch, None)
            raise CustodyBroken(detail=f"epoch {epoch}: {type(error).__name__}") from error
        return nonce + sealed

    def unwrap(self, epoch: int, wrapped: bytes, aad: bytes) -> bytes:
        """Undo `wrap`, on the token."""
        nonce = wrapped[:NONCE_BYTES]
        try:
            with self._guard:
                opened: bytes = self._key(epoch).decrypt(
                    wrapped[NONCE_BYTES:],
                    mechanism=Mechanism.AES_GCM,
                    mechanism_param=GCMParams(nonce, aad, TAG_BITS),
                )
        except PKCS11Error as error:
            raise BadSeal(detail=f"wrapped key: {type(error).__name__}") from error
        return opened

    def secret(self, label: str) -> bytes:
        """Derive 32 stable secret bytes for one labelled use: HMAC-SHA256 under the root, on the token."""
        with self._guard:
            derived: bytes = self._root.sign(
                b"erti/secret/v1\x00" + label.encode(), mechanism=Mechanism.SHA256_HMAC
            )
        return derived

    def elsewhere(self) -> Callable[[], Custody]:
        """Return what opens the same token in another process, with a session of its own."""
        return self._again

    def _key(self, epoch: int) -> Any:
        if epoch not in self._cached:
            try:
                self._cached[epoch] = self._session.get_key(
                    object_class=ObjectClass.SECRET_KEY, label=f"{EPOCH}{epoch}"
                )
            except NoSuchKey as error:
                raise CustodyBroken(detail=f"no key for epoch {epoch} on the token") from error
        return self._cached[epoch]

    def _root_key(self) -> Any:
        try:
            return self._session.get_key(object_class=ObjectClass.SECRET_KEY, label=ROOT)
        except NoSuchKey:
            return self._session.generate_key(
                KeyType.GENERIC_SECRET,
                256,
                label=ROOT,
                store=True,
                mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
                capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
                template=dict(LOCKED_AWAY),
            )
