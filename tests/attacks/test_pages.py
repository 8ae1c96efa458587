"""Attempts through what people see and what programs log: scripts in names, frames around pages, lines inside headers."""

import html
import io
import re
from contextlib import redirect_stderr
from typing import Any

import structlog
from markupsafe import escape

from core.events import SYSTEM
from idp.oidc import clients
from idp.oidc.assertions import TYPE
from service import logs
from tests.attacks.conftest import register
from tests.attacks.raw import part
from tests.idp.oidc.provider import CLIENTS, PORTAL, SECRET, Provider, basic

SCRIPT = "\"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}'"
PAGE = {"Accept": "text/html"}
LINES = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>alert(1)</script>"
FRONT = "https://portal.example/bye-frame"


def named(provider: Provider, name: str) -> None:
    """Let the portal have a name and an address that ends its sessions in the browser."""
    portal = next(one for one in CLIENTS if one["client_id"] == PORTAL)
    with provider.database.writing() as db:
        clients.put(db, {**portal, "client_name": name, "frontchannel_logout_uri": FRONT}, actor=SYSTEM)


def clean(page: Any) -> None:
    """See that a page holds nothing that would run, and may hold nothing that is not ours."""
    assert "<script>alert" not in page.text
    assert "onerror=alert(1)>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert not re.findall(r'<(?:script|img|link|style)[^>]+(?:src|href)="(?:https?:)?//', page.text)


def test_attempt_to_run_a_script_by_a_clients_name(provider: Provider) -> None:
    """On each page that names a client its name is text: choosing, consenting, sending back, signing out."""
    named(provider, SCRIPT)
    clean(
        provider.web.get("/login", params={"login_hint": SCRIPT, "ui_locales": SCRIPT, "return_to": SCRIPT})
    )
    provider.sign_in()
    choosing = provider.authorize(prompt="select_account", login_hint=SCRIPT)
    asking = provider.web.get(provider.authorize(scope="openid profile").headers["location"])
    asking = provider.web.get(asking.headers["location"]) if asking.status_code == 303 else asking
    sending = provider.authorize(response_mode="form_post", state=SCRIPT)
    leaving = provider.web.get("/end-session", params={"client_id": PORTAL, "state": SCRIPT})
    for page in (choosing, asking, sending, leaving):
        assert page.status_code == 200, page.headers
        clean(page)
    for page in (choosing, sending, leaving):  # consent is asked in the agency's name
        assert str(escape(SCRIPT)) in page.text


def test_attempt_to_run_a_script_by_what_is_wrong(provider: Provider) -> None:
    """A page about a mistake repeats nothing of it, whichever parameter it stands in."""
    for name in (
        "client_id",
        "redirect_uri",
        "request_uri",
        "scope",
        "state",
        "response_mode",
        "error",
        "iss",
    ):
        answer = provider.web.get("/authorize", params={"client_id": "nobody", name: SCRIPT}, headers=PAGE)
        assert answer.status_code == 400
        assert "alert(1)" not in answer.text
        clean(answer)
    for path in ("/end-session", "/authorize/x", "/consent", "/device"):
        answer = provider.web.get(
            path, params={"post_logout_redirect_uri": SCRIPT, "i": SCRIPT, "user_code": SCRIPT}
        )
        assert "<script>alert" not in answer.text


def test_attempt_to_lead_elsewhere_when_signing_out(provider: Provider) -> None:
    """The page of goodbye leads to the registered address alone, its state is text in it, and frames can do no more than run."""
    named(provider, "Portal")
    provider.sign_in()
    provider.tokens()
    for uri in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "https://portal.example/bye?x",
                "https://portal.example/bye/../", "https://portal.example/bye#x"):  # fmt: skip
        wish = {"client_id": PORTAL, "post_logout_redirect_uri": uri}
        assert provider.web.get("/end-session", params=wish).status_code == 400, uri
    wish = {"client_id": PORTAL, "post_logout_redirect_uri": "https://portal.example/bye"}
    state = '0;url=https://evil.example/"><script>alert(1)</script>' + LINES
    asked = provider.web.get("/end-session", params={**wish, "state": state})
    clean(asked)
    forged = provider.web.post("/end-session/confirm", data=wish, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    fields = {name: html.unescape(value) for name, value in
              re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked.text)}  # fmt: skip
    gone = provider.web.post("/end-session/confirm", data=fields)
    clean(gone)
    assert "\n" not in str(dict(gone.headers))
    assert "stolen" not in str(gone.headers)
    (target,) = re.findall(r'http-equiv="refresh" content="5;url=([^"]+)"', gone.text)
    assert html.unescape(target).startswith("https://portal.example/bye?state=0%3Burl%3D")
    assert re.findall(r"frame-src ([^;]+);", gone.headers["content-security-policy"]) == [
        "https://portal.example"
    ]
    (frame,) = re.findall(r"<iframe[^>]+>", gone.text)
    assert 'sandbox="allow-scripts allow-same-origin"' in frame
    assert f'src="{FRONT}?iss=' in frame


def test_attempt_to_write_lines_into_headers(provider: Provider) -> None:
    """What a request holds is escaped in every header that repeats it, and repeated in no challenge."""
    provider.sign_in()
    for answer in (
        provider.authorize(state=LINES),
        provider.authorize(state=LINES, response_type="token"),
        provider.authorize(state=LINES, response_mode="fragment"),
        provider.web.post("/end-session", data={"state": LINES}),
        provider.web.get("/my", params={"x": LINES}),
    ):
        assert "\n" not in answer.headers.get("location", "")
        assert "stolen" not in answer.headers.get("set-cookie", "")
    for tried in ('a"b', "a, error=none", "a\\b", "\x7f", "é"):
        answer = provider.web.get(
            "/userinfo", headers={b"authorization": f"Bearer {tried}".encode("latin-1")}
        )
        assert tried not in answer.headers["www-authenticate"]
        assert answer.status_code == 401
    made = register(provider, grant_types=[SCRIPT], client_name=LINES)
    assert made.status_code == 400
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", made.json()["error_description"])


def test_attempt_to_read_from_another_site_with_a_persons_cookie(provider: Provider) -> None:
    """Programs of other sites may call where no cookie counts; nowhere may they send one, and registration is not for them."""
    origin = {"Origin": "https://evil.example"}
    token = provider.own_token()
    for answer in (
        provider.web.post("/token", data={"grant_type": "x"}, headers=origin),
        provider.web.post("/par", headers=origin),
        provider.web.options("/par", headers=origin),
        provider.web.get("/userinfo", headers={**origin, "Authorization": f"Bearer {token}"}),
        provider.web.get("/jwks.json", headers=origin),
        provider.web.get("/login", headers=origin),
        provider.web.post("/register", json={}, headers=origin),
    ):
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers.get("access-control-allow-origin", "*") == "*"
    for path in ("/register", "/login", "/authorize", "/end-session", "/introspect"):
        answer = provider.web.options(path, headers={**origin, "Access-Control-Request-Method": "POST"})
        assert "access-control-allow-origin" not in answer.headers, path


def test_attempt_to_keep_a_secret_answer_in_a_cache(provider: Provider) -> None:
    """No answer with a token, a secret or a citizen's data may be stored on its way, signed introspection among them."""
    token = provider.own_token()
    signed = {"Authorization": basic(PORTAL, SECRET), "Accept": "application/token-introspection+jwt"}
    answers = [
        provider.web.post("/introspect", data={"token": token}, headers=signed),
        provider.post("/introspect", token=token),
        provider.token(grant_type="client_credentials"),
        provider.userinfo(token),
        register(provider),
        provider.post("/par"),
    ]
    assert [one.headers["cache-control"] for one in answers] == ["no-store"] * len(answers)
    assert answers[0].headers["content-type"].startswith("application/token-introspection+jwt")


def test_attempt_to_forge_lines_of_the_log(provider: Provider) -> None:
    """What somebody writes into an assertion or a request is one value of one line, without anything that moves a cursor."""
    forged = "\x1b[2Jportal\nrefused code=none client=portal\x07"
    signed = f"{part({'alg': 'ES256'})}.{part({'iss': forged, 'sub': forged})}.c2ln"
    before = structlog.get_config()
    for kind in ("text", "json"):
        said = io.StringIO()
        try:
            with redirect_stderr(said):
                logs.start(kind)
                structlog.get_logger("attack").info("refused", client=forged, cursor="\x1b[2J")
                form = {
                    "grant_type": "client_credentials",
                    "client_assertion": signed,
                    "client_assertion_type": TYPE,
                }
                provider.web.post("/token", data=form)
                provider.web.get("/authorize", params={"client_id": forged})
        finally:
            structlog.configure(**before)
        lines = said.getvalue().splitlines()
        assert lines
        assert all(line.isprintable() for line in lines), lines
        assert not [line for line in lines if line.startswith("refused")]
