"""Each "no" says what to do next, and its reference number leads support to what it was about."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from consent.ledger.tables import entry
from core import clock, refusals
from core.database import Database
from core.errors import Problem, StoreAway
from core.refusals import Book, Refusal
from idp.login.pages.browser import AccountShut
from idp.oidc.errors import RequestUnanswerable
from tests.admin.conftest import browser, colleague  # noqa: F401  (fixtures)
from tests.idp.login.conftest import born, letter, person  # noqa: F401  (fixtures)
from tests.idp.login.person import Person

HOUSE = ("core", "keys", "registry_sync", "consent", "idp", "admin")
REFERENCE = re.compile(r'id="problem-reference"[^>]*>([0-9A-Z]{4}-[0-9A-Z]{4})<')
# Answered with the way to where it goes on.
NOT_TOLD = {"sign-in-needed", "fresh-sign-in-needed", "repair-only"}
FORMS: dict[str, tuple[str, str, dict[str, str], str]] = {
    # page, address, what is typed, the rule that support reads
    "nothing typed": ("/login", "/login", {}, "login: password, username"),
    "wrong password": ("/login", "/login", {"username": "nobody", "password": "x" * 12}, "login: password"),
    "wrong recovery code": (
        "/login/recovery",
        "/login/recovery",
        {"username": "nobody", "recovery-code": "0000-0000-0000"},
        "recovery: recovery-code",
    ),
    "no letter": ("/activate", "/activate", {}, "activate: activation-code, citizen-id"),
    "wrong letter": (
        "/activate",
        "/activate",
        {"citizen-id": "0X6TNZ0EZ1J4S", "activation-code": "AAAA-BBBB-CCCC-DDDD"},
        "",
    ),
    "wrong device code": ("/device", "/device", {"user_code": "BCDFGHJK"}, ""),
}


def every_problem() -> list[type[Problem]]:
    """Every kind of refusal of the house."""
    for package in HOUSE:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(found.name)
    known: dict[type[Problem], None] = {}

    def below(kind: type[Problem]) -> None:
        for one in kind.__subclasses__():
            if one.__module__.partition(".")[0] in HOUSE:
                known.setdefault(one)
                below(one)

    below(Problem)
    return sorted(known, key=lambda kind: (kind.__module__, kind.__qualname__))


def kept(database: Database, page: str) -> Refusal:
    """What is kept under the reference number that stands on a page."""
    found = REFERENCE.search(page)
    assert found, page
    with database.reading() as db:
        refusal = refusals.find(db, found[1])
    assert refusal, found[1]
    return refusal


def test_every_refusal_says_what_to_do_and_has_a_reference(
    app: FastAPI, client: Any, database: Database
) -> None:
    """Whatever refuses, the page has words, a next step and a number, and under the number stands what was refused."""
    kinds = [kind for kind in every_problem() if kind.code not in NOT_TOLD and kind is not AccountShut]
    assert len(kinds) > 60

    def refuse(number: int) -> None:
        kind = kinds[number]
        wants = inspect.signature(kind).parameters
        raise (
            kind("rule", "says")
            if issubclass(kind, RequestUnanswerable)
            else kind(
                **{
                    name: "What to do next."
                    for name, one in wants.items()
                    if one.default is one.empty and one.kind < 2
                }
            )
        )

    app.add_api_route("/refused/{number}", refuse)
    app.state.refusals = Book(database, network=lambda request: request.url.path)
    for number, kind in enumerate(kinds):
        answer = client.get(f"/refused/{number}", headers={"accept": "text/html"})
        assert 400 <= answer.status_code < 600, kind
        words = re.search(r'id="problem-text">([^<]+)<', answer.text)
        assert words, kind
        assert len(words[1].split()) > 2, kind
        assert 'id="problem-back"' in answer.text, kind
        assert "any public service hall can help you" in answer.text, kind
        if kind is StoreAway:
            continue  # what is away cannot take a note of it
        refusal = kept(database, answer.text)
        assert (refusal.code, refusal.status, refusal.route) == (
            kind.code,
            answer.status_code,
            "/refused/{number}",
        )
        program = client.get(f"/refused/{number}").json()
        assert REFERENCE.fullmatch(f'id="problem-reference">{program["reference"]}<')


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_comes_back_has_a_reference(
    person: Callable[..., Person],  # noqa: F811
    client: Any,
    database: Database,
    form: str,
) -> None:
    """A form of the way in that comes back says what is wrong and where help is, and support finds which form it was."""
    page, address, typed, rule = FORMS[form]
    me = person()
    me.open(page)
    answer = me.send(address, **typed)
    assert answer.status_code == 400
    assert "any public service hall can help you" in me.page
    refusal = kept(database, me.page)
    assert (refusal.code, refusal.status, refusal.route) == ("form", 400, address)
    assert refusal.rule == rule or not rule
    assert refusal.told
    everything = " ".join(str(part) for part in vars(refusal).values())
    assert not [value for value in typed.values() if value in everything]


def test_a_throttled_form_has_a_reference(
    person: Callable[..., Person],  # noqa: F811
    client: Any,
    database: Database,
) -> None:
    """Whoever has to wait is told so with a number, too."""
    me, typed = person(), {"username": "nobody", "recovery-code": "0000-0000-0000"}
    me.open("/login/recovery")
    statuses = [me.send("/login/recovery", **typed).status_code for _guess in range(21)]
    assert (set(statuses[:20]), statuses[20]) == ({400}, 429)
    assert kept(database, me.page).rule == "recovery: wait"


def test_support_looks_a_number_up_on_the_record(
    colleague: Any,  # noqa: F811
    client: Any,
    database: Database,
) -> None:
    """Support types the number as it was heard and reads what was refused and what helps; the look-up is an entry."""
    page = client.get("/nowhere", headers={"accept": "text/html"})
    reference = REFERENCE.search(page.text)
    assert reference
    helper = colleague("support")
    room = helper.get("/admin/refusals")
    heard = reference[1].lower().replace("-", " ").replace("0", "o")
    answer = helper.post("/admin/refusals", {"reference": heard}, on=room)
    assert answer.status == 200
    assert "There is no page at this address." in answer.text
    assert "It helps to begin at the start page." in answer.text
    assert database.parts.sequencer.drain()
    with database.reading() as db:
        looked = db.scalar(select(func.count()).where(entry.c.kind == "refusal-looked-up"))
    assert looked == 1
    wrong = helper.post("/admin/refusals", {"reference": "0000-0000"}, on=room)
    assert (wrong.status, "Nothing is kept under this number." in wrong.text) == (400, True)
    assert helper.post("/admin/refusals", {"reference": "what"}, on=room).status == 400


def test_a_refusal_is_forgotten_in_time(
    client: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the days of the setting a number leads nowhere, and the worker deletes what stood under it."""
    page = client.get("/nowhere", headers={"accept": "text/html"}).text
    refusal = kept(database, page)
    later = clock.now() + timedelta(days=database.parts.settings.refusal_days, seconds=5)
    monkeypatch.setattr(clock, "now", lambda: later)
    with database.writing() as db:
        assert refusals.find(db, refusal.reference) is None
        assert refusals.purge(db) == 1


def test_a_flood_of_refusals_fills_no_table(client: Any, database: Database) -> None:
    """One network's refusals are kept up to a number a minute; those beyond it are given all the same."""
    answers = [client.get("/nowhere", headers={"accept": "text/html"}) for _number in range(130)]
    assert all(answer.status_code == 404 and REFERENCE.search(answer.text) for answer in answers)
    with database.reading() as db:
        count = db.scalar(select(func.count()).select_from(refusals.table))
    assert (
        refusals.KEPT_OF_ONE_NETWORK <= count <= 2 * refusals.KEPT_OF_ONE_NETWORK
    )  # a minute may have turned


@given(st.text(max_size=80))
def test_any_text_is_a_reference_number_or_none(typed: str) -> None:
    """Whatever is typed, it reads as a number in its one form, or as none."""
    found = refusals.compact(typed)
    assert found is None or refusals.compact(found) == found


@given(st.text(refusals.ALPHABET, min_size=8, max_size=8), st.booleans())
def test_a_number_may_be_written_as_it_is_heard(letters: str, lower: bool) -> None:
    """Blanks, hyphens, small letters, and O, I and L for digits do not matter."""
    heard = " ".join(letters).replace("0", "O").replace("1", "l")
    assert refusals.compact(heard.lower() if lower else heard) == f"{letters[:4]}-{letters[4:]}"
