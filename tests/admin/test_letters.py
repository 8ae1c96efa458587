"""Letters at the desk: printed once, and for a child with who acts for it by a register's word, or a second official."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record
from idp import accounts
from idp.errors import GuardianNeeded, NobodyActs, NotTheirGuardian, SomebodyActs
from idp.login import activation, children
from idp.login.children import Presence
from idp.login.devices import Visitor
from idp.tables import activation_code, card, outbox
from registry_sync import people
from registry_sync.events import CitizenDied, RepresentativeEnded, RepresentativeStated
from tests import meanwhile
from tests.admin.conftest import Browser, Colleague, Page
from tests.admin.orders import choose, order, pad_at
from tests.at_counter import SEEN
from tests.consent import country
from tests.consent.ages import born, years_ago
from tests.idp.oidc.provider import CITIZEN, OTHER

Hire = Callable[[str], Colleague]
CHILD, MOTHER = CITIZEN, OTHER
CIVIL = Actor("registry", "civil")
OFFICE = "Hall Vashliani, counter 4"
CODE = re.compile(r'id="letter-code"[^>]*>([0-9A-Z-]{19})<')
WITH_HER = {"representative": MOTHER, "their-document": "passport", "agreed": "yes"}
VISITOR = Visitor("b" * 32, "", "203.0.113.9", "")


@pytest.fixture
def family(database: Database) -> dict[str, str]:
    """Give a child of nine with a mother and a father whom the civil register names."""
    father = people.new_citizen_id()
    with database.writing() as db:
        country.found(db)
        for citizen in (CHILD, MOTHER, father):
            country.be_born(db, citizen)
        for parent in (MOTHER, father):
            handle = accounts.new_handle()
            accounts.activate(db, parent, handle=handle, language="en", actor=SYSTEM)
    born(database, CHILD, years_ago(9))
    for parent in (MOTHER, father):
        say(database, RepresentativeStated, parent)
    return {"mother": MOTHER, "father": father}


def say(database: Database, what: Any, parent: str) -> None:
    """Let the civil register say that somebody is, or is not any more, a parent of the child."""
    facts = {"citizen": CHILD, "representative": parent, "source": "civil", "relation": "parent"}
    with database.writing() as db:
        record(db, what(**facts, as_of="2026-01-01"), actor=CIVIL, about=[CHILD])


def nobody(database: Database, family: dict[str, str]) -> None:
    """Let nobody act for the child any more: the mother dies, and a court takes the father's right."""
    with database.writing() as db:
        record(db, CitizenDied(citizen=MOTHER, source="civil"), actor=CIVIL, about=[MOTHER])
    say(database, RepresentativeEnded, family["father"])


def ask(clerk: Colleague, **changes: str) -> Page:
    """Begin the child's visit and ask for the letter, with what is said of a parent; give the first page that is no other's."""
    visit = {"citizen": CHILD, "document": "passport", "office": OFFICE}
    said = {"compared": "yes", **{name: text for name, text in changes.items() if name not in visit}}
    begun = clerk.post(
        "/desk/letters", {**visit, **changes, "representative": ""}, on=clerk.get("/desk/letters")
    )
    page = clerk.get(begun.location) if begun.location else begun
    if 'id="letter-print-form"' not in page.text:
        return page
    return clerk.post(f"{begun.location}/print", said, on=page)


def letters(database: Database) -> int:
    """Return how many activation codes there are."""
    with database.reading() as db:
        return int(db.scalar(select(func.count()).select_from(activation_code)) or 0)


def told(database: Database, who: str) -> list[str]:
    """Return which letters wait for somebody."""
    with database.reading() as db:
        return list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == who)))


def opens(database: Database, citizen: str, code: str) -> bool:
    """Tell whether a printed code opens an account."""
    with database.writing() as db:
        return isinstance(activation.begin(db, citizen, code, VISITOR, return_to="/my"), activation.Started)


def test_a_childs_letter_takes_a_parent_and_is_posted(
    colleague: Hire, database: Database, family: dict[str, str]
) -> None:
    """With a parent of the register's word the letter is printed to the register's address; both parents hear of it, and all histories say who agreed."""
    printed = ask(colleague("clerk"), **WITH_HER)
    assert printed.status == 200, printed.text
    code = CODE.search(printed.text)
    assert code
    assert re.search(r'id="letter-to">Nino<br>Vashliani<', printed.text)
    assert opens(database, CHILD, code[1])
    for parent in family.values():
        assert "child-way-in" in told(database, parent)
    for chain in (CHILD, *family.values()):
        (said,) = [one["data"] for one in country.history(database, chain) if one["kind"] == "child-way-in"]
        assert (said["representative"], said["relation"], said["office"]) == (MOTHER, "parent", OFFICE)
        assert said["posted"]
    looked = [one["data"] for one in country.history(database, CHILD) if one["kind"] == "staff-looked"]
    assert [one["attributes"][-1] for one in looked] == ["address"], "the address was read on the record"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, "representative"),
        ({**WITH_HER, "representative": CHILD}, "representative"),
        ({**WITH_HER, "representative": "somebody"}, "representative"),
        ({**WITH_HER, "representative": people.new_citizen_id()}, "representative"),
        ({**WITH_HER, "their-document": ""}, "their-document"),
        ({**WITH_HER, "agreed": ""}, "agreed-yes"),
        ({**WITH_HER, "office": ""}, "office"),
        ({**WITH_HER, "document": "a smile"}, "document"),
    ],
)
def test_without_a_parent_who_agrees_there_is_no_letter(
    colleague: Hire, database: Database, family: dict[str, str], changes: dict[str, str], wrong: str
) -> None:
    """Nobody, somebody else, or a parent without document or agreement: the form comes back with what to do, and names no parent."""
    page = ask(colleague("clerk"), **changes)
    assert page.status == 400
    assert f'href="#{wrong}"' in page.text
    assert letters(database) == 0
    assert family["father"] not in page.text
    assert people.grouped(family["father"]) not in page.text
    assert "child-way-in" not in told(database, family["father"])


def test_where_nobody_acts_a_second_official_does(
    colleague: Hire, database: Database, family: dict[str, str]
) -> None:
    """A dead mother and a father without the right: a colleague reads why and agrees, and one letter can be printed."""
    nobody(database, family)
    clerk, registrar = colleague("clerk"), colleague("registrar")
    page = ask(clerk, **WITH_HER)
    assert 'id="letter-exempt-form"' in page.text
    on = clerk.post("/desk/letters/exempt", {"why": ""}, on=page)
    assert (on.status, letters(database)) == (400, 0)
    asked = clerk.post("/desk/letters/exempt", {"why": "Lives at the home in Vashliani"}, on=on)
    assert asked.location == "/admin/approvals"
    own = clerk.get("/admin/approvals").text
    assert "agree-" not in own, "nobody agrees to what they asked for"
    assert not CODE.search(ask(clerk).text)
    waiting = registrar.get("/admin/approvals")
    assert "Lives at the home in Vashliani" in waiting.text
    (path,) = re.findall(r'action="(/admin/approvals/[^"]+/agree)"', waiting.text)
    assert registrar.post(path, {}, on=waiting).status == 303
    printed = ask(clerk)
    assert printed.status == 200
    (said,) = [one["data"] for one in country.history(database, CHILD) if one["kind"] == "child-way-in"]
    assert (said["representative"], said["relation"]) == ("", "office")
    assert not CODE.search(ask(clerk).text), "it was for one letter"


def test_a_second_official_does_not_stand_in_for_a_parent(database: Database, family: dict[str, str]) -> None:
    """Who has somebody by a register's word is not exempted, nor who is of age; an exemption is over after three days or once somebody acts."""
    with database.writing() as db, pytest.raises(SomebodyActs):
        children.waive(db, CHILD, agreed_by="S-1")
    with database.writing() as db, pytest.raises(SomebodyActs):
        children.waive(db, MOTHER, agreed_by="S-1")
    nobody(database, family)
    with database.writing() as db:
        children.waive(db, CHILD, agreed_by="S-1")
        assert children.bar(db, CHILD, children.ALONE) is None
    say(database, RepresentativeStated, family["father"])
    with database.writing() as db, pytest.raises(GuardianNeeded):
        activation.make_code(db, CHILD, seen=SEEN, actor=SYSTEM)
    say(database, RepresentativeEnded, family["father"])
    later = clock.now() + children.WAIVER_LASTS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: later)
        with database.writing() as db, pytest.raises(NobodyActs):
            activation.make_code(db, CHILD, seen=SEEN, actor=SYSTEM)


def test_no_way_around_the_desk(database: Database, family: dict[str, str]) -> None:
    """The code itself is refused to whoever makes one for a child with nobody or somebody else, and given from the birthday on."""
    stranger = people.new_citizen_id()
    for who, error in (("", GuardianNeeded), (CHILD, NotTheirGuardian), (stranger, NotTheirGuardian)):
        with database.writing() as db, pytest.raises(error):
            activation.make_code(db, CHILD, seen=SEEN, actor=SYSTEM, presence=Presence(who))
    assert letters(database) == 0
    born(database, CHILD, years_ago(16))
    with database.writing() as db:
        assert activation.make_code(db, CHILD, seen=SEEN, actor=SYSTEM)
    assert "child-way-in" not in told(database, MOTHER)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_childs_card_takes_a_parent(
    client: Any, colleague: Hire, database: Database, family: dict[str, str]
) -> None:
    """The desk asks once a PIN was chosen; without a parent no card is made and the PIN waits, with one it is."""
    clerk = colleague("clerk")
    address = order(clerk)
    assert 'id="card-child"' not in clerk.get(address).text
    choose(pad_at(client, clerk, address))
    ready = clerk.get(address)
    assert 'id="card-child"' in ready.text
    for fields in ({}, {**WITH_HER, "representative": CHILD}, {**WITH_HER, "agreed": ""}):
        refused = clerk.post(f"{address}/print", fields, on=ready)
        assert refused.status == 400, fields
        assert 'id="error-summary"' in refused.text
    with database.reading() as db:
        assert not db.scalar(select(func.count()).select_from(card))
    assert clerk.post(f"{address}/print", WITH_HER, on=ready).status == 200
    (said,) = [one["data"] for one in country.history(database, CHILD) if one["kind"] == "child-way-in"]
    assert (said["way"], said["document"], said["clerk"]) == ("card", "passport", clerk.id)
    assert {"child-way-in", "child-activated"} <= set(told(database, family["father"]))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_is_of_age_comes_alone(colleague: Hire, database: Database, family: dict[str, str]) -> None:
    """Their letter is handed over, no address is read and nobody else is told; a parent typed by habit changes nothing; it can be ended."""
    clerk = colleague("clerk")
    printed = ask(clerk, citizen=people.grouped(family["father"]).lower(), **WITH_HER)
    code = CODE.search(printed.text)
    assert code
    assert 'id="letter-to">Nino<' in printed.text, "a name and no address"
    said = {one["kind"]: one["data"] for one in country.history(database, family["father"])}
    assert "activation-code-made" in said
    assert "child-way-in" not in said
    assert "address" not in said["staff-looked"]["attributes"]
    on = clerk.get("/desk/letters")
    assert clerk.post("/desk/letters/end", {"ended": "nobody"}, on=on).status == 400
    for citizen in (people.new_citizen_id(), family["father"]):
        ended = clerk.post("/desk/letters/end", {"ended": citizen}, on=on)
        assert 'id="letter-ended"' in ended.text
    assert not opens(database, family["father"], code[1])
    assert ask(clerk, citizen=people.new_citizen_id()).status == 400


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_an_address_the_letter_is_handed_over(
    colleague: Hire, database: Database, family: dict[str, str]
) -> None:
    """A register that knows no address leads to a page that says to whom the letter goes, and the history says so."""
    with database.writing() as db:
        country.attributes.put(db, CHILD, "civil", {"address": {}}, as_of="2026-02-01")
    printed = ask(colleague("clerk"), **WITH_HER)
    assert "hand it over" in printed.text
    (said,) = [one["data"] for one in country.history(database, CHILD) if one["kind"] == "child-way-in"]
    assert not said["posted"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_others_print_no_letters(colleague: Hire, browser: Browser, family: dict[str, str]) -> None:
    """Only a clerk has the room; nobody else, and nobody without a sign-in, gets in."""
    for role in ("auditor", "registrar", "support", "administrator"):
        assert colleague(role).get("/desk/letters").status == 403
    assert browser.get("/desk/letters").status == 303


def test_one_exemption_is_for_one_way_in(database: Database, family: dict[str, str]) -> None:
    """Where a letter and a card are made at once by one agreement of a second official, one of them is refused."""
    nobody(database, family)
    with database.writing() as db:
        children.waive(db, CHILD, agreed_by="S-1")

    def agree(db: Session, way: str) -> None:
        children.agree(db, CHILD, way, children.ALONE, posted=False, actor=CIVIL)

    def card() -> None:
        with database.writing() as db:
            agree(db, children.CARD)

    with database.writing() as db:
        agree(db, children.LETTER)
        made = meanwhile.begun(card)
    with pytest.raises(NobodyActs):
        made.result(timeout=30)
