"""How an authority declares permissions invalid."""

from collections.abc import Callable

from consent import endings, grants
from core.database import Database
from tests.admin.conftest import Colleague, address
from tests.consent import country
from tests.consent.country import CITIZEN, OTHER

Hire = Callable[[str], Colleague]


def permissions(database: Database) -> tuple[grants.Grant, grants.Grant]:
    """Let two citizens allow the same."""
    with database.writing() as db:
        country.found(db)
        return country.allow(db, "given_name"), country.allow(db, "given_name", citizen=OTHER)


def state(database: Database, grant: grants.Grant) -> tuple[str, str | None]:
    """Return a grant's state as it is told, and who ended it."""
    with database.reading() as db:
        now = grants.read(db, grant.grant_id, citizen=grant.citizen)
    return now.state_now, now.ended_by


def test_one_permission_is_declared_invalid_by_two_people(colleague: Hire, database: Database) -> None:
    """With the second person's word it ends, for this citizen alone, and their history has the reason."""
    mine, other = permissions(database)
    first, second = colleague("registrar"), colleague("administrator")
    form = {"grant": mine.grant_id, "purpose": "", "reason": "Given under pressure"}
    assert (
        first.post("/admin/invalidate", form, on=first.get("/admin/invalidate")).location
        == "/admin/approvals"
    )
    assert state(database, mine) == ("given", None)
    page = second.get("/admin/approvals")
    assert second.post(address(page, "agree"), {}, on=page).status == 303
    assert state(database, mine) == ("invalidated", "staff")
    assert state(database, other) == ("given", None)
    said = country.last(database)
    assert (said["kind"], said["outcome"], said["why"]) == (
        "grant-ended",
        "invalidated",
        "Given under pressure",
    )


def test_all_permissions_of_a_purpose_end_at_once_and_are_told_later(
    colleague: Hire, database: Database
) -> None:
    """From the second person's word on no read relies on any; the worker writes it into each history."""
    both = permissions(database)
    first, second = colleague("registrar"), colleague("registrar")
    form = {"grant": "", "purpose": "revenue-sign-in", "reason": "The text was misleading"}
    first.post("/admin/invalidate", form, on=first.get("/admin/invalidate"))
    page = second.get("/admin/approvals")
    second.post(address(page, "agree"), {}, on=page)
    with database.writing() as db:
        for grant in both:
            assert grants.live(db, citizen=grant.citizen, purpose=grant.purpose) is None
            pair = (grant.grant_id, grant.version)
            assert grants.relied_on(db, [pair]) == {pair: "ended"}
        assert endings.expire(db) == 2
        assert endings.expire(db) == 0
    assert {state(database, grant) for grant in both} == {("invalidated", "staff")}
    for citizen in (CITIZEN, OTHER):
        assert country.last(database, citizen)["why"] == "The text was misleading"
    told = country.last(database, "agency:revenue")
    assert (told["kind"], told["grants"]) == ("purpose-invalidated", 2)


def test_what_cannot_be_declared_invalid_is_said(colleague: Hire, database: Database) -> None:
    """Both or neither named, an unknown number, no reason: the form comes back; other roles have no such room."""
    mine, _other = permissions(database)
    clerk = colleague("registrar")
    page = clerk.get("/admin/invalidate?purpose=revenue-sign-in")
    assert 'value="revenue-sign-in"' in page.text
    good = {"grant": mine.grant_id, "purpose": "", "reason": "Because"}
    for change in ({"purpose": "revenue-sign-in"}, {"grant": ""}, {"grant": "unknown"}, {"reason": ""}):
        answer = clerk.post("/admin/invalidate", {**good, **change}, on=page)
        assert (answer.status, "error-summary" in answer.text) == (400, True)
    assert colleague("support").get("/admin/invalidate").status == 403
    assert colleague("auditor").get("/admin/invalidate").status == 403
