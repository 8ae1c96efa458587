"""The room of erasures: two people for a court's order, and mistakes that come back as typed."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from admin import approvals
from consent.events import StaffLooked
from consent.ledger import erasure, subjects
from consent.ledger.tables import entry
from core import clock
from core.database import Database
from core.events import Actor, record
from registry_sync import people
from tests.admin.conftest import Colleague, Page, address

Hire = Callable[[str], Colleague]


@pytest.fixture
def citizen(database: Database, client: object) -> str:
    """Somebody at whom staff looked three times this year."""
    assert client
    stated = {"given_name": "Nino", "birthdate": "1988-04-17", "national_identifier": "61001234567"}
    with database.writing() as db:
        found = people.enrol(db, stated, source="civil")
        for number in range(3):
            seen = StaffLooked(
                staff="00000001", office="north", reason=f"look {number}", attributes=("given_name",), request_id="r",
                outcome="released",
            )  # fmt: skip
            record(db, seen, actor=Actor("staff", "00000001"), about=[found])
    assert database.parts.sequencer.drain(timeout=10)
    return found


def ask(clerk: Colleague, citizen: str, **changes: str) -> Page:
    """Send the form."""
    typed = {
        "citizen": citizen, "year": str(clock.now().year), "entries": "", "log": "", "reference": "3/12-26",
        "reason": "A court ordered it", **changes,
    }  # fmt: skip
    return clerk.post("/admin/erasures", typed, on=clerk.get("/admin/erasures"))


def reasons(database: Database, citizen: str) -> list[str]:
    """The reasons of the looks that can be read."""
    with database.reading() as db:
        found = [one.facts for one in subjects.chain(db, citizen)]
    return [facts["data"]["reason"] for facts in found if facts and facts["kind"] == "staff-looked"]


def test_an_order_is_carried_out_after_two_people(colleague: Hire, database: Database, citizen: str) -> None:
    """One registrar's wish erases nothing; after the second one's word the worker erases what the order names, and no more."""
    first, second = colleague("registrar"), colleague("registrar")
    with database.reading() as db:
        index = db.scalar(select(entry.c.leaf_index).where(entry.c.kind == "staff-looked").limit(1))
    asked = ask(first, citizen, entries=f"{index}")
    assert (asked.status, asked.location) == (303, "/admin/approvals")
    assert erasure.carry_out_all(database) == 0
    page = second.get("/admin/approvals")
    assert f"the entries {index}" in page.text
    assert second.post(address(page, "agree"), {}, on=page).status == 303
    assert erasure.carry_out_all(database) == 1
    assert sorted(reasons(database, citizen)) == ["look 1", "look 2"]
    with database.reading() as db:
        assert erasure.awaiting(db) == 1
    page = first.get("/admin/erasures")
    assert "order</td>" in page.text
    assert "erased; not yet final" in page.text
    assert citizen not in page.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"citizen": "K7QD2M9XWT4BD"}, "This is not a citizen ID."),
        ({"year": "26"}, "four digits"),
        ({"year": "1999"}, "nothing like that to erase"),
        ({"entries": "1; 2"}, "as numbers with commas"),
        ({"entries": "999999"}, "nothing like that to erase"),
        ({"log": "x"}, "number of the log"),
        ({"reference": ""}, "reference of the court"),
        ({"reason": ""}, "in words that the citizen understands"),
    ],
)
def test_mistakes_come_back(
    colleague: Hire, database: Database, citizen: str, changes: dict[str, str], says: str
) -> None:
    """Whatever is wrong is said beside its field, and nothing is asked for."""
    page = ask(colleague("registrar"), **{"citizen": citizen, **changes})
    assert page.status == 400
    assert says in page.text
    assert len(reasons(database, citizen)) == 3


def test_only_those_who_may_see_the_form(colleague: Hire) -> None:
    """An auditor sees what was erased and cannot ask for an erasure."""
    auditor = colleague("auditor")
    page = auditor.get("/admin/erasures")
    assert page.status == 200
    assert 'id="erase-form"' not in page.text
    token = page.form("/staff/logout")
    assert auditor.browser._page("POST", "/admin/erasures", token).status == 403


def test_an_operator_alone_erases_nothing(colleague: Hire, database: Database, citizen: str) -> None:
    """What the server's command line asks for waits for a registrar, who reads that it came from there."""
    wish = {"citizen": citizen, "year": clock.now().year, "places": [], "reference": "3/1", "reason": "Court"}
    with database.writing() as db:
        approvals.ask_from_command_line(db, "erase-history", wish, reason="Court")
    assert erasure.carry_out_all(database) == 0
    second = colleague("registrar")
    page = second.get("/admin/approvals")
    assert "an operator, on the server" in page.text
    assert second.post(address(page, "agree"), {}, on=page).status == 303
    assert erasure.carry_out_all(database) == 1
    assert "an operator, on the server" in second.get("/admin/approvals").text
