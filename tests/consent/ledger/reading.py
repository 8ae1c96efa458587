"""Reads of a citizen for tests of the ledger."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

from consent.ledger.sequencer import Disclosure
from core.events import Actor, Event

CITIZEN = "K7QD2M9XWT4BC"
OTHER = "2M9XWT4BCK7QD"
CLIENT = Actor("client", "revenue-portal")
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Read(Event):
    """Attributes were read."""

    kind: ClassVar[str] = "read"
    agency: str = "revenue"
    attributes: tuple[str, ...] = ("name",)
    outcome: str = "released"
    rule: str | None = None


@dataclass(frozen=True, kw_only=True)
class Moved(Event):
    """Something about a citizen changed."""

    kind: ClassVar[str] = "moved"
    agency: str | None = None
    number: int


@dataclass(frozen=True, kw_only=True)
class Proclaimed(Event):
    """Something everybody may know."""

    kind: ClassVar[str] = "proclaimed"
    public: ClassVar[bool] = True
    text: str


def disclosure(
    *about: str, request_id: str | None = None, body: bytes = b"b" * 32, grant: str | None = None
) -> Disclosure:
    """One read about a citizen, with a request ID of its own unless given."""
    return Disclosure(
        event=Read(),
        about=about or (CITIZEN,),
        actor=CLIENT,
        agency="revenue",
        purpose="income-check",
        basis="consent",
        outcome="released",
        grant_id=grant,
        grant_version=1,
        client="revenue-portal",
        request_id=f"request-{next(_numbers)}" if request_id is None else request_id,
        body_sha256=body,
    )
