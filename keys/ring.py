"""The keys a process has at hand: custody, and short-lived caches of what was unwrapped or loaded."""

import threading
import time
from collections import OrderedDict
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.custody import Custody
from keys.quick import Mac

DATA_KEYS_KEPT = 50_000
DATA_KEY_SECONDS = 30.0
SIGNING_KEYS_SECONDS = 1.0


class Keyring:
    """Custody and caches of one process. Caches forget by themselves, so what one process destroys
    or rotates is gone from all within DATA_KEY_SECONDS and SIGNING_KEYS_SECONDS."""

    def __init__(self, custody: Custody) -> None:
        self.custody = custody
        self._secrets: dict[str, bytes] = {}
        self._macs: dict[str, Mac] = {}
        self._data: OrderedDict[tuple[str, str], tuple[float, AESGCM]] = OrderedDict()
        self._guard = threading.Lock()
        self.signing: tuple[float, Any] = (0.0, None)

    def secret(self, label: str) -> bytes:
        """Return the labelled secret of custody, derived once."""
        if label not in self._secrets:
            self._secrets[label] = self.custody.secret(label)
        return self._secrets[label]

    def mac(self, label: str) -> Mac:
        """Return HMAC-SHA256 under a labelled secret of custody."""
        if label not in self._macs:
            self._macs[label] = Mac(self.secret(label))
        return self._macs[label]

    def data_key(self, owner: str, scope: str) -> AESGCM | None:
        """Return a cached data key, or None if it is not cached or its time is up."""
        with self._guard:
            held = self._data.get((owner, scope))
            if held is None or held[0] < time.monotonic():
                return None
            return held[1]

    def keep_data_key(self, owner: str, scope: str, cipher: AESGCM) -> None:
        """Cache a data key that is committed in the database."""
        with self._guard:
            self._data[owner, scope] = (time.monotonic() + DATA_KEY_SECONDS, cipher)
            self._data.move_to_end((owner, scope))
            while len(self._data) > DATA_KEYS_KEPT:
                self._data.popitem(last=False)

    def sweep(self) -> None:
        """Drop every data key whose time is up, so that a process which has nothing to do forgets as well."""
        with self._guard:
            while self._data and next(iter(self._data.values()))[0] < time.monotonic():
                self._data.popitem(last=False)

    def forget_data_keys(self, owner: str) -> None:
        """Drop every cached data key of an owner."""
        with self._guard:
            for name in [name for name in self._data if name[0] == owner]:
                del self._data[name]
