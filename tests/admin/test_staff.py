"""How staff come, sign in and go."""

import re
from collections.abc import Callable

import pytest
import structlog

from core import web
from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from idp.staff import accounts
from idp.staff.errors import InvitationSpent, StaffExists, TwoPeopleNeeded
from service.freshness import ACTS
from tests.admin.conftest import Browser, Colleague
from tests.architecture.addresses import asked, routes
from tests.authenticator import Authenticator
from tests.idp.login.person import grow_old

Hire = Callable[[str], Colleague]
# Posts of staff that need no fresh sign-in, with the reason.
NO_NEED = {
    "/staff/logout": "leaves",
    "/admin/approvals/{approval_id}/refuse": "nothing is done",
    "/admin/citizens": "a look, of which its citizen hears; who helps people has the passkey in the hand all day otherwise",
    "/admin/ledger/check": "changes nothing",
    "/admin/refusals": "finds a refusal by its number",
    "/admin/disputes/{number}/read": "a look",
    "/admin/disputes/{number}/answer": "a letter, signed by its writer",
    "/admin/sources/{source}/{record_id}/retry": "takes in what a registry sent, as it is",
    "/admin/sources/{source}/{record_id}/dismiss": "sets aside what a registry can send again",
    "/admin/sources/{source}/{record_id}/unmask": "a look, with its reason in the log",
    "/desk": "the citizen has to confirm it",
    "/desk/{sitting_id}/read": "the citizen confirmed it minutes ago",
    "/desk/{sitting_id}/close": "ends something",
    "/desk/cards/{order_id}/close": "ends something",
    "/desk/letters/{visit_id}/close": "ends something",
}


def test_bootstrap_works_once(database: Database) -> None:
    """The first two people are invited once; afterwards bootstrap refuses, whoever is named."""
    with database.writing() as db:
        tokens = accounts.bootstrap(db, ["Nino Beridze", "Giorgi Maisuradze"], actor=SYSTEM)
    assert len(set(tokens)) == 2
    with pytest.raises(StaffExists), database.writing() as db:
        accounts.bootstrap(db, ["Somebody Else", "And Another"], actor=SYSTEM)
    with database.reading() as db:
        assert [(one.name, one.role, one.state) for one in accounts.listing(db)] == [
            ("Nino Beridze", "administrator", "invited"),
            ("Giorgi Maisuradze", "administrator", "invited"),
        ]


@pytest.mark.parametrize("names", [["One"], ["Same", "same"], ["One", " "], ["One", "Two", "Three"]])
def test_bootstrap_needs_two_people(database: Database, names: list[str]) -> None:
    """One person, the same person twice, or nobody's name is not two people."""
    with pytest.raises(TwoPeopleNeeded), database.writing() as db:
        accounts.bootstrap(db, names, actor=SYSTEM)


def test_invitation_is_used_once(database: Database, client: object, settings: Settings) -> None:
    """A second person with the same link is turned away, and no second passkey comes of it."""
    with database.writing() as db:
        token = accounts.invite(db, "Nino", "support", actor=SYSTEM).token
    first, second = Browser(client), Browser(client)
    page, other = (one.get(f"/staff/join?invitation={token}") for one in (first, second))
    mine, theirs = Authenticator(settings.issuer), Authenticator(settings.issuer)
    assert first.post("/staff/join", {"credential": mine.create(page.data("options"))}, on=page).status == 303
    late = second.post("/staff/join", {"credential": theirs.create(other.data("options"))}, on=other)
    assert late.status == 403
    assert first.get("/admin").status == 200
    assert second.get("/admin").status == 303
    with pytest.raises(InvitationSpent), database.reading() as db:
        accounts.invited(db, token)


def test_newer_invitation_replaces_the_older(database: Database) -> None:
    """When an invitation is made again, the earlier link stops working."""
    with database.writing() as db:
        first = accounts.invite(db, "Nino", "support", actor=SYSTEM)
        second = accounts.open_invitation(db, first.member, actor=SYSTEM)
    with database.reading() as db:
        assert accounts.invited(db, second.token).id == first.member.id
        with pytest.raises(InvitationSpent):
            accounts.invited(db, first.token)


def test_sign_in_with_the_passkey(colleague: Hire, client: object) -> None:
    """A colleague signs in again in a fresh browser with nothing but the passkey, and goes where they meant to."""
    nino = colleague("auditor")
    fresh = Browser(client)
    sent = fresh.get("/admin/staff")
    assert (sent.status, sent.location) == (303, "/staff/login?return_to=%2Fadmin%2Fstaff")
    page = fresh.get(sent.location)
    answer = nino.passkey.get(page.data("options"))
    signed_in = fresh.post("/staff/login", {"credential": answer}, on=page)
    assert (signed_in.status, signed_in.location) == (303, "/admin/staff")
    assert fresh.get("/admin").status == 200


def test_answer_is_good_once(colleague: Hire, client: object) -> None:
    """A passkey's answer that was used signs nobody in a second time."""
    nino = colleague("auditor")
    first, thief = Browser(client), Browser(client)
    page = first.get("/staff/login")
    answer = nino.passkey.get(page.data("options"))
    assert first.post("/staff/login", {"credential": answer}, on=page).status == 303
    stolen = thief.post("/staff/login", {"credential": answer}, on=thief.get("/staff/login"))
    assert stolen.status == 403
    assert thief.get("/admin").status == 303


@pytest.mark.parametrize(
    "trick", ["no verification", "other origin", "unknown passkey", "not JSON", "nested"]
)
def test_bad_answers_sign_nobody_in(colleague: Hire, client: object, settings: Settings, trick: str) -> None:
    """An unverified user, another site's answer, a stranger's passkey and rubbish all get the same refusal."""
    nino = colleague("auditor")
    browser = Browser(client)
    page = browser.get("/staff/login")
    if trick == "no verification":
        nino.passkey.verifies_user = False
    elif trick == "other origin":
        nino.passkey.origin = "https://id.erti.example.evil.example"
    elif trick == "unknown passkey":
        nino.passkey = Authenticator(settings.issuer)
        nino.passkey.create({"rp": {"id": settings.host}, "user": {"id": "AA"}, "challenge": "AA"})
    rubbish = {"not JSON": "{", "nested": "[" * 5_000}
    answer = rubbish.get(trick) or nino.passkey.get(page.data("options"))
    with structlog.testing.capture_logs() as lines:
        refused = browser.post("/staff/login", {"credential": answer}, on=page)
    assert [line["method"] for line in lines if line["event"] == "sign-in failed"] == ["staff-passkey"]
    assert refused.status == 403
    assert "The passkey was not accepted" in refused.text
    assert browser.get("/admin").status == 303


def test_joining_needs_user_verification(database: Database, client: object, settings: Settings) -> None:
    """A passkey that does not ask its owner cannot join, and the invitation is still good afterwards."""
    with database.writing() as db:
        token = accounts.invite(db, "Nino", "support", actor=SYSTEM).token
    browser = Browser(client)
    page = browser.get(f"/staff/join?invitation={token}")
    careless = Authenticator(settings.issuer, verifies_user=False)
    refused = browser.post("/staff/join", {"credential": careless.create(page.data("options"))}, on=page)
    assert refused.status == 403
    careful = Authenticator(settings.issuer)
    joined = browser.post("/staff/join", {"credential": careful.create(refused.data("options"))}, on=refused)
    assert joined.status == 303


def test_sign_out_ends_the_session(colleague: Hire) -> None:
    """After signing out the old cookie opens nothing."""
    nino = colleague("auditor")
    kept = dict(nino.browser.cookies)
    out = nino.post("/staff/logout", {}, on=nino.get("/admin"))
    assert (out.status, out.location) == (303, "/staff/login")
    nino.browser.cookies = kept
    assert nino.get("/admin").status == 303


def test_suspension_is_immediate(colleague: Hire, client: object) -> None:
    """A suspended colleague's session ends at once, and their passkey opens no other."""
    boss, nino = colleague("administrator"), colleague("support")
    page = boss.get("/admin/staff")
    assert boss.post(f"/admin/staff/{nino.id}/suspend", {}, on=page).status == 303
    assert nino.get("/admin").status == 303
    fresh = Browser(client)
    page = fresh.get("/staff/login")
    again = fresh.post("/staff/login", {"credential": nino.passkey.get(page.data("options"))}, on=page)
    assert again.status == 403


def test_only_failures_count_against_a_network(colleague: Hire, client: object) -> None:
    """Opening the sign-in page as often as one likes keeps nobody out; failing at it does."""
    nino = colleague("auditor")
    fresh = Browser(client)
    for _number in range(61):
        assert fresh.get("/staff/login").status == 200
    page = fresh.get("/staff/login")
    for _number in range(59):
        assert fresh.post("/staff/login", {"credential": "{"}, on=page).status == 403
    page = fresh.get("/staff/login")
    answer = nino.passkey.get(page.data("options"))
    assert fresh.post("/staff/login", {"credential": answer}, on=page).status == 303
    other = Browser(client)
    page = other.get("/staff/login")
    statuses = [other.post("/staff/login", {"credential": "{"}, on=page).status for _number in range(2)]
    assert statuses == [403, 429]
    join = other.get("/staff/join?invitation=x")
    assert join.status == 403


def test_nobody_suspends_themselves(colleague: Hire) -> None:
    """An administrator cannot lock the house from inside."""
    boss = colleague("administrator")
    fields = {"csrf_token": boss.get("/admin").form("/staff/logout")["csrf_token"]}
    refused = boss.browser._page("POST", f"/admin/staff/{boss.id}/suspend", fields)
    assert refused.status == 403
    assert boss.get("/admin/staff").status == 200


def test_each_act_of_staff_stands_on_the_list_or_says_why_not() -> None:
    """Nobody adds something that staff do without deciding whether it needs a fresh sign-in."""
    posts = {
        route.path for route in routes() if "POST" in route.methods and web._staff in asked(route.dependant)
    }
    listed = {path for _method, path in ACTS}
    assert posts - listed == set(NO_NEED), "name it in service/freshness.py, or here with the reason"


def test_each_act_of_staff_asks_again_after_ten_minutes(colleague: Hire, database: Database) -> None:
    """Whoever finds a console signed in an hour ago gets to none of them, and comes back to the act after the passkey."""
    nino = colleague("administrator")
    page = nino.get("/admin")
    grow_old(database, 11)
    for (method, route), back in ACTS.items():
        if route.startswith(("/admin", "/desk")):
            path = re.sub(r"{\w+}", "1", route)
            fields = page.form("/staff/logout") if method == "POST" else None
            answer = nino.browser._page(method, path, fields)
            way = "/staff/login" if route.endswith("/print") else f"/staff/login?return_to={back or path}"
            assert answer.location == way, (method, route)
    again = nino.get("/staff/login?return_to=/admin/staff")
    signed_in = nino.post("/staff/login", {"credential": nino.passkey.get(again.data("options"))}, on=again)
    assert signed_in.location == "/admin/staff"
    form = {"name": "Lali Gelashvili", "role": "auditor"}
    assert nino.post("/admin/staff/invite", form, on=nino.get("/admin/staff")).status == 200
