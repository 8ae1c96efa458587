"""Who may enter which room of the console, and that nobody gets in without a role."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute

from admin.pages import router
from admin.permissions import ROLES
from core import sessions
from core.database import Database
from idp.staff import accounts
from tests.admin.conftest import Browser, Colleague

Hire = Callable[[str], Colleague]
OPEN_TO = {
    "/admin": set(accounts.ROLES),
    "/admin/agencies": set(accounts.ROLES),
    "/admin/purposes": set(accounts.ROLES),
    "/admin/purposes/propose": {"administrator", "registrar"},
    "/admin/disputes": {"auditor", "support"},
    "/admin/sources": {"administrator", "registrar", "auditor"},
    "/admin/keys": {"administrator", "key-officer", "auditor"},
    "/admin/ledger": {"administrator", "key-officer", "auditor"},
    "/admin/erasures": {"registrar", "key-officer", "auditor"},
    "/admin/log": {"administrator", "auditor"},
    "/admin/citizens": {"registrar", "support"},
    "/admin/accounts": {"registrar", "support"},
    "/admin/refusals": {"administrator", "support", "clerk"},
    "/admin/approvals": set(accounts.ROLES),
    "/admin/staff": {"administrator", "auditor"},
}
FOR_CITIZENS = ("/pad", "/my/")  # what a clerk's citizen reads and confirms
ROUTES = sorted(
    (method, route.path)
    for route in router.routes
    if isinstance(route, APIRoute) and not route.path.startswith(FOR_CITIZENS)
    for method in route.methods
)


def test_every_role_has_permissions() -> None:
    """No role exists that the table of permissions forgot, and none the accounts do not know."""
    assert set(ROLES) == set(accounts.ROLES)


def test_who_sees_people_does_not_change_the_house() -> None:
    """Whoever may look at citizens can neither invite staff nor change keys, and the other way round."""
    for role, permissions in ROLES.items():
        if "citizen-look" in permissions:
            assert not permissions & {"staff-manage", "keys-rotate", "log-read"}, role


def test_no_room_without_a_session(browser: Browser) -> None:
    """Every address of the console sends a stranger to the staff's sign-in, and does nothing."""
    assert len(ROUTES) > 50
    for method, path in ROUTES:
        page = browser._page(method, re.sub(r"{[^}]*}", "1", path), {} if method == "POST" else None)
        assert page.status == 303, (method, path)
        assert page.location.startswith("/staff/login"), (method, path)


@pytest.mark.parametrize("role", accounts.ROLES)
def test_rooms_open_by_role(colleague: Hire, role: str) -> None:
    """A colleague enters exactly the rooms of their role, and the navigation names exactly those."""
    me = colleague(role)
    front = me.get("/admin").text
    for path, roles in OPEN_TO.items():
        page = me.get(path)
        assert page.status == (200 if role in roles else 403), path
        if path.count("/") == 2:
            assert (f'<a id="nav-{path[7:]}"' in front) == (role in roles), path


@pytest.mark.parametrize("path", ["/admin/keys/announce", "/admin/keys/rotate", "/admin/staff/invite"])
def test_acts_are_refused_by_role(colleague: Hire, path: str) -> None:
    """A colleague of another role who forges a form's address is refused, even with a good token."""
    me = colleague("support")
    token = me.get("/admin").form("/staff/logout")
    assert me.browser._page("POST", path, {**token, "alg": "ES256"}).status == 403


def test_a_citizens_session_is_not_staff(client: Any, database: Database) -> None:
    """A citizen who is signed in is sent to the staff's sign-in, like any stranger."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db,
            subject="K7QD2M9XWT4BC",
            kind="citizen",
            acr="urn:erti:loa:high",
            amr=["hwk"],
            user_agent="",
            network="",
        )
    citizen = Browser(client, {"__Host-erti_session": token})
    assert citizen.get("/admin").location.startswith("/staff/login")


@pytest.mark.parametrize(
    "path",
    [
        "/admin/log?before=1" + "0" * 30,
        "/admin/log/9" + "9" * 30,
        "/admin/log/-1",
        "/admin/sources/civil?page=x",
    ],
)
def test_absurd_numbers_are_a_mistake_of_the_asker(colleague: Hire, path: str) -> None:
    """A number that no engine counts to, or none at all, is refused like any other mistake, not an error of ours."""
    assert colleague("auditor").get(path).status == 400
