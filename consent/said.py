"""The shape of what an entry says: a sentence, and what else to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Names:
    """What agencies and purposes are called, by their IDs, and the citizen ID of whose history it is."""

    agencies: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)
    reader: str = ""
    zone: str = "UTC"

    def agency(self, agency_id: Any) -> str:
        """Return an agency's name, or its ID if it is not known."""
        return self.agencies.get(str(agency_id), str(agency_id))

    def day(self, moment: Any) -> date:
        """Return the day of an RFC 3339 moment, where the reader lives."""
        return datetime.fromisoformat(str(moment)).astimezone(ZoneInfo(self.zone)).date()

    def purpose(self, purpose_id: Any) -> str:
        """Return a purpose's title, or its ID if it is not known."""
        return self.purposes.get(str(purpose_id), str(purpose_id))


@dataclass(frozen=True)
class Said:
    """An entry in words. `state` is empty, bad, or quiet; `details` are pairs of a term and a text."""

    title: str
    details: tuple[tuple[str, str], ...] = ()
    state: str = ""


Data = Mapping[str, Any]
Sentence = Callable[[Data, Names], Said]
