"""How clients prove who they are, and what a token they hold is worth to whom."""

import base64
import hmac
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import SYSTEM
from core.forms import Posted
from idp.oidc import clients
from idp.oidc.calls import Call
from idp.oidc.server import authentication
from idp.oidc.server.requests import Request
from keys import jwks, signing
from keys.errors import BadToken
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, SECRET, Provider, basic, claims_of

OWN = {"grant_type": "client_credentials", "scope": "attributes"}


def bare(client: str, secret: str) -> str:
    """Return a Basic header whose parts are not form-encoded."""
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def encoded(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def test_basic_credentials_are_form_decoded(provider: Provider) -> None:
    """A secret with blanks, plus and percent signs works form-encoded in Basic (RFC 6749, 2.3.1)."""
    assert "+" in SECRET
    answer = provider.web.post("/token", data=OWN, headers={"Authorization": basic(to.PORTAL, SECRET)})
    assert answer.status_code == 200


def test_basic_credentials_are_taken_bare_too(provider: Provider) -> None:
    """A client that does not encode its secret is let in as well, since many do not."""
    answer = provider.web.post("/token", data=OWN, headers={"Authorization": bare(to.PORTAL, SECRET)})
    assert answer.status_code == 200


def test_only_the_registered_method_counts(provider: Provider) -> None:
    """A secret in the form is refused for a client that registered Basic, and two ways at once for any."""
    posted = provider.web.post("/token", data={**OWN, "client_id": to.PORTAL, "client_secret": SECRET})
    assert (posted.status_code, posted.json()["error"]) == (401, "invalid_client")
    both = provider.token(client_secret=SECRET, **OWN)
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": "Bearer x"},
        {"Authorization": bare("nobody", SECRET)},
        {"Authorization": bare(to.PORTAL, "")},
        {"Authorization": bare(to.PORTAL, "wrong")},
        {"Authorization": bare(to.PUBLIC, "anything")},
    ],
)
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_every_failure_looks_the_same(provider: Provider, headers: dict[str, str], path: str) -> None:
    """An unknown client, a wrong secret and a missing one get one and the same answer everywhere."""
    form = {**OWN, "token": "x", "client_id": to.PORTAL}
    answer = provider.web.post(path, data=form, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "The client could not be authenticated.",
    }


def test_a_client_cannot_act_under_two_names(provider: Provider) -> None:
    """The client_id in the form must be the one that authenticated."""
    assert provider.token(client_id=to.COMPANY, **OWN).json()["error"] == "invalid_client"


def test_a_public_client_that_brings_a_secret_is_refused(provider: Provider) -> None:
    """A public client proves nothing with a secret, and may not try."""
    provider.sign_in()
    answer = provider.redeem(provider.code(to.PUBLIC), to.PUBLIC, None, client_secret="x")
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "made up"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "made up"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "openid"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "resource": "https://other.example/"}, "invalid_target"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
    ],
)
def test_each_mistake_at_the_token_endpoint_gets_the_standards_error(
    provider: Provider, form: dict[str, Any], error: str
) -> None:
    """Mistakes get 400 with the error code that RFC 6749 and RFC 8707 name, never to be cached."""
    answer = provider.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


def test_a_body_that_is_no_form_is_an_invalid_request(provider: Provider) -> None:
    """JSON at the token endpoint gets the standard's error, too."""
    answer = provider.web.post("/token", json=OWN)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_grant_types_must_be_registered(provider: Provider) -> None:
    """A client gets no tokens by a grant type that it did not register."""
    answer = provider.token("api", grant_type="authorization_code", code="x")
    assert answer.json()["error"] == "unauthorized_client"


def test_a_clients_own_token_holds_no_citizen(provider: Provider) -> None:
    """Client credentials give a token without refresh or ID token, and UserInfo is closed to it."""
    answer = provider.token(**OWN).json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    assert provider.userinfo(answer["access_token"]).status_code == 403


def test_a_switched_off_client_is_refused_and_its_tokens_with_it(provider: Provider) -> None:
    """Switching a client off ends what it can do with tokens it already holds."""
    provider.sign_in()
    given_before = provider.tokens()
    with provider.database.writing() as db:
        clients.switch(db, to.PORTAL, active=False, actor=SYSTEM)
    assert provider.token(**OWN).status_code == 401
    assert provider.userinfo(given_before["access_token"]).status_code == 401


def test_a_jwt_for_another_resource_is_one_of_rfc_9068(provider: Provider) -> None:
    """A token for another resource is a JWT of typ at+jwt that lives five minutes and names its audience."""
    provider.sign_in()
    answer = provider.tokens(resource=to.API)
    token = answer["access_token"]
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    claims = claims_of(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert (claims["iss"], claims["aud"], claims["sub"], claims["client_id"]) == (
        ISSUER,
        to.API,
        CITIZEN,
        to.PORTAL,
    )
    assert claims["exp"] - claims["iat"] <= 300
    assert provider.userinfo(token).status_code == 401


def test_the_resource_and_the_client_may_introspect_and_nobody_else(provider: Provider) -> None:
    """A token is active for the client it was issued to and for its audience; for others it does not exist."""
    provider.sign_in()
    token = provider.tokens(resource=to.API)["access_token"]
    for client in (to.PORTAL, "api"):
        found = provider.introspected(token, client)
        assert (found["active"], found["aud"], found["sub"]) == (True, to.API, CITIZEN)
    assert provider.introspected(token, to.COMPANY) == {"active": False}
    assert provider.introspected("made up") == {"active": False}


def test_an_id_token_is_no_access_token(provider: Provider) -> None:
    """An ID token opens nothing, though it is signed by the same key."""
    provider.sign_in()
    id_token = provider.tokens()["id_token"]
    assert provider.userinfo(id_token).status_code == 401
    assert provider.introspected(id_token) == {"active": False}


def test_tokens_for_one_use_do_not_verify_for_another(provider: Provider) -> None:
    """The type in the header keeps access tokens and ID tokens apart (RFC 8725, 3.11)."""
    provider.sign_in()
    given_both = provider.tokens(resource=to.API)
    with provider.database.reading() as db:
        signing.verify(db, given_both["id_token"], typ="JWT", audience=to.PORTAL)
        for token, typ in ((given_both["id_token"], "at+jwt"), (given_both["access_token"], "JWT")):
            with pytest.raises(BadToken):
                signing.verify(db, token, typ=typ)


def test_forged_algorithms_are_refused(provider: Provider) -> None:
    """A hint signed HS256 with the public key, or not at all, or with a key in its header, is not ours."""
    provider.sign_in()
    genuine = provider.tokens()["id_token"]
    with provider.database.reading() as db:
        key = next(one for one in jwks.public(db)["keys"] if one["alg"] == "ES256")
    payload, signature = genuine.split(".")[1:]
    none = encoded(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    forged = [f"{none}.{payload}.", f"{none}.{payload}.{signature}"]
    for secret in (json.dumps(key), key["x"], " " + key["x"], ""):
        header = encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": key["kid"], "jwk": key}).encode())
        signed = hmac.digest(secret.encode(), f"{header}.{payload}".encode(), "sha256")
        forged.append(f"{header}.{payload}.{encoded(signed)}")
    for token in forged:
        assert to.answered(provider.authorize(id_token_hint=token))["error"] == "invalid_request"
        assert provider.userinfo(token).status_code == 401
        assert provider.introspected(token) == {"active": False}


@given(st.binary(max_size=60))
def test_any_basic_header_is_read_or_refused(content: bytes) -> None:
    """Whatever stands after Basic, reading it never breaks."""
    header = "Basic " + base64.b64encode(content).decode()
    request = Request(Posted(), Call("POST", f"{ISSUER}/token", (header,)))
    assert authentication.by_basic(SimpleNamespace(query_client=lambda _client_id: None), request) is None


def test_a_basic_header_that_is_no_ascii_is_refused(provider: Provider) -> None:
    """Credentials with letters beyond ASCII outside their base64 are wrong ones, and no fault of the server."""
    answer = provider.web.post(
        "/token",
        data={"grant_type": "client_credentials"},
        headers={b"Authorization": "Basic é".encode("latin-1")},
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
