"""The room of accounts: a suspension takes two people, and so does its end."""

from collections.abc import Callable

import pytest

from core.database import Database
from core.events import SYSTEM
from idp import accounts
from idp.login import locks
from registry_sync import people
from tests.admin.conftest import Colleague, Page, address

Hire = Callable[[str], Colleague]
WHY = "Two people use this account."


@pytest.fixture
def citizen(database: Database, client: object) -> str:
    """Somebody with an account."""
    assert client
    with database.writing() as db:
        found = people.enrol(db, {"given_name": "Nino"}, source="civil")
        accounts.activate(db, found, handle=accounts.new_handle(), language="en", actor=SYSTEM)
    return found


def ask(colleague: Colleague, citizen: str, deed: str, why: str = WHY) -> Page:
    """Send the form."""
    typed = {"citizen": citizen, "deed": deed, "why": why}
    return colleague.post("/admin/accounts", typed, on=colleague.get("/admin/accounts"))


def state(database: Database, citizen: str) -> str:
    """State of an account."""
    with database.reading() as db:
        found = accounts.find(db, citizen)
    assert found
    return found.state


def test_a_suspension_and_its_end_take_two_people(colleague: Hire, database: Database, citizen: str) -> None:
    """One person's wish changes nothing; with the second one's word the account is suspended for the reason given, and reinstated as it was."""
    first, second = colleague("support"), colleague("registrar")
    for deed, before, after in (("suspend", "active", "locked"), ("reinstate", "locked", "active")):
        assert ask(first, citizen, deed).location == "/admin/approvals"
        assert state(database, citizen) == before
        own = first.get("/admin/approvals")
        assert address(own, "refuse")
        page = second.get("/admin/approvals")
        assert second.post(address(page, "agree"), {}, on=page).status == 303
        assert state(database, citizen) == after
        if deed == "suspend":
            with database.reading() as db:
                (lock,) = locks.of(db, citizen)
            assert (lock.reason, lock.why) == ("suspended", WHY)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"citizen": "K7QD2M9XWT4BD"}, "This is not a citizen ID."),
        ({"deed": "burn"}, "Choose what is to be done."),
        ({"why": ""}, "Say why"),
        ({"deed": "reinstate"}, "it is as you wish already"),
        ({"citizen": "0000000000000"}, "This is not a citizen ID."),
    ],
)
def test_mistakes_come_back(
    colleague: Hire, database: Database, citizen: str, changes: dict[str, str], says: str
) -> None:
    """What is wrong in the form is said beside it, and nobody is asked to agree."""
    me = colleague("support")
    page = ask(me, **{"citizen": citizen, "deed": "suspend", **changes})
    assert (page.status, says in page.text) == (400, True)
    assert state(database, citizen) == "active"
