"""What a citizen's history is narrowed by, read from the address."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import Depends

from consent import words
from consent.history import Filter
from core.errors import Invalid
from core.language import Lazy, _

LONGEST_FILTER = 64


@dataclass(frozen=True)
class Wanted:
    """A filter, the fields as they were typed, and what is wrong with them by field."""

    only: Filter
    typed: dict[str, str]
    errors: dict[str, Lazy]


def _asked(
    *,
    agency: str = "",
    month: str = "",
    kind: str = "",
    purpose: str = "",
    basis: str = "",
    outcome: str = "",
    text: str = "",
    since: str = "",
    until: str = "",
) -> Wanted:
    days: dict[str, date | None] = {}
    errors: dict[str, Lazy] = {}
    for name, day in (("since", since.strip()), ("until", until.strip())):
        try:
            days[name] = date.fromisoformat(day) if day else None
        except ValueError:
            errors[name] = _("Write the day as year, month and day, such as 2026-03-31.")
    first, last = days.get("since"), days.get("until")
    if first and last and first > last:
        errors["until"] = _("The last day lies before the first.")
    only = Filter(
        agency=agency[:LONGEST_FILTER],
        month=month[:LONGEST_FILTER],
        group=kind if kind in words.GROUPS else "",
        purpose=purpose[:LONGEST_FILTER],
        basis=basis if basis in words.BASES else "",
        outcome=outcome if outcome in words.OUTCOMES else "",
        text=text.strip()[:LONGEST_FILTER],
        since=first,
        until=last,
    )
    typed = {**_EMPTY, **only.fields, "since": since[:LONGEST_FILTER], "until": until[:LONGEST_FILTER]}
    return Wanted(only, typed, errors)


_EMPTY = dict.fromkeys(
    ("agency", "month", "kind", "purpose", "basis", "outcome", "text", "since", "until"), ""
)


def _without_mistakes(asked: Annotated[Wanted, Depends(_asked)]) -> Filter:
    if asked.errors:
        raise Invalid(next(iter(asked.errors.values())))
    return asked.only


Asked = Annotated[Wanted, Depends(_asked)]
Only = Annotated[Filter, Depends(_without_mistakes)]
