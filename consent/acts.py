"""What happens when one acts for another, and when a clerk does for a citizen: mandates, and procedures at desks."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class MandateOffered(Event):
    """A citizen offered another the right to act for them; it counts once the other accepts."""

    kind: ClassVar[str] = "mandate-offered"
    outcome: str = "offered"
    mandate: str
    giver: str
    holder: str
    agencies: tuple[str, ...]
    purposes: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class MandateGiven(Event):
    """The right to act for another began: both agreed, or a register says so (`ground`). In the histories of both."""

    kind: ClassVar[str] = "mandate-given"
    outcome: str = "given"
    mandate: str
    giver: str
    holder: str
    agencies: tuple[str, ...]
    purposes: tuple[str, ...]
    expires_at: datetime
    ground: str | None = None
    source: str | None = None
    as_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class MandateEnded(Event):
    """The right to act for another ended, or an offer of it came to nothing. In the histories of both."""

    kind: ClassVar[str] = "mandate-ended"
    outcome: str = "ended"
    mandate: str
    giver: str
    holder: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class DeskOpened(Event):
    """A clerk began a procedure for a citizen at a counter; nothing is shown before the citizen confirms."""

    kind: ClassVar[str] = "desk-opened"
    outcome: str = "opened"
    agency: str
    purpose: str
    purpose_version: int
    sitting: str
    clerk: str
    office: str
    case: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeskAnswered(Event):
    """A citizen confirmed or refused what a clerk asked at a counter, or the sitting was closed: `outcome`."""

    kind: ClassVar[str] = "desk-answered"
    outcome: str
    agency: str
    purpose: str
    purpose_version: int
    sitting: str
    clerk: str
    office: str
    attributes: tuple[str, ...]
    left_out: tuple[str, ...]
    reason: str | None = None
