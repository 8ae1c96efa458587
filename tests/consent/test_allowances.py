from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import allowances, declarations, importing, purposes
from consent.allowances import STANDING, Allowance, Uses
from consent.errors import FileRefused
from core import language
from core.database import Database
from core.events import SYSTEM
from tests.consent import country
from tests.consent.country import LAW, LOW

FIRST, LAST = date(2027, 1, 1), date(2027, 3, 31)


def days() -> st.SearchStrategy[date | None]:
    """Return days around the beginning of a year, or none."""
    return st.none() | st.dates(date(2026, 12, 25), date(2027, 1, 10))


@st.composite
def limited(draw: st.DrawFn) -> Allowance:
    """Return any limits that a declaration can hold."""
    per = draw(st.none() | st.integers(1, 5))
    first, last = draw(days()), draw(days())
    if first and last and first > last:
        first, last = last, first
    every = draw(st.sampled_from(allowances.EVERY)) if per else ""
    return Allowance(draw(st.none() | st.integers(1, 9)), per, every, first, last)


def read(raw: Any) -> tuple[Allowance, list[str]]:
    """Read limits as a file holds them; returns them and where mistakes are."""
    reader = declarations.Reader(("en", "ka"))
    return declarations.limits(reader, raw, "limits"), [one.path for one in reader.mistakes]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({}, STANDING),
        ({"once": True}, Allowance(reads=1)),
        ({"reads": 12}, Allowance(reads=12)),
        ({"per": {"reads": 2, "every": "month"}}, Allowance(per_reads=2, every="month")),
        ({"from": FIRST, "until": "2027-03-31"}, Allowance(first=FIRST, last=LAST)),
        ({"once": True, "until": LAST}, Allowance(reads=1, last=LAST)),
    ],
)
def test_limits_are_read(raw: Any, found: Allowance) -> None:
    """Each form that a file may use means what it says."""
    assert read(raw) == (found, [])


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        ([], ["limits"]),
        ({"twice": True}, ["limits.twice"]),
        ({"once": False}, ["limits.once"]),
        ({"once": True, "reads": 3}, ["limits.once"]),
        ({"reads": 0}, ["limits.reads"]),
        ({"reads": True}, ["limits.reads"]),
        ({"per": {"reads": 1}}, ["limits.per.every"]),
        ({"per": {"reads": 1, "every": "hour"}}, ["limits.per.every"]),
        ({"from": LAST, "until": FIRST}, ["limits.until"]),
        ({"until": "2027-02-30"}, ["limits.until"]),
        ({"until": datetime(2027, 1, 1, tzinfo=UTC)}, ["limits.until"]),
    ],
)
def test_mistakes_in_limits_are_named(raw: Any, wrong: list[str]) -> None:
    """What cannot be a limit is noted with its place, and limits nothing by accident."""
    assert read(raw) == (STANDING, wrong)


@given(raw=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda one: st.lists(one, max_size=3)
    | st.dictionaries(st.sampled_from([*declarations.LIMITS, "every", "x"]), one, max_size=4),
    max_leaves=8,
))  # fmt: skip
def test_no_content_surprises_the_reader_of_limits(raw: Any) -> None:
    """Whatever stands there, it is read into limits or noted; and what was read reads back the same."""
    found, wrong = read(raw)
    assert wrong or read(found.document()) == (found, [])
    assert allowances.of(found.document()) == found


@given(one=limited(), other=limited())
def test_what_is_narrowed_fits_into_both(one: Allowance, other: Allowance) -> None:
    """Two limits together are narrower than each; only frequencies in two windows cannot stand together."""
    both = one.narrowed(other)
    assert both.fits(other)
    if not (one.per_reads and other.per_reads):
        assert both.fits(one)
    assert one.fits(one)
    assert one.fits(STANDING)


@given(outer=limited(), inner=limited(), hours=st.lists(st.integers(0, 40), max_size=60))
def test_what_fits_never_reads_more(outer: Allowance, inner: Allowance, hours: list[int]) -> None:
    """Whenever the narrower limits let a read happen, the wider ones would have let it happen too."""
    if not inner.fits(outer):
        return
    at = datetime(2026, 12, 27, tzinfo=UTC)
    narrow, wide = Uses(), Uses()
    for step in hours:
        at += timedelta(hours=step)
        if (inner.ends and at >= inner.ends) or narrow.refusal(inner, at):
            continue
        narrow.count(inner, at)
        assert not wide.refusal(outer, at)
        assert outer.ends is None or at < outer.ends
        wide.count(outer, at)


@given(limits=limited(), minutes=st.lists(st.integers(-2000, 20_000), max_size=60))
def test_no_window_ever_holds_more_reads_than_it_may(limits: Allowance, minutes: list[int]) -> None:
    """However reads come, there are never too many, in all or in a window; a clock set back begins none anew."""
    at, uses, made = datetime(2026, 12, 27, tzinfo=UTC), Uses(), list[datetime]()
    for step in minutes:
        at += timedelta(minutes=step)
        if not uses.refusal(limits, at):
            uses.count(limits, at)
            made.append(max(made[-1], at) if made else at)
    assert limits.reads is None or len(made) <= limits.reads
    assert limits.first is None or all(
        one >= datetime.combine(limits.first, one.timetz().min, UTC) for one in made
    )
    if limits.per_reads is not None:
        named = [allowances.window(limits.every, one) for one in made]
        assert all(named.count(one) <= limits.per_reads for one in named)


def test_windows_are_those_of_the_calendar() -> None:
    """A week begins on Monday, also across the end of a year, and later windows sort later."""
    sunday, monday = datetime(2027, 1, 3, 23, 59, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)
    assert [allowances.window(every, sunday) for every in allowances.EVERY] == [
        "2027-01-03", "2026-W53", "2027-01", "2027",
    ]  # fmt: skip
    assert allowances.window("week", monday) == "2027-W01"
    assert allowances.window("week", sunday) < allowances.window("week", monday)


@pytest.mark.parametrize("reader", ["en", "ka"])
def test_limits_are_said_in_words(reader: str) -> None:
    """Each limit has a phrase of its own in each language, without an open place."""
    language.speak(reader)
    try:
        for every in allowances.EVERY:
            for reads in (1, 3):
                said = Allowance(reads, reads, every, FIRST, LAST).phrases(with_last=True)
                assert len(set(said)) == 4
                assert not any("{" in phrase for phrase in said)
        assert STANDING.phrases() == ()
        once = Allowance(reads=1, per_reads=1, every="month").phrases()
    finally:
        language.speak("en")
    if reader == "en":
        assert once == ("only once", "at most once in a calendar month")


def test_a_purpose_publishes_its_limits_and_a_law_has_none(database: Database) -> None:
    """Limits are part of the hashed declaration; without them nothing changes; a law cannot name any."""
    with database.writing() as db:
        country.found(db)
        plain = purposes.current(db, "revenue-sign-in")
        assert purposes.publish(db, country.purpose(), actor=SYSTEM) == plain
        once = purposes.publish(db, country.purpose(limits={"once": True}), actor=SYSTEM)
        assert (once.version, once.allowance, once.limits) == (2, Allowance(reads=1), {"reads": 1})
        assert once.sha256 != plain.sha256
        assert once.text_sha256("en") != plain.text_sha256("en")
        law = country.purpose("revenue-assessment", basis=dict(LAW), acr=LOW, limits={"reads": 3})
        with pytest.raises(FileRefused) as refused:
            importing.load(db, {"purposes": [law]}, actor=SYSTEM)
        assert [one.path for one in refused.value.mistakes] == ["purposes[0].limits"]
