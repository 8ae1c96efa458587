"""What happens to staff accounts, for the office's chain."""

from dataclasses import dataclass
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class StaffInvited(Event):
    """Somebody was invited to work here in a role; the invitation works once."""

    kind: ClassVar[str] = "staff-invited"
    staff: str
    role: str


@dataclass(frozen=True, kw_only=True)
class StaffJoined(Event):
    """An invited person made their passkey; from now on they can sign in."""

    kind: ClassVar[str] = "staff-joined"
    staff: str
    role: str
    device_bound: bool


@dataclass(frozen=True, kw_only=True)
class StaffSignedIn(Event):
    """A staff member signed in with their passkey."""

    kind: ClassVar[str] = "staff-signed-in"
    staff: str


@dataclass(frozen=True, kw_only=True)
class StaffSignedOut(Event):
    """A staff member ended their session."""

    kind: ClassVar[str] = "staff-signed-out"
    staff: str


@dataclass(frozen=True, kw_only=True)
class StaffSuspended(Event):
    """A staff member may no longer sign in; their sessions and open invitations ended."""

    kind: ClassVar[str] = "staff-suspended"
    staff: str
