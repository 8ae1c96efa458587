"""Attempts to drown the service: what is too large is refused fast, and in little memory."""

import base64
import json
import time
from typing import Any

import pytest
from fastapi import FastAPI

from idp.oidc.assertions import TYPE
from tests.attacks import raw
from tests.attacks.raw import part
from tests.idp.oidc.provider import PORTAL, PUBLIC, SECRET, Provider, basic, request

MB = 1_000_000
SECONDS = 2.0  # with every allocation traced on a busy machine; without it is milliseconds
MEMORY = 1_500_000  # bytes, beside what was sent
FORM = {"content-type": b"application/x-www-form-urlencoded"}
AS_PORTAL = {"authorization": basic(PORTAL, SECRET).encode()}
# What is too large is refused before a database is asked: one engine is enough.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ENDPOINTS = ("/token", "/par", "/introspect", "/revoke", "/userinfo", "/device_authorization", "/authorize",
             "/end-session")  # fmt: skip


HUGE = f"{part({'alg': 'ES256', 'kid': 'x' * MB})}.{part({'iss': PORTAL})}.c2ln"
HUGE_FIVE = f"{HUGE}.e.f"
FITTING = (
    f"{part({'alg': 'ES256', 'kid': 'x' * 40_000})}.{part({'iss': PORTAL})}.c2ln"  # that a form can hold
)
NESTED = f"{part({'alg': 'ES256'})}.{base64.urlsafe_b64encode(b'[' * 12_000).decode().rstrip('=')}.c2ln"


def refused(app: FastAPI, method: str, path: str, **more: Any) -> bytes:
    """Send something, and see that it was refused in time and memory."""
    size = sum(len(value) for value in (more.get("headers") or {}).values()) + len(more.get("query", b""))
    began = time.monotonic()
    heard = raw.send(app, method, path, measured=True, **more)
    assert time.monotonic() - began < SECONDS, (path, time.monotonic() - began)
    assert heard.peak < MEMORY + size, (path, heard.peak)
    assert heard.status in (303, 400, 401, 413, 431), (path, heard.status, heard.body[:200])
    return heard.body


def form(**fields: str) -> bytes:
    """A form whose values need no escapes."""
    return "&".join(f"{name}={value}" for name, value in fields.items()).encode()


def test_attempt_with_a_body_of_a_megabyte(provider: Provider, app: FastAPI) -> None:
    """Every endpoint that takes a form or JSON stops reading at its limit."""
    del provider
    for path in ENDPOINTS:
        refused(app, "POST", path, headers=FORM, body=b"a=" + b"x" * MB)
    for method, path in (("POST", "/register"), ("PUT", "/register/x"), ("POST", "/ssf/stream")):
        refused(app, method, path, body=b'{"client_name":"' + b"x" * MB)


def test_attempt_with_ten_thousand_parameters(provider: Provider, app: FastAPI) -> None:
    """No endpoint takes a form or an address with so many apart."""
    del provider
    many = b"&".join(b"a%d=" % number for number in range(10_000))
    for path in ENDPOINTS:
        refused(app, "POST", path, headers=FORM, body=many)
    for path in ("/authorize", "/end-session"):
        refused(app, "GET", path, query=many)


def test_attempt_with_an_address_or_a_header_of_a_megabyte(app: FastAPI) -> None:
    """Whatever is asked, an endless address or header is not taken apart: it is refused by its length."""
    for path in ("/authorize", "/login", "/healthz", "/nowhere"):
        _endless(app, path)


def _endless(app: FastAPI, path: str) -> None:
    for query in (b"a&" * (MB // 2), b"ui_locales=" + b"%41" * (MB // 3)):
        assert raw.send(app, "GET", path, query=query).status == 431
        refused(app, "GET", path, query=query)
    for header in ({"cookie": b"a=b;" * (MB // 4)}, {"accept-language": b"a," * (MB // 2)}):
        refused(app, "GET", path, headers=header)


@pytest.mark.parametrize(
    "token", [HUGE, HUGE_FIVE, FITTING, NESTED], ids=["huge", "encrypted", "fitting", "nested"]
)
def test_attempt_with_a_jwt_with_a_header_of_a_megabyte(provider: Provider, app: FastAPI, token: str) -> None:
    """Each endpoint that takes a JWT refuses one that is too long or too deep before it looks for a key."""
    assertion = form(grant_type="client_credentials", client_assertion=token, client_assertion_type=TYPE)
    asked = request(code_challenge="c" * 43)
    for path in ("/token", "/par", "/introspect", "/revoke", "/device_authorization"):
        refused(app, "POST", path, headers=FORM, body=assertion)
    pushed = refused(app, "POST", "/par", headers={**FORM, **AS_PORTAL}, body=form(**asked, request=token))
    assert b"request_uri" not in pushed
    plain = {name: value for name, value in asked.items() if name != "redirect_uri"}
    for name in ("request", "id_token_hint"):
        query = form(**plain, **{name: token}) + b"&redirect_uri=https%3A%2F%2Fportal.example%2Fcb"
        refused(app, "GET", "/authorize", query=query)
        refused(app, "POST", "/authorize", headers=FORM, body=query)
    refused(app, "GET", "/end-session", query=form(id_token_hint=token))
    refused(app, "POST", "/register", body=json.dumps({"software_statement": token}).encode())
    exchange = form(
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange", subject_token=token,
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
    )  # fmt: skip
    refused(app, "POST", "/token", headers={**FORM, **AS_PORTAL}, body=exchange)
    for path, body in (
        ("/token", form(grant_type="authorization_code", client_id=PUBLIC, code="x")),
        ("/par", b""),
    ):
        refused(app, "POST", path, headers={**FORM, "dpop": token.encode()}, body=body)
    for scheme in (b"DPoP ", b"Bearer "):
        shown = {"authorization": scheme + token.encode(), "dpop": token.encode()}
        refused(app, "GET", "/userinfo", headers=shown)


def test_attempt_with_credentials_of_a_megabyte(provider: Provider, app: FastAPI) -> None:
    """Basic credentials and certificates in headers are bounded as well, and what fits costs little."""
    del provider
    for length in (MB, 60_000):
        tried = b"Basic " + base64.b64encode(b"a%41:" * (length // 8))
        refused(app, "POST", "/token", headers={**FORM, "authorization": tried}, body=b"grant_type=x")
        refused(app, "GET", "/userinfo", headers={"client-cert": b":" + b"A" * length + b":"})
