"""Attempts of another site to send our forms from a visitor's browser: to sign them in as somebody else, out, or to act."""

import re
from typing import Any

import pytest

from core import forms
from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp import enrol
from idp.login.pages import browser
from tests.architecture.addresses import asked, routes
from tests.idp.login.person import ISSUER, PASSWORD, TOKEN, Person

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EVIL = "https://evil.example"
CHECKED = {forms.checked, browser._json}
# A foreign page's form; a frame without an origin; a subdomain that fell to somebody; the browser's own word for them.
FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": EVIL},
    {"origin": EVIL, "sec-fetch-site": "cross-site"},
    {"origin": "https://login.id.erti.example", "sec-fetch-site": "same-site"},
    {"origin": f"{ISSUER}.evil.example"},
    {"origin": f"{ISSUER}:8443"},
    {"origin": "http://id.erti.example"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)


def forms_of_ours() -> list[tuple[str, bool]]:
    """Return the path of every route that takes a form of ours, and whether it takes JSON."""
    found = [
        (re.sub(r"{\w+}", "1", route.path), browser._json in asked(route.dependant))
        for route in routes()
        if CHECKED & asked(route.dependant)
        and not route.path.startswith(("/admin", "/desk", "/staff/logout"))
    ]
    return sorted(set(found))


def forged(victim: Person, path: str, token: str, *, json: bool = False, **headers: str) -> Any:
    """Let the victim's browser send a form to a path, with a token from wherever."""
    sent = {"accept": "application/json", **headers}
    if json:
        sent |= {"content-type": "application/json", "x-csrf-token": token}
        return victim.browser.post(path, content="{}", headers=sent)
    return victim.browser.post(path, data={"csrf_token": token} if token else {"a": "b"}, headers=sent)


def token_of(somebody: Person) -> str:
    """Return the token that stands in a form of somebody's page."""
    found = TOKEN.search(somebody.open("/language/en") and somebody.open("/login?other=1").text)
    assert found
    return found[1]


@pytest.fixture
def nino(person: Any, letter: Any) -> Person:
    """Give somebody who has just signed in safely."""
    somebody: Person = person()
    somebody.activate_with_passkey(*letter())
    return somebody


def test_attempt_to_send_each_of_our_forms_from_elsewhere(
    nino: Person, person: Any, database: Database
) -> None:
    """No form of ours counts without this browser's own token, with another browser's, or with the right one from a foreign page."""
    attacker = person("203.0.113.9")
    stolen, mine = token_of(attacker), token_of(nino)
    assert stolen != mine
    paths = forms_of_ours()
    assert len(paths) > 50
    for path, json in paths:
        tries = [forged(nino, path, token, json=json) for token in ("", stolen, "0" * 64, mine[:-1])]
        tries += [forged(nino, path, mine, json=json, **headers) for headers in FOREIGN[:2] + FOREIGN[6:8]]
        for answer in tries:
            assert answer.status_code == 403, path
            assert answer.json()["type"] == "urn:erti:problem:forged-form", path
    assert nino.open("/my/account").status_code == 200


def test_attempt_to_sign_a_visitor_in_as_the_attacker(person: Any, database: Database) -> None:
    """With the attacker's own right name and password, and any token that a foreign page can have, nobody is signed in."""
    with database.writing() as db:
        enrol.enrol(db, "attacker", PASSWORD, {}, actor=SYSTEM)
    attacker, victim = person("203.0.113.9"), person()
    stolen = token_of(attacker)
    fresh = person("192.0.2.3")  # was never here, so its browser has no name yet
    mine = token_of(victim)
    known = {"username": "attacker", "password": PASSWORD}
    tries: list[tuple[Person, str, dict[str, str]]] = [
        (visitor, token, headers)
        for visitor in (victim, fresh)
        for token in ("", stolen)
        for headers in ({}, {"origin": "null"}, *FOREIGN)
    ]
    tries += [(victim, mine, headers) for headers in FOREIGN]
    for visitor, token, headers in tries:
        answer = visitor.browser.post("/login", data={"csrf_token": token, **known}, headers=headers)
        assert answer.status_code == 403, (token, headers)
        assert "erti_session" not in str(answer.headers.get_list("set-cookie")), headers
    with database.reading() as db:
        assert not db.execute(browser_session.select()).all()
    for origin in ({}, {"origin": "null"}, {"origin": ISSUER, "sec-fetch-site": "same-origin"}):
        answer = victim.browser.post("/login", data={"csrf_token": token_of(victim), **known}, headers=origin)
        assert answer.status_code == 303, "and by our own page it is"


def test_attempt_to_sign_somebody_out_from_another_site(nino: Person) -> None:
    """Neither a link, a picture's address, nor a form of another site ends the session."""
    for path in ("/logout", "/end-session", "/end-session?client_id=portal", "/end-session/confirm"):
        nino.browser.get(path, headers={"sec-fetch-site": "cross-site"})
        for headers in FOREIGN:
            nino.browser.post(path, data={"logout": "yes"}, headers=headers)
        assert nino.open("/my/account").status_code == 200, path
    for path in ("/logout", "/end-session/confirm"):
        assert forged(nino, path, "").status_code == 403


def test_attempt_to_act_by_a_link(nino: Person, database: Database) -> None:
    """No address of the account's rooms changes anything when a link or picture on another site opens it."""
    with database.reading() as db:
        before = repr(sorted(map(repr, db.execute(browser_session.select()).all())))
    for route in routes():
        if "GET" in route.methods and route.path.startswith(("/my/account", "/my/sessions", "/logout")):
            nino.browser.get(re.sub(r"{\w+}", "1", route.path), headers={"sec-fetch-site": "cross-site"})
    for path in ("/my/sessions/end", "/my/account/passkeys/1/remove", "/my/account/close", "/session/extend"):
        assert nino.browser.get(path).status_code in (200, 404, 405), path
    with database.reading() as db:
        assert repr(sorted(map(repr, db.execute(browser_session.select()).all()))) == before
