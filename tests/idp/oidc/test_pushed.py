"""Requests that clients push in advance (RFC 9126): what is taken, what comes of it, and what does not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from core import clock, limits
from core.database import parts
from core.events import SYSTEM
from idp.oidc import clients, pushed, tables, tokens
from idp.oidc.server import pushing
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered, request

PUSHER = {**to.CLIENTS[0], "client_id": "pusher", "require_pushed_authorization_requests": True}
OUTSIDE = {
    "state": "outside",
    "nonce": "outside",
    "scope": "openid profile",
    "redirect_uri": "https://evil.example/cb",
}


def push(provider: Provider, client: str = to.PORTAL, secret: str | None = to.SECRET, **changes: Any) -> Any:
    """Push an authorization request."""
    return provider.post("/par", client, secret, **request(client, **changes))


def pushed_uri(
    provider: Provider, client: str = to.PORTAL, secret: str | None = to.SECRET, **changes: Any
) -> str:
    """Return the request_uri of a request that is pushed here and now, or fail."""
    answer = push(provider, client, secret, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["request_uri"])


def go(provider: Provider, uri: str, client: str = to.PORTAL, **more: str) -> Any:
    """Send the browser with a request_uri."""
    return provider.web.get("/authorize", params={"client_id": client, "request_uri": uri, **more})


def test_a_pushed_request_signs_in(provider: Provider) -> None:
    """PAR answers 201 with a request_uri for less than ten minutes, which nobody may store, and it leads to a code."""
    provider.sign_in()
    answer = push(provider)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"request_uri", "expires_in"}
    assert 5 <= answer.json()["expires_in"] < 600
    assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    found = answered(go(provider, answer.json()["request_uri"]))
    assert found["state"] == "xyz"
    assert provider.redeem(found["code"]).status_code == 200


def test_a_public_client_pushes_by_its_name_alone(provider: Provider) -> None:
    """A public client needs no secret to push, and no other client's request_uri works for it."""
    provider.sign_in()
    uri = pushed_uri(provider, to.PUBLIC, None)
    assert "code" in answered(go(provider, uri, to.PUBLIC))


def test_parameters_outside_a_pushed_request_are_ignored(provider: Provider) -> None:
    """What is sent beside a request_uri counts for nothing: no state, nonce, scope or redirect_uri is merged in."""
    provider.sign_in()
    uri = pushed_uri(provider, state=None)
    found = answered(go(provider, uri, **OUTSIDE))
    assert "state" not in found
    token = provider.redeem(found["code"]).json()
    assert token["scope"] == "openid"
    assert to.claims_of(token["id_token"])["nonce"] == "n-1"


def test_the_steps_go_on_after_the_request_uri_expired(provider: Provider) -> None:
    """Who came in time may take their time to sign in: the stored interaction holds the parameters itself."""
    uri = pushed_uri(provider)
    step = go(provider, uri).headers["location"]
    assert step.startswith("/login?")
    _expire(provider)
    provider.sign_in()
    with provider.database.writing() as db:
        tokens.purge(db)
    interaction = dict(to.parse_qsl(step.partition("?")[2]))["return_to"]
    assert "code" in answered(provider.web.get(interaction))
    assert go(provider, uri).status_code == 400


def test_a_pushed_request_may_come_by_post(provider: Provider) -> None:
    """A request_uri that another site posts leads the same way as one in an address."""
    provider.sign_in()
    uri = pushed_uri(provider)
    posted = provider.web.post("/authorize", data={"client_id": to.PORTAL, "request_uri": uri})
    assert "code" in answered(provider.web.get(posted.headers["location"]))
    assert go(provider, uri).status_code == 400


def test_attempt_to_reuse_a_request_uri(provider: Provider) -> None:
    """Once a request was answered with a code its request_uri is worth nothing, and the person is told so kindly."""
    provider.sign_in()
    uri = pushed_uri(provider)
    assert "code" in answered(go(provider, uri))
    page = provider.web.get(
        "/authorize", params={"client_id": to.PORTAL, "request_uri": uri}, headers={"Accept": "text/html"}
    )
    assert page.status_code == 400
    assert "<h1>This sign-in is over</h1>" in page.text
    assert "start again" in page.text
    assert "location" not in page.headers


def test_reuse_before_authentication_is_completed_is_allowed(provider: Provider) -> None:
    """A person may reload the page or open it twice; of two tabs the first gets the code, and the other none."""
    uri = pushed_uri(provider)
    first, second = (
        dict(to.parse_qsl(go(provider, uri).headers["location"].partition("?")[2]))["return_to"]
        for _ in range(2)
    )
    provider.sign_in()
    assert "code" in answered(provider.web.get(first))
    assert provider.web.get(second).status_code == 404
    with provider.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(tables.code)) == 1


def test_of_many_who_open_one_request_uri_at_once_one_gets_a_code(provider: Provider) -> None:
    """Eight windows at the same moment, on any worker, come to one code: the row that it needs can be taken once."""
    provider.sign_in()
    uri = pushed_uri(provider)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: go(provider, uri), range(8)))
    assert sum("code=" in answer.headers.get("location", "") for answer in found) == 1
    assert {answer.status_code for answer in found} <= {303, 400, 404}
    with provider.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(tables.code)) == 1


def test_what_nobody_answered_is_deleted(provider: Provider) -> None:
    """A stored request outlives its request_uri by the time that a person has to sign in, and no more."""
    pushed_uri(provider)
    with provider.database.writing() as db:
        tokens.purge(db)
    assert _stored(provider) == 1
    with provider.database.writing() as db:
        table = tables.pushed_request
        row = db.execute(select(table)).one()
        assert (row.kept_until - row.expires_at).total_seconds() == parts(db).settings.interaction_seconds
        db.execute(update(table).values(kept_until=clock.now()))
        tokens.purge(db)
    assert _stored(provider) == 0


def test_attempt_to_use_an_expired_or_guessed_request_uri_or_anothers(provider: Provider) -> None:
    """Expired, made up and another client's look alike, and lead nowhere: not even to the address that is sent along."""
    provider.sign_in()
    uri = pushed_uri(provider)
    others = go(provider, uri, to.COMPANY, redirect_uri="https://shop.example/cb")
    guessed = go(provider, pushed.new_uri())
    _expire(provider)
    late = go(provider, uri, redirect_uri=to.CALLBACK)
    for answer in (others, guessed, late):
        assert answer.status_code == 400
        assert answer.json()["type"] == "urn:erti:problem:authorization-request-over"
    assert len({pushed.new_uri() for _ in range(50)}) == 50
    assert all(len(pushed.new_uri()) >= len(pushed.PREFIX) + 43 for _ in range(5))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request_uri": "https://portal.example/request"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/cb"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"resource": "https://api.other.example/"}, "invalid_target"),
        ({"authorization_details": "[]x"}, "invalid_authorization_details"),
        ({"response_mode": "nowhere"}, "invalid_request"),
        ({"id_token_hint": "not.a.token"}, "invalid_request"),
    ],
)
def test_mistakes_are_told_when_pushing(provider: Provider, changes: dict[str, Any], error: str) -> None:
    """Whatever the authorization endpoint would refuse is refused at once, in JSON, and nothing is stored."""
    answer = push(provider, **changes)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    assert _stored(provider) == 0


def test_attempt_to_push_a_parameter_twice(provider: Provider) -> None:
    """A repeated parameter is refused, known or not; only `resource` may be repeated (RFC 8707)."""
    twice = {**request(), "anything": ["a", "b"]}
    assert provider.post("/par", **twice).json()["error"] == "invalid_request"
    repeated = provider.post("/par", **request(resource=[to.API, to.ISSUER]))
    assert repeated.status_code == 201


def test_attempt_to_push_without_proof_of_who_asks(provider: Provider) -> None:
    """No secret, a wrong one, another client's name: invalid_client, and nothing is stored."""
    for secret in (None, "wrong"):
        answer = push(provider, to.PORTAL, secret)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    renamed = provider.post("/par", to.PORTAL, **request(to.COMPANY))
    assert renamed.json()["error"] == "invalid_client"
    assert _stored(provider) == 0


def test_attempt_to_push_by_another_method(provider: Provider) -> None:
    """PAR is POST alone; every other method is 405 with Allow (RFC 9126, 2.3)."""
    for method in ("GET", "PUT", "DELETE"):
        answer = provider.web.request(method, "/par", params=request())
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"


def test_a_secret_that_came_with_it_is_not_stored(provider: Provider) -> None:
    """What proves the client is no part of the request that is kept, which is sealed besides."""
    form = {**request(), "client_secret": to.SECRET, "login_hint": "nino@example.org"}
    with provider.database.writing() as db:
        clients.load(db, {"clients": [{**to.CLIENTS[0], "client_id": "poster", "token_endpoint_auth_method": "client_secret_post"}]}, actor=SYSTEM)  # fmt: skip
    answer = provider.web.post("/par", data={**form, "client_id": "poster"})
    assert answer.status_code == 201, answer.text
    with provider.database.reading() as db:
        kept = pushed.find(db, answer.json()["request_uri"], "poster")
        blob = db.scalar(select(tables.pushed_request.c.sealed))
    assert kept is not None
    assert kept.posted.get("client_secret") == ""
    assert kept.posted.get("login_hint") == "nino@example.org"
    assert b"nino" not in blob


def test_a_client_that_must_push_sends_nothing_else(provider: Provider) -> None:
    """Plain parameters of a client that has to push are refused at its redirect URI, whatever way they come."""
    with provider.database.writing() as db:
        clients.load(db, {"clients": [PUSHER]}, actor=SYSTEM)
    provider.sign_in()
    parameters = {**request(), "client_id": "pusher"}
    for more in ({}, {"request": "a.b.c"}, {"request_uri": "https://portal.example/request"}):
        plain = provider.web.get("/authorize", params={**parameters, **more})
        assert answered(plain)["error"] == "invalid_request"
    answer = provider.post("/par", "pusher", **parameters)
    assert "code" in answered(go(provider, answer.json()["request_uri"], "pusher"))


def test_attempt_to_flood_the_endpoint(provider: Provider) -> None:
    """A client, or whoever uses a public one's name, stores so many requests and so much; a large one counts more."""
    assert push(provider, state="x" * 1900, login_hint="y" * 8000).status_code == 201
    with provider.database.reading() as db:
        assert db.scalar(select(func.max(limits.limit_counter.c.hits))) >= 3
    with provider.database.writing() as db:
        db.execute(update(limits.limit_counter).values(hits=pushing.STORED_AT_MOST))
    answer = push(provider)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"] == "temporarily_unavailable"


@pytest.mark.parametrize("path", ["/par", "/authorize"])
def test_attempt_to_drown_it_in_parameters(provider: Provider, path: str) -> None:
    """10,000 parameters or a body of a megabyte are refused before anything is looked at."""
    many = "&".join(f"p{number}=1" for number in range(10_000)).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    before = clock.now()
    for content in (many, b"state=" + b"x" * 1_000_000):
        answer = provider.web.post(path, content=content, headers=form)
        assert answer.status_code in (400, 413)
    assert clock.now() - before < timedelta(seconds=2)
    assert provider.web.get("/authorize?" + many.decode()[:20_000]).status_code == 400


def test_the_log_says_what_to_change(provider: Provider) -> None:
    """For each refused request the log names client, rule and mistake, and nothing that a person could be known by."""
    with capture_logs() as lines:
        push(provider, scope="unknown", login_hint="nino@example.org")
        push(provider, redirect_uri="https://evil.example/nino")
        go(provider, pushed.new_uri())
    assert [line["rule"] for line in lines if line["event"].endswith("refused")] == [
        "scopes_are_for_this_client",
        "redirect_uri_is_registered",
        "it_could_be_read",
    ]
    assert all(line["client"] == to.PORTAL for line in lines)
    assert "nino" not in str(lines)


def test_the_page_of_an_unanswerable_request_has_a_reference_that_the_log_explains(
    provider: Provider,
) -> None:
    """A person reads a number; who asks for it in the log finds the client, the rule, and what its developer changes."""
    with capture_logs() as lines:
        page = provider.web.get(
            "/authorize",
            params=request(redirect_uri="https://evil.example/cb"),
            headers={"Accept": "text/html"},
        )
    line = next(line for line in lines if line["event"] == "refused")
    assert f'id="problem-reference">{line["reference"]}<' in page.text
    assert (line["client"], line["rule"]) == (to.PORTAL, "redirect_uri_is_registered")
    assert "character by character" in line["detail"]
    assert "evil.example" not in str(lines)


def test_an_unknown_client_id_is_logged_only_if_it_could_be_one(provider: Provider) -> None:
    """A text that no client ID can be does not reach the log."""
    with capture_logs() as lines:
        provider.web.get("/authorize", params=request(client_id="nobody\nerror=forged"))
        provider.web.get("/authorize", params=request(client_id="nobody"))
    assert [line["client"] for line in lines if line["event"] == "refused"] == ["", "nobody"]


NAMES = [*request(), "request", "request_uri", "client_secret", "claims", "resource", "response_mode", "x"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30), max_size=5))
def test_whatever_is_pushed_is_kept_or_refused(provider: Provider, changes: dict[str, str]) -> None:
    """Any form gets 201 with a request_uri, or an error of the standard with a description in its characters."""
    answer = provider.post("/par", **{**request(), **changes})
    told = answer.json()
    assert answer.status_code in (201, 400, 401)
    assert ("request_uri" in told) == (answer.status_code == 201)
    described = told.get("error_description", "")
    assert all(" " <= char <= "~" and char not in '"\\' for char in described)


def _stored(provider: Provider) -> int:
    with provider.database.reading() as db:
        return int(db.scalar(select(func.count()).select_from(tables.pushed_request)) or 0)


def _expire(provider: Provider) -> None:
    with provider.database.writing() as db:
        table = tables.pushed_request
        db.execute(update(table).values(expires_at=clock.now() - timedelta(seconds=1)))
