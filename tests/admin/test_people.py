"""Looking at a citizen's data as staff."""

from collections.abc import Callable
from pathlib import Path

import pytest

from admin import people as room
from consent import history
from consent.ledger import subjects
from core.database import Database
from registry_sync import people
from tests import factories
from tests.admin.conftest import Colleague, Page

Hire = Callable[[str], Colleague]
REASON = "You asked why your address is wrong, case 4711"


@pytest.fixture
def citizen(database: Database, tmp_path: Path) -> str:
    """Give the citizen ID of somebody the civil register knows as Nino."""
    person = factories.civil()
    factories.load(database, tmp_path, person)
    with database.reading() as db:
        found = people.by_identifier(db, "UIN", person["identifier"][0]["identifier_value"])
    assert found
    return found


def look(who: Colleague, citizen_id: str, **changes: str) -> Page:
    """Fill in the form and send it."""
    form = {
        "citizen": citizen_id,
        "office": "Hall Vashliani",
        "reason": REASON,
        "attributes": "given_name",
        **changes,
    }
    return who.post("/admin/citizens", form, on=who.get("/admin/citizens"))


def told(database: Database, citizen_id: str) -> list[str]:
    """Return the kinds of entries in a citizen's history, the newest first."""
    assert history.settle(database, citizen_id)
    with database.reading() as db:
        return [entry.kind for entry in history.entries(db, citizen_id)[0]]


def test_a_look_stands_in_the_citizens_history(colleague: Hire, database: Database, citizen: str) -> None:
    """What staff looked at, who, from where and why is in that citizen's history when the value is shown."""
    clerk = colleague("support")
    shown = look(clerk, people.grouped(citizen).lower())
    assert shown.status == 200
    assert "Nino" in shown.text
    assert history.settle(database, citizen)
    with database.reading() as db:
        newest = history.entries(db, citizen)[0][0]
    assert newest.kind == "staff-looked"
    assert newest.data["staff"] == clerk.id
    assert newest.data["office"] == "Hall Vashliani"
    assert newest.data["reason"] == REASON
    assert newest.data["attributes"] == ["given_name"]


def test_no_entry_no_value(
    colleague: Hire, database: Database, citizen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the ledger does not take the look in time, the value is not shown."""
    clerk = colleague("support")
    database.parts.sequencer.stop()
    refused = look(clerk, citizen)
    assert refused.status == 503
    assert "Nino" not in refused.text


@pytest.mark.parametrize("left_out", ["office", "reason", "attributes"])
def test_nothing_without_office_and_reason(
    colleague: Hire, database: Database, citizen: str, left_out: str
) -> None:
    """A look without an office, a reason, or a choice of details shows nothing and leaves no entry."""
    clerk = colleague("registrar")
    before = told(database, citizen)
    refused = look(clerk, citizen, **{left_out: ""})
    assert refused.status == 400
    assert 'id="error-summary"' in refused.text
    assert "Nino" not in refused.text
    assert told(database, citizen) == before


def test_unknown_and_malformed_ids(colleague: Hire, database: Database) -> None:
    """An ID that nobody has, and one that is none, come back as mistakes in the form."""
    clerk = colleague("support")
    assert look(clerk, people.new_citizen_id()).status == 400
    assert look(clerk, "K7QD-2M9X-WT4B-D").status == 400


def test_other_roles_cannot_look(colleague: Hire, database: Database, citizen: str) -> None:
    """An administrator who forges the form's address sees nothing, and nothing is recorded."""
    boss = colleague("administrator")
    before = told(database, citizen)
    form = boss.get("/admin").form("/staff/logout")
    form |= {"citizen": citizen, "office": "x", "reason": "x", "attributes": "given_name"}
    assert boss.browser._page("POST", "/admin/citizens", form).status == 403
    assert told(database, citizen) == before


def test_nobody_browses(colleague: Hire, citizen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many looks in an hour the next is refused, and says how long to wait."""
    monkeypatch.setattr(room, "LOOKS_AN_HOUR", 2)
    clerk = colleague("support")
    assert [look(clerk, citizen).status for _time in range(3)] == [200, 200, 429]


def test_the_log_shows_that_a_look_happened_not_at_whom(
    colleague: Hire, database: Database, citizen: str
) -> None:
    """An auditor finds the look in the log, without the citizen's ID, the value or the reason."""
    look(colleague("support"), citizen)
    auditor = colleague("auditor")
    log = auditor.get("/admin/log?kind=staff-looked").text
    assert log.count('<th scope="row">') == 1
    label = subjects.label_of(database.parts, citizen).hex()[:12]
    assert label in log
    for secret in (citizen, people.grouped(citizen), "Nino", REASON):
        assert secret not in log
