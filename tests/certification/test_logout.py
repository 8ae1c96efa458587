"""The logout plans: RP-Initiated, Back-Channel and Front-Channel Logout OP."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.certification.relying import BYE, Relying

STEPS = ("logout-confirm",)


def leave(relying: Relying, **parameters: Any) -> str:
    """Go to the end-session endpoint as the client sends its person there, and agree; return where that led."""
    person = relying.browser
    person.lay_out()
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    query = f"?{urlencode(given)}" if given else ""
    person.open(relying.metadata["end_session_endpoint"] + query)
    for step in STEPS:
        if not person.stopped_at and person.has(step):
            person.press(step)
    return person.stopped_at


def signed_out(relying: Relying) -> bool:
    """Tell whether prompt=none finds nobody signed in any more."""
    return relying.authorize(prompt="none").error in ("login_required", "interaction_required")


@pytest.mark.module("oidcc-rp-initiated-logout-discovery-endpoint-verification")
def test_the_document_has_the_endpoint(relying: Relying) -> None:
    """The discovery document names an end_session_endpoint over https."""
    assert relying.metadata["end_session_endpoint"].startswith("https://")


@pytest.mark.module("oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-no-state")
@pytest.mark.parametrize("state", ["a state: 1 & 2", None])
def test_signing_out_leads_back(relying: Relying, state: str | None) -> None:
    """With hint and address the person goes back with the state alone, or without any, and is signed out."""
    hint = relying.tokens()["id_token"]
    led = leave(relying, id_token_hint=hint, post_logout_redirect_uri=BYE, state=state)
    assert led == (f"{BYE}?{urlencode({'state': state})}" if state else BYE)
    assert signed_out(relying)


@pytest.mark.module(
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
)
@pytest.mark.parametrize("added", ["/other", "?foo=bar"])
def test_an_unregistered_address(relying: Relying, added: str) -> None:
    """An address that is not registered, or has a query added, is never gone to: the person gets an error page."""
    hint = relying.tokens()["id_token"]
    assert not leave(relying, id_token_hint=hint, post_logout_redirect_uri=BYE + added, state="s")
    assert relying.browser.page.status_code == 400


@pytest.mark.module(
    "oidcc-rp-initiated-logout-modified-id-token-hint",
    "oidcc-rp-initiated-logout-bad-id-token-hint",
    "oidcc-rp-initiated-logout-no-id-token-hint",
)
@pytest.mark.parametrize("hint", ["modified", "bad", None])
def test_without_a_good_hint_nobody_is_sent_back(relying: Relying, hint: str | None) -> None:
    """With a hint of broken signature, one that is no token, or none, an address is not gone to."""
    real = relying.tokens()["id_token"]
    head, body, signature = real.split(".")
    broken = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    given = {"modified": broken, "bad": "rubbish", None: None}[hint]
    assert not leave(relying, id_token_hint=given, post_logout_redirect_uri=BYE, state="s")
    assert relying.browser.page.status_code == 400
    assert not signed_out(relying), "nothing was ended by it"


@pytest.mark.module(
    "oidcc-rp-initiated-logout-no-params",
    "oidcc-rp-initiated-logout-no-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-only-state",
)
@pytest.mark.parametrize("sent", [(), ("id_token_hint", "state"), ("state",)], ids="-".join)
def test_without_an_address_a_page_says_so(relying: Relying, sent: tuple[str, ...]) -> None:
    """Without an address the person is signed out and reads it on a page of Erti."""
    parameters = {"id_token_hint": relying.tokens()["id_token"], "state": "s"}
    assert not leave(relying, **{name: parameters[name] for name in sent})
    assert relying.browser.page.status_code == 200
    assert relying.browser.has("logout-login"), "the page that says so"
    assert signed_out(relying)
