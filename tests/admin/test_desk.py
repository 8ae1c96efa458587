"""Serving somebody at a desk: nothing is shown before they confirm on their own phone, and once only."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from admin import desk as room
from consent import tables
from core import clock, limits, sessions
from core.database import Database
from tests.admin.conftest import Browser, Colleague, Page
from tests.admin.procedures import ASKED, begin, show
from tests.consent import country
from tests.consent.country import HIGH, LOW
from tests.idp.oidc.provider import CITIZEN, OTHER

Hire = Callable[[str], Colleague]
CODE = re.compile(r'id="desk-code"[^>]*>([0-9]{3}) ([0-9]{3})<')
VALUES = ("Nino", "The Mill")


@pytest.fixture
def clerk(colleague: Hire, database: Database) -> Colleague:
    """Give a clerk in a small country."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    return colleague("clerk")


def phone(client: Any, database: Database, citizen: str = CITIZEN, acr: str = HIGH) -> Browser:
    """Give a browser in which a citizen is signed in."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject=citizen, kind="citizen", acr=acr, amr=["hwk"], user_agent="", network=""
        )
    return Browser(client, {"__Host-erti_session": token})


def code(page: Page) -> str:
    """Return the code on the clerk's screen."""
    found = CODE.search(page.text)
    assert found, page.text
    return found[1] + found[2]


def say(mine: Browser, address: str, **fields: str) -> Page:
    """Answer on the phone."""
    path = f"/my{address}"
    return mine.post(path, {"decision": "confirm", **fields}, on=mine.get("/my/desk"))


def test_a_procedure_at_the_desk(client: Any, clerk: Colleague, database: Database) -> None:
    """The citizen reads who asks for what, types the code, and the clerk sees it after it stands in both chains."""
    address = begin(clerk)
    waiting = clerk.get(address)
    assert not any(value in waiting.text for value in VALUES)
    mine = phone(client, database)
    asked = mine.get("/my/desk").text
    for words in ("Test clerk", "Hall Vashliani, counter 4", "Your account", "Given name", "Nino"):
        assert words in asked
    assert say(mine, address, code=code(waiting)).location == "/my/desk?done=1"
    receipt = show(clerk, address)
    assert receipt.status == 200
    assert "Nino" in receipt.text
    assert "The Mill" not in receipt.text  # optional, and the citizen left it off
    for chain in (CITIZEN, "office:erti"):
        said = country.last(database, chain)
        assert (said["kind"], said["channel"], said["outcome"]) == ("disclosed", "desk", "released")
        assert (said["official"], said["office"]) == (clerk.id, "Hall Vashliani, counter 4")
        assert said["attributes"] == ["given_name"]
        assert said["withheld"] == ["income_bracket", "employer"]
    assert CITIZEN not in str(country.history(database, "office:erti"))
    kinds = [facts["kind"] for facts in country.history(database, CITIZEN)]
    assert kinds == ["desk-opened", "desk-answered", "disclosed"]
    assert country.history(database, CITIZEN)[-1]["actor"] == {"kind": "staff", "id": clerk.id}


def test_nothing_is_shown_before_the_citizen_confirms(clerk: Colleague, database: Database) -> None:
    """A clerk who asks the door without the citizen's word is refused, by law as by consent, and it is on record."""
    for changes in ({}, {"purpose": "revenue-assessment", "case": "A-1"}):
        address = begin(clerk, **changes)
        refused = clerk.browser._page("POST", f"{address}/read", clerk.get("/desk").form("/desk"))
        assert refused.status == 403
        assert not any(value in refused.text for value in VALUES)
        assert country.last(database, CITIZEN)["rule"] == "desk-not-confirmed"


def test_a_refusal_or_a_closed_procedure_shows_nothing(
    client: Any, clerk: Colleague, database: Database
) -> None:
    """After the citizen refused, also after confirming, or the clerk closed it, nothing opens."""
    mine = phone(client, database)
    for end in ("refuse", "close"):
        address = begin(clerk)
        before = mine.get("/my/desk")
        assert say(mine, address, code=code(clerk.get(address))).status == 303
        ready = clerk.get(address)
        if end == "refuse":
            mine.post(f"/my{address}", {"decision": "refuse"}, on=before)
        else:
            clerk.post(f"{address}/close", {}, on=ready)
        assert show(clerk, address, on=ready).status == 403
        assert country.last(database, CITIZEN)["rule"] == "desk-not-confirmed"


def test_a_wrong_code_confirms_nothing_and_the_third_ends_it(
    client: Any, clerk: Colleague, database: Database
) -> None:
    """Whoever does not stand at this desk cannot confirm: the code is on its screen, and there are three tries."""
    address, mine = begin(clerk), phone(client, database)
    right = code(clerk.get(address))
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    before = mine.get("/my/desk")
    for _try in range(2):
        assert say(mine, address, code=wrong).status == 400
    assert say(mine, address, code="").status == 400
    late = mine.post(f"/my{address}", {"decision": "confirm", "code": right}, on=before)
    assert late.location == "/my/desk"
    assert country.last(database, CITIZEN)["reason"] == "wrong-code"
    assert 'id="desk-over"' in clerk.get(address).text


def test_a_procedure_is_shown_once(client: Any, clerk: Colleague, database: Database) -> None:
    """Opened again within minutes it is the same entry; later the ledger refuses it, and after its time the door does."""
    address, mine = begin(clerk), phone(client, database)
    say(mine, address, code=code(clerk.get(address)))
    ready = clerk.get(address)
    first, again = show(clerk, address, on=ready), show(clerk, address, on=ready)
    assert (first.status, again.status) == (200, 200)
    assert [facts["kind"] for facts in country.history(database, CITIZEN)].count("disclosed") == 1
    with database.writing() as db:
        db.execute(update(tables.sitting).values(expires_at=clock.now() - timedelta(seconds=1)))
    assert show(clerk, address, on=ready).status == 403


def test_a_procedure_is_its_clerks_and_its_citizens(
    client: Any, clerk: Colleague, colleague: Hire, database: Database
) -> None:
    """A colleague cannot open it, another citizen can neither see nor confirm it, and no other role has a desk."""
    address = begin(clerk)
    right = code(clerk.get(address))
    other = colleague("clerk")
    assert other.get(address).status == 404
    with database.writing() as db:
        country.be_born(db, OTHER)
    stranger = phone(client, database, OTHER)
    assert "counter 4" not in stranger.get("/my/desk").text
    mine = phone(client, database)
    token = {"csrf_token": stranger.get("/my/mandates/new").form("/my/mandates")["csrf_token"]}
    stranger._page("POST", f"/my{address}", {**token, "decision": "confirm", "code": right})
    assert "counter 4" in mine.get("/my/desk").text
    assert colleague("support").get("/desk").status == 403


def test_whether_somebody_exists_is_not_told(clerk: Colleague, database: Database) -> None:
    """For a citizen ID that is nobody's the clerk sees the same page, and waits for a word that never comes."""
    pages = []
    for citizen in (CITIZEN, OTHER):
        page = clerk.get(begin(clerk, citizen=citizen))
        text = re.sub(
            r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]|[0-9a-f]{32}|[0-9]{4} [0-9]{4}|[0-9]{3} [0-9]{3}|csrf.*",
            "",
            page.text,
        )
        pages.append(re.sub(r"[0-9]{2}:[0-9]{2}", "", text))
    assert pages[0] == pages[1]
    assert country.last(database, "office:erti")["kind"] == "desk-opened"


def test_a_weak_sign_in_confirms_nothing(client: Any, clerk: Colleague, database: Database) -> None:
    """Whoever is signed in more weakly than the purpose wants is sent to sign in again, and nothing is confirmed."""
    address = begin(clerk)
    weak = phone(client, database, acr=LOW)
    answer = say(weak, address, code=code(clerk.get(address)))
    assert answer.location.startswith("/login?return_to=/my/desk&acr=")
    assert 'id="desk-code"' in clerk.get(address).text


def test_mistakes_come_back_as_typed(clerk: Colleague) -> None:
    """A form with mistakes is shown again with what was typed; a law wants its case."""
    for changes in (
        {"citizen": "K7QD2M9XWT4BX"}, {"office": ""}, {"purpose": ""}, {"purpose": "none"},
        {"purpose": "revenue-assessment"}, {"case": "c" * 201},
    ):  # fmt: skip
        page = clerk.post("/desk", {**ASKED, **changes}, on=clerk.get("/desk"))
        assert page.status == 400
        assert 'id="error-summary"' in page.text


def test_a_clerk_cannot_go_through_the_country(clerk: Colleague, database: Database) -> None:
    """A clerk who asks for very many people is slowed down."""
    room_for = room.SITTINGS_AN_HOUR
    with database.writing() as db:
        limits.hit(db, "desk.open", clerk.id, most=1, per_seconds=3600, times=room_for)
    page = clerk.post("/desk", ASKED, on=clerk.get("/desk"))
    assert page.status == 429
