"""Anything at all, sent to the endpoints for programs: the answer is the standard's own, never an error of ours."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.oidc.assertions import TYPE
from tests.idp.oidc.provider import COMPANY, PORTAL, SECRET, Provider, basic

# What is parsed does not depend on the engine; what no database holds does, and stands in test_registering.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ENDPOINTS = ("/token", "/introspect", "/revoke", "/par", "/device_authorization", "/userinfo")
GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password",
          "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange")  # fmt: skip
NAMES = st.sampled_from(
    ["code", "code_verifier", "redirect_uri", "refresh_token", "scope", "resource", "token", "token_type_hint",
     "client_id", "client_secret", "client_assertion", "client_assertion_type", "device_code", "subject_token",
     "subject_token_type", "actor_token", "audience", "requested_token_type", "request", "authorization_details",
     "claims", "dpop_jkt", "access_token", "user_code", "grant_type"]
)  # fmt: skip
WORDS = st.sampled_from(
    [PORTAL, COMPANY, SECRET, TYPE, "a.b.c", "..", "a.b.c.d.e", "[]", "{}", "openid", "urn:x",
     "urn:ietf:params:oauth:token-type:access_token", *GRANTS]
)  # fmt: skip
FORMS = st.lists(st.tuples(NAMES, WORDS | st.text(max_size=20)), max_size=6)
CREDENTIALS = st.one_of(
    st.none(),
    st.just(basic(PORTAL, SECRET).encode()),
    st.binary(max_size=30).map(lambda raw: b"Basic " + base64.b64encode(raw)),
    st.text("BasicearDPop =,:\t\xe9", max_size=20).map(lambda text: text.strip().encode("latin-1")),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["alg", "typ", "kid", "jwk", "crit", "zip", "enc", "cty", "x5c", "epk", "iss", "sub", "aud",
                           "exp", "iat", "jti", "htm", "htu", "nonce", "sid", "events", "client_id"])  # fmt: skip
OBJECTS = st.dictionaries(
    MEMBERS, JSON | st.sampled_from(["ES256", "none", "HS256", "dpop+jwt", "A128GCM"]), max_size=5
)
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def part(content: Any) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@FUZZ
@given(st.sampled_from(ENDPOINTS), st.sampled_from(GRANTS), FORMS, CREDENTIALS)
def test_any_form_is_answered_as_the_standard_says(
    provider: Provider, path: str, grant: str, fields: list[tuple[str, str]], credentials: bytes | None
) -> None:
    """Whatever stands in a form and in Basic credentials, the answer is JSON with an error, or what the client may have."""
    form: dict[str, list[str]] = {"grant_type": [grant]}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    headers = {b"authorization": credentials} if credentials else {}
    answer = provider.web.post(path, data=form, headers=headers)
    assert answer.status_code in (200, 201, 400, 401, 403), answer.text
    if answer.status_code >= 400:
        assert isinstance(answer.json()["error"], str)
        assert answer.headers["cache-control"] == "no-store"


@FUZZ
@given(OBJECTS | JSON, OBJECTS | JSON, st.integers(1, 5))
def test_any_jose_text_is_refused_wherever_one_is_taken(
    provider: Provider, header: Any, payload: Any, parts: int
) -> None:
    """A header and claims of any shape prove nothing: as assertion, request, hint, statement, proof, token."""
    text = ".".join([part(header), part(payload), "c2ln", "eA", "eQ"][:parts])
    proven = {"client_assertion": text, "client_assertion_type": TYPE, "grant_type": "client_credentials"}
    assert provider.web.post("/token", data=proven).status_code in (400, 401)
    hinted = provider.authorize(prompt="none", id_token_hint=text)
    assert "code=" not in hinted.headers["location"]
    assert provider.authorize(request=text).status_code in (303, 400)
    assert provider.web.get("/end-session", params={"id_token_hint": text}).status_code == 303
    shown = {"Authorization": f"DPoP {text}", "DPoP": text}
    assert provider.web.get("/userinfo", headers=shown).status_code == 401
    assert provider.userinfo(text).status_code == 401
    document = {"redirect_uris": ["https://new.example/cb"], "software_statement": text}
    assert provider.web.post("/register", json=document).status_code in (400, 429)


@FUZZ
@given(st.dictionaries(st.sampled_from(["redirect_uris", "jwks", "scope", "contacts", "default_max_age", "client_name",
                                        "request_uris", "grant_types", "client_id", "require_pkce"])
                       | st.text(max_size=6), JSON, max_size=5))  # fmt: skip
def test_any_document_registers_or_is_refused(provider: Provider, document: dict[str, Any]) -> None:
    """Any JSON at the endpoint itself, down to what is stored: registered, or refused by a code of the standard."""
    body = json.dumps({"redirect_uris": ["https://new.example/cb"], **document})
    answer = provider.web.post("/register", content=body)
    assert answer.status_code in (201, 400, 429), answer.text
    if answer.status_code == 400:
        assert answer.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")
