"""The code flow from request to claims, and how each wrong turn ends."""

import threading
from typing import Any

import pytest
from sqlalchemy import func, select, update

from consent.tables import agency
from core import clock, sessions
from core.forms import Posted
from idp.oidc import authorize, clients, families, subjects, tables, tokens
from idp.oidc.acting import Standing
from idp.oidc.asked import Asked
from idp.oidc.pages import authorization
from idp.oidc.steps import Issue
from tests.conftest import ISSUER
from tests.consent.country import LOW
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, Provider, answered, claims_of


def test_sign_in_consent_code_token_userinfo(provider: Provider) -> None:
    """A citizen signs in, reads their values, allows them, and the client gets tokens and claims."""
    asked = provider.authorize(scope="openid profile", claims='{"userinfo": {"income_bracket": null}}')
    assert asked.status_code == 303
    assert asked.headers["location"].startswith("/login?return_to=%2Fauthorize%2F")
    step = asked.headers["location"].split("return_to=%2Fauthorize%2F")[1].split("&")[0]
    provider.sign_in()
    consent = provider.web.get(f"/authorize/{step}")
    page = provider.web.get(consent.headers["location"])
    assert "Nino" in page.text
    assert "https://portal.example" in page.headers["content-security-policy"]
    decided = provider.send(page, decision="allow")
    answer = answered(provider.web.get(decided.headers["location"]))
    assert answer["state"] == "xyz"
    assert answer["iss"] == ISSUER
    tokens = provider.redeem(answer["code"]).json()
    claims = claims_of(tokens["id_token"])
    assert (claims["sub"], claims["aud"], claims["nonce"]) == (CITIZEN, to.PORTAL, "n-1")
    told = provider.userinfo(tokens["access_token"])
    assert told.json() == {"sub": CITIZEN, "given_name": "Nino"}


def test_openid_alone_needs_no_consent_and_gives_only_sub(provider: Provider) -> None:
    """With scope openid nobody is asked anything, UserInfo holds sub alone, and the sign-in stands in the history."""
    provider.sign_in(acr=LOW)
    given = provider.tokens()
    assert provider.userinfo(given["access_token"]).json() == {"sub": CITIZEN}
    (entry,) = provider.history()
    assert entry["kind"] == "signed-in"
    assert entry["data"] == {"agency": "revenue", "client": to.PORTAL, "acr": LOW}


def test_single_sign_on_answers_at_once(provider: Provider) -> None:
    """A citizen who is signed in and has allowed everything is sent back by the first answer, without a page."""
    session = provider.sign_in()
    provider.allow("given_name")
    given = provider.tokens(scope="openid profile")
    with provider.database.reading() as db:
        ours = subjects.sid(db, clients.read(db, to.PORTAL), session.sid)
    assert claims_of(given["id_token"])["sid"] == ours
    assert provider.userinfo(given["access_token"]).json()["given_name"] == "Nino"


def test_wrong_redirect_uri_never_redirects(provider: Provider) -> None:
    """A redirect URI that is not the client's gets a page for the person, not a redirect."""
    for uri in (
        "https://evil.example/cb",
        to.CALLBACK + "/",
        to.CALLBACK + "?a=b",
        "HTTPS://PORTAL.EXAMPLE/cb",
        None,
    ):
        answer = provider.authorize(redirect_uri=uri)
        assert answer.status_code == 400
        assert "location" not in answer.headers


def test_replayed_code_is_refused_and_ends_what_it_gave(provider: Provider) -> None:
    """A code that comes a second time gets invalid_grant, and the tokens of the first time stop."""
    provider.sign_in()
    code = provider.code()
    first = provider.redeem(code).json()
    again = provider.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert provider.userinfo(first["access_token"]).status_code == 401
    refreshed = provider.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"
    assert provider.history()[-1]["kind"] == "replay-stopped"


def test_missing_pkce_is_refused_where_it_is_required(provider: Provider) -> None:
    """A public client without code_challenge, or with plain, gets invalid_request and no code."""
    provider.sign_in()
    missing = answered(provider.authorize(to.PUBLIC, code_challenge=None, code_challenge_method=None))
    plain = answered(provider.authorize(to.PUBLIC, code_challenge_method="plain"))
    silent = answered(provider.authorize(to.PUBLIC, code_challenge_method=None))
    assert [one["error"] for one in (missing, plain, silent)] == ["invalid_request"] * 3


def test_a_confidential_client_of_the_basic_profile_may_do_without_pkce(provider: Provider) -> None:
    """An imported client with a secret signs people in without PKCE, unless it says that it wants it."""
    provider.sign_in()
    code = provider.code(code_challenge=None, code_challenge_method=None)
    assert provider.redeem(code, code_verifier=None).status_code == 200


@pytest.mark.parametrize("verifier", ["another-verifier-that-is-also-more-than-43-characters", "short", None])
def test_a_wrong_or_missing_verifier_burns_the_code(provider: Provider, verifier: str | None) -> None:
    """Without the right verifier the answer is invalid_grant, and the code cannot be tried again."""
    provider.sign_in()
    code = provider.code()
    assert provider.redeem(code, code_verifier=verifier).json()["error"] == "invalid_grant"
    assert provider.redeem(code).json()["error"] == "invalid_grant"


def test_a_verifier_without_a_challenge_is_refused(provider: Provider) -> None:
    """A verifier for a code that was asked for without challenge is a downgrade, and gets invalid_grant."""
    provider.sign_in()
    code = provider.code(code_challenge=None, code_challenge_method=None)
    assert provider.redeem(code).json()["error"] == "invalid_grant"


def test_wrong_client_secret_is_refused(provider: Provider) -> None:
    """A wrong secret gets invalid_client with 401 and a challenge, and leaves the code unused."""
    provider.sign_in()
    code = provider.code()
    refused = provider.redeem(code, secret="wrong")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert provider.redeem(code).status_code == 200


def test_expired_code_is_refused(provider: Provider) -> None:
    """A code older than its minute gets invalid_grant."""
    provider.sign_in()
    code = provider.code()
    with provider.database.writing() as db:
        db.execute(update(tables.code).values(expires_at=clock.now()))
    assert provider.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_lives_a_minute_at_most(provider: Provider) -> None:
    """No code is stored for longer than 60 seconds, and none in clear."""
    provider.sign_in()
    code = provider.code()
    with provider.database.reading() as db:
        row = db.execute(select(tables.code)).one()
    assert (row.expires_at - clock.now()).total_seconds() <= 60
    assert code not in str(row)


def test_a_code_is_bound_to_client_and_redirect_uri(provider: Provider) -> None:
    """Another client, or another redirect URI, gets invalid_grant and burns the code."""
    provider.sign_in()
    code = provider.code()
    assert provider.redeem(code, to.COMPANY, redirect_uri=to.CALLBACK).json()["error"] == "invalid_grant"
    assert provider.redeem(code).json()["error"] == "invalid_grant"
    code = provider.code()
    other = "https://portal.example/other?with=query"
    assert provider.redeem(code, redirect_uri=other).json()["error"] == "invalid_grant"
    assert provider.redeem(provider.code(), redirect_uri=None).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_tampered_token_is_refused(provider: Provider, place: str) -> None:
    """An access token with one character changed opens nothing, wherever it was changed."""
    provider.sign_in()
    token = provider.tokens()["access_token"]
    index = {"first": 0, "middle": len(token) // 2, "last": len(token) - 1}[place]
    tampered = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
    refused = provider.userinfo(tampered)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_a_purpose_the_agency_lacks_is_refused(provider: Provider) -> None:
    """A purpose of another agency, or none at all, gets invalid_scope; and the door refuses to read for it."""
    provider.sign_in()
    for purpose in ("health-sign-in", "no-such-purpose", ""):
        assert answered(provider.authorize(scope=f"openid purpose:{purpose}"))["error"] == "invalid_scope"
    body = {"citizen_id": CITIZEN, "purpose": "health-sign-in", "attributes": ["given_name"]}
    refused = provider.read(body)
    assert (refused.status_code, refused.json()["rule"]) == (403, "purpose-of-another-agency")


def test_two_threads_redeem_one_code_and_one_wins(provider: Provider) -> None:
    """Of two threads that bring one code at the same moment, exactly one gets tokens, every time."""
    provider.sign_in()
    database, barrier = provider.database, threading.Barrier(2)

    def redeem(code: str, won: list[Any]) -> None:
        barrier.wait()
        with database.writing() as db:
            client = clients.read(db, to.PORTAL)
            won.append(tokens.redeem(db, code, client))

    for _round in range(20):
        code, won = provider.code(), list[Any]()
        threads = [threading.Thread(target=redeem, args=(code, won)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one is not None for one in won].count(True) == 1
        with database.reading() as db:
            family = families.read(db, next(one for one in won if one).family.id)
        assert family.ended_by == "replay"


def test_a_withdrawn_grant_ends_its_tokens_in_the_same_transaction(provider: Provider) -> None:
    """After a withdrawal commits, neither the access token nor the refresh token of that sign-in works."""
    provider.sign_in()
    grant = provider.allow("given_name")
    given = provider.tokens(scope="openid profile")
    assert provider.userinfo(given["access_token"]).status_code == 200
    provider.withdraw(grant)
    assert provider.userinfo(given["access_token"]).status_code == 401
    assert provider.introspected(given["access_token"]) == {"active": False}
    refreshed = provider.token(grant_type="refresh_token", refresh_token=given["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"


def test_a_narrowed_grant_narrows_what_userinfo_tells(provider: Provider) -> None:
    """An attribute taken back is missing from the next answer; the rest goes on."""
    provider.sign_in()
    grant = provider.allow("given_name", "income_bracket")
    asked = '{"userinfo": {"income_bracket": null}}'
    given = provider.tokens(scope="openid profile", claims=asked)
    assert provider.userinfo(given["access_token"]).json()["income_bracket"] == "B"
    provider.withdraw(grant, "income_bracket")
    assert "income_bracket" not in provider.userinfo(given["access_token"]).json()


def test_a_private_company_knows_a_citizen_by_an_id_of_its_own(provider: Provider) -> None:
    """The `sub` at a company is not the citizen ID, is the same every time, and is signed RS256 where it wants that."""
    provider.sign_in()
    first, again = (claims_of(provider.tokens(to.COMPANY)["id_token"])["sub"] for _ in range(2))
    assert first == again != CITIZEN
    assert provider.userinfo(provider.tokens(to.COMPANY)["access_token"]).json() == {"sub": first}


def test_a_suspended_agency_redeems_nothing(provider: Provider) -> None:
    """A code given before its agency was suspended is worth nothing afterwards."""
    provider.sign_in()
    code = provider.code()
    with provider.database.writing() as db:
        db.execute(update(agency).where(agency.c.id == "revenue").values(state="suspended"))
    answer = provider.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_two_companies_cannot_tell_that_a_session_is_the_same(provider: Provider) -> None:
    """The same browser session has another `sid` at each agency, one for all clients of one, and never its own."""
    session = provider.sign_in()
    portal, public, company = (
        claims_of(provider.tokens(client)["id_token"])["sid"] for client in (to.PORTAL, to.PUBLIC, to.COMPANY)
    )
    assert portal == public != company
    assert session.sid not in (portal, company)


def test_a_session_that_ended_meanwhile_gives_no_code(provider: Provider) -> None:
    """Whoever was signed in when the request came and is no longer when the code is made gets none, nor a family."""
    session = provider.sign_in()
    with provider.database.writing() as db:
        sessions.end(db, session)
        asked = authorize.examine(db, Posted(list(to.request().items())))
    assert isinstance(asked, Asked)
    step = Issue(("openid",), (), Standing(CITIZEN))
    assert authorization._issue(provider.database, asked, step, "", session) is None
    with provider.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(tables.authorization)) == 0


def test_a_session_that_ended_meanwhile_decides_nothing(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A "yes" from a session that ended after it was read is not kept; the way leads back to the dispatcher."""
    session = provider.sign_in()
    asked = provider.authorize(scope="openid profile").headers["location"]
    page = provider.web.get(asked)
    find = sessions.find

    def ended_after_it_was_read(db: Any, token: str) -> Any:
        monkeypatch.undo()
        found = find(db, token)
        assert found == session
        with provider.database.writing() as ending:
            sessions.end(ending, session)
        return found

    monkeypatch.setattr(sessions, "find", ended_after_it_was_read)
    answer = provider.send(page, decision="allow", attribute="given_name")
    assert answer.headers["location"].startswith("/authorize/")
    assert [one["kind"] for one in provider.history() if one["kind"].startswith("grant")] == []
