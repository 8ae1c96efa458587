"""The JSON bodies that receivers send, read strictly: streams, subjects, polls, and what they answer to a push."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from idp.signals.errors import StreamRefused

LONGEST_URI = 2000
MOST_EVENTS = 100
MOST_ACKS, MOST_ERRORS = 1000, 100
Uri = Annotated[str, Meta(min_length=1, max_length=LONGEST_URI)]
Text = Annotated[str, Meta(max_length=1000)]
StreamId = Annotated[str, Meta(min_length=1, max_length=64)]
Jti = Annotated[str, Meta(min_length=1, max_length=64)]


class Delivery(msgspec.Struct, frozen=True):
    """How events are to reach the receiver (SSF 1.0, 6.1)."""

    method: Uri
    endpoint_url: Annotated[str, Meta(max_length=LONGEST_URI)] | None = None
    authorization_header: Annotated[str, Meta(max_length=4000)] | None = None


class Wish(msgspec.Struct, frozen=True):
    """A stream's configuration as a receiver sends it (SSF 1.0, 8.1.1); members it does not know are ignored.

    The first five belong to the receiver. The others are the transmitter's: given, they must be as they are.
    """

    stream_id: StreamId | None = None
    delivery: Delivery | UnsetType = UNSET
    events_requested: Annotated[list[Uri], Meta(max_length=MOST_EVENTS)] | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    iss: Uri | UnsetType = UNSET
    aud: Any = UNSET
    events_supported: Annotated[list[Uri], Meta(max_length=MOST_EVENTS)] | UnsetType = UNSET
    events_delivered: Annotated[list[Uri], Meta(max_length=MOST_EVENTS)] | UnsetType = UNSET
    min_verification_interval: int | UnsetType = UNSET


class Status(msgspec.Struct, frozen=True):
    """A stream's status as a receiver sets it (SSF 1.0, 8.1.2.2)."""

    stream_id: StreamId
    status: Annotated[str, Meta(max_length=16)]
    reason: Text | None = None


class Subject(msgspec.Struct, frozen=True):
    """A citizen as the receiver knows them, in the format `iss_sub` (RFC 9493, 3.2.4)."""

    format: Annotated[str, Meta(max_length=64)]
    iss: Uri = ""
    sub: Annotated[str, Meta(max_length=64)] = ""


class AboutSubject(msgspec.Struct, frozen=True):
    """Whom to begin or to stop telling about (SSF 1.0, 8.1.3)."""

    stream_id: StreamId
    subject: Subject
    verified: bool = False


class Verify(msgspec.Struct, frozen=True):
    """A wish for a verification event (SSF 1.0, 8.1.4.2)."""

    stream_id: StreamId
    state: Text | None = None


class SetError(msgspec.Struct, frozen=True):
    """Why a receiver could not use an event (RFC 8936, 2.2 and 2.6; RFC 8935, 2.3)."""

    err: Annotated[str, Meta(min_length=1, max_length=64)]
    description: str = ""


class Poll(msgspec.Struct, frozen=True, rename="camel"):
    """A poll (RFC 8936, 2.2)."""

    max_events: Annotated[int, Meta(ge=0)] | None = None
    return_immediately: bool = False
    ack: Annotated[list[Jti], Meta(max_length=MOST_ACKS)] = []
    set_errs: Annotated[dict[Jti, SetError], Meta(max_length=MOST_ERRORS)] = {}


Body = TypeVar("Body", Wish, Status, AboutSubject, Verify, Poll)
# Made at import, by one thread: two that first meet a Struct at once crash msgspec 0.22 and the process with it.
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Wish, Status, AboutSubject, Verify, Poll)
}
_REFUSAL = msgspec.json.Decoder(SetError)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class Refusal:
    """A receiver's answer that it cannot use an event: a code of RFC 8935, 2.4, and what it says of it."""

    error: str
    text: str


def read(content: bytes, kind: type[Body]) -> Body:
    """Read a body; raises StreamRefused, which says where the mistake is but repeats no value."""
    if rb"\u0000" in content:
        raise StreamRefused(detail="NUL", mistake="a text holds the character NUL")
    try:
        found: Body = _DECODERS[kind].decode(content)
        return found
    except _UNREADABLE as error:
        raise StreamRefused(detail=type(error).__name__, mistake=str(error).replace("`", "")[:200]) from error


def declared(given: Any) -> Wish:
    """Read a stream's configuration out of a file that was parsed already; raises StreamRefused."""
    try:
        return msgspec.convert(given, Wish)
    except msgspec.ValidationError as error:
        raise StreamRefused(detail="signals", mistake=str(error).replace("`", "")[:200]) from error


def about(wish: Wish, stream_id: str) -> Wish:
    """Return a configuration as one of a stream that is there."""
    return msgspec.structs.replace(wish, stream_id=stream_id)


def refusal(content: bytes) -> Refusal | None:
    """Read the error that a receiver answers to a push with (RFC 8935, 2.3); None for anything else."""
    try:
        found = _REFUSAL.decode(content)
    except _UNREADABLE:
        return None
    return kept(found)


def kept(found: SetError) -> Refusal:
    """Return an error as it is stored and shown to staff: short, and without odd characters."""
    return Refusal(_plain(found.err)[:64], _plain(found.description)[:500])


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
