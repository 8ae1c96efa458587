"""Cards at the desk: made for who has no phone, and used on the pad to confirm what a clerk asks for."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core import clock
from core.database import Database
from idp import accounts
from idp.login import card
from idp.tables import card_order
from tests.admin.conftest import Browser, Colleague, Page
from tests.admin.orders import ORDER, PAD_CODE, choose, order, pad_at
from tests.admin.procedures import begin, show
from tests.consent import country
from tests.idp.login.cardholder import PIN, hand_over
from tests.idp.oidc.provider import CITIZEN, OTHER

Hire = Callable[[str], Colleague]
PRINTED = re.compile(r'data-code="(\d+)">([0-9 ]+)<')
LOST = {"document": "passport", "why": "Left on the bus"}
VALUES = ("Nino", "The Mill")


@pytest.fixture
def clerk(colleague: Hire, database: Database) -> Colleague:
    """Give a clerk in a small country."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    return colleague("clerk")


def show_card(pad: Browser, number: str, given_pin: str, code: str) -> Page:
    """Show card and PIN on the pad."""
    on = pad.post("/pad/card", {"card-number": number}, on=pad.get("/pad/now"))
    assert on.status == 200, on.text
    return pad.post("/pad/card", {"card-number": number, "pin": given_pin, "card-code": code}, on=on)


def test_a_card_is_made_at_the_desk(client: Any, clerk: Colleague, database: Database) -> None:
    """The citizen chooses the PIN on the pad, the clerk prints once, and the card opens an account there was none of."""
    address = order(clerk)
    waiting = clerk.get(address)
    pad = pad_at(client, clerk, address)
    assert choose(pad).location == "/pad/done?how=pin"
    ready = clerk.get(address)
    assert 'id="card-ready"' in ready.text
    printed = clerk.post(f"{address}/print", {}, on=ready)
    assert printed.status == 200
    codes = dict(PRINTED.findall(printed.text))
    assert len(codes) == card.COUNT
    assert not any(PIN.replace(" ", "") in page.text.replace(" ", "") for page in (waiting, ready, printed))
    assert clerk.post(f"{address}/print", {}, on=ready).status == 409
    number = re.search(r'id="card-number"[^>]*>([0-9 ]+)<', printed.text)
    assert number
    mine = Browser(client)
    on = mine.post("/login/card", {"card-number": number[1]}, on=mine.get("/login/card"))
    inside = mine.post("/login/card", {"card-number": number[1], "pin": PIN, "card-code": codes["1"]}, on=on)
    assert inside.location == "/my"
    kinds = {said["kind"]: said for said in country.history(database, CITIZEN)}
    assert {"card-ordered", "account-activated", "card-issued", "card-used"} <= set(kinds)
    assert kinds["card-issued"]["actor"] == {"kind": "staff", "id": clerk.id}
    assert tuple(kinds["card-issued"]["data"][name] for name in ("office", "document")) == (
        ORDER["office"],
        "passport",
    )
    assert CITIZEN not in str(country.history(database, "office:erti"))
    assert "was printed for you at Hall Vashliani" in mine.get("/my/history").text


def test_the_other_ways_in_stay(client: Any, clerk: Colleague, database: Database) -> None:
    """A card for somebody who has an account is added to it; an older card ends."""
    old = hand_over(database, CITIZEN)
    address = order(clerk)
    choose(pad_at(client, clerk, address))
    clerk.post(f"{address}/print", {}, on=clerk.get(address))
    with database.reading() as db:
        account, found = accounts.find(db, CITIZEN), card.of(db, CITIZEN)
    assert account is not None
    assert found is not None
    assert found.tail != old.number[-4:]
    kinds = [said["kind"] for said in country.history(database, CITIZEN)]
    assert kinds.count("account-activated") == 1


def test_a_pad_belongs_to_one_desk(client: Any, clerk: Colleague) -> None:
    """A code joins one pad, once; a wrong one joins none, and without one nothing is shown or kept."""
    address = order(clerk)
    code = PAD_CODE.search(clerk.get(address).text)
    assert code
    pad_at(client, clerk, address)
    other = Browser(client)
    assert other.get("/pad/now").location == "/pad"
    for typed in (code[1], "0000 0000", ""):
        page = other.post("/pad", {"pad-code": typed}, on=other.get("/pad"))
        assert page.status == 400
        assert 'id="error-summary"' in page.text
    for path in ("/pad/pin", "/pad/card", "/pad/answer"):
        assert other.post(path, {}, on=other.get("/pad"), form="/pad").location in (
            "/pad",
            "/pad/done?how=over",
        )
    assert 'id="on-pad"' in clerk.get(address).text


def test_pins_that_do_not_fit_come_back(client: Any, clerk: Colleague) -> None:
    """A date and two different PINs are refused with what to do, and the card waits."""
    address = order(clerk)
    pad = pad_at(client, clerk, address)
    for chosen, again in (("17041988", ""), (PIN, "4071 9327"), ("", "")):
        page = choose(pad, chosen, again)
        assert page.status == 400
        assert 'id="error-summary"' in page.text
    assert 'id="pad-code"' in clerk.get(address).text
    assert choose(pad).location == "/pad/done?how=pin"


def test_a_card_that_was_ended_or_too_slow_is_not_printed(
    client: Any, clerk: Colleague, colleague: Hire, database: Database
) -> None:
    """After its time, after the clerk ended it, and for a colleague there is nothing to print."""
    first, second = order(clerk), order(clerk)
    for address in (first, second):
        choose(pad_at(client, clerk, address))
    ready = {address: clerk.get(address) for address in (first, second)}
    assert colleague("clerk").get(first).status == 404
    clerk.post(f"{first}/close", {}, on=ready[first])
    with database.writing() as db:
        db.execute(update(card_order).values(expires_at=clock.now() - timedelta(seconds=1)))
    for address in (first, second):
        assert clerk.post(f"{address}/print", {}, on=ready[address]).status == 409
        assert 'id="card-over"' in clerk.get(address).text


def test_nobody_gets_a_card_whom_the_register_does_not_know(client: Any, clerk: Colleague) -> None:
    """Until the end the clerk sees the same for an ID that is nobody's; then there is no card."""
    address = order(clerk, citizen=OTHER)
    choose(pad_at(client, clerk, address))
    assert clerk.post(f"{address}/print", {}, on=clerk.get(address)).status == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_makes_a_card_for_themself(client: Any, clerk: Colleague, database: Database) -> None:
    """Whoever is called as the clerk is goes to a colleague: no card is begun, nor is one printed that was begun before."""
    begun = order(clerk)
    choose(pad_at(client, clerk, begun))
    with database.writing() as db:
        country.attributes.put(db, CITIZEN, "civil", {"name": "CLERK Test"}, as_of="2026-02-01")
    refused = [
        clerk.post("/desk/cards", ORDER, on=clerk.get("/desk/cards")),
        clerk.post(f"{begun}/print", {}, on=clerk.get(begun)),
    ]
    for page in refused:
        assert (page.status, "This person has your name" in page.text) == (403, True)
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(card_order)) == 1
        assert card.of(db, CITIZEN) is None


def test_who_may_make_and_block_cards(colleague: Hire) -> None:
    """Clerks make cards; clerks and support block lost ones; nobody else does either."""
    support, registrar = colleague("support"), colleague("registrar")
    assert support.get("/desk/cards").status == 403
    assert support.get("/desk/cards/block").status == 200
    assert registrar.get("/desk/cards").status == registrar.get("/desk/cards/block").status == 403


def test_a_lost_card_is_blocked_at_the_desk(clerk: Colleague, database: Database) -> None:
    """The clerk's name stands in the history; for somebody without a card the answer is the same."""
    hand_over(database, CITIZEN)
    pages = []
    for citizen in (CITIZEN, OTHER):
        page = clerk.post(
            "/desk/cards/block", {**LOST, "citizen": citizen}, on=clerk.get("/desk/cards/block")
        )
        assert page.status == 200
        pages.append(re.sub(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]|csrf.*", "", page.text))
    assert pages[0] == pages[1]
    said = country.history(database, CITIZEN)[-1]
    assert (said["kind"], said["data"]["reason"], said["actor"]["id"]) == ("card-blocked", "lost", clerk.id)
    assert (said["data"]["document"], said["data"]["why"]) == ("passport", "Left on the bus")
    for typed in ("", "K7QD2M9XWT4BX"):
        assert (
            clerk.post(
                "/desk/cards/block", {**LOST, "citizen": typed}, on=clerk.get("/desk/cards/block")
            ).status
            == 400
        )


def test_mistakes_come_back_as_typed(clerk: Colleague) -> None:
    """A form with mistakes is shown again with what was typed."""
    for changes in ({"citizen": "K7QD2M9XWT4BX"}, {"office": ""}, {"document": ""}, {"document": "face"}):
        page = clerk.post("/desk/cards", {**ORDER, **changes}, on=clerk.get("/desk/cards"))
        assert page.status == 400
        assert 'id="error-summary"' in page.text


def test_a_procedure_is_confirmed_with_card_and_pin(
    client: Any, clerk: Colleague, database: Database
) -> None:
    """On the pad the citizen sees what is asked, shows card and PIN, sees the values and confirms; the clerk sees it once."""
    mine = hand_over(database, CITIZEN)
    address = begin(clerk)
    pad = pad_at(client, clerk, address)
    first = pad.get("/pad/now").text
    assert "Test clerk" in first
    assert not any(value in first for value in VALUES)
    assert show_card(pad, mine.number, PIN, mine.codes[0]).location == "/pad/now"
    proved = pad.get("/pad/now")
    assert "Nino" in proved.text
    assert pad.post("/pad/answer", {"decision": "confirm"}, on=proved).location == "/pad/done?how=confirmed"
    receipt = show(clerk, address)
    assert receipt.status == 200
    assert "Nino" in receipt.text
    assert "The Mill" not in receipt.text
    kinds = [said["kind"] for said in country.history(database, CITIZEN)]
    assert kinds[-3:] == ["card-used", "desk-answered", "disclosed"]
    assert [said["data"]["place"] for said in country.history(database, CITIZEN)[-3:-2]] == ["desk"]


def test_nothing_is_confirmed_without_card_and_pin(client: Any, clerk: Colleague, database: Database) -> None:
    """A wrong PIN, another citizen's card, or no card at all: the clerk sees nothing, and other cards keep their codes."""
    mine = hand_over(database, CITIZEN)
    with database.writing() as db:
        country.be_born(db, OTHER)
    others = hand_over(database, OTHER)
    address = begin(clerk)
    pad = pad_at(client, clerk, address)
    asked = pad.get("/pad/now")
    unproved = pad.post("/pad/answer", {"decision": "confirm"}, on=asked, form="/pad/card")
    assert unproved.location == "/pad/done?how=over"
    address = begin(clerk)
    pad = pad_at(client, clerk, address)
    for number, given_pin, code in (
        (mine.number, "5182 6047", mine.codes[0]),
        (others.number, PIN, others.codes[0]),
    ):
        page = show_card(pad, number, given_pin, code)
        assert page.status == 400
        assert not any(value in page.text for value in VALUES)
    with database.reading() as db:
        left = card.of(db, OTHER)
    assert left is not None
    assert left.left == card.COUNT
    assert 'id="desk-code"' in clerk.get(address).text


def test_a_refusal_on_the_pad_shows_nothing(client: Any, clerk: Colleague, database: Database) -> None:
    """After card and PIN the citizen may still say no; one who leaves before has said nothing."""
    mine = hand_over(database, CITIZEN)
    address = begin(clerk)
    pad = pad_at(client, clerk, address)
    show_card(pad, mine.number, PIN, mine.codes[0])
    assert (
        pad.post("/pad/answer", {"decision": "refuse"}, on=pad.get("/pad/now")).location
        == "/pad/done?how=refused"
    )
    assert 'id="desk-over"' in clerk.get(address).text
    address = begin(clerk)
    pad = pad_at(client, clerk, address)
    assert pad.post("/pad/leave", {}, on=pad.get("/pad/now")).location == "/pad/done?how=left"
    assert 'id="desk-code"' in clerk.get(address).text
