"""A client's wish to end the session (OpenID Connect RP-Initiated Logout 1.0)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Problem
from core.forms import Posted
from idp.oidc.logout import requests
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider

BYE = "https://portal.example/bye"


def leave(provider: Provider, **parameters: str) -> Any:
    """Go to the end-session endpoint."""
    return provider.web.get("/end-session", params=parameters)


def test_leaving_is_asked_and_then_ends_session_and_tokens(provider: Provider) -> None:
    """The person is asked; a yes ends the session and its tokens and leads back with the state."""
    provider.sign_in()
    given_before = provider.tokens()
    page = leave(provider, id_token_hint=given_before["id_token"], post_logout_redirect_uri=BYE, state="s 1")
    assert 'id="logout-confirm"' in page.text
    assert "form-action 'self' https://portal.example;" in page.headers["content-security-policy"]
    assert provider.userinfo(given_before["access_token"]).status_code == 200
    done = provider.send(page)
    assert (done.status_code, done.headers["location"]) == (303, f"{BYE}?state=s+1")
    assert provider.userinfo(given_before["access_token"]).status_code == 401
    assert provider.authorize().headers["location"].startswith("/login")
    assert provider.history()[-1]["kind"] == "session-ended"


def test_who_is_not_signed_in_goes_straight_on(provider: Provider) -> None:
    """Without a session there is nothing to ask."""
    answer = leave(provider, client_id=to.PORTAL, post_logout_redirect_uri=BYE)
    assert answer.headers["location"] == BYE
    assert leave(provider).headers["location"] == "/logout"


def test_an_expired_hint_still_names_its_client(provider: Provider) -> None:
    """An ID token that has expired is good enough to say which client asks (section 2)."""
    provider.sign_in()
    made = to.expired(provider, provider.tokens()["id_token"])
    page = leave(provider, id_token_hint=made, post_logout_redirect_uri=BYE)
    assert provider.send(page).headers["location"] == BYE


@pytest.mark.parametrize(
    "parameters",
    [
        {"post_logout_redirect_uri": BYE},
        {"post_logout_redirect_uri": "https://evil.example/", "client_id": to.PORTAL},
        {"post_logout_redirect_uri": f"{BYE}/", "client_id": to.PORTAL},
        {"post_logout_redirect_uri": BYE, "client_id": "nobody"},
        {"post_logout_redirect_uri": BYE, "client_id": to.COMPANY},
        {"post_logout_redirect_uri": BYE, "id_token_hint": "made.up.token"},
    ],
)
def test_nobody_is_led_where_no_client_registered(provider: Provider, parameters: dict[str, str]) -> None:
    """A redirect URI that the named client did not register gets a page, not a redirect, and ends nothing."""
    provider.sign_in()
    answer = leave(provider, **parameters)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "code" in to.answered(provider.authorize())


def test_a_hint_of_another_client_clashes(provider: Provider) -> None:
    """A hint for one client and the ID of another do not fit together."""
    provider.sign_in()
    hint = provider.tokens(to.COMPANY)["id_token"]
    assert leave(provider, id_token_hint=hint, client_id=to.PORTAL).status_code == 400


def test_a_tampered_hint_is_no_hint(provider: Provider) -> None:
    """A hint that was tampered with counts for nothing; the person is asked all the same."""
    provider.sign_in()
    hint = provider.tokens()["id_token"]
    assert leave(provider, id_token_hint=hint[:-3] + "AAA").status_code == 200
    assert leave(provider, id_token_hint=hint[:-3] + "AAA", post_logout_redirect_uri=BYE).status_code == 400


def test_another_site_cannot_sign_anybody_out(provider: Provider) -> None:
    """Neither a GET nor another site's POST ends a session; only our own form does."""
    provider.sign_in()
    posted = provider.web.post(
        "/end-session", data={"client_id": to.PORTAL}, headers={"Origin": "https://x.example"}
    )
    assert posted.headers["location"] == f"/end-session?client_id={to.PORTAL}"
    assert provider.web.post("/end-session/confirm", data={}).status_code == 403
    assert "code" in to.answered(provider.authorize())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(requests.PARAMETERS), st.text(max_size=30)), max_size=5))
def test_any_request_is_examined_or_refused(provider: Provider, items: list[tuple[str, str]]) -> None:
    """Whatever the parameters hold, the target is empty or begins with a registered URI."""
    with provider.database.reading() as db:
        try:
            leaving = requests.examine(db, Posted(items))
        except Problem:
            return
    assert leaving.target == "" or leaving.target.startswith(BYE)
