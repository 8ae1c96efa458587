from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from core import clock, sessions
from core.sessions import browser_session

SHORT = timedelta(seconds=90)


@pytest.fixture
def nino(person, letter):
    """Give somebody who is signed in and has opened a page with a form."""
    somebody = person()
    somebody.activate(*letter())
    somebody.open("/logout")
    return somebody


def set_back(database, **columns) -> None:
    """Change when the only session was seen last, or ends."""
    with database.writing() as db:
        db.execute(update(browser_session).values(**columns))


def state(somebody) -> dict[str, Any]:
    """Ask as the page's script does."""
    return somebody.browser.get("/session/state").json()


def test_asking_how_long_a_session_lasts_does_not_prolong_it(nino, database, settings) -> None:
    """A tab that asks all day keeps nobody signed in."""
    idle = timedelta(seconds=settings.session_idle_seconds)
    set_back(database, last_seen_at=clock.now() - idle + SHORT)
    for _time in range(3):
        told = state(nino)
        assert told["signed_in"]
        assert 80 <= told["left"] <= 90
    assert told["longest"] > 40_000


def test_extending_begins_the_idle_time_anew(nino, database, settings) -> None:
    """After the button the session lasts as long as after any other page."""
    idle = timedelta(seconds=settings.session_idle_seconds)
    set_back(database, last_seen_at=clock.now() - idle + SHORT)
    told = nino.ask("/session/extend").json()
    assert told["signed_in"]
    assert settings.session_idle_seconds - 5 <= told["left"] <= settings.session_idle_seconds


def test_extending_never_passes_the_end(nino, database) -> None:
    """The absolute limit stands where it stood, and what is left says so."""
    end = clock.now() + SHORT
    set_back(database, ends_at=end)
    for _time in range(3):
        told = nino.ask("/session/extend").json()
        assert told["left"] == told["longest"] <= 90
    with database.reading() as db:
        token = nino.browser.cookies["__Host-erti_session"]
        assert sessions.find(db, token).ends_at == end


def test_a_session_that_is_over_is_not_brought_back(nino, database) -> None:
    """Extending what ended is answered honestly and revives nothing."""
    set_back(database, last_seen_at=clock.now() - timedelta(days=1))
    assert nino.ask("/session/extend").json() == {"signed_in": False, "left": 0, "longest": 0}
    assert state(nino)["signed_in"] is False
    assert nino.open("/my").status_code == 303


def test_another_site_keeps_nobody_signed_in(nino) -> None:
    """Without the token of the browser's own page nothing is extended."""
    assert nino.browser.post("/session/extend", data={"csrf_token": "0" * 64}).status_code == 403


def test_each_page_says_when_the_session_ends(nino, database) -> None:
    """Without any script the page tells the hour, and its dialog knows how many seconds are left."""
    assert 'id="session-ends"' in nino.open("/my").text
    set_back(database, last_seen_at=clock.now() - timedelta(seconds=50))
    left = int(nino.open("/about").text.partition('data-left="')[2].partition('"')[0])
    assert left <= 1750, "a use within the last minute is not written down, and so does not count"
