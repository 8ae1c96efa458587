"""Attempts with tokens that are somebody else's: bound to a key, sent as if they were not, or with a proof made for elsewhere."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from idp.oidc import dpop, nonces
from tests.conftest import ISSUER
from tests.idp.oidc.proofs import Prover
from tests.idp.oidc.provider import PORTAL, SECRET, Provider, basic

SCOPES = "attributes disputes ssf.read ssf.manage grant_management_query grant_management_revoke"
REGISTRATION = "/register"  # takes tokens of its own, by Bearer alone (RFC 7592)
PLACE = re.compile(r"{[^}]+}")


@pytest.fixture
def prover(provider: Provider) -> Prover:
    """A client's key, with a nonce that the server gave it."""
    prover = Prover()
    prover.nonce = nonces.current(provider.database.parts)
    return prover


def doors(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that says, to whoever comes with nothing, that it takes tokens bound to a key."""
    found = []
    for path, does in app.openapi()["paths"].items():
        if not path.startswith(REGISTRATION):
            found += [(method.upper(), PLACE.sub("1", path)) for method in does if method != "options"]
    return found


def bound(provider: Provider, prover: Prover) -> str:
    """A token of the portal's own that is bound to a key."""
    headers = {"Authorization": basic(PORTAL, SECRET), "DPoP": prover.proof("POST", f"{ISSUER}/token")}
    form = {"grant_type": "client_credentials", "scope": "attributes"}
    answer = provider.web.post("/token", data=form, headers=headers)
    assert answer.json()["token_type"] == "DPoP", answer.text
    return str(answer.json()["access_token"])


def call(provider: Provider, method: str, path: str, scheme: str, token: str, *proofs: str) -> Any:
    """Show a token somewhere."""
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    return provider.web.request(method, path, headers=headers)


def test_attempt_to_show_a_bound_token_as_a_bearer(provider: Provider, prover: Prover, app: FastAPI) -> None:
    """At every endpoint that takes tokens, a bound one without its proof is invalid_token, before anything else is looked at."""
    token, seen = bound(provider, prover), set()
    for method, path in doors(app):
        if dpop.SCHEME not in provider.web.request(method, path).headers.get("www-authenticate", ""):
            continue
        seen.add(path.split("/")[1])
        for proofs in ((), (prover.proof(method, f"{ISSUER}{path}", token=token),)):
            answer = call(provider, method, path, "Bearer", token, *proofs)
            assert answer.status_code == 401, (method, path)
            assert answer.json()["error"] == "invalid_token", (method, path)
            assert answer.headers["www-authenticate"].startswith("DPoP error="), (method, path)
    assert seen >= {"userinfo", "attributes", "citizens", "grants", "receipts", "disputes", "ssf"}


def test_attempt_to_use_a_proof_at_another_endpoint(provider: Provider, prover: Prover, app: FastAPI) -> None:
    """A proof for UserInfo opens nothing else, nor does one for the token endpoint, or for the same path by another method."""
    token = bound(provider, prover)
    for method, path in doors(app):
        if dpop.SCHEME not in provider.web.request(method, path).headers.get("www-authenticate", ""):
            continue
        for proof in (
            prover.proof(method, f"{ISSUER}/token", token=token),
            prover.proof("PUT" if method != "PUT" else "GET", f"{ISSUER}{path}", token=token),
            prover.proof(method, f"https://evil.example{path}", token=token),
            prover.proof(method, f"{ISSUER}{path}"),
        ):
            answer = call(provider, method, path, dpop.SCHEME, token, proof)
            assert answer.status_code == 401, (method, path)
            assert answer.json()["error"] == "invalid_dpop_proof", (method, path)


def test_attempt_to_use_one_proof_twice_over_endpoints(provider: Provider, prover: Prover) -> None:
    """What was used at the token endpoint is used up there, for every client; a token of another key's does not go with it."""
    proof = prover.proof("POST", f"{ISSUER}/token")
    form = {"grant_type": "client_credentials", "scope": "attributes"}
    for client, expected in ((PORTAL, 200), (PORTAL, 400)):
        headers = {"Authorization": basic(client, SECRET), "DPoP": proof}
        assert provider.web.post("/token", data=form, headers=headers).status_code == expected
    thief, token = Prover(), bound(provider, prover)
    thief.nonce = prover.nonce
    for path in ("/disputes", "/userinfo"):
        answer = call(
            provider, "GET", path, dpop.SCHEME, token, thief.proof("GET", f"{ISSUER}{path}", token=token)
        )
        assert answer.json()["error"] == "invalid_token", path


def test_attempt_with_a_forwarded_address_of_ones_own(provider: Provider) -> None:
    """Who comes from anywhere but a trusted proxy changes neither issuer, nor cookies, nor the address of a proof."""
    usual = provider.web.get("/.well-known/openid-configuration").json()
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example",
              "X-Forwarded-For": "10.9.8.7", "Client-Cert": ":AAAA:", "X-Original-URL": "/admin"}  # fmt: skip
    assert provider.web.get("/.well-known/openid-configuration", headers=forged).json() == usual
    assert (
        provider.web.get("/.well-known/openid-configuration", headers={"Host": "evil.example"}).json()
        == usual
    )
    page = provider.web.get("/login", headers={**forged, "Host": "evil.example", "Accept": "text/html"})
    assert "evil.example" not in page.text + str(page.headers)
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    assert "domain" not in cookie.lower()
