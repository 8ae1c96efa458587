"""The JSON bodies that agencies' systems send, read strictly."""

import hashlib
import secrets
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from consent.disputes import LONGEST_ANSWER
from consent.door import LONGEST_CASE, LONGEST_REQUEST_ID, MOST_ATTRIBUTES
from consent.resolving import LONGEST_IDENTIFIER
from idp.oidc.errors import BodyNotUnderstood

MOST_CITIZENS = 1_000
Subject = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Case = Annotated[str, Meta(min_length=1, max_length=LONGEST_CASE)]
RequestId = Annotated[str, Meta(min_length=1, max_length=LONGEST_REQUEST_ID)]


class Act(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who acts for the citizen (after the claim `act` of RFC 8693, 4.1)."""

    sub: Subject


class Read(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `POST /attributes/read` takes. The same request_id and body again: the same read.

    With `narrow` what is not covered is left out instead of refusing the whole; with `act` somebody who
    holds the citizen's mandate asks.
    """

    citizen_id: Subject
    purpose: Name
    attributes: Annotated[list[Name], Meta(min_length=1, max_length=MOST_ATTRIBUTES)]
    request_id: RequestId | None = None
    case: Case | None = None
    official: Case | None = None
    narrow: bool = False
    act: Act | None = None


class Batch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `POST /attributes/read/batch` takes: one purpose, many citizens, each of them once."""

    citizen_ids: Annotated[list[Subject], Meta(min_length=1, max_length=MOST_CITIZENS)]
    purpose: Name
    attributes: Annotated[list[Name], Meta(min_length=1, max_length=MOST_ATTRIBUTES)]
    request_id: Annotated[str, Meta(min_length=1, max_length=LONGEST_REQUEST_ID - 8)] | None = None
    case: Case | None = None
    official: Case | None = None
    narrow: bool = False

    def __post_init__(self) -> None:
        if len(set(self.citizen_ids)) < len(self.citizen_ids):
            raise ValueError("a citizen stands in it twice")


class Resolve(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `POST /citizens/resolve` takes."""

    identifier_type: Annotated[str, Meta(min_length=1, max_length=32)]
    identifier_value: Annotated[str, Meta(min_length=1, max_length=LONGEST_IDENTIFIER)]
    purpose: Name
    case: Case
    official: Case
    request_id: RequestId | None = None


class Answer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `POST /disputes/{number}/answer` takes."""

    category: Literal["justified", "mistake", "unauthorised"]
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_ANSWER)]


Body = TypeVar("Body", Read, Batch, Resolve, Answer)
# Made at import, by one thread: two that first meet a Struct at once crash msgspec 0.22 and the process with it.
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {
    Read: msgspec.json.Decoder(Read),
    Batch: msgspec.json.Decoder(Batch),
    Resolve: msgspec.json.Decoder(Resolve),
    Answer: msgspec.json.Decoder(Answer),
}


def read(content: bytes, kind: type[Body]) -> Body:
    """Read a body; raises BodyNotUnderstood, which says where the mistake is but repeats no value."""
    if rb"\u0000" in content:
        raise BodyNotUnderstood(detail="NUL", mistake="a text holds the character NUL")
    try:
        found: Body = _DECODERS[kind].decode(content)
        return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyNotUnderstood(detail=type(error).__name__, mistake=_mistake(error)) from error


def digest(content: bytes) -> str:
    """Return the SHA-256 of a body in hex, by which a repeated request is known."""
    return hashlib.sha256(content).hexdigest()


def request_id(given: str | None) -> str:
    """Return the client's own request ID, or a new one where it sent none."""
    return given or secrets.token_urlsafe(16)


def _mistake(error: Exception) -> str:
    # Of malformed JSON the library says at which byte; of a wrong member, which and why. Never the value.
    return str(error).replace("`", "")[:200]
