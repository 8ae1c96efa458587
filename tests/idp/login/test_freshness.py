import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import clock, web
from core.sessions import browser_session
from service.freshness import ACTS
from tests.architecture.addresses import asked, routes
from tests.idp.login.person import grow_old

OWN = {act: back for act, back in ACTS.items() if act[1].startswith("/my/")}
# Posts under /my/account that need no fresh sign-in, with the reason.
NO_NEED = {
    "/my/account/card/block": "stops a card that was lost, which must not wait",
    "/my/account/reentry/stop": "stops a stranger who is coming in, which must not wait",
    "/my/account/contact/code": "goes on with what was begun, and asks by itself",
    "/my/account/contact/language": "harms nobody",
    "/my/account/app": "goes on with what was begun, and asks by itself",
    "/my/account/confirm/send": "sends a letter to an address that was checked long ago",
    "/my/account/confirm": "asks for the code of that letter",
    "/my/account/codes": "says that the codes are kept",
}


def filled(path: str) -> str:
    """Return an address of a route."""
    return re.sub(r"{\w+}", "1", path)


def test_each_act_is_a_route_of_somebody_signed_in() -> None:
    """What the list names is there, is asked of citizens or staff, and leads back to a page that can be opened."""
    there = {(method, route.path): route for route in routes() for method in route.methods}
    pages = {path for method, path in there if method == "GET"}
    assert set(ACTS) <= set(there)
    guards = {web._citizen, web._owner, web._staff}
    assert all(guards & set(asked(there[act].dependant)) for act in ACTS)
    assert {back for back in ACTS.values() if back} <= pages


def test_each_change_of_the_account_stands_on_the_list_or_says_why_not() -> None:
    """Nobody adds a way to change how an account is entered without deciding whether it needs a fresh sign-in."""
    posts = {
        route.path for route in routes() if "POST" in route.methods and route.path.startswith("/my/account")
    }
    decided = {path for _method, path in ACTS} | set(NO_NEED)
    assert posts - decided == set(), "name it in service/freshness.py, or here with the reason"


def test_each_act_asks_again_after_ten_minutes(nino, database) -> None:
    """Whoever finds a browser signed in an hour ago gets to none of them, and comes back to the act after signing in."""
    grow_old(database, 11)
    assert 'id="account-again"' in nino.open("/my/account").text
    nino.open("/logout")
    for (method, route), back in OWN.items():
        path = filled(route)
        answer = nino.browser.get(path) if method == "GET" else nino.send(path)
        assert answer.headers["location"] == f"/login?return_to={filled(back) or path}", (method, route)


def test_a_program_is_refused_in_its_own_words(nino, database) -> None:
    """The script that checks a history hears why, and does not get a page."""
    grow_old(database, 11)
    answer = nino.browser.get("/my/history/bundle", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:erti:problem:fresh-sign-in-needed")


@pytest.mark.parametrize("over", [True, False], ids=["signed out", "not fresh"])
def test_what_was_typed_is_shown_and_nothing_secret(nino, database, over: bool) -> None:
    """A form that comes too late is answered with what was typed, without any secret, and the way back to its page."""
    nino.open("/my/mandates/new")
    past = clock.now() - timedelta(days=2)
    with database.writing() as db:
        db.execute(
            update(browser_session).values(last_seen_at=past)
            if over
            else update(browser_session).values(auth_time=past)
        )
    answer = nino.send("/my/mandates", holder="GE <b>1234</b>", until="2027-01-01", password="not to be seen")
    assert answer.status_code == 403
    assert "GE &lt;b&gt;1234&lt;/b&gt;" in answer.text
    assert "2027-01-01" in answer.text
    assert "not to be seen" not in answer.text
    if not over:
        assert "/login?return_to=/my/mandates/new" in answer.text


def test_a_forged_form_is_shown_to_nobody(nino, database) -> None:
    """What another site sent is not shown on a page of ours as if it had been typed here."""
    grow_old(database, 11)
    answer = nino.browser.post("/my/mandates", data={"holder": "call this number", "csrf_token": "0" * 64})
    assert answer.status_code == 303
    elsewhere = {"referer": "https://evil.example/my/alerts"}
    late = nino.browser.post("/my/sessions/end", data={"a": "b"}, headers=elsewhere)
    assert "evil" not in late.headers.get("location", "")
