"""How far a permission goes in time: once, so many reads, so often, on these days; without any of it, standing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final

from consent import showing
from core.language import Lazy, _

EVERY = ("day", "week", "month", "year")
MOST_READS: Final = 1_000_000
USED_UP, TOO_OFTEN, TOO_EARLY = "grant-used-up", "too-often", "too-early"

_PER: dict[str, tuple[Lazy, Lazy]] = {
    "day": (_("at most once a day"), _("at most {reads} times a day")),
    "week": (_("at most once a week, from Monday to Sunday"), _("at most {reads} times a week, from Monday to Sunday")),
    "month": (_("at most once in a calendar month"), _("at most {reads} times in a calendar month")),
    "year": (_("at most once in a calendar year"), _("at most {reads} times in a calendar year")),
}  # fmt: skip


@dataclass(frozen=True)
class Allowance:
    """The limits of a purpose or of a grant; one without any is standing. Days and windows are those of UTC.

    `reads` is how many there may be in all, `per_reads` how many in each `every` (a calendar day, week,
    month or year); `first` and `last` are the days on which the reads may lie.
    """

    reads: int | None = None
    per_reads: int | None = None
    every: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def checked(self) -> bool:
        """True if each single read has to be held against it; the last day is the grant's own end."""
        return any(limit is not None for limit in (self.reads, self.per_reads, self.first))

    @property
    def ends(self) -> datetime | None:
        """The moment after the last day."""
        return None if self.last is None else _midnight(self.last + timedelta(days=1))

    @property
    def begins(self) -> datetime | None:
        """The moment when the first day begins."""
        return None if self.first is None else _midnight(self.first)

    def document(self) -> dict[str, Any]:
        """Return it as it is stored and published: only what is limited, in one form."""
        found: dict[str, Any] = {}
        if self.reads is not None:
            found["reads"] = self.reads
        if self.per_reads is not None:
            found["per"] = {"reads": self.per_reads, "every": self.every}
        if self.first is not None:
            found["from"] = self.first.isoformat()
        if self.last is not None:
            found["until"] = self.last.isoformat()
        return found

    def narrowed(self, by: "Allowance") -> "Allowance":
        """Return what both allow. Of two frequencies in different windows the other one's is taken (see `fits`)."""
        lasts = [day for day in (self.last, by.last) if day is not None]
        firsts = [day for day in (self.first, by.first) if day is not None]
        counts = [reads for reads in (self.reads, by.reads) if reads is not None]
        per = by if by.per_reads is not None else self
        return Allowance(
            reads=min(counts) if counts else None,
            per_reads=per.per_reads,
            every=per.every,
            first=max(firsts) if firsts else None,
            last=min(lasts) if lasts else None,
        )

    def fits(self, within: "Allowance") -> bool:
        """Tell whether it allows nothing that `within` does not.

        A frequency can be compared only with one in the same window, or in a longer one that allows as little.
        """
        reads = within.reads is None or (self.reads is not None and self.reads <= within.reads)
        last = within.last is None or (self.last is not None and self.last <= within.last)
        first = within.first is None or (self.first is not None and self.first >= within.first)
        return reads and last and first and self._as_seldom_as(within)

    def _as_seldom_as(self, within: "Allowance") -> bool:
        if within.per_reads is None or (self.reads is not None and self.reads <= within.per_reads):
            return True
        if self.per_reads is None or self.per_reads > within.per_reads:
            return False
        # Days make up the other windows; months make up years; weeks cross the borders of both.
        longer = {"day": EVERY, "week": ("week",), "month": ("month", "year"), "year": ("year",)}
        return self.every in longer[within.every]

    def phrases(self, *, with_last: bool = False) -> tuple[str, ...]:
        """Return its limits in words, each the rest of "It may read this …"; none if it is standing.

        The last day is left out unless it is asked for: of a permission it is said until when it counts.
        """
        found: list[str] = []
        if self.reads == 1:
            found.append(str(_("only once")))
        elif self.reads is not None:
            found.append(str(_("at most {reads} times in all").format(reads=self.reads)))
        if self.per_reads is not None:
            once, often = _PER[self.every]
            found.append(str(once if self.per_reads == 1 else often.format(reads=self.per_reads)))
        if self.first is not None:
            found.append(str(_("not before {day}").format(day=showing.day(self.first.isoformat()))))
        if self.last is not None and with_last:
            found.append(str(_("not after {day}").format(day=showing.day(self.last.isoformat()))))
        return tuple(found)


STANDING = Allowance()


@dataclass
class Uses:
    """How often a grant was read: in all, and in the window of the last read; and when that was."""

    used: int = 0
    window: str = ""
    in_window: int = 0
    at: datetime | None = None

    def left(self, allowance: Allowance) -> int | None:
        """Return how many reads are left in all, or None if they are not limited."""
        return None if allowance.reads is None else max(allowance.reads - self.used, 0)

    def left_now(self, allowance: Allowance, at: datetime) -> int | None:
        """Return how many reads are left in the window of this moment, or None if that is not limited."""
        if allowance.per_reads is None:
            return None
        # A clock set back finds a later window; it goes on counting in that one.
        here = self.in_window if window(allowance.every, at) <= self.window else 0
        return max(allowance.per_reads - here, 0)

    def refusal(self, allowance: Allowance, at: datetime) -> str:
        """Return the rule by which one more read at this moment is refused, or an empty text."""
        if self.left(allowance) == 0:
            return USED_UP
        if allowance.begins is not None and at < allowance.begins:
            return TOO_EARLY
        return TOO_OFTEN if self.left_now(allowance, at) == 0 else ""

    def count(self, allowance: Allowance, at: datetime) -> None:
        """Count one read."""
        self.used += 1
        self.at = at
        if allowance.per_reads is not None:
            now = window(allowance.every, at)
            if now > self.window:
                self.window, self.in_window = now, 0
            self.in_window += 1


def of(document: Mapping[str, Any] | None) -> Allowance:
    """Return the limits that a stored document names."""
    if not document:
        return STANDING
    found, per = document, document.get("per") or {}
    return Allowance(
        reads=found.get("reads"),
        per_reads=per.get("reads"),
        every=per.get("every", ""),
        first=date.fromisoformat(found["from"]) if "from" in found else None,
        last=date.fromisoformat(found["until"]) if "until" in found else None,
    )


def window(every: str, at: datetime) -> str:
    """Return the name of the calendar window a moment lies in; later windows sort later."""
    day = at.astimezone(UTC).date()
    if every == "week":
        year, week, _weekday = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return day.isoformat()[: {"day": 10, "month": 7, "year": 4}[every]]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock_time.min, UTC)
