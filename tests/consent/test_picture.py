"""The picture of who looked when."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from consent import disclosure, picture
from consent.ledger.tables import entry
from core import clock
from core.database import Database
from tests.consent.country import CITIZEN, ask
from tests.consent.doubts import look
from tests.consent.rooms import page


def put_back(database: Database, event_id: str, month: str) -> None:
    """Let a look have happened in another month, as far as the clear column says."""
    with database.writing() as db:
        db.execute(update(entry).where(entry.c.event_id == event_id).values(month=month))


def test_looks_are_counted_by_body_and_month(open_door: Database) -> None:
    """Each look counts in its month and for its body, staff too; refused tries and decisions do not."""
    now = f"{clock.now():%Y-%m}"
    for _time in range(3):
        look(open_door)
    put_back(open_door, look(open_door), picture._earlier(now, 2))
    assert isinstance(disclosure.release(open_door, ask("employer")), disclosure.NotReleased)
    wanted = disclosure.StaffAsk(
        staff="S-1", office="Hall", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    disclosure.staff(open_door, wanted)
    assert open_door.parts.sequencer.drain()
    with open_door.reading() as db:
        found = picture.of(db, CITIZEN)
    assert found.months[-1] == now
    assert [(line.name, line.total) for line in found.lines] == [
        ("Office of revenue", 4),
        ("Staff of Erti", 1),
    ]
    counts = [cell.count for cell in found.lines[0].cells]
    assert counts == [0] * 9 + [1, 0, 3]
    assert found.summary == "5 looks by 2 bodies; the most by Office of revenue (4)."


def test_the_summary_puts_nobody_first_who_is_not(open_door: Database) -> None:
    """One body alone is named with its looks; of two with as many each, neither is said to have looked most."""
    look(open_door)
    with open_door.reading() as db:
        assert picture.of(db, CITIZEN).summary == "Looks by Office of revenue: 1."
    wanted = disclosure.StaffAsk(
        staff="S-1", office="Hall", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    disclosure.staff(open_door, wanted)
    with open_door.reading() as db:
        assert picture.of(db, CITIZEN).summary == "2 looks by 2 bodies."


def test_older_months_are_one_step_away(open_door: Database) -> None:
    """Twelve months end with the one asked for; older ones are offered while there is something in them."""
    now = f"{clock.now():%Y-%m}"
    old = picture._earlier(now, 15)
    put_back(open_door, look(open_door), old)
    with open_door.reading() as db:
        first = picture.of(db, CITIZEN)
        assert (first.total, first.older, first.newer) == (0, picture._earlier(now, 12), "")
        second = picture.of(db, CITIZEN, until=first.older)
        assert (second.total, second.older, second.newer) == (1, "", now)
        for nonsense in ("", "2026", "2026-13", "9999-01", "x", "2026-1-"):
            assert picture.of(db, CITIZEN, until=nonsense).months[-1] == now


@given(st.text(max_size=8))
def test_any_month_is_a_month_or_is_none(text: str) -> None:
    """Whatever stands in the address is a month or is not, and its neighbours are months."""
    if picture._is_month(text):
        for back in (0, 1, 12, -12):
            assert picture._is_month(picture._earlier(text, back)) or text.startswith(("9999", "9998"))


def test_many_bodies_share_a_row_and_the_table_names_all(open_door: Database) -> None:
    """Beyond twelve rows the rest is drawn as one, and told one by one."""
    for number in range(picture.ROWS + 3):
        event_id = look(open_door)
        with open_door.writing() as db:
            db.execute(update(entry).where(entry.c.event_id == event_id).values(agency=f"agency-{number}"))
    with open_door.reading() as db:
        found = picture.of(db, CITIZEN)
    assert len(found.lines) == picture.ROWS
    assert (found.lines[-1].name, found.lines[-1].agency, found.lines[-1].total) == ("4 others", None, 4)
    assert len(found.every) == picture.ROWS + 3
    assert sum(line.total for line in found.lines) == found.total


def test_each_square_leads_to_what_it_counts(at_home: Any, database: Database) -> None:
    """Every link of drawing and table leads to a list with just so many entries; the drawing has title and text."""
    for _time in range(3):
        look(database)
    wanted = disclosure.StaffAsk(
        staff="S-1", office="Hall", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    disclosure.staff(database, wanted)
    text = page(at_home, "/my/history/picture")
    links = re.findall(r'<a href="(/my/history\?kind=reads[^"]+)" aria-label="[^"]*: (\d+)"', text)
    assert [int(count) for _link, count in links] == [3, 1]
    for link, count in links:
        assert page(at_home, link.replace("&amp;", "&")).count('<li id="entry-') == int(count)
        assert text.count(f'href="{link}"') == 2
    for words in ('role="group"', "<title id=", "<desc id=", "4 looks by 2 bodies"):
        assert words in text
    assert "style=" not in text


def test_an_empty_picture_says_so(at_home: Any) -> None:
    """Without a look there is no drawing, and words instead."""
    assert "Nobody looked in these months" in page(at_home, "/my/history/picture")
