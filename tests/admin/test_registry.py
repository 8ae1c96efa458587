"""Working on records in quarantine."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consent import history
from core.database import Database
from registry_sync import people, quarantine
from tests import factories
from tests.admin.conftest import Colleague, Page

Hire = Callable[[str], Colleague]


@pytest.fixture
def broken(database: Database, tmp_path: Path) -> str:
    """Give the address of a record whose line is not JSON."""
    factories.load(database, tmp_path, '{"name": {"given_name": "Salome", ')
    return address(database)


@pytest.fixture
def duplicate(database: Database, tmp_path: Path) -> tuple[str, str]:
    """Give the address of a record that may be about somebody known, and that person's citizen ID."""
    known: dict[str, Any] = factories.civil()
    known["name"]["given_name"] = "Ketevan"
    heard = {**known["name"], "given_name": "Ketewan"}
    again = {**known, "identifier": factories.civil()["identifier"], "name": heard}
    factories.load(database, tmp_path, known)
    factories.load(database, tmp_path, again)
    with database.reading() as db:
        citizen = people.by_identifier(db, "UIN", known["identifier"][0]["identifier_value"])
    assert citizen
    return address(database), citizen


def address(database: Database) -> str:
    """Return where the only record in quarantine is shown."""
    with database.reading() as db:
        records, _pages = quarantine.listing(db)
    assert len(records) == 1
    return f"/admin/sources/civil/{records[0].id}"


def unmask(who: Colleague, at: str, **changes: str) -> Page:
    """Ask to read what a record says."""
    form = {"office": "Hall Vashliani", "reason": "Two people seem to share a name", **changes}
    return who.post(f"{at}/unmask", form, on=who.get(at))


def test_a_record_is_shown_covered(colleague: Hire, broken: str) -> None:
    """Before anybody gives a reason, the names of fields are seen and no value is."""
    clerk = colleague("registrar")
    assert "The line is not JSON." in clerk.get("/admin/sources").text
    assert broken in clerk.get("/admin/sources/civil").text
    page = clerk.get(broken).text
    assert "given_name" in page
    assert "Salome" not in page
    assert "••••••" in page


def test_reading_it_needs_a_reason_and_leaves_an_entry(
    colleague: Hire, database: Database, broken: str
) -> None:
    """The values are shown only with office and reason, and the look is in the ledger then."""
    clerk, auditor = colleague("registrar"), colleague("auditor")
    refused = unmask(clerk, broken, reason="")
    assert refused.status == 400
    assert "Salome" not in refused.text
    shown = unmask(clerk, broken)
    assert shown.status == 200
    assert "Salome" in shown.text
    assert "record-unmasked" in auditor.get("/admin/log?kind=record-unmasked").text.split("<tbody>")[1]


def test_an_auditor_reads_no_values(colleague: Hire, broken: str) -> None:
    """An auditor sees the covered record, no form to open it, and is refused when they send one."""
    auditor = colleague("auditor")
    page = auditor.get(broken)
    assert page.status == 200
    assert "unmask" not in page.text
    form = {**page.form("/staff/logout"), "office": "x", "reason": "x"}
    assert auditor.browser._page("POST", f"{broken}/unmask", form).status == 403
    assert auditor.browser._page("POST", f"{broken}/dismiss", form).status == 403
    assert auditor.browser._page("POST", f"{broken}/retry", form).status == 403


def test_the_look_joins_the_history_of_whoever_it_was(
    colleague: Hire, database: Database, duplicate: tuple[str, str]
) -> None:
    """When a registrar says whose the record is, that person finds the earlier look in their history."""
    at, citizen = duplicate
    clerk = colleague("registrar")
    assert "Ketewan" in unmask(clerk, at).text
    page = clerk.get(at)
    choice = re.search(r'value="(citizen:[^"]*)"', page.text)
    assert choice
    assert people.compact(choice[1].removeprefix("citizen:")) == citizen
    placed = clerk.post(f"{at}/retry", {"whose": choice[1]}, on=page)
    assert (placed.status, placed.location) == (303, "/admin/sources/civil")
    assert history.settle(database, citizen)
    with database.reading() as db:
        kinds = [entry.kind for entry in history.entries(db, citizen)[0]]
    assert "record-unmasked" in kinds
    assert "record-matched" in kinds


def test_what_cannot_be_placed_says_why(colleague: Hire, broken: str) -> None:
    """Trying a broken line again changes nothing and says what is still wrong."""
    clerk = colleague("registrar")
    again = clerk.post(f"{broken}/retry", {"whose": "as-is"}, on=clerk.get(broken))
    assert again.status == 400
    assert "It still cannot be placed: The line is not JSON." in again.text


def test_dismissed_is_not_deleted(colleague: Hire, broken: str) -> None:
    """A dismissed record leaves the list, is found among the dismissed, and cannot be dismissed again."""
    clerk = colleague("registrar")
    page = clerk.get(broken)
    assert clerk.post(f"{broken}/dismiss", {}, on=page).status == 303
    assert broken not in clerk.get("/admin/sources/civil").text
    assert broken in clerk.get("/admin/sources/civil?state=dismissed").text
    assert clerk.post(f"{broken}/dismiss", {}, on=page).status == 409


@pytest.mark.parametrize("path", ["/admin/sources/nothing", "/admin/sources/civil/nothing"])
def test_unknown_is_missing(colleague: Hire, path: str) -> None:
    """A source or record that is not there is a page that says so."""
    assert colleague("registrar").get(path).status == 404
