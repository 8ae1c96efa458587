"""Attempts by people who work here, alone, and by whoever finds what they left open."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from core.database import Database
from core.events import SYSTEM
from idp import accounts
from tests.admin.conftest import Colleague, browser, colleague
from tests.consent import country
from tests.idp.login.person import grow_old
from tests.idp.oidc.provider import CITIZEN

__all__ = ["browser", "colleague"]
Hire = Callable[[str], Colleague]
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
