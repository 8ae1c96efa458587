"""The highest assurance after a while without use: what is left of it, and what brings it back."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from consent.assurance import LEVELS
from core import clock, sessions
from core.sessions import CITIZEN, STAFF, browser_session
from idp.login import assurance
from tests.idp.login.person import Person

LOW, SUBSTANTIAL, HIGH = LEVELS
STEP_UP = f"/login?return_to=/my&acr={HIGH}"


@pytest.fixture
def nino(person, letter) -> Person:
    """Give somebody who activated with a passkey that stays on its device."""
    somebody = person()
    somebody.activate_with_passkey(*letter())
    return somebody


def unused(database, minutes: float) -> None:
    """Let every session have been used last so long ago."""
    with database.writing() as db:
        db.execute(update(browser_session).values(last_seen_at=clock.now() - timedelta(minutes=minutes)))


def worth(database) -> str:
    """Return what the one session is worth now."""
    with database.reading() as db:
        [session] = sessions.of(db, db.scalar(select(browser_session.c.subject)))
    return session.acr


def begin(database, kind: str, acr: str) -> str:
    """Begin a session and return the token of its cookie."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject="C1", kind=kind, acr=acr, amr=[], user_agent="", network=""
        )
    return token


def test_the_levels_of_sessions_are_those_of_the_house() -> None:
    """What rests is the highest level, and what is left of it the next."""
    assert (sessions.RESTED, sessions.HIGHEST) == LEVELS[1:] == (assurance.SUBSTANTIAL, assurance.HIGH)


def test_the_highest_assurance_rests_and_is_shown_anew(nino, database) -> None:
    """After fifteen minutes without use the same passkey is asked for, and why; nobody is signed out, and less needs nothing."""
    unused(database, 14)
    assert nino.open(STEP_UP).text.count("stepup") == 0
    assert worth(database) == HIGH
    unused(database, 16)
    assert worth(database) == SUBSTANTIAL
    assert "After 15 minutes without use" in nino.open(STEP_UP).text
    assert 'id="stepup-lead"' in nino.page
    assert nino.open("/my/account").status_code == 200
    assert worth(database) == SUBSTANTIAL, "to be used again is no proof of who uses it"
    options = nino.ask("/login/passkey/options", return_to="/my", acr=HIGH).json()
    assert nino.tell("/login/passkey/verify", nino.device.get(options)).status_code == 200
    assert worth(database) == HIGH
    assert "stepup-rested" not in nino.open(STEP_UP).text


def test_to_extend_a_session_brings_nothing_back(nino, database) -> None:
    """The button of the warning lets the session go on, at what it is worth then; asking how long it lasts changes nothing."""
    nino.open("/logout")  # a page with a form, whose token serves every other
    unused(database, 16)
    assert nino.browser.get("/session/state").json()["signed_in"]
    assert nino.send("/session/extend").json()["signed_in"]
    assert worth(database) == SUBSTANTIAL


@pytest.mark.parametrize("acr", [LOW, SUBSTANTIAL])
def test_less_does_not_rest(database, acr: str) -> None:
    """What a session reached below the highest stays what it is for as long as it lives."""
    token = begin(database, CITIZEN, acr)
    unused(database, 29)
    with database.writing() as db:
        found = sessions.touch(db, sessions.find(db, token))
    assert (found.acr, found.rested) == (acr, False)
    assert worth(database) == acr


def test_one_request_of_two_at_once_cannot_wake_it(database) -> None:
    """Who read the session before it rested, and notes its use afterwards, leaves it at what it is worth."""
    token = begin(database, CITIZEN, HIGH)
    with database.reading() as db:
        early = sessions.find(db, token)
    unused(database, 16)
    with database.writing() as db:
        late = sessions.touch(db, sessions.find(db, token))
        assert (late.acr, late.rested) == (SUBSTANTIAL, True)
    with database.writing() as db:
        sessions.touch(db, early)
    assert worth(database) == SUBSTANTIAL


@pytest.mark.parametrize(("acr", "lives"), [(HIGH, False), (SUBSTANTIAL, True)])
def test_a_staff_session_at_the_highest_ends(database, settings, acr: str, lives: bool) -> None:
    """Staff have no use for less: their session with a bound passkey ends after fifteen minutes, as their pages warn."""
    token = begin(database, STAFF, acr)
    with database.reading() as db:
        ends = sessions.over_at(sessions.find(db, token), settings)
    expected = timedelta(minutes=30 if lives else 15)
    assert abs(ends - clock.now() - expected) < timedelta(seconds=30)
    unused(database, 14)
    with database.reading() as db:
        assert sessions.find(db, token).acr == acr
    unused(database, 16)
    with database.reading() as db:
        found = sessions.find(db, token)
    assert (found is not None) == lives
