"""The console's room of disputes."""

from collections.abc import Callable
from typing import Any

import pytest

from consent import desk, disclosure, disputes, importing, purposes
from core.database import Database
from core.events import SYSTEM, Actor
from idp.oidc import clients, subjects
from registry_sync import people
from tests.admin.conftest import Colleague
from tests.consent import country
from tests.consent.country import CITIZEN, ME
from tests.consent.doubts import look, make_late

Hire = Callable[[str], Colleague]
ANSWER = {"category": "mistake", "text": "A clerk mixed up two files.", "source": "Ms Lomidze, by letter"}


@pytest.fixture
def disputed(client: Any, database: Database) -> disputes.Dispute:
    """Give a look by the revenue agency that the citizen disputes."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    return dispute(database, look(database))


def dispute(database: Database, event_id: str) -> disputes.Dispute:
    """Dispute a look."""
    with database.writing() as db:
        return disputes.begin(db, CITIZEN, event_id, text="My secret reason", actor=ME)


def dispute_of_staff(database: Database, staff: str) -> disputes.Dispute:
    """Let a colleague look at the citizen, and the citizen dispute that."""
    wanted = disclosure.StaffAsk(
        staff=staff, office="Hall", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    seen = disclosure.staff(database, wanted)
    assert isinstance(seen, disclosure.Released)
    return dispute(database, seen.receipt.event_id)


def look_at_a_desk(database: Database, clerk: str) -> str:
    """Let a clerk see what the citizen confirmed at a desk; return the entry's event."""
    with database.writing() as db:
        purpose = purposes.current(db, "revenue-sign-in")
        by: dict[str, Any] = {"actor": ME, "citizen": CITIZEN, "purpose": purpose}
        made = desk.begin(
            db, clerk=clerk, office="Hall", reference="", **{**by, "actor": Actor("staff", clerk)}
        )
        chosen, code = purpose.required, desk.code(db, made)
        assert desk.confirm(db, made.id, given_code=code, chosen=chosen, acr=purpose.acr, **by)
    names = tuple(sorted(purpose.required))
    wanted = country.ask(*names, purpose=purpose.id, channel="desk", sitting=made.id, official=clerk)
    seen = disclosure.release(database, wanted)
    assert isinstance(seen, disclosure.Released)
    return seen.receipt.event_id


def read(me: Colleague, found: disputes.Dispute) -> Any:
    """Open what the citizen wrote."""
    path = f"/admin/disputes/{found.id}"
    return me.post(f"{path}/read", {}, on=me.get(path))


def state(database: Database, found: disputes.Dispute) -> str:
    """Return how a dispute stands."""
    with database.reading() as db:
        return disputes.read(db, found.id).state


def test_reading_stands_in_the_citizens_history(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """The list and the first page show nothing that was written; opening it is recorded with the staff number."""
    me = colleague("support")
    for path in ("/admin/disputes", f"/admin/disputes/{disputed.id}"):
        text = me.get(path).text
        assert "Office of revenue" in text
        assert "My secret reason" not in text
        assert CITIZEN not in text.replace(" ", "")
    assert country.last(database)["kind"] == "dispute-opened"
    opened = read(me, disputed).text
    assert "My secret reason" in opened
    assert "A-17" in opened
    said = country.history(database)[-1]
    assert (said["kind"], said["actor"]) == ("dispute-seen", {"kind": "staff", "id": me.id})
    assert said["data"]["staff"] == me.id


def test_an_answer_is_passed_on(colleague: Hire, database: Database, disputed: disputes.Dispute) -> None:
    """Support answers in the agency's name, and says whom it comes from; the answer cannot be given again."""
    me = colleague("support")
    page = read(me, disputed)
    wrong = me.post(
        f"/admin/disputes/{disputed.id}/answer", {**ANSWER, "source": "", "category": ""}, on=page
    )
    assert wrong.status == 400
    assert ANSWER["text"] in wrong.text
    assert "Say whom at the agency" in wrong.text
    given = me.post(f"/admin/disputes/{disputed.id}/answer", ANSWER, on=page)
    assert given.status == 303
    with database.reading() as db:
        found = disputes.read(db, disputed.id)
        assert disputes.written(db, found) == disputes.Written(
            "My secret reason", ANSWER["text"], ANSWER["source"]
        )
    assert (found.state, found.through) == ("answered", "console")
    assert country.history(database)[-1]["actor"] == {"kind": "staff", "id": me.id}
    assert me.post(f"/admin/disputes/{disputed.id}/answer", ANSWER, on=page).status == 409


def test_the_auditor_sees_what_is_overdue_and_not_what_was_written(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """Overdue disputes of agencies are counted and listed for the auditor, who can neither read nor answer them."""
    make_late(database, disputed)
    with database.writing() as db:
        disputes.mark_overdue(db)
    auditor, support = colleague("auditor"), colleague("support")
    assert 'id="figure-disputes"' in auditor.get("/admin").text
    assert disputed.id in auditor.get("/admin/disputes?state=overdue").text
    assert disputed.id not in auditor.get("/admin/disputes?state=open").text
    path = f"/admin/disputes/{disputed.id}"
    assert f"{path}/read" not in auditor.get(path).text
    token = auditor.get(path).form("/staff/logout")
    for act in ("read", "answer"):
        assert auditor.browser._page("POST", f"{path}/{act}", {**token, **ANSWER}).status == 403
    assert state(database, disputed) == "overdue"
    assert support.post(f"{path}/answer", ANSWER, on=read(support, disputed)).status == 303


def test_looks_by_staff_are_the_auditors(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """Support cannot open or answer a dispute about staff; the auditor can, and is not told whose it is."""
    support, auditor = colleague("support"), colleague("auditor")
    found = dispute_of_staff(database, support.id)
    path = f"/admin/disputes/{found.id}"
    token = support.get(path).form("/staff/logout")
    for act in ("read", "answer"):
        assert support.browser._page("POST", f"{path}/{act}", {**token, **ANSWER}).status == 403
    page = read(auditor, found)
    assert "My secret reason" in page.text
    assert CITIZEN not in page.text
    assert auditor.post(f"{path}/answer", {**ANSWER, "source": ""}, on=page).status == 303
    assert state(database, found) == "answered"


def test_nobody_judges_their_own_look(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """Whoever looked cannot answer the dispute about it, whatever their role has become since."""
    auditor = colleague("auditor")
    found = dispute_of_staff(database, auditor.id)
    page = read(auditor, found)
    assert auditor.post(f"/admin/disputes/{found.id}/answer", {**ANSWER, "source": ""}, on=page).status == 403
    assert state(database, found) == "open"


def test_other_roles_stay_out(colleague: Hire, disputed: disputes.Dispute) -> None:
    """Roles that have nothing to do with disputes open neither list nor dispute."""
    me = colleague("key-officer")
    assert me.get("/admin/disputes").status == 403
    assert me.get(f"/admin/disputes/{disputed.id}").status == 403
    assert colleague("support").get("/admin/disputes/NOTHING").status == 404


def test_a_form_that_comes_back_is_read_on_the_record_too(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """An answer with mistakes in it, sent without opening the dispute first, shows what was written only on the record."""
    me = colleague("support")
    token = me.get(f"/admin/disputes/{disputed.id}").form("/staff/logout")
    shown = me.browser._page("POST", f"/admin/disputes/{disputed.id}/answer", token)
    assert shown.status == 400
    assert "My secret reason" in shown.text
    said = country.history(database)[-1]
    assert (said["kind"], said["actor"]) == ("dispute-seen", {"kind": "staff", "id": me.id})


def test_a_clerk_does_not_judge_what_they_saw_at_the_desk(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """A clerk who is of the support as well cannot answer the dispute about their own look at a desk."""
    me = colleague("support")
    found = dispute(database, look_at_a_desk(database, me.id))
    page = read(me, found)
    assert "My secret reason" in page.text
    assert me.post(f"/admin/disputes/{found.id}/answer", ANSWER, on=page).status == 403
    assert state(database, found) == "open"


def test_support_knows_a_companys_customer_as_the_company_does(
    colleague: Hire, database: Database, disputed: disputes.Dispute
) -> None:
    """Of a look by a private company support sees the company's own ID of the citizen, and not the citizen ID."""
    by_law = country.purpose("mill-law", agency="mill", basis=dict(country.LAW), acr=country.LOW)
    shop = {
        "client_id": "shop", "agency": "mill", "grant_types": ["client_credentials"], "purposes": ["mill-law"],
    }  # fmt: skip
    with database.writing() as db:
        mill = {"agencies": [country.agency("mill", kind="private")], "purposes": [by_law]}
        importing.load(db, mill, actor=SYSTEM)
        clients.load(db, {"clients": [shop]}, actor=SYSTEM)
        called = subjects.sub(db, clients.read(db, "shop"), CITIZEN)
    me = colleague("support")
    found = dispute(database, look(database, agency="mill", client="shop", purpose="mill-law"))
    text = read(me, found).text
    assert called in text
    assert not any(citizen_id in text for citizen_id in (CITIZEN, people.grouped(CITIZEN)))
    assert people.grouped(CITIZEN) in read(me, disputed).text, "an agency of the state knows it"
