"""What a history can be narrowed by, and taking it away as files."""

import csv
import html
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from consent import disclosure, exporting, history
from consent.history import Filter
from consent.ledger import freezing
from consent.ledger.tables import entry
from consent.pages import filters
from consent.words import Said
from core import clock, language
from core.database import Database
from tests.consent import country
from tests.consent.country import CITIZEN, allow, ask
from tests.consent.rooms import page

KINDS = ("csv", "json", "html")


@pytest.fixture
def lived(at_home: Any, database: Database) -> Any:
    """Give the citizen's browser, with a decision, a read by consent, one by law, and a refused try."""
    with database.writing() as db:
        allow(db, "given_name", "income_bracket")
    disclosure.release(database, ask("income_bracket"))
    disclosure.release(database, ask(purpose="revenue-assessment", case="A-17", official="O-5"))
    disclosure.release(database, ask("employer"))
    assert database.parts.sequencer.drain()
    return at_home


def titles(text: str) -> list[str]:
    """Return the sentences of a page of entries."""
    return [html.unescape(title) for title in re.findall(r"<h3>([^<]*)</h3>", text)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("purpose=revenue-assessment", ["because a law allows it"]),
        ("basis=law", ["because a law allows it"]),
        ("outcome=refused", ["was refused"]),
        ("kind=reads&outcome=released", ["because a law allows it", "as you allowed"]),
        ("kind=reads&text=income+bracket", ["as you allowed"]),
        ("text=INCOME_bracket", ["as you allowed", "You allowed"]),
        ("text=a-17", ["because a law allows it"]),
        ("basis=nonsense&outcome=nonsense&kind=reads", ["was refused", "a law", "as you allowed"]),
    ],
)
def test_narrowing(lived: Any, query: str, says: list[str]) -> None:
    """By purpose, legal basis, outcome and words in the entry, an attribute's name too; nonsense narrows nothing."""
    found = titles(page(lived, f"/my/history?{query}"))
    assert len(found) == len(says)
    assert all(words in title for words, title in zip(says, found, strict=True))


def test_narrowing_by_day(lived: Any, database: Database) -> None:
    """From and to are days in the country's own time, both included; a day that is none comes back as typed."""
    zone = ZoneInfo(database.parts.settings.time_zone)
    today = clock.now().astimezone(zone).date()
    day = timedelta(days=1)
    for since, until, there in (
        (today, today, True),
        (today - day, "", True),
        ("", today, True),
        (today + day, "", False),
        ("", today - day, False),
        ("0001-01-01", "9999-12-31", True),
    ):
        text = page(lived, f"/my/history?since={since}&until={until}")
        assert ("because a law" in text) == there, (since, until)
    for query in ("since=soon", "since=2026-02-30", "since=2026-03-02&until=2026-03-01"):
        answer = lived.get(f"/my/history?{query}")
        assert answer.status_code == 400
        assert 'id="error-summary"' in answer.text
        assert lived.get(f"/my/history.json?{query}").status_code == 400


@given(
    days=st.tuples(st.one_of(st.none(), st.dates()), st.one_of(st.none(), st.dates())),
    text=st.text(max_size=90),
)
def test_any_address_is_a_filter_or_a_mistake(days: tuple[date | None, date | None], text: str) -> None:
    """Whatever stands in the address becomes a filter within bounds, or mistakes; never an error of ours."""
    since, until = (day.isoformat() if day else text for day in days)
    found = filters._asked(agency=text, text=text, since=since, until=until, kind=text, basis=text)
    assert len(found.only.agency) <= filters.LONGEST_FILTER
    if not found.errors:
        assert (found.only.since is None) == (since.strip() == "")
        assert all(isinstance(value, str) for value in found.only.fields.values())


@given(st.dates(), st.dates())
def test_day_and_moment_agree(first: date, last: date) -> None:
    """An entry passes exactly if its day in the zone lies between the days asked for."""
    zone = ZoneInfo("Asia/Tbilisi")
    at = datetime(2026, 3, 1, 20, 30, tzinfo=UTC)  # in Tbilisi it is 2 March already
    begins = datetime.combine(first, datetime.min.time(), zone) if first > date(1, 1, 2) else None
    ends = (
        datetime.combine(last, datetime.min.time(), zone) + timedelta(days=1)
        if last < date(9999, 1, 1)
        else None
    )
    said = Said("x")
    entry = history.HistoryEntry(1, 1, 1, "e", "disclosed", "reads", None, at, said, {})
    fits = history._fits(entry, Filter(since=first, until=last), (begins, ends))
    assert fits == (first <= date(2026, 3, 2) <= last)


def test_each_file_holds_what_the_page_shows(lived: Any, database: Database) -> None:
    """Table, JSON and page to keep hold the same entries as the pages, whole and narrowed."""
    for query in ("", "?kind=reads", "?basis=law", "?text=a-17"):
        shown = titles(page(lived, f"/my/history{query}"))
        rows = list(csv.reader(io.StringIO(lived.get(f"/my/history.csv{query}").content.decode("utf-8-sig"))))
        told = json.loads(lived.get(f"/my/history.json{query}").content)
        kept = re.findall(r"<h2>([^<]*)</h2>", lived.get(f"/my/history.html{query}").text)
        assert [row[1] for row in rows[1:]] == shown
        assert [one["title"] for one in told["entries"]] == shown
        assert [html.unescape(title) for title in kept] == shown
        assert told["count"] == len(shown)


def test_a_long_history_is_read_in_pieces(
    lived: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Piece by piece no entry is lost or told twice, narrowed or not, and meanwhile no transaction is open."""
    for _time in range(9):
        disclosure.release(database, ask(purpose="revenue-assessment", case="A-17", official="O-5"))
    monkeypatch.setattr(history, "CHUNK", 3)
    every = list(history.every(database, CITIZEN))
    assert [one.seq for one in every] == list(range(len(every), 0, -1))
    assert len(list(history.every(database, CITIZEN, only=Filter(text="a-17")))) == 10
    pieces = history.every(database, CITIZEN)
    next(pieces)
    with database.writing() as db:  # would wait for ever on SQLite, were a reader's transaction in its way
        allow(db, "given_name", purpose="health-sign-in")
    assert len(list(pieces)) == len(every) - 1


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 50))
def test_pieces_are_gathered_without_loss(pieces: list[bytes], least: int) -> None:
    """The same bytes come out, none of the pieces but the last too small."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exporting, "LEAST_SENT", least)
        sent = list(exporting.gathered(pieces))
    assert b"".join(sent) == b"".join(pieces)
    assert all(len(piece) >= least for piece in sent[:-1])


def test_the_json_has_the_documented_shape(lived: Any, database: Database) -> None:
    """Each entry has reference, place, time, words and the record that the ledger commits to, and no member more."""
    answer = lived.get("/my/history.json?basis=law", headers={"accept-language": "ka"})
    assert re.fullmatch(
        r'attachment; filename="erti-entries-[\d-]{10}\.json"', answer.headers["content-disposition"]
    )
    told = answer.json()
    assert set(told) == {"format", "issuer", "citizen", "made_at", "language", "filter", "entries", "count"}
    assert (told["format"], told["citizen"], told["language"]) == ("erti-history/1", CITIZEN, "ka")
    assert told["filter"] == {"basis": "law"}
    (entry,) = told["entries"]
    assert set(entry) == {
        "reference", "place", "at", "kind", "group", "agency", "title", "details", "erased", "record",
    }  # fmt: skip
    assert entry["agency"] == {"id": "revenue", "name": "სამსახური revenue"}
    assert entry["record"] == country.history(database)[entry["place"]["seq"] - 1]
    assert {"term", "text"} == set(entry["details"][0])


def test_the_page_to_keep_needs_nothing_from_anywhere(lived: Any, database: Database) -> None:
    """It holds its own style, runs nothing, loads nothing, and says whether it is the whole."""
    answer = lived.get("/my/history.html")
    assert answer.headers["content-disposition"].endswith('.html"')
    assert "<script" not in answer.text
    addresses = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    assert [address[:21] for address in addresses] == ["data:text/css;base64,"]
    assert "whole history as it was then: 4 entries" in answer.text
    assert "part of the history" in lived.get("/my/history.html?basis=law").text
    disclosure.release(
        database, ask(purpose="revenue-assessment", case="<script>alert(1)</script>", official="O-5")
    )
    assert "<script" not in lived.get("/my/history.html").text


def test_files_are_for_the_citizen_alone(client: Any) -> None:
    """Nobody gets a file without the citizen's session."""
    for kind in KINDS:
        assert client.get(f"/my/history.{kind}").status_code == 303


def test_the_language_of_a_file_is_the_readers(lived: Any) -> None:
    """Words in a file are in the language of the page it was taken from."""
    georgian = lived.get("/my/history.csv", headers={"accept-language": "ka"}).content.decode("utf-8-sig")
    assert "სამსახური revenue" in georgian
    assert language.current() == "en"


def test_what_was_erased_is_shown_as_such(lived: Any, database: Database) -> None:
    """An entry without its content keeps its place in page and files, fits no day or word, and cannot be disputed."""
    event_id = country.history(database)[-1]["event"]
    with database.writing() as db:
        db.execute(update(entry).where(entry.c.event_id == event_id).values(opening=None, agency=None))
    text = page(lived, "/my/history")
    assert titles(text)[0].startswith("Erased")
    assert f"{event_id}/dispute" not in text
    assert lived.get(f"/my/history/entry/{event_id}/dispute").status_code == 409
    assert "Erased" in page(lived, f"/my/history/entry/{event_id}")
    first = lived.get("/my/history.json").json()["entries"][0]
    assert (first["erased"], first["at"], first["record"], first["agency"]) == (True, None, None, None)
    assert "Erased" in lived.get("/my/history.html").text
    assert "Erased" in lived.get("/my/history.csv").text
    assert "Erased" not in page(lived, "/my/history?since=2020-01-01")


def test_a_history_goes_through_several_logs(
    lived: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the turn of the year old and new entries stand in one list, on the page and piece by piece."""
    before = len(list(history.every(database, CITIZEN)))
    freezing.freeze(database, origin="ledger.erti.example/2027")
    for _time in range(3):
        disclosure.release(database, ask(purpose="revenue-assessment", case="A-18", official="O-5"))
    monkeypatch.setattr(history, "CHUNK", 2)
    found = [(one.log, one.seq) for one in history.every(database, CITIZEN)]
    assert found == sorted(found, reverse=True)
    assert len(found) == before + 3
    assert len({log for log, _seq in found}) == 2
    assert titles(page(lived, "/my/history?text=a-1"))[:3] == titles(page(lived, "/my/history"))[:3]
