"""Going back to the client without the sign-in that it wants."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from core.events import SYSTEM
from idp.oidc import clients
from tests.conftest import ISSUER
from tests.consent.country import HIGH, LOW, SUBSTANTIAL
from tests.idp.oidc import device
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered

TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')


def interaction_of(asked: Any) -> str:
    """Return the path of an interaction that leads to the sign-in page."""
    to_login = urlsplit(asked.headers["location"])
    assert to_login.path == "/login"
    return parse_qs(to_login.query)["return_to"][0]


def leave(provider: Provider, interaction: str) -> Any:
    """Press the button that goes back to the client."""
    token = TOKEN.search(provider.web.get("/login").text)
    assert token
    return provider.web.post(f"{interaction}/leave", data={"csrf_token": token[1]})


def test_who_cannot_reach_it_goes_back_without_it(provider: Provider) -> None:
    """The button of the page that says so brings the client the error of its own case, once, and nobody is signed out."""
    provider.sign_in(acr=LOW)
    asked = provider.authorize(acr_values=HIGH)
    interaction = interaction_of(asked)
    page = provider.web.get(asked.headers["location"])
    button = re.search(
        r'<form method="post" action="([^"]+/leave)">.*?id="stepup-leave"', page.text, re.DOTALL
    )
    assert button
    assert button[1] == f"{interaction}/leave"
    told = answered(leave(provider, interaction))
    assert told["error"] == "unmet_authentication_requirements"
    assert (told["state"], told["iss"]) == ("xyz", ISSUER)
    assert leave(provider, interaction).status_code == 404
    assert provider.web.get(interaction).status_code == 404
    assert "code" in answered(provider.authorize())


def test_who_is_not_signed_in_enough_is_told_apart(provider: Provider) -> None:
    """Without a session, or with one that is too old for the client, it is told that a sign-in is required."""
    assert answered(leave(provider, interaction_of(provider.authorize())))["error"] == "login_required"
    provider.sign_in()
    asked_anew = interaction_of(provider.authorize(prompt="login"))
    assert answered(leave(provider, asked_anew))["error"] == "login_required"


def test_leaving_undoes_nothing_that_is_done(provider: Provider) -> None:
    """Who has signed in as wanted in the meantime is sent on, and gets the code."""
    interaction = interaction_of(provider.authorize())
    provider.sign_in(acr=SUBSTANTIAL)
    on = leave(provider, interaction)
    assert on.headers["location"] == interaction
    assert "code" in answered(provider.web.get(interaction))


def test_nobody_else_makes_a_person_leave(provider: Provider) -> None:
    """A form without this browser's token, and an interaction that never was, change nothing."""
    interaction = interaction_of(provider.authorize())
    for forged in ({}, {"csrf_token": "0" * 64}):
        assert provider.web.post(f"{interaction}/leave", data=forged).status_code == 403
    assert leave(provider, "/authorize/never-was").status_code == 404
    assert provider.web.get(interaction).status_code == 303


def test_a_pushed_request_is_used_up_by_leaving(provider: Provider) -> None:
    """A request that was pushed has been answered by that: the same reference serves no second time."""
    form = {name: value for name, value in to.request().items() if name != "client_id"}
    uri = provider.post("/par", **form).json()["request_uri"]
    where = {"client_id": to.PORTAL, "request_uri": uri}
    asked = provider.web.get("/authorize", params=where)
    assert answered(leave(provider, interaction_of(asked)))["error"] == "login_required"
    again = provider.web.get("/authorize", params=where)
    assert not again.headers.get("location", "").startswith(("/login", to.CALLBACK + "?code"))


def test_a_device_is_told_when_it_next_asks(provider: Provider) -> None:
    """Who leaves while they let a device in lands on a page that says so, and the device gets access_denied."""
    with provider.database.writing() as db:
        clients.load(db, {"clients": device.DEVICES}, actor=SYSTEM)
    codes = device.ask(provider, scope="openid", acr_values=HIGH).json()
    entered = device.enter(provider, codes["user_code"])
    interaction = interaction_of(provider.web.get(entered.headers["location"]))
    assert leave(provider, interaction).headers["location"] == "/device/refused"
    assert device.poll(provider, codes).json()["error"] == "access_denied"
