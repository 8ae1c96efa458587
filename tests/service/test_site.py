"""The front page, the switch of language, and what operators ask."""

import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.requests import Request
from starlette.testclient import TestClient

from consent.ledger import signer
from consent.ledger.tables import checkpoint
from core import limits
from core.database import Database
from core.pages import STATIC_FOLDER
from core.web import network
from idp.login import throttle


def test_the_front_page_is_there_in_each_language(client: TestClient) -> None:
    """The front page speaks the browser's language and can be switched."""
    georgian = client.get("/", headers={"accept-language": "ka", "accept": "text/html"})
    switched = client.get("/language/en?return_to=/about")

    assert 'lang="ka"' in georgian.text
    assert switched.status_code == 303
    assert switched.headers["location"] == "/about"


def test_the_language_switch_leads_nowhere_else(client: TestClient) -> None:
    """A way back to another site is not followed."""
    assert client.get("/language/en?return_to=https://evil.example").headers["location"] == "/"


def test_every_answer_wears_its_headers(client: TestClient) -> None:
    """Pages, files and errors carry the security headers, and no script or style stands inside a page."""
    for path in ("/", "/static/erti.css", "/nowhere", "/healthz"):
        headers = client.get(path, headers={"accept": "text/html"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "base-uri 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        seconds, subdomains = headers["strict-transport-security"].split("; ")
        assert int(seconds.removeprefix("max-age=")) >= 31_536_000
        assert subdomains == "includeSubDomains"


def test_every_answer_says_what_it_is(client: TestClient) -> None:
    """A page, a file, a refusal and a figure each have a media type that fits, text with its character set."""
    for path, accept, kind in (
        ("/", "text/html", "text/html; charset=utf-8"),
        ("/static/erti.css", "*/*", "text/css; charset=utf-8"),
        ("/nowhere", "*/*", "application/problem+json"),
        ("/healthz", "*/*", "text/plain; charset=utf-8"),
        ("/jwks.json", "*/*", "application/jwk-set+json"),
    ):
        assert client.get(path, headers={"accept": accept}).headers["content-type"] == kind


def test_every_cookie_stays_with_this_host(client: TestClient) -> None:
    """Each cookie that a browser gets before and while it signs in is bound to this host, to TLS, and shut to scripts."""
    answers = [client.get("/language/ka"), client.get("/login"), client.get("/activate")]
    cookies = [line for answer in answers for line in answer.headers.get_list("set-cookie")]
    assert len({line.partition("=")[0] for line in cookies}) > 1
    for line in cookies:
        name, *rules = line.split("; ")
        assert name.startswith("__Host-")
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=lax"} <= set(rules)
        assert not [rule for rule in rules if rule.startswith("Domain")]


def test_a_password_is_covered_and_managers_may_fill_it_in(client: TestClient) -> None:
    """The field covers what is typed and says what belongs into it; nothing shortens it, and no script looks at pasting."""
    (field,) = re.findall(r"<input[^>]*type=.password[^>]*>", client.get("/login").text)
    assert 'autocomplete="current-password"' in field
    assert "maxlength" not in field
    assert not [path for path in STATIC_FOLDER.glob("*.js") if "paste" in path.read_text(encoding="utf-8")]


def test_nothing_is_answered_that_is_not_offered(client: TestClient) -> None:
    """TRACE, other methods, lists of files, documentation of the framework and files outside the static folder get nothing."""
    for method in ("TRACE", "PUT", "DELETE", "CONNECT"):
        assert client.request(method, "/").status_code == 405
    for path in (
        "/static/",
        "/static/../core/web.py",
        "/static/..%2fweb.py",
        "/.git/config",
        "/docs",
        "/openapi.json",
    ):
        assert client.get(path).status_code == 404, path


def test_head_is_answered_as_get_is_without_a_body(client: TestClient) -> None:
    """HEAD gets the status and headers of GET and nothing else, wherever GET is; where only POST is, it is refused."""
    for path in (
        "/",
        "/healthz",
        "/.well-known/openid-configuration",
        "/static/erti.css",
        "/my/data",
        "/nowhere",
    ):
        got, head = (client.request(method, path, follow_redirects=False) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (got.status_code, b""), path
        for name in ("content-type", "content-security-policy", "location"):
            assert head.headers.get(name) == got.headers.get(name), path
    assert client.head("/token").status_code == 405


def test_an_unknown_address_is_a_page_for_people_and_a_problem_for_programs(client: TestClient) -> None:
    """The same refusal is HTML with a reference for a browser, and RFC 9457 for anyone else."""
    page = client.get("/nowhere", headers={"accept": "text/html"})
    problem = client.get("/nowhere")

    assert page.status_code == problem.status_code == 404
    assert 'id="problem-reference"' in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["type"] == "urn:erti:problem:missing"


def test_health_and_readiness(client: TestClient) -> None:
    """The process lives, and is ready with its database and sequencer."""
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz").json()
    assert ready["database"]
    assert ready["sequencer"]
    assert ready["checkpoint"]


def test_a_process_is_not_ready_while_nobody_signs(client: TestClient, database: Database) -> None:
    """Readiness goes by the rule that stops releases: the newest checkpoint's age, and nobody else's."""
    signed = signer.sign_if_due(database)
    assert signed is not None
    old = signed.at - timedelta(seconds=database.parts.settings.checkpoint_stale_seconds + 1)
    with database.writing() as db:
        db.execute(update(checkpoint).values(at=old))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert not answer.json()["checkpoint"]


@pytest.mark.parametrize(
    "path", ["/my/sharing/a%00b", "/authorize?client_id=%00", "/%00", "/login?return_to=%00"]
)
def test_a_nul_is_refused_at_the_edge(client: TestClient, path: str) -> None:
    """No address with a NUL reaches a look-up, which PostgreSQL would refuse half-way."""
    assert client.get(path).status_code == 400


def test_the_last_forwarded_address_counts(client: TestClient, app: FastAPI) -> None:
    """Of several forwarded lines the proxy's own, the last, names the visitor."""
    app.state.settings = app.state.settings.model_copy(update={"trusted_proxies": ("10.0.0.0/8",)})
    scope = {
        "type": "http",
        "app": app,
        "client": ("10.0.0.1", 1),
        "headers": [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"192.0.2.7")],
    }

    assert network(Request(scope)) == "192.0.2.7"


def test_figures_are_for_the_named_networks_alone(client: TestClient) -> None:
    """A caller from elsewhere is told there is nothing there."""
    assert client.get("/metrics").status_code == 404


def test_the_figures_say_when_guesses_come_from_everywhere(app: FastAPI, database: Database) -> None:
    """The count of wrong guesses and the alarm stand there for each way, and letters that were given up."""
    alarm = app.state.settings.guessing_alarm
    with database.writing() as db:
        limits.hit(db, throttle.EVERYWHERE, "card", most=alarm, per_seconds=300, times=alarm)
        limits.hit(db, throttle.EVERYWHERE, "totp", most=alarm, per_seconds=300, times=alarm - 1)
    said = TestClient(app, client=("127.0.0.1", 50000)).get("/metrics").text.splitlines()
    for line in (
        f'erti_wrong_guesses{{method="card"}} {alarm}.0',
        'erti_guessing_alarm{method="card"} 1.0',
        'erti_guessing_alarm{method="totp"} 0.0',
        'erti_guessing_alarm{method="password"} 0.0',
        "erti_letters_given_up 0.0",
    ):
        assert line in said


@pytest.mark.parametrize("name", ["erti.css", "passkey.js", "session.js", "favicon.svg"])
def test_pages_stay_light(client: TestClient, name: str) -> None:
    """Every file that pages load is there and small."""
    answer = client.get(f"/static/{name}")

    assert answer.status_code == 200
    assert len(answer.content) == (STATIC_FOLDER / name).stat().st_size < 40_000
