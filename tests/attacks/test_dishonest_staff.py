"""Attempts by people who work here, alone, and by whoever finds what they left open."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from admin import approvals
from core import limits
from core.database import Database
from core.events import SYSTEM
from idp import accounts
from idp.login import activation, holding, methods
from idp.staff.tables import staff_challenge
from registry_sync import people
from tests.admin.conftest import Browser, Colleague, Page, browser, colleague
from tests.admin.orders import PAD_CODE, choose, order, pad_at
from tests.at_counter import SEEN
from tests.consent import country
from tests.idp.login.cardholder import PIN, hand_over
from tests.idp.login.conftest import person
from tests.idp.login.person import grow_old
from tests.idp.login.repairs import DAY, Time, time
from tests.idp.oidc.provider import CITIZEN

__all__ = ["browser", "colleague", "person", "time"]
Hire = Callable[[str], Colleague]
PRINTED = re.compile(r'data-code="(\d+)">([0-9 ]+)<')
AGREE = re.compile(r'action="(/admin/approvals/[\w-]+/agree)"')


@pytest.fixture
def land(database: Database, client: Any) -> Database:
    """Give a small country in which one person is born."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    return database


def activate(database: Database) -> None:
    """Open the person's account."""
    with database.writing() as db:
        accounts.activate(db, CITIZEN, handle=accounts.new_handle(), language="en", actor=SYSTEM)


def ask_to_suspend(official: Colleague, why: str) -> None:
    """Ask a second person to agree that the person's account is suspended."""
    wish = {"citizen": CITIZEN, "deed": "suspend", "why": why}
    asked = official.post("/admin/accounts", wish, on=official.get("/admin/accounts"))
    assert asked.location == "/admin/approvals", asked.text


def agree(official: Colleague) -> None:
    """Agree to the one request that is open."""
    page = official.get("/admin/approvals")
    found = AGREE.search(page.text)
    assert found
    official.post(found[1], {}, on=page)


def card_in_absence(clerk: Colleague, client: Any) -> tuple[Page, tuple[str, str]]:
    """Make a card for somebody who is not there, with a PIN of one's own; return the printed page, number and first code."""
    address = order(clerk)
    choose(pad_at(client, clerk, address))
    printed = clerk.post(f"{address}/print", {}, on=clerk.get(address))
    number = re.search(r'id="card-number"[^>]*>([0-9 ]+)<', printed.text)
    assert number, printed.text
    return printed, (number[1], dict(PRINTED.findall(printed.text))["1"])


def sign_in(client: Any, card: tuple[str, str]) -> Page:
    """Sign in with a card and the PIN at a browser of one's own."""
    mine = Browser(client)
    number = {"card-number": card[0]}
    on = mine.post("/login/card", number, on=mine.get("/login/card"))
    return mine.post("/login/card", {**number, "pin": PIN, "card-code": card[1]}, on=on)


@pytest.fixture
def owner(land: Database, person: Any) -> Any:
    """Give the person with an account and a passkey, who is at home."""
    with land.writing() as db:
        code = activation.make_code(db, CITIZEN, seen=SEEN, actor=SYSTEM)
    somebody = person()
    somebody.activate_with_passkey(CITIZEN, code)
    return somebody


@pytest.mark.parametrize("role", ["clerk", "support", "registrar"])
def test_attempt_to_come_into_an_account_as_ones_own_colleague(
    land: Database, colleague: Hire, role: str
) -> None:
    """One administrator alone invites nobody who could make a card or see a citizen: no second self reads as anybody."""
    administrator = colleague("administrator")
    wish = {"name": "Nobody", "role": role, "reason": "We need one."}
    page = administrator.post("/admin/staff/invite", wish, on=administrator.get("/admin/staff"))
    assert page.location == "/admin/approvals"
    requests = administrator.get("/admin/approvals").text
    assert "invitation=" not in page.text + requests + administrator.get("/admin/staff").text
    assert AGREE.search(requests) is None


def test_attempt_to_agree_at_an_unlocked_console(land: Database, colleague: Hire) -> None:
    """Whoever finds a colleague's console open is no second person: agreeing asks for the passkey of these ten minutes."""
    activate(land)
    one, other = colleague("support"), colleague("registrar")
    ask_to_suspend(one, "Because.")
    grow_old(land, 11)
    agree(other)
    with land.reading() as db:
        found = accounts.find(db, CITIZEN)
    assert found is not None
    assert found.state == accounts.ACTIVE


def test_attempt_to_take_an_account_over_by_a_card(
    land: Database, client: Any, colleague: Hire, owner: Any, time: Time
) -> None:
    """A card that one clerk makes for somebody who is not there opens nothing for days, in which its owner ends it."""
    _printed, card = card_in_absence(colleague("clerk"), client)
    for _try in range(6):
        assert sign_in(client, card).status == 403
    with land.reading() as db:
        found = methods.of(db, CITIZEN)
    assert (found.by_card, len(found.usable)) == (False, 1)
    owner.open("/my/account")
    assert 'id="card-held"' in owner.page
    owner.send("/my/account/card/block")
    time.pass_by(8 * DAY)
    holding.turn(land)
    assert sign_in(client, card).location != "/my"


@pytest.mark.parametrize("how", ["time", "owner", "official"])
def test_who_is_there_gets_in_with_the_card(
    land: Database, client: Any, colleague: Hire, owner: Any, time: Time, how: str
) -> None:
    """A card for an account that was in use opens it by a second official's word, by its owner's, or after the waiting time."""
    clerk = colleague("clerk")
    printed, card = card_in_absence(clerk, client)
    assert sign_in(client, card).status == 403
    if how == "official":
        other = colleague("clerk")
        vouch = re.search(r'action="(/desk/cards/\w+/vouch)"', printed.text)
        assert vouch
        assert clerk.post(vouch[1], {}, on=printed).location == "/admin/approvals"
        assert AGREE.search(clerk.get("/admin/approvals").text) is None
        agree(other)
    elif how == "owner":
        owner.open("/my/account")
        made = re.search(r'name="card" value="(\w+)"', owner.page)
        assert made
        assert owner.send("/my/account/card/begin", card=made[1]).headers["location"] == "/my/account"
    for _quarter in range(4 * 8 if how == "time" else 0):
        time.pass_by(DAY / 4)
        holding.turn(land)
    assert sign_in(client, card).location == "/my"
    assert country.history(land, CITIZEN)[-2]["data"].get("how", how) == how


def test_attempt_to_read_why_staff_acted_on_somebody(land: Database, colleague: Hire) -> None:
    """What staff wrote of somebody, and of whom, stands in no row in clear, and is gone when they are erased."""
    activate(land)
    why = "Her husband reads her mail."
    ask_to_suspend(colleague("support"), why)
    second = colleague("registrar")
    assert why in second.get("/admin/approvals").text
    agree(second)
    with land.reading() as db:
        rows = str(db.execute(select(approvals.approval)).all())
    assert not [one for one in (why, CITIZEN) if one in rows + str(country.history(land, "office:erti"))]
    with land.writing() as db:
        accounts.erase(db, CITIZEN, actor=SYSTEM)
    assert why not in second.get("/admin/approvals").text


def test_attempt_to_block_everybodys_cards(land: Database, colleague: Hire) -> None:
    """A clerk blocks no card without a word of why, and few in an hour."""
    clerk = colleague("clerk")
    hand_over(land, CITIZEN)
    silent = {"citizen": CITIZEN, "document": "passport", "why": ""}
    assert clerk.post("/desk/cards/block", silent, on=clerk.get("/desk/cards/block")).status == 400
    with land.reading() as db:
        assert methods.of(db, CITIZEN).by_card
    wordy = {"document": "passport", "why": "Lost"}
    statuses = [
        clerk.post("/desk/cards/block", {**wordy, "citizen": other}, on=clerk.get("/desk/cards/block")).status
        for other in [people.new_citizen_id() for _nobody in range(7)]
    ]
    assert statuses == [200] * 6 + [429]


def test_attempt_to_be_left_alone_in_the_house(land: Database, colleague: Hire) -> None:
    """An administrator suspends few in an hour, and never so many administrators that no second person is left."""
    one, other, third = (colleague("administrator") for _one in range(3))

    def suspend(whom: Colleague) -> int:
        return one.post(f"/admin/staff/{whom.id}/suspend", {}, on=one.get("/admin/staff")).status

    assert [suspend(third), suspend(other)] == [303, 409]
    assert other.get("/admin/staff").status == 200
    assert [suspend(colleague("auditor")) for _one in range(4)] == [303] * 3 + [429]


def test_attempt_to_keep_a_halls_pads_from_working(
    land: Database, client: Any, colleague: Hire, browser: Browser
) -> None:
    """Wrong codes from the hall's own network stop no browser that was a pad there before."""
    clerk = colleague("clerk")
    address = order(clerk)
    pad = pad_at(client, clerk, address)
    choose(pad)
    statuses = [
        browser.post("/pad", {"pad-code": "0000 0000"}, on=browser.get("/pad")).status for _guess in range(31)
    ]
    assert statuses == [400] * 30 + [429]
    code = PAD_CODE.search(clerk.get(order(clerk)).text)
    assert code
    assert pad.post("/pad", {"pad-code": code[1]}, on=pad.get("/pad")).location == "/pad/now"


def test_attempt_to_fill_tables_by_opening_pages(land: Database, client: Any, owner: Any) -> None:
    """The staff's sign-in writes nothing when it is opened; who is signed in gets so many challenges and no more."""
    browser = Browser(client)
    for _look in range(3):
        assert browser.get("/staff/login").status == 200
    with land.reading() as db:
        assert db.scalar(select(func.count()).select_from(staff_challenge)) == 0
    with land.writing() as db:
        limits.hit(db, "passkey:new", CITIZEN, most=1, per_seconds=600, times=118)
    statuses = [owner.open("/my/account/passkeys/new").status_code for _look in range(2)]
    assert statuses == [200, 429]
