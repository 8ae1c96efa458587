"""What officials do, for the office's chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class ApprovalAsked(Event):
    """An official asked a second person to agree to something dangerous; of whom it is, if of a citizen, is not said here."""

    kind: ClassVar[str] = "approval-asked"
    approval: str
    action: str
    subject: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, kw_only=True)
class ApprovalDecided(Event):
    """A second person agreed, and it was done in the same moment; or they refused."""

    kind: ClassVar[str] = "approval-decided"
    approval: str
    action: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class LedgerChecked(Event):
    """An official had the whole ledger checked; `findings` counts what was wrong."""

    kind: ClassVar[str] = "ledger-checked"
    size: int
    findings: int


@dataclass(frozen=True, kw_only=True)
class RefusalLookedUp(Event):
    """Somebody looked up the reference number of a refusal; `found` tells whether it was still kept."""

    kind: ClassVar[str] = "refusal-looked-up"
    reference: str
    found: bool
