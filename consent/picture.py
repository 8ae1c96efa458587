"""A picture of who looked when: looks by agency and month, from the clear columns of a history alone."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import agencies, words
from consent.ledger import logs
from consent.ledger.tables import entry, subject
from core import clock, language
from core.language import _

MONTHS = 12
ROWS = 12  # so many agencies have a row of their own; the others share one
LEVELS = (1, 3, 10, 30)  # from so many looks on, a cell is one shade darker
STAFF = ""  # a look without an agency was by staff of the service


@dataclass(frozen=True)
class Cell:
    """How often one body looked in one month (YYYY-MM); `level` from 0 (never) to 4 is its shade."""

    month: str
    count: int

    @property
    def level(self) -> int:
        """The shade."""
        return sum(self.count >= least for least in LEVELS)


@dataclass(frozen=True)
class Line:
    """One body with its months, oldest first. `agency` is its ID, empty for staff, None for all others together."""

    agency: str | None
    name: str
    cells: tuple[Cell, ...]

    @property
    def total(self) -> int:
        """How often it looked in all months."""
        return sum(cell.count for cell in self.cells)


@dataclass(frozen=True)
class Picture:
    """Who looked in which of twelve months, the busiest body first. `lines` are drawn, `every` are told.

    `older` and `newer` are the last months of the neighbouring pictures, empty where nothing is.
    """

    months: tuple[str, ...]
    lines: tuple[Line, ...]
    every: tuple[Line, ...]
    older: str
    newer: str

    @property
    def total(self) -> int:
        """How many looks there were."""
        return sum(line.total for line in self.every)

    @property
    def summary(self) -> str:
        """What the picture shows, for whoever cannot see it."""
        if not self.every:
            return str(_("Nobody looked in these months."))
        first, *others = self.every
        if not others:
            return str(_("Looks by {name}: {total}.").format(name=first.name, total=self.total))
        said = _("{total} looks by {number} bodies; the most by {name} ({count}).")
        if first.total == others[0].total:  # nobody is ahead
            said = _("{total} looks by {number} bodies.")
        facts = {"total": self.total, "number": len(self.every), "name": first.name, "count": first.total}
        return str(said.format(**facts))


def of(db: Session, citizen: str, *, until: str = "") -> Picture:
    """Return the picture of the twelve months that end with `until` (YYYY-MM), the current month by default.

    Looks that were refused are not counted: nothing was seen in them.
    """
    now = f"{clock.now():%Y-%m}"
    last = until if _is_month(until) and until < now else now
    months = tuple(_earlier(last, back) for back in range(MONTHS - 1, -1, -1))
    mine = select(subject.c.label).where(subject.c.chain == citizen, subject.c.log.in_(logs.SHOWN))
    label = mine.limit(1).scalar_subquery()
    looked = (
        entry.c.label == label,
        entry.c.log.in_(logs.SHOWN),
        entry.c.kind.in_(words.kinds("reads")),
        entry.c.outcome == "released",
    )
    rows = db.execute(
        select(entry.c.agency, entry.c.month, func.count().label("number"))
        .where(*looked, entry.c.month >= months[0], entry.c.month <= months[-1])
        .group_by(entry.c.agency, entry.c.month)
    ).all()
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row.agency or STAFF, {})[row.month] = row.number
    every = sorted(_lines(db, counts, months), key=lambda line: (-line.total, line.name))
    first = db.scalar(select(func.min(entry.c.month)).where(*looked))
    return Picture(
        months=months,
        lines=_drawn(every, months),
        every=tuple(every),
        older=_earlier(months[0], 1) if first is not None and first < months[0] else "",
        newer=min(_earlier(last, -MONTHS), now) if last < now else "",
    )


def _lines(db: Session, counts: dict[str, dict[str, int]], months: tuple[str, ...]) -> list[Line]:
    reads = language.current()
    called = {agency.id: agency.name(reads) for agency in agencies.listing(db)}
    called[STAFF] = str(_("Staff of Erti"))
    return [
        Line(name, called.get(name, name), tuple(Cell(month, found.get(month, 0)) for month in months))
        for name, found in counts.items()
    ]


def _drawn(every: list[Line], months: tuple[str, ...]) -> tuple[Line, ...]:
    if len(every) <= ROWS:
        return tuple(every)
    rest = every[ROWS - 1 :]
    cells = (Cell(month, sum(line.cells[place].count for line in rest)) for place, month in enumerate(months))
    name = str(_("{number} others").format(number=len(rest)))
    return (*every[: ROWS - 1], Line(None, name, tuple(cells)))


def _is_month(text: str) -> bool:
    try:
        return len(text) == len("2026-01") and bool(date.fromisoformat(f"{text}-01"))
    except ValueError:
        return False


def _earlier(month: str, back: int) -> str:
    """Return the month so many months before; never one before the year 1."""
    year, number = (int(part) for part in month.split("-"))
    place = max(year * 12 + number - 1 - back, 12)
    return f"{place // 12:04}-{place % 12 + 1:02}"
