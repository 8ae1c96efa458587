"""Attempts to win by asking many times at the same moment: one code used by many, and more guesses than are allowed."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp import enrol
from idp.login import recovery, throttle
from idp.tables import recovery_code
from tests.consent.country import SUBSTANTIAL
from tests.idp.login.person import PASSWORD, Person

AT_ONCE = 6


def together(what: Callable[[Any], Any], hands: Sequence[Any]) -> list[Any]:
    """Let several hands do something at the same moment, each in a thread of its own."""
    ready = threading.Barrier(len(hands))

    def one(hand: Any) -> Any:
        ready.wait()
        return what(hand)

    with ThreadPoolExecutor(len(hands)) as pool:
        return list(pool.map(one, hands))


def halves(nino: Person, person: Any) -> list[Person]:
    """Give several browsers elsewhere in which somebody who knows the password stands before the code."""
    found = []
    for number in range(AT_ONCE):
        one = person(f"203.0.113.{number}")
        one.give_password("nino")
        one.open("/login/code")
        found.append(one)
    return found


@pytest.mark.parametrize("field", ["totp__code", "recovery__code"])
def test_attempt_to_use_one_code_in_many_browsers_at_once(
    nino: Person, person: Any, database: Database, field: str
) -> None:
    """Of many browsers that give the same right code of the app, or from the sheet, at the same moment one gets in."""
    code = nino.code() if field == "totp__code" else nino.codes[0]
    thieves = halves(nino, person)
    answers = together(lambda one: one.send("/login/code", **{field: code}), thieves)
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * (AT_ONCE - 1)
    with database.reading() as db:
        assert len(db.execute(select(browser_session)).all()) == 1
        spent = select(func.count()).where(recovery_code.c.used_at.is_not(None))
        assert db.scalar(spent) == (field == "recovery__code")


def test_attempt_to_guess_codes_in_a_step_up_at_once(person: Any, database: Database) -> None:
    """A stolen session that lacks the code has ten guesses an hour from elsewhere, however many come at the same moment."""
    with database.writing() as db:
        enrol.enrol(db, "tester", PASSWORD, {}, actor=SYSTEM)
    owner = person()
    owner.give_password("tester")
    owner.add_app()
    thieves = []
    for number in range(AT_ONCE):
        thief = person(f"203.0.113.{number}")
        for name in ("session", "browser"):
            cookie = f"__Host-erti_{name}"
            thief.browser.cookies.set(
                cookie, owner.browser.cookies[cookie], domain="id.erti.example", path="/"
            )
        thief.open(f"/login?return_to=/my&acr={SUBSTANTIAL}")
        thieves.append(thief)
    fields = {"return_to": "/my", "acr": SUBSTANTIAL, "totp__code": "000000"}

    def guess(thief: Person) -> list[int]:
        page, found = thief.page, []
        for _number in range(3):
            thief.page = page
            found.append(thief.send("/login/step-up", **fields).status_code)
        return found

    statuses = [one for found in together(guess, thieves) for one in found]
    assert statuses.count(400) == throttle.CODE.unknown.most
    assert statuses.count(429) == 3 * AT_ONCE - throttle.CODE.unknown.most


@pytest.mark.parametrize("way", ["recovery", "letter", "mail"])
def test_attempt_to_guess_what_is_printed_at_once(
    person: Any, letter: Any, database: Database, way: str
) -> None:
    """One network has twenty guesses at codes from sheets, letters and mail in a quarter of an hour, also at the same moment."""
    citizen_id, _code = letter()
    path, fields = {
        "recovery": ("/login/recovery", {"username": citizen_id, "recovery__code": "0000-0000-0000-0000"}),
        "letter": ("/activate", {"citizen__id": citizen_id, "activation__code": "0000-0000-0000-0000"}),
        "mail": ("/recover/stop", {"code": "0000-0000-0000"}),
    }[way]
    guessers = [person("203.0.113.7") for _number in range(AT_ONCE)]
    for one in guessers:
        one.open(path)

    def guess(one: Person) -> list[int]:
        page, found = one.page, []
        for _number in range(6):
            one.page = page
            found.append(one.send(path, **fields).status_code)
        return found

    statuses = [one for found in together(guess, guessers) for one in found]
    assert statuses.count(400) == 20, statuses
    assert set(statuses) == {400, 429}


def test_attempt_to_take_one_recovery_code_in_many_transactions(nino: Person, database: Database) -> None:
    """However many transactions spend one code of the sheet at the same moment, one is told that it counts."""

    def use(_hand: int) -> bool:
        with database.writing() as db:
            return recovery.use(db, nino.citizen_id, nino.codes[1])

    assert sum(together(use, range(AT_ONCE))) == 1
