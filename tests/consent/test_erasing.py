"""The room of erasing, as a citizen meets it."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from consent.events import StaffLooked
from core import clock, sessions
from core.database import Database
from core.events import Actor, record
from tests.consent import country
from tests.consent.country import CITIZEN


def sign_in(client: Any, database: Database, acr: str = country.HIGH) -> None:
    """Sign the citizen in."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject=CITIZEN, kind="citizen", acr=acr, amr=["hwk"], user_agent="", network=""
        )
    client.cookies.set("__Host-erti_session", token)
    client.headers["accept"] = "text/html"


@pytest.fixture
def browser(client: Any, database: Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a browser of a citizen at whom staff looked in 2018 and this year."""
    now = clock.now()
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    for moment, reason in ((datetime(2018, 5, 1, tzinfo=UTC), "long ago"), (now, "lately")):
        seen = StaffLooked(
            staff="00000001", office="north", reason=reason, attributes=("given_name",), request_id="r",
            outcome="released",
        )  # fmt: skip
        with monkeypatch.context() as patch, database.writing() as db:
            patch.setattr(clock, "now", lambda moment=moment: moment)
            record(db, seen, actor=Actor("staff", "00000001"), about=[CITIZEN])
    assert database.parts.sequencer.drain(timeout=10)
    sign_in(client, database)
    return client


def send(browser: Any, path: str) -> Any:
    """Press the button of the page at a path."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/my/history/erasure/2018").text)
    assert token
    return browser.post(path, data={"csrf_token": token.group(1)})


def test_a_citizen_erases_a_year(browser: Any) -> None:
    """A year that no law wants kept is erased after a page that says what it means; the history then says what, why, and
    that it is not final yet, in both languages."""
    page = browser.get("/my/history/erasure").text
    assert 'href="/my/history/erasure/2018"' in page
    assert "long ago" in browser.get("/my/history").text
    assert "you included: 1." in browser.get("/my/history/erasure/2018").text
    answer = send(browser, "/my/history/erasure/2018")
    assert (answer.status_code, answer.headers["location"]) == (303, "/my/history/erasure")

    for page in (browser.get("/my/history/erasure").text, browser.get("/my/history").text):
        assert "because you wanted it" in page
        assert "erased; not yet final" in page
    assert "long ago" not in browser.get("/my/history").text
    assert "lately" in browser.get("/my/history").text
    assert "What happened in 2018 was erased (entries: 1)" in browser.get("/my/history").text
    georgian = browser.get("/my/history/erasure", headers={"accept-language": "ka"}).text
    assert "რადგან თქვენ ასე გსურდათ" in georgian


def test_what_the_law_wants_kept_is_refused_in_words(browser: Any) -> None:
    """The page names the day from which this year may be erased and offers no button; a forged form is refused in words."""
    year = clock.now().year
    page = browser.get("/my/history/erasure").text
    assert f'href="/my/history/erasure/{year}"' not in page
    assert re.search(rf"from (1 January|January 1,) {year + 7} on", page)
    answer = send(browser, f"/my/history/erasure/{year}")
    assert answer.status_code == 403
    assert f"kept until the end of {year + 6}" in answer.text
    assert browser.get(f"/my/history/erasure/{year}").status_code == 403


@pytest.mark.parametrize("year", ["1999", "0", "-5", "99999999999", "x"])
def test_years_that_never_were(browser: Any, year: str) -> None:
    """A year without entries, or that is none, is an error of whoever asks and never ours."""
    assert browser.get(f"/my/history/erasure/{year}").status_code in (400, 404)
    assert send(browser, f"/my/history/erasure/{year}").status_code in (400, 404)


def test_one_factor_is_not_enough(browser: Any, database: Database) -> None:
    """Whoever came in with a password alone can read the history and not erase it."""
    sign_in(browser, database, country.LOW)
    answer = send(browser, "/my/history/erasure/2018")
    assert answer.status_code == 403
    assert "long ago" in browser.get("/my/history").text
