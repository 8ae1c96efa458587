"""The authorization request: each check, where its error goes, and where the next step leads."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from consent.tables import agency
from core import clock, limits, sessions
from core.errors import Problem
from core.events import SYSTEM
from core.forms import Posted
from idp.oidc import authorize, clients, tables
from idp.oidc.asked import Asked, Refused
from idp.oidc.authorize import CHECKS
from idp.oidc.pages import authorization
from tests.conftest import ISSUER
from tests.consent.country import HIGH, LOW, SUBSTANTIAL
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered, claims_of, request

ESSENTIAL_HIGH = '{"id_token": {"acr": {"essential": true, "values": ["urn:erti:loa:high"]}}}'
PARAMETERS = (
    *request(),
    "prompt",
    "max_age",
    "acr_values",
    "claims",
    "id_token_hint",
    "resource",
    "response_mode",
)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "nowhere"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"scope": 'openid "'}, "invalid_scope"),
        ({"scope": "attributes"}, "invalid_scope"),
        ({"scope": "openid purpose:health-sign-in"}, "invalid_scope"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "unknown"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"claims": "not json"}, "invalid_request"),
        ({"claims": ESSENTIAL_HIGH.replace("high", "highest")}, "unmet_authentication_requirements"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/request"}, "invalid_request_uri"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"resource": "https://api.other.example/"}, "invalid_target"),
        ({"id_token_hint": "not.a.token"}, "invalid_request"),
        ({"state": "x" * 3000}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_each_mistake_gets_the_standards_error(
    provider: Provider, changes: dict[str, Any], error: str
) -> None:
    """Errors after the redirect URI was validated go back to it, with state and issuer (RFC 9207)."""
    found = answered(provider.authorize(**changes))
    assert found["error"] == error
    assert found["iss"] == ISSUER
    if "state" not in changes:
        assert found["state"] == "xyz"
    assert "code" not in found


@pytest.mark.parametrize("name", ["state", "scope", "response_type", "nonce", "prompt", "anything"])
def test_nothing_may_come_twice(provider: Provider, name: str) -> None:
    """A repeated parameter, known or not, is an invalid request."""
    twice = [*request().items(), (name, "a"), (name, "b")]
    assert answered(provider.web.get("/authorize", params=twice))["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_leads_back_may_not_come_twice(provider: Provider, name: str) -> None:
    """With two clients or two redirect URIs there is nowhere safe to answer to."""
    twice = [*request().items(), (name, request()[name])]
    assert provider.web.get("/authorize", params=twice).status_code == 400


@pytest.mark.parametrize(
    "changes", [{"response_type": "token"}, {"scope": ""}, {"request": "x"}, {"prompt": "none"}, {}]
)
def test_no_error_redirects_before_the_redirect_uri_is_validated(
    provider: Provider, changes: dict[str, Any]
) -> None:
    """Whatever else is wrong, an unknown client or redirect URI gets a page and no redirect (no open redirector)."""
    for wrong in ({"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}):
        answer = provider.authorize(**{**changes, **wrong})
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "evil.example" not in answer.text


def test_what_was_sent_is_not_shown(provider: Provider) -> None:
    """A person's error page repeats nothing of the request, so nothing can be slipped into it."""
    page = provider.web.get(
        "/authorize", params=request(client_id="<script>alert(1)</script>"), headers={"Accept": "text/html"}
    )
    assert "alert(1)" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_unknown_parameters_are_ignored(provider: Provider) -> None:
    """A parameter that nobody knows changes nothing (RFC 6749, 3.1)."""
    provider.sign_in()
    assert provider.code(utm_source="letter", display="popup")


def test_a_suspended_agency_signs_nobody_in(provider: Provider) -> None:
    """While an agency is suspended its clients get unauthorized_client."""
    with provider.database.writing() as db:
        db.execute(update(agency).where(agency.c.id == "revenue").values(state="suspended"))
    assert answered(provider.authorize())["error"] == "unauthorized_client"


def test_a_client_that_is_switched_off_is_unknown(provider: Provider) -> None:
    """A client that was switched off is known to nobody, in this process at once."""
    with provider.database.writing() as db:
        clients.switch(db, to.PORTAL, active=False, actor=SYSTEM)
    assert provider.authorize().status_code == 400


def test_another_sites_post_is_stored_and_answered_with_a_get(provider: Provider) -> None:
    """A request that another site posts is answered 303 to a GET, which then carries the session's cookie."""
    provider.sign_in()
    posted = provider.web.post("/authorize", data=request(), headers={"Origin": "https://portal.example"})
    assert posted.status_code == 303
    assert "code" in answered(provider.web.get(posted.headers["location"]))


def test_an_interaction_answers_once(provider: Provider) -> None:
    """The address of an interaction gives one code, and then says that it is over."""
    provider.sign_in()
    step = provider.web.post("/authorize", data=request()).headers["location"]
    assert "code" in answered(provider.web.get(step))
    assert provider.web.get(step).status_code == 404


def test_form_post_sends_the_answer_by_a_form(provider: Provider) -> None:
    """response_mode=form_post answers with a page whose form may lead to the client and nowhere else."""
    provider.sign_in()
    page = provider.authorize(response_mode="form_post", state='"><script>')
    assert page.status_code == 200
    assert f'action="{to.CALLBACK}"' in page.text
    assert 'name="code"' in page.text
    assert "<script>" not in page.text
    assert "form-action 'self' https://portal.example;" in page.headers["content-security-policy"]


def test_prompt_login_asks_again(provider: Provider) -> None:
    """prompt=login leads to the sign-in page although somebody is signed in, and is content with a new sign-in."""
    old = provider.sign_in()
    asked = provider.authorize(prompt="login")
    path = urlsplit(asked.headers["location"])
    assert path.path == "/login"
    back = parse_qs(path.query)["return_to"][0]
    assert provider.web.get(back).headers["location"].startswith("/login")
    fresh = provider.sign_in()
    assert fresh.auth_time > old.auth_time
    assert "code" in answered(provider.web.get(back))


def test_max_age_asks_again_after_that_time(provider: Provider) -> None:
    """A sign-in older than max_age is not enough; auth_time in the ID token tells when it was."""
    session = provider.sign_in()
    assert "code" in answered(provider.authorize(max_age="60"))
    past = clock.now() - timedelta(seconds=120)
    with provider.database.writing() as db:
        db.execute(
            update(sessions.browser_session)
            .where(sessions.browser_session.c.sid == session.sid)
            .values(auth_time=past)
        )
    assert provider.authorize(max_age="60").headers["location"].startswith("/login")
    assert answered(provider.authorize(max_age="60", prompt="none"))["error"] == "login_required"
    claims = claims_of(provider.tokens(max_age="300")["id_token"])
    assert claims["auth_time"] == clock.seconds(past)


def test_assurance_is_never_lowered_silently(provider: Provider) -> None:
    """Where a client wants more than was reached, the person signs in again, or the client is told so."""
    provider.sign_in(acr=SUBSTANTIAL)
    more = provider.authorize(acr_values=HIGH)
    assert parse_qs(urlsplit(more.headers["location"]).query)["acr"] == [HIGH]
    silent = answered(provider.authorize(claims=ESSENTIAL_HIGH, prompt="none"))
    assert silent["error"] == "unmet_authentication_requirements"
    provider.sign_in(acr=HIGH)
    assert claims_of(provider.tokens(claims=ESSENTIAL_HIGH)["id_token"])["acr"] == HIGH


def test_a_purpose_wants_its_assurance(provider: Provider) -> None:
    """Attributes of a purpose need the purpose's assurance, whatever the client says."""
    provider.sign_in(acr=LOW)
    asked = provider.authorize(scope="openid profile", acr_values=LOW)
    assert parse_qs(urlsplit(asked.headers["location"]).query)["acr"] == [SUBSTANTIAL]


def test_prompt_none_never_shows_a_page(provider: Provider) -> None:
    """With prompt=none a missing consent or account choice is an error for the client."""
    provider.sign_in()
    assert answered(provider.authorize(scope="openid profile", prompt="none"))["error"] == "consent_required"
    provider.allow("given_name")
    assert "code" in answered(provider.authorize(scope="openid profile", prompt="none"))


def test_prompt_consent_asks_although_it_was_allowed(provider: Provider) -> None:
    """prompt=consent shows the consent page once more, and only once in that sign-in."""
    provider.sign_in()
    provider.allow("given_name")
    asked = provider.authorize(scope="openid profile", prompt="consent")
    page = provider.web.get(asked.headers["location"])
    decided = provider.send(page, decision="allow")
    assert "code" in answered(provider.web.get(decided.headers["location"]))


def test_select_account_lets_the_person_choose(provider: Provider) -> None:
    """prompt=select_account shows who is signed in; going on with that account gives the code."""
    provider.sign_in()
    asked = provider.web.post("/authorize", data=request(prompt="select_account"))
    page = provider.web.get(asked.headers["location"])
    assert "K7QD-2M9X-WT4B-B" in page.text
    chosen = provider.send(page)
    assert "code" in answered(provider.web.get(chosen.headers["location"]))


def test_a_hint_names_who_must_sign_in(provider: Provider) -> None:
    """With the ID token of somebody else as a hint, prompt=none fails and a page asks to sign in."""
    provider.sign_in()
    hint = provider.tokens()["id_token"]
    assert "code" in answered(provider.authorize(id_token_hint=hint, prompt="none"))
    provider.sign_in(to.OTHER)
    assert answered(provider.authorize(id_token_hint=hint, prompt="none"))["error"] == "login_required"
    assert provider.authorize(id_token_hint=hint).headers["location"].startswith("/login")


def test_a_hint_for_another_client_is_refused(provider: Provider) -> None:
    """An ID token that was made for another client is no hint here, nor is one that was tampered with."""
    provider.sign_in()
    hint = provider.tokens(to.COMPANY)["id_token"]
    assert answered(provider.authorize(id_token_hint=hint))["error"] == "invalid_request"
    own = provider.tokens()["id_token"]
    assert answered(provider.authorize(id_token_hint=own[:-4] + "AAAA"))["error"] == "invalid_request"


def test_a_no_goes_back_as_access_denied(provider: Provider) -> None:
    """A citizen who does not allow the sign-in's purpose is sent back with access_denied."""
    provider.sign_in()
    page = provider.web.get(provider.authorize(scope="openid profile").headers["location"])
    decided = provider.send(page, decision="deny")
    assert answered(provider.web.get(decided.headers["location"]))["error"] == "access_denied"


def test_a_no_to_a_further_purpose_only_leaves_it_out(provider: Provider) -> None:
    """Declining a further purpose signs in all the same, without that purpose in the scope."""
    provider.sign_in()
    asked = provider.authorize(scope="openid purpose:revenue-relief")
    page = provider.web.get(asked.headers["location"])
    decided = provider.send(page, decision="deny")
    code = answered(provider.web.get(decided.headers["location"]))["code"]
    assert provider.redeem(code).json()["scope"] == "openid"
    allowed = provider.send(provider.web.get(provider.authorize(scope="openid purpose:revenue-relief").headers["location"]), decision="allow")  # fmt: skip
    code = answered(provider.web.get(allowed.headers["location"]))["code"]
    assert provider.redeem(code).json()["scope"] == "openid purpose:revenue-relief"


def test_one_citizens_word_does_not_count_for_the_next(provider: Provider) -> None:
    """Who signs in after somebody else decided, in the same interaction, is asked anew."""
    provider.sign_in()
    asked = provider.authorize(scope="openid profile")
    page = provider.web.get(asked.headers["location"])
    dispatcher = provider.send(page, decision="allow").headers["location"]
    provider.sign_in(to.OTHER)
    assert provider.web.get(dispatcher).headers["location"] == asked.headers["location"]


def test_a_forged_consent_form_is_refused(provider: Provider) -> None:
    """A decision that does not come from our page changes nothing."""
    provider.sign_in()
    step = provider.authorize(scope="openid profile").headers["location"].partition("i=")[2]
    forged = provider.web.post("/consent", data={"i": step, "decision": "allow"})
    assert forged.status_code == 403
    assert provider.history() == []


def test_the_clients_language_is_taken_up(provider: Provider) -> None:
    """ui_locales chooses the language of the pages that follow."""
    answer = provider.authorize(ui_locales="fr ka-GE en")
    assert "__Host-erti_language=ka" in answer.headers["set-cookie"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text(max_size=30)), max_size=6))
def test_any_request_is_understood_or_refused(provider: Provider, extra: list[tuple[str, str]]) -> None:
    """Whatever the parameters hold, a request is examined to its end; a redirect URI that answers is a registered one."""
    posted = Posted([*request().items(), *extra])
    with provider.database.reading() as db:
        try:
            found = authorize.examine(db, posted)
        except Problem:
            return
        asked = found.asked if isinstance(found, Refused) else found
        assert asked.redirect_uri in clients.read(db, asked.client.client_id).redirect_uris


def test_the_checks_can_be_read_down() -> None:
    """Client and redirect URI come first, and every check says in a sentence what holds after it."""
    assert [check.__name__ for check in CHECKS[:2]] == ["client_is_known", "redirect_uri_is_registered"]
    assert all((check.__doc__ or "").endswith((".", ").")) for check in CHECKS)
    assert isinstance(Asked(Posted()), Asked)


def test_one_network_stores_only_so_many_requests(provider: Provider) -> None:
    """Beyond the limit a network's requests are refused with 429 and nothing is stored, by GET and by POST."""
    assert provider.authorize().status_code == 303
    with provider.database.writing() as db:
        db.execute(update(limits.limit_counter).values(hits=authorization.STORED_AT_MOST))
    assert provider.authorize().status_code == 429
    assert provider.web.post("/authorize", data=to.request()).status_code == 429
    with provider.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(tables.interaction)) == 1
