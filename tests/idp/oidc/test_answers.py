"""How answers go back: the response modes, plain and signed (JARM), on success and on error."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from core import clock
from core.events import SYSTEM
from idp.oidc import clients
from idp.oidc.checks.answering import RESPONSE_MODES
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered, request

ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]


def fields(response: Any) -> dict[str, str]:
    """Return what a response brings to the client, from query, fragment or form."""
    if response.status_code == 200:
        sent = response.text.partition("data-send-at-once")[2].partition("</form>")[0]
        return dict(to.re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', sent))
    parts = urlsplit(response.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == to.CALLBACK
    assert not (parts.query and parts.fragment)
    return dict(parse_qsl(parts.fragment or parts.query))


def opened(
    provider: Provider, response: Any, *, alg: str = "ES256", client: str = to.PORTAL
) -> dict[str, Any]:
    """Return a signed answer's claims, checked as its client would."""
    given = fields(response)
    assert set(given) == {"response"}
    keys = KeySet.import_key_set(provider.web.get("/jwks.json").json())
    found = jwt.decode(given["response"], keys, algorithms=[alg])
    assert found.header["alg"] == alg
    assert found.header["kid"]
    assert (found.claims["iss"], found.claims["aud"]) == (ISSUER, client)
    assert 0 < found.claims["exp"] - clock.seconds(clock.now()) <= 600
    return dict(found.claims)


@pytest.mark.parametrize("mode", RESPONSE_MODES)
def test_a_code_and_an_error_come_in_the_mode_that_was_asked_for(provider: Provider, mode: str) -> None:
    """Each mode that is advertised brings success and error alike where it says, signed where it says, with state and iss."""
    refused = provider.authorize(response_mode=mode, prompt="none")
    provider.sign_in()
    granted = provider.authorize(response_mode=mode)
    for response, member in ((granted, "code"), (refused, "error")):
        assert (response.status_code == 200) == mode.startswith("form_post")
        assert ("#" in response.headers.get("location", "")) == mode.startswith("fragment")
        signed = mode == "jwt" or mode.endswith(".jwt")
        told = opened(provider, response) if signed else fields(response)
        assert member in told
        assert (told["state"], told["iss"]) == ("xyz", ISSUER)
    assert mode in provider.web.get("/.well-known/openid-configuration").json()["response_modes_supported"]


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_answers_are_signed_as_the_client_registered(provider: Provider, alg: str) -> None:
    """Each algorithm that discovery advertises signs answers; a client that names none gets ES256."""
    known = provider.web.get("/.well-known/openid-configuration").json()
    assert known["authorization_signing_alg_values_supported"] == ALGORITHMS
    with provider.database.writing() as db:
        signs = {**to.CLIENTS[0], "client_id": "signs", "authorization_signed_response_alg": alg}
        clients.load(db, {"clients": [signs]}, actor=SYSTEM)
    provider.sign_in()
    answer = provider.web.get("/authorize", params=request() | {"client_id": "signs", "response_mode": "jwt"})
    assert "code" in opened(provider, answer, alg=alg, client="signs")


def test_attempt_to_use_a_signed_answer_as_an_id_token(provider: Provider) -> None:
    """A signed answer is no hint of who must sign in, although we signed it and it is for this client."""
    provider.sign_in()
    answer = fields(provider.authorize(response_mode="jwt"))["response"]
    assert answered(provider.authorize(id_token_hint=answer))["error"] == "invalid_request"


def test_attempt_to_take_an_answer_for_another_clients(provider: Provider) -> None:
    """A signed answer names the one client that it is for (JARM, 2.1)."""
    provider.sign_in()
    answer = provider.web.get("/authorize", params=request(to.COMPANY, response_mode="jwt"))
    told = to.claims_of(dict(parse_qsl(urlsplit(answer.headers["location"]).query))["response"])
    assert told["aud"] == to.COMPANY


def test_a_form_sends_itself_by_a_script_of_ours_after_a_button(provider: Provider) -> None:
    """form_post works without script by a visible button; a classic script from a file of ours comes with the page."""
    provider.sign_in()
    for mode in ("form_post", "form_post.jwt"):
        page = provider.authorize(response_mode=mode)
        assert '<button type="submit" id="form-post-submit">' in page.text
        after = page.text.partition("</form>")[2]
        assert '<script src="/static/formpost.js"></script>' in after
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "form-action 'self' https://portal.example;" in policy
        assert page.headers["cache-control"] == "no-store"
    assert provider.web.get("/static/formpost.js").status_code == 200


@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
def test_attempt_to_post_an_answer_to_an_app(provider: Provider, mode: str) -> None:
    """No form leads to a scheme of an app's own; the error goes there by redirect."""
    answer = provider.authorize(to.NATIVE, redirect_uri="org.example.app:/cb", response_mode=mode)
    assert answer.status_code == 303
    assert "error=invalid_request" in answer.headers["location"]


def test_attempt_to_read_answers_from_another_site(provider: Provider) -> None:
    """The authorization endpoint lets no other origin read what it answers (RFC 9700, 2.6; FAPI 2.0, 5.3.2.2)."""
    provider.sign_in()
    answer = provider.web.get("/authorize", params=request(), headers={"Origin": "https://evil.example"})
    asked = provider.web.options(
        "/authorize", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    )
    for response in (answer, asked):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_attempt_to_keep_the_method_of_a_post_across_the_redirect(provider: Provider) -> None:
    """Whoever posts here goes on with a GET: 303, never 307 or 308 (RFC 9700, 4.12)."""
    provider.sign_in()
    posted = provider.web.post("/authorize", data=request())
    back = provider.web.get(posted.headers["location"])
    refused = provider.web.post("/authorize", data=request(scope="unknown"))
    assert [one.status_code for one in (posted, back, refused)] == [303, 303, 303]


TEXT = st.characters(
    exclude_characters="\x00", exclude_categories=["Cs"]
)  # NUL is refused before anything is read


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mode=st.one_of(st.text(TEXT, max_size=20), st.sampled_from(RESPONSE_MODES)),
    state=st.text(TEXT, max_size=40),
)
def test_any_mode_is_done_or_refused_and_any_state_comes_back(
    provider: Provider, mode: str, state: str
) -> None:
    """Whatever the mode, the answer is at the client's own address; whatever the state, it comes back as it was."""
    answer = provider.authorize(response_mode=mode, state=state, prompt="none")
    if answer.status_code == 200:
        assert f'action="{to.CALLBACK}"' in answer.text
        return
    told = fields(answer)
    if "response" in told:
        told = to.claims_of(told["response"])
    assert told.get("state", "") == state
    assert told["error"] == ("login_required" if mode in ("", *RESPONSE_MODES) else "invalid_request")
    assert json.dumps(told["error_description"]).isascii()
