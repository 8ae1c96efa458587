"""What happens to keys, for the public part of the ledger."""

from dataclasses import dataclass
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class SigningKeyChanged(Event):
    """A signing key moved to another of its four states: pending, active, retiring, retired.

    `thumbprint` is the public key's (RFC 7638, SHA-256), so that the log says which key this was for ever.
    """

    kind: ClassVar[str] = "signing-key-changed"
    public: ClassVar[bool] = True
    kid: str
    alg: str
    state: str
    thumbprint: str


@dataclass(frozen=True, kw_only=True)
class SealingEpochBegun(Event):
    """A new key-encryption epoch wraps the data keys that are made from now on."""

    kind: ClassVar[str] = "sealing-epoch-begun"
    public: ClassVar[bool] = True
    epoch: int


@dataclass(frozen=True, kw_only=True)
class SealingEpochDestroyed(Event):
    """A key-encryption epoch's key was destroyed: every key that it wrapped and none other wraps is beyond recovery."""

    kind: ClassVar[str] = "sealing-epoch-destroyed"
    public: ClassVar[bool] = True
    epoch: int
