"""What happens between citizens and clients at the OpenID provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class ClientPut(Event):
    """A client of an agency was registered, or what is known of it changed; never its secret."""

    kind: ClassVar[str] = "client-put"
    agency: str
    client: str
    client_state: str
    new_secret: bool
    registration: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ClientInvited(Event):
    """Somebody was given a token with which so many clients of an agency can register, for one purpose."""

    kind: ClassVar[str] = "client-invited"
    agency: str
    invitation: str
    purpose: str
    uses: int


@dataclass(frozen=True, kw_only=True)
class InvitationEnded(Event):
    """An invitation to register clients was taken back; clients that had registered stay."""

    kind: ClassVar[str] = "invitation-ended"
    agency: str
    invitation: str


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    """A citizen signed in at an agency's client: the client redeemed the code.

    Where one acts for another, both are named, and it stands in the histories of both.
    """

    kind: ClassVar[str] = "signed-in"
    agency: str
    client: str
    acr: str
    citizen: str | None = None
    representative: str | None = None
    mandate: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceSignedIn(Event):
    """A citizen let a device sign in at an agency's client, and it did."""

    kind: ClassVar[str] = "device-signed-in"
    agency: str
    client: str
    acr: str


@dataclass(frozen=True, kw_only=True)
class DeviceRefused(Event):
    """A citizen did not let a device sign in at an agency's client: they had not asked for it."""

    kind: ClassVar[str] = "device-refused"
    agency: str
    client: str


@dataclass(frozen=True, kw_only=True)
class SignInPassedOn(Event):
    """A service that a citizen's sign-in had come to passed it on to another (token exchange).

    `receiver` is the agency that serves the resource, empty if none is known to.
    """

    kind: ClassVar[str] = "sign-in-passed-on"
    agency: str
    client: str
    receiver: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class ReplayStopped(Event):
    """A code or refresh token was used a second time, so everything that came of that sign-in ended."""

    kind: ClassVar[str] = "replay-stopped"
    agency: str
    client: str
    what: str
