"""What happens to keys, for the public part of the ledger."""

from dataclasses import dataclass
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class SigningKeyChanged(Event):
    """A signing key moved to another of its four states: pending, active, retiring, retired."""

    kind: ClassVar[str] = "signing-key-changed"
    public: ClassVar[bool] = True
    kid: str
    alg: str
    state: str


@dataclass(frozen=True, kw_only=True)
class SealingEpochBegun(Event):
    """A new key-encryption epoch wraps the data keys that are made from now on."""

    kind: ClassVar[str] = "sealing-epoch-begun"
    public: ClassVar[bool] = True
    epoch: int
