"""What takes two people."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from admin import approvals
from admin.errors import ApprovalOver, SomebodyElseHasTo
from admin.permissions import of
from core import clock
from core.database import Database
from keys import rotation
from tests.admin.conftest import Colleague, Page, address
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN

Hire = Callable[[str], Colleague]


def signing(database: Database) -> str:
    """Return the ID of the key that signs with ES256."""
    with database.reading() as db:
        return next(key.kid for key in rotation.listing(db) if (key.alg, key.state) == ("ES256", "active"))


def ask_to_rotate(officer: Colleague) -> Page:
    """Ask for a change out of schedule and return the page of requests."""
    form = {"wanted": "rotate-key:ES256", "reason": "A laptop is missing"}
    asked = officer.post("/admin/keys/rotate", form, on=officer.get("/admin/keys"))
    assert (asked.status, asked.location) == (303, "/admin/approvals")
    return officer.get("/admin/approvals")


def test_a_key_changes_when_the_second_officer_agrees(colleague: Hire, database: Database) -> None:
    """One key officer's wish changes nothing; with the second one's word the key changes at that moment."""
    with database.writing() as db:
        rotation.ensure(db)
    first, second = colleague("key-officer"), colleague("key-officer")
    before = signing(database)
    ask_to_rotate(first)
    assert signing(database) == before
    assert "Somebody needs your agreement" in second.get("/admin").text
    page = second.get("/admin/approvals")
    assert second.post(address(page, "agree"), {}, on=page).status == 303
    assert signing(database) != before


def test_nobody_agrees_with_themselves(colleague: Hire, database: Database) -> None:
    """Whoever asked finds no button to agree, and is refused when they send the form anyway."""
    with database.writing() as db:
        rotation.ensure(db)
    officer = colleague("key-officer")
    before = signing(database)
    page = ask_to_rotate(officer)
    back = address(page, "refuse")
    assert "/agree" not in page.text
    forged = officer.browser._page("POST", back.replace("/refuse", "/agree"), page.form(back))
    assert forged.status == 403
    assert "Somebody else has to agree" in forged.text
    assert signing(database) == before


def test_another_role_does_not_count(colleague: Hire, database: Database) -> None:
    """An administrator is a second person, but not a second key officer."""
    with database.writing() as db:
        rotation.ensure(db)
    officer, boss = colleague("key-officer"), colleague("administrator")
    before = signing(database)
    back = address(ask_to_rotate(officer), "refuse")
    token = boss.get("/admin").form("/staff/logout")
    assert boss.browser._page("POST", back.replace("/refuse", "/agree"), token).status == 403
    assert signing(database) == before


def test_a_request_is_decided_once(colleague: Hire, database: Database) -> None:
    """After a refusal nobody can agree any more."""
    with database.writing() as db:
        rotation.ensure(db)
    first, second = colleague("key-officer"), colleague("key-officer")
    before = signing(database)
    ask_to_rotate(first)
    page = second.get("/admin/approvals")
    assert second.post(address(page, "refuse"), {}, on=page).status == 303
    assert second.post(address(page, "agree"), {}, on=page).status == 409
    assert signing(database) == before


def test_a_request_grows_old(colleague: Hire, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three days a request cannot be agreed to."""
    first, second = colleague("key-officer"), colleague("key-officer")
    with database.writing() as db:
        rotation.ensure(db)
        wanted = approvals.ask(db, "rotate-key", {"alg": "ES256"}, reason="r", official=of(db, first.id))
    later = clock.now() + approvals.LASTS + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(ApprovalOver), database.writing() as db:
        approvals.agree(db, wanted, official=of(db, second.id))


def test_no_request_outlives_the_job_of_who_asked(colleague: Hire, database: Database) -> None:
    """What somebody asked for who was suspended since then is not done, whoever agrees."""
    with database.writing() as db:
        rotation.ensure(db)
    first, second, boss = colleague("key-officer"), colleague("key-officer"), colleague("administrator")
    before = signing(database)
    ask_to_rotate(first)
    page = second.get("/admin/approvals")
    assert boss.post(f"/admin/staff/{first.id}/suspend", {}, on=boss.get("/admin/staff")).status == 303
    assert second.post(address(page, "agree"), {}, on=page).status == 409
    assert signing(database) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_vouches_for_themself(colleague: Hire, database: Database) -> None:
    """For a citizen who is called as the clerk is, neither of the two asks or agrees to let a letter work at once."""
    first, second = colleague("clerk"), colleague("clerk")
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
        subject = {"citizen": CITIZEN, "letter": "L"}
        approvals.ask(db, approvals.VOUCH, subject, reason="passport", official=of(db, first.id))
        country.attributes.put(db, CITIZEN, "civil", {"name": "CLERK Test"}, as_of="2026-02-01")
    page = second.get("/admin/approvals")
    refused = second.post(address(page, "agree"), {}, on=page)
    assert (refused.status, "This person has your name" in refused.text) == (403, True)
    with pytest.raises(SomebodyElseHasTo), database.writing() as db:
        approvals.ask(db, approvals.VOUCH, subject, reason="passport", official=of(db, first.id))
    with database.reading() as db:
        (left,) = approvals.listing(db)
    assert left.open


@pytest.mark.parametrize("role", ["administrator", "registrar", "key-officer", "support", "clerk"])
def test_a_powerful_role_takes_two_administrators(colleague: Hire, role: str) -> None:
    """Whoever sees citizens' data, makes cards or could be a second person is invited only when a second one agrees."""
    first, second = colleague("administrator"), colleague("administrator")
    form = {"name": "Lali Gelashvili", "role": role, "reason": "Two are needed"}
    asked = first.post("/admin/staff/invite", form, on=first.get("/admin/staff"))
    assert (asked.status, asked.location) == (303, "/admin/approvals")
    page = second.get("/admin/approvals")
    assert "Lali Gelashvili" in page.text
    shown = second.post(address(page, "agree"), {}, on=page)
    assert shown.status == 200
    assert "/staff/join?invitation=" in shown.text


def test_a_plain_role_takes_one(colleague: Hire) -> None:
    """An administrator invites an auditor alone, and sees the link once."""
    boss = colleague("administrator")
    form = {"name": "Lali Gelashvili", "role": "auditor"}
    shown = boss.post("/admin/staff/invite", form, on=boss.get("/admin/staff"))
    assert shown.status == 200
    assert "/staff/join?invitation=" in shown.text
    assert "invitation=" not in boss.get("/admin/staff").text


def test_mistakes_come_back_with_what_was_typed(colleague: Hire) -> None:
    """A form with mistakes is shown again as typed, with a summary that has the focus."""
    boss = colleague("administrator")
    form = {"name": "Lali <Gelashvili>", "role": "key-officer", "reason": ""}
    page = boss.post("/admin/staff/invite", form, on=boss.get("/admin/staff"))
    assert page.status == 400
    assert 'id="error-summary" role="alert" tabindex="-1" autofocus' in page.text
    assert 'value="Lali &lt;Gelashvili&gt;"' in page.text
    assert 'href="#reason"' in page.text
