"""A visit at the counter: the clerk compares, makes one letter or opens a paused account; nobody does it unseen or for themself."""

import re
from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core import clock
from core.database import Database
from core.errors import Problem
from core.events import SYSTEM, Actor
from idp import accounts
from idp.accounts import GUARDED
from idp.login import activation, locks, methods, visits
from idp.login.devices import Visitor
from idp.staff import accounts as staff
from idp.tables import activation_code, desk_visit, outbox
from registry_sync import attributes
from registry_sync.tables import person
from tests import meanwhile
from tests.admin.conftest import Colleague, Page
from tests.admin.conftest import address as agree
from tests.admin.orders import choose, order, pad_at
from tests.at_counter import SEEN
from tests.consent import country
from tests.idp.login.cardholder import hand_over
from tests.idp.oidc.provider import CITIZEN, OTHER

Hire = Callable[[str], Colleague]
HOME = "/desk/letters"
VISIT = {"citizen": CITIZEN, "document": "passport", "office": "Hall Vashliani, counter 4"}
CODE = re.compile(r'id="letter-code"[^>]*>([0-9A-Z-]{19})<')
VISITOR = Visitor("b" * 32, "", "203.0.113.9", "")
ME = Actor("citizen", CITIZEN)
PERSON = {"name": "Nino Beridze", "given_name": "Nino", "family_name": "Beridze", "birthdate": "1990-02-03"}


@pytest.fixture
def clerk(colleague: Hire, database: Database) -> Colleague:
    """Give a clerk in a small country."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
        attributes.put(db, CITIZEN, "civil", PERSON, as_of="2026-01-31")
    return colleague("clerk")


def receive(clerk: Colleague, **changes: str) -> str:
    """Begin a visit and return the address of its page."""
    begun = clerk.post(HOME, {**VISIT, **changes}, on=clerk.get(HOME))
    assert begun.status == 303, begun.text
    return begun.location


def make(clerk: Colleague, address: str, **fields: str) -> Page:
    """Make the letter of a visit, with the person compared."""
    return clerk.post(f"{address}/print", {"compared": "yes", **fields}, on=clerk.get(address))


def said(database: Database, kind: str, chain: str = CITIZEN) -> list[dict[str, Any]]:
    """Return what the entries of a kind say in a chain."""
    return [one["data"] for one in country.history(database, chain) if one["kind"] == kind]


def told(database: Database) -> list[str]:
    """Return which letters wait for the citizen."""
    with database.reading() as db:
        return list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == CITIZEN)))


def opens(database: Database, code: str) -> bool:
    """Tell whether a printed code opens an account."""
    with database.writing() as db:
        return isinstance(activation.begin(db, CITIZEN, code, VISITOR, return_to="/my"), activation.Started)


def test_a_letter_is_made_before_the_person(clerk: Colleague, colleague: Hire, database: Database) -> None:
    """The clerk sees the person on the record, is told what the letter ends, prints it once, and a colleague vouches for it."""
    hand_over(database, CITIZEN)
    address = receive(clerk)
    (look,) = said(database, "staff-looked")
    assert (look["staff"], look["office"], look["outcome"]) == (clerk.id, VISIT["office"], "released")
    before = clerk.get(address)
    assert "Nino Beridze" in before.text
    assert "1990" in before.text
    assert "The Mill" not in before.text
    assert "Every passkey, password, app, card and recovery code of the account ends" in before.text
    assert not CODE.search(before.text)
    unsure = clerk.post(f"{address}/print", {}, on=before)
    assert (unsure.status, 'href="#compared"' in unsure.text) == (400, True)
    printed = make(clerk, address)
    code = CODE.search(printed.text)
    assert code, printed.text
    assert re.search(r'id="letter-to">Nino Beridze<', printed.text)
    assert VISIT["office"] in printed.text
    assert not opens(database, code[1]), "the account is in use, and one clerk alone made it"
    vouch = re.search(r'action="(/desk/letters/\w+/vouch)"', printed.text)
    assert vouch
    assert 'id="letter-begins"' in printed.text
    assert clerk.post(vouch[1], {}, on=printed).location == "/admin/approvals"
    other = colleague("clerk")
    agreed = other.get("/admin/approvals")
    assert other.post(agree(agreed, "agree"), {}, on=agreed).status == 303
    assert opens(database, code[1])
    assert clerk.post(vouch[1], {}, on=printed).status == 409
    again = clerk.post(f"{address}/print", {"compared": "yes"}, on=before)
    assert again.status == 409
    over = clerk.get(address).text
    assert code[1] not in over
    assert "Nino" not in over
    for chain in (CITIZEN, "office:erti"):
        (made,) = said(database, "activation-code-made", chain)
        assert {name: made[name] for name in ("origin", "office", "clerk", "document")} == {
            "origin": "desk",
            "office": VISIT["office"],
            "clerk": clerk.id,
            "document": "passport",
        }
    assert CITIZEN not in str(country.history(database, "office:erti"))
    assert "letter-waits" in told(database)
    with database.reading() as db:
        assert methods.of(db, CITIZEN).by_card, "nothing ends before the code is used"


def test_a_paused_account_opens_at_once(client: Any, clerk: Colleague, database: Database) -> None:
    """Paused and about to close, it opens at the counter with every way in as it was; citizen, history and mail say so."""
    hand_over(database, CITIZEN)
    with database.writing() as db:
        locks.pause(db, CITIZEN, actor=ME)
        locks.begin_closing(db, CITIZEN, actor=ME)
    ordered = order(clerk)
    choose(pad_at(client, clerk, ordered))
    refused = clerk.post(f"{ordered}/print", {}, on=clerk.get(ordered))
    assert (refused.status, "Open it first, under Letters" in refused.text) == (403, True)
    address = receive(clerk)
    asked = clerk.get(address)
    assert 'id="visit-paused"' in asked.text
    assert clerk.post(f"{address}/open", {}, on=asked).status == 400
    assert clerk.post(f"{address}/open", {"compared": "yes"}, on=asked).location == address
    assert 'id="visit-opened"' in clerk.get(address).text
    with database.reading() as db:
        account = accounts.find(db, CITIZEN)
        assert account
        assert (account.state, account.locks) == (accounts.ACTIVE, ())
        assert methods.of(db, CITIZEN).by_card
    (opened,) = said(database, "opened-at-counter")
    assert (opened["clerk"], opened["office"], opened["document"]) == (clerk.id, VISIT["office"], "passport")
    assert "reopened" in told(database)
    assert make_late(clerk, address, asked) == 409
    other = receive(clerk)
    assert 'id="visit-paused"' not in clerk.get(other).text
    assert clerk.post(f"{other}/open", {"compared": "yes"}, on=asked_form(clerk, other)).status == 404


def make_late(clerk: Colleague, address: str, on: Page) -> int:
    """Send the form for a letter of a visit that is over."""
    return clerk.post(f"{address}/print", {"compared": "yes"}, on=on).status


def asked_form(clerk: Colleague, address: str) -> Page:
    """Give a visit's page with a form to open an account, whether or not it has one."""
    page = clerk.get(address)
    return Page(page.status, page.text.replace(f"{address}/print", f"{address}/open"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("why", ["dead", "suspended", "guarded", "locked otherwise"])
def test_who_gets_no_letter_is_sent_on(clerk: Colleague, database: Database, why: str) -> None:
    """For the dead, suspended, guarded and otherwise locked the page says what to do, and neither button works."""
    hand_over(database, CITIZEN)
    free = receive(clerk)
    on = clerk.get(free)
    with database.writing() as db:
        if why == "dead":
            db.execute(update(person).where(person.c.citizen_id == CITIZEN).values(state="deceased"))
        elif why == "suspended":
            locks.suspend(db, CITIZEN, why="Two people use it.", actor=SYSTEM)
        else:
            reason = GUARDED if why == "guarded" else "staff"
            accounts.lock(db, CITIZEN, reason=reason, actor=SYSTEM)
    page = clerk.get(receive(clerk))
    assert 'id="visit-bar"' in page.text
    assert 'id="letter-print"' not in page.text
    assert 'id="visit-open"' not in page.text
    assert make_late(clerk, free, on) == 403
    with database.reading() as db:
        assert not db.scalar(select(func.count()).select_from(activation_code))
        assert db.scalar(select(desk_visit.c.state).where(desk_visit.c.id == free.split("/")[-1])) == "open"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_makes_a_letter_for_themself(
    client: Any, colleague: Hire, clerk: Colleague, database: Database
) -> None:
    """Whoever is called as the clerk is goes to a colleague; the page says so, and the forms of it do nothing."""
    with database.writing() as db:
        attributes.put(db, CITIZEN, "civil", {**PERSON, "name": "CLERK Test"}, as_of="2026-02-01")
        hers = staff.find(db, clerk.id)
    assert hers
    assert hers.name == "Test clerk"
    address = receive(clerk)
    page = clerk.get(address)
    assert "This person has your name" in page.text
    forged = Page(200, page.text.replace(f"{address}/close", f"{address}/print"))
    assert clerk.post(f"{address}/print", {"compared": "yes"}, on=forged).status == 403
    with database.reading() as db:
        assert not db.scalar(select(func.count()).select_from(activation_code))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_visit_belongs_to_one_clerk_and_ends(clerk: Colleague, colleague: Hire, database: Database) -> None:
    """A colleague cannot see or use it; once its quarter of an hour is over, or it was ended, nothing comes of it, nor is the person shown."""
    first, second = receive(clerk), receive(clerk)
    on = {address: clerk.get(address) for address in (first, second)}
    other = colleague("clerk")
    assert other.get(first).status == 404
    assert clerk.post(f"{first}/close", {}, on=on[first]).location == HOME
    with database.writing() as db:
        db.execute(update(desk_visit).values(expires_at=clock.now() - timedelta(seconds=1)))
    for address in (first, second):
        assert make_late(clerk, address, on[address]) == 409
        assert "Nino" not in clerk.get(address).text
    with database.writing() as db:
        assert db.scalar(select(func.count(desk_visit.c.facts_sealed))) == 1
        visits.purge(db)
        assert db.scalar(select(func.count(desk_visit.c.facts_sealed))) == 0
        assert db.scalar(select(func.count()).select_from(desk_visit)) == 2
        db.execute(update(desk_visit).values(expires_at=clock.now() - timedelta(days=2)))
        visits.purge(db)
        assert not db.scalar(select(func.count()).select_from(desk_visit))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_mistakes_and_unknown_people_come_back(clerk: Colleague, database: Database) -> None:
    """A form with mistakes is shown again as typed; for an ID that is nobody's there is no visit."""
    for changes in ({"citizen": "K7QD2M9XWT4BX"}, {"office": ""}, {"document": "face"}, {"citizen": OTHER}):
        page = clerk.post(HOME, {**VISIT, **changes}, on=clerk.get(HOME))
        assert page.status == 400, changes
        assert 'id="error-summary"' in page.text
    with database.reading() as db:
        assert not db.scalar(select(func.count()).select_from(desk_visit))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_clerk_sees_so_many_people_and_no_more(clerk: Colleague, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the looks of an hour, and of a day, a clerk has to wait."""
    monkeypatch.setattr("admin.letters.LETTERS_AN_HOUR", 2)
    for _time in range(2):
        receive(clerk)
    assert clerk.post(HOME, VISIT, on=clerk.get(HOME)).status == 429
    monkeypatch.setattr("admin.letters.LETTERS_AN_HOUR", 30)
    monkeypatch.setattr("admin.letters.LETTERS_A_DAY", 3)
    assert clerk.post(HOME, VISIT, on=clerk.get(HOME)).status == 429


def test_of_two_letters_at_once_one_opens(clerk: Colleague, database: Database) -> None:
    """Two clerks who print at the same moment both succeed or one is refused; one code counts, the newest."""
    barrier, made, problems = Barrier(2), [], []

    def print_one() -> None:
        barrier.wait()
        try:
            with database.writing() as db:
                made.append(activation.make_code(db, CITIZEN, seen=SEEN, actor=SYSTEM))
        except Problem as problem:
            problems.append(problem)

    threads = [Thread(target=print_one) for _number in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not problems
    assert sorted(opens(database, code) for code in made) == [False, True]


def test_a_word_for_one_letter_is_none_for_the_next(clerk: Colleague, database: Database) -> None:
    """A second official's word that comes while another letter is printed lets neither of them work at once."""
    with database.writing() as db:
        accounts.activate(db, CITIZEN, handle=accounts.new_handle(), language="en", actor=ME)
        activation.make_code(db, CITIZEN, seen=SEEN, actor=SYSTEM, alone=True)
        first = activation.waiting(db, CITIZEN)
        assert first

    def vouch() -> bool:
        with database.writing() as db:
            return activation.vouch(db, CITIZEN, first[1], actor=SYSTEM)

    with database.writing() as db:
        activation.make_code(db, CITIZEN, seen=SEEN, actor=SYSTEM, alone=True)
        vouched = meanwhile.begun(vouch)
    assert not vouched.result(timeout=30)
    assert not said(database, "hold-ended")
    with database.reading() as db:
        assert activation.waiting(db, CITIZEN)
