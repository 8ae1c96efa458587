"""What happens to the ledger itself."""

from dataclasses import dataclass
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class HistoryErased(Event):
    """Entries of a citizen's year were erased: all of that year, or some; on the citizen's wish, by a court's order, or in time."""

    kind: ClassVar[str] = "history-erased"
    erasure: str
    basis: str
    year: int
    whole: bool
    entries: int
    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class EntriesErased(Event):
    """Somebody's entries were erased: how many, and on which basis. Whose they were is not said."""

    kind: ClassVar[str] = "entries-erased"
    public: ClassVar[bool] = True
    erasure: str
    basis: str
    entries: int


@dataclass(frozen=True, kw_only=True)
class EventSetAside(Event):
    """Something happened that could not be written down as it was. It is kept, sealed, and tried again.

    `what` is its kind and `missing` its event ID: the entry that it gets later has the same.
    """

    kind: ClassVar[str] = "event-set-aside"
    what: str
    missing: str
    agency: str | None = None
