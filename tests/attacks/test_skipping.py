"""Attempts to leave out a step: to go to where it leads, to do the last one first, or to give somebody else's proof."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp import enrol
from idp.login import stages
from idp.oidc import clients
from idp.tables import card, passkey, recovery_code, totp
from tests.consent import country
from tests.consent.country import HIGH, LOW, SUBSTANTIAL
from tests.idp.login.person import PASSWORD, Person
from tests.idp.oidc.provider import request

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
STAGE = "__Host-erti_stage"


@pytest.fixture
def tester(person: Any, database: Database) -> Person:
    """Give a test citizen who signed in with a password alone and has an app."""
    with database.writing() as db:
        country.found(db)
        enrol.enrol(db, "tester", PASSWORD, {"given_name": "Test"}, actor=SYSTEM)
        clients.put(
            db,
            {
                "client_id": "portal", "agency": "revenue", "client_name": "Portal", "client_secret": "x" * 40,
                "redirect_uris": ["https://portal.example/cb"], "sign_in_purpose": "revenue-sign-in",
            },
            actor=SYSTEM,
        )  # fmt: skip
    somebody: Person = person()
    assert somebody.give_password("tester").headers["location"] == "/my"
    somebody.add_app()
    return somebody


def levels(database: Database) -> list[tuple[str, str]]:
    """Return whose sessions there are, and what they reach."""
    with database.reading() as db:
        return [(row.subject, row.acr) for row in db.execute(select(browser_session))]


def begun(somebody: Person, acr: str = SUBSTANTIAL) -> str:
    """Begin a sign-in at the portal that wants a level; return the path that leads on."""
    answer = somebody.browser.get(
        "/authorize", params=request(acr_values=acr, redirect_uri="https://portal.example/cb")
    )
    found = re.search(r"return_to=([^&]+)", answer.headers["location"])
    assert found, answer.headers
    return found[1].replace("%2F", "/")


def leads_to_more(somebody: Person, path: str) -> bool:
    """Tell whether a way on asks for more, and gives no code."""
    answer = somebody.browser.get(path)
    location = answer.headers.get("location", "")
    return "code=" not in location and location.startswith("/login?") and "acr=" in location


def test_attempt_to_go_where_the_step_leads(tester: Person, database: Database) -> None:
    """The address to come back to, opened without the step, and after a step at a level that was changed on the way, asks again."""
    path = begun(tester)
    assert leads_to_more(tester, path)
    for acr in (LOW, "", "urn:erti:loa:none", "anything", f"{LOW} {SUBSTANTIAL}"):
        tester.open(f"/login?return_to={path}&acr={acr}")
        answer = tester.send("/login/step-up", return_to=path, acr=acr, totp__code="000000")
        assert answer.headers["location"] == path, "nothing was missing for that"
        assert leads_to_more(tester, path), acr
    assert {acr for _who, acr in levels(database)} == {LOW}
    for parameter in ("acr", "acr_values", "claims", "prompt", "max_age"):
        assert leads_to_more(tester, f"{path}?{parameter}={LOW}"), parameter
    tester.open(f"/login?return_to={path}&acr={SUBSTANTIAL}")
    right = tester.send("/login/step-up", return_to=path, acr=SUBSTANTIAL, totp__code=tester.code())
    assert right.headers["location"] == path
    assert not leads_to_more(tester, path), "with the step it goes on"


def test_attempt_to_go_on_elsewhere_after_the_step(tester: Person, database: Database) -> None:
    """A step for one request does not lower what another one asks; a request that wants more asks for more."""
    easy, hard = begun(tester), begun(tester, HIGH)
    tester.open(f"/login?return_to={easy}&acr={SUBSTANTIAL}")
    tester.send("/login/step-up", return_to=hard, acr=SUBSTANTIAL, totp__code=tester.code())
    assert leads_to_more(tester, hard)


def test_attempt_to_step_up_with_another_persons_factor(
    tester: Person, person: Any, letter: Any, database: Database
) -> None:
    """Neither the code of another's app nor another's passkey makes a session worth more; with the passkey it is the other's."""
    other = person("203.0.113.9")
    other_id, code = letter()
    other.activate(other_id, code)
    mine = levels(database)[0]
    tester.open(f"/login?return_to=/my&acr={SUBSTANTIAL}")
    answer = tester.send("/login/step-up", return_to="/my", acr=SUBSTANTIAL, totp__code=other.code())
    assert answer.status_code == 400
    assert mine in levels(database)
    third = person("203.0.113.10")
    third_id, code = letter()
    third.activate_with_passkey(third_id, code)
    tester.device = third.device
    assert tester.use_passkey().status_code == 200
    assert mine not in levels(database)
    assert {who for who, _acr in levels(database)} == {other_id, third_id}, (
        "and nobody was mixed up with anybody"
    )


def test_attempt_to_do_the_last_step_first(person: Any, tester: Person, database: Database) -> None:
    """Without the steps before them the later ones lead to the start, change nothing and let nobody in."""
    stranger = person("203.0.113.9")
    before = levels(database)
    code = tester.code()
    stranger.open("/login")
    for path, fields in (
        ("/login/code", {"totp__code": code}),
        ("/login/step-up", {"totp__code": code, "acr": SUBSTANTIAL, "return_to": "/my/account"}),
        ("/login/shut/keep", {}),
        ("/login/shut/open", {"recovery__code": "0000-0000-0000-0000"}),
        ("/login/shut/stay", {}),
        ("/activate/password", {"username": "eve", "password": PASSWORD}),
        ("/activate/passkey", {"credential": "{}"}),
        ("/activate/app", {"totp__code": code}),
        ("/activate/codes", {}),
        ("/recover/finish", {"code": "0000-0000-0000"}),
        ("/device/confirm", {"i": "x" * 43, "decision": "mine"}),
        ("/consent", {"i": "x" * 43, "decision": "allow"}),
    ):
        answer = stranger.send(path, **fields)
        assert answer.status_code in (303, 400, 404), path
        assert stranger.browser.get("/my/account").status_code == 303, path
    for path in ("/activate/app", "/activate/codes", "/activate/codes/file", "/login/code", "/login/shut"):
        assert stranger.open(path).status_code == 303, path
    assert levels(database) == before


def test_attempt_to_use_a_step_of_another_flow(
    tester: Person, person: Any, letter: Any, database: Database
) -> None:
    """The cookie of one kind of flow opens no other, and one that was used up opens nothing again."""
    citizen_id, letters_code = letter()
    nino = person()
    nino.begin_activation(citizen_id, letters_code)
    for path, fields in (
        ("/login/code", {"totp__code": "000000"}), ("/login/shut/keep", {}),
        ("/login/shut/open", {"recovery__code": "0000"}), ("/activate/app", {"totp__code": "000000"}), ("/activate/codes", {}),
    ):  # fmt: skip
        nino.open("/login")
        assert nino.send(path, **fields).status_code == 303, path
    assert nino.browser.get("/my/account").status_code == 303
    tester.give_password("tester")
    used = tester.browser.cookies[STAGE]
    tester.open("/login/code")
    assert tester.send("/login/code", totp__code=tester.code()).status_code == 303
    thief = person("203.0.113.9")
    thief.browser.cookies.set(STAGE, used, domain="id.erti.example", path="/")
    for path in ("/login/code", "/activate/method", "/activate/app", "/login/shut"):
        assert thief.open(path).status_code == 303, path
    thief.open("/login")
    answer = thief.send("/login/code", totp__code=tester.code(steps_ahead=1))
    assert answer.headers["location"] == "/login"
    assert thief.browser.get("/my/account").status_code == 303
    with database.reading() as db:
        assert stages.find(db, used, stages.SECOND_FACTOR) is None


def test_attempt_to_change_the_account_with_less_than_it_has(tester: Person, database: Database) -> None:
    """Who came with but the password of an account with an app neither adds a passkey, nor another app, nor makes codes."""
    assert {acr for _who, acr in levels(database)} == {LOW}
    with database.reading() as db:
        before = db.scalar(select(totp.c.secret_sealed))
    for path in (
        "/my/account/passkeys",
        "/my/account/app/new",
        "/my/account/codes/new",
        "/my/account/password",
        "/my/account/card",
    ):
        tester.open("/my/account")
        answer = tester.send(path, password="another set of words", pin="4071 9326", pin__again="4071 9326")
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login?"), path
    with database.reading() as db:
        assert db.scalar(select(totp.c.secret_sealed)) == before
        for table in (passkey, recovery_code, card):
            assert not db.execute(select(table)).all()
