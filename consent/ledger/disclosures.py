"""What asks for an entry and waits for it, and what can come of that."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from consent.ledger import entries, logs
from core import clock, events
from core.events import CLEAR_FIELDS, Actor, Event

GRANT_ENDED = "grant-ended"
# A repeat gets the values of its own moment without an entry of its own: only a retry may, not a later read.
RETRY_WINDOW: Final = timedelta(minutes=5)
MOST_CHARACTERS = 128


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """A read that must be in the ledger before it happens.

    `about` are the chains it belongs to, the citizen's own first. `grant_id` and `grant_version` are
    what it relies on, None if it relies on a law; `beside` names what else must stand at that moment, as
    ``kind:ID`` and version. (`client`, `request_id`) is claimed once; without a request ID nothing is
    claimed. What is kept of `body_sha256` is a keyed hash. With `disclose_after` it goes into the log of what
    the law withholds, and joins the history of whom it is about when that moment has passed.
    """

    event: Event
    about: Sequence[str]
    actor: Actor
    agency: str | None = None
    purpose: str | None = None
    basis: str | None = None
    outcome: str | None = None
    grant_id: str | None = None
    grant_version: int = 0
    client: str = ""
    request_id: str = ""
    body_sha256: bytes = b""
    beside: Sequence[tuple[str, int]] = ()
    disclose_after: datetime | None = None

    @property
    def log(self) -> str:
        """The kind of log that its entry goes into."""
        return logs.WITHHELD if self.disclose_after else logs.OPEN

    @property
    def relies_on(self) -> tuple[tuple[str, int], ...]:
        """All that must stand when the entry is made: (ID, version)."""
        return (*([(self.grant_id, self.grant_version)] if self.grant_id else []), *self.beside)


@dataclass(frozen=True)
class Integrated:
    """The entry stands in the tree and is durable: the value may be released."""

    index: int
    event_id: str
    commitment: bytes
    log: int = logs.FIRST


@dataclass(frozen=True)
class Repeated(Integrated):
    """The same request came before: its entry stands, none was added, and the value may be released."""


@dataclass(frozen=True)
class Reused:
    """The request ID was used for another body, or longer ago than a retry takes."""


@dataclass(frozen=True)
class Refused:
    """What it relied on ended or changed before the entry could be made; the refusal itself is in the ledger."""

    rule: str


@dataclass(frozen=True)
class Later:
    """The grant is being changed at this moment: try with the next batch."""


Outcome = Integrated | Refused | Reused | Later


@dataclass
class Item:
    """A disclosure on its way, with everything prepared that needs no lock."""

    disclosure: Disclosure
    event_id: str
    at: Any
    draft: entries.Draft
    claim: tuple[str, str] | None = field(init=False)  # what is claimed once: client and request ID
    relies_on: tuple[tuple[str, int], ...] = field(init=False)
    clear: dict[str, Any] = field(init=False)  # the clear columns of its entry

    def __post_init__(self) -> None:
        """Look up once what a batch asks for several times under its lock."""
        found = self.disclosure
        self.claim = (found.client, found.request_id) if found.request_id else None
        self.relies_on = found.relies_on
        self.clear = {name: getattr(found, name) for name in CLEAR_FIELDS}

    @classmethod
    def of(cls, disclosure: Disclosure) -> "Item":
        """Prepare a disclosure. Raises ValueError if its event cannot be written as it is.

        What would fail in the database must fail here: a batch stands or falls as a whole.
        """
        named = (disclosure.client, disclosure.request_id, *disclosure.about)
        clear = (disclosure.agency, disclosure.purpose, disclosure.basis, disclosure.outcome)
        if any(len(text) > MOST_CHARACTERS or "\0" in text for text in (*named, *clear) if text):
            raise ValueError("a name in a disclosure is too long or not text")
        if not disclosure.about:
            raise ValueError("a disclosure is about somebody")
        event_id, at = events.new_id(), clock.now()
        body = events.body(disclosure.event, event_id, at, disclosure.actor)
        return cls(disclosure, event_id, at, entries.Draft(body))

    def refused(self, rule: str) -> tuple[entries.Draft, dict[str, Any]]:
        """The entry to make instead when what it relied on is over, or its reads are: the same event, refused."""
        event = self.disclosure.event
        names = {member.name for member in dataclasses.fields(event)}
        changes = {"outcome": "refused", "rule": rule}
        event = dataclasses.replace(event, **{k: v for k, v in changes.items() if k in names})
        body = events.body(event, self.event_id, self.at, self.disclosure.actor)
        return entries.Draft(body), self.clear | {"outcome": "refused"}
