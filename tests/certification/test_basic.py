"""The plans Basic OP and Form Post Basic OP, and what of them the Dynamic OP plan repeats."""

from typing import Any

import pytest

from tests.certification import relying as suite
from tests.certification.relying import CALLBACK, CLAIMS, Relying, essential, unsigned
from tests.idp.oidc.provider import CHALLENGE, VERIFIER

INTERACTION_ERRORS = (
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
)
BY_SCOPE = {
    "profile": (
        "name", "given_name", "middle_name", "family_name", "nickname", "preferred_username", "profile",
        "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip


@pytest.mark.module("oidcc-server")
def test_the_code_flow(relying: Relying) -> None:
    """A code leads to tokens, the ID token verifies, and UserInfo speaks of the same sub."""
    assert relying.metadata["issuer"] == suite.ISSUER
    tokens = relying.tokens()
    assert relying.told(tokens) == {"sub": relying.citizen}
    assert tokens["scope"] == "openid"


@pytest.mark.module("oidcc-response-type-missing")
def test_a_request_without_response_type(relying: Relying) -> None:
    """Without response_type the client gets invalid_request, or the person an error page."""
    answer = relying.authorize(response_type=None)
    assert answer.refused_on_a_page or answer.error in ("invalid_request", "unsupported_response_type")
    assert "code" not in answer.parameters


@pytest.mark.module("oidcc-idtoken-signature", "oidcc-idtoken-rs256")
def test_the_id_token_is_signed_as_the_client_expects(relying: Relying) -> None:
    """A client that registers RS256, or dynamically no algorithm at all, gets RS256, with a kid of the key set."""
    client = relying.registered(id_token_signed_response_alg="RS256")
    tokens = relying.tokens(client)
    header = suite.header(tokens["id_token"])
    assert header["alg"] == "RS256"
    assert header["kid"]


@pytest.mark.module("oidcc-idtoken-unsigned")
def test_unsigned_id_tokens_are_not_offered(relying: Relying) -> None:
    """The provider does not offer alg none, and refuses a client that registers it."""
    assert "none" not in relying.metadata["id_token_signing_alg_values_supported"]
    assert relying.registration_fails(id_token_signed_response_alg="none")


@pytest.mark.module("oidcc-userinfo-get", "oidcc-userinfo-post-header", "oidcc-userinfo-post-body")
@pytest.mark.parametrize("way", ["get", "header", "body"])
def test_userinfo_by_every_method(relying: Relying, way: str) -> None:
    """UserInfo answers GET and POST, with the token in the header or in the form, alike."""
    tokens = relying.tokens(scope="openid email")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    endpoint = relying.metadata["userinfo_endpoint"]
    if way == "get":
        response = relying.web.get(endpoint, headers=bearer)
    elif way == "header":
        response = relying.web.post(endpoint, headers=bearer)
    else:
        response = relying.web.post(endpoint, data={"access_token": tokens["access_token"]})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/json")
    assert response.json() == {
        "sub": tokens["claims"]["sub"],
        "email": CLAIMS["email"],
        "email_verified": True,
    }


@pytest.mark.module("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
def test_the_code_flow_without_nonce(relying: Relying) -> None:
    """A request without nonce succeeds, and the ID token has none."""
    assert "nonce" not in relying.tokens(nonce=None)["claims"]


@pytest.mark.module("oidcc-scope-profile", "oidcc-scope-email", "oidcc-scope-address", "oidcc-scope-phone")
@pytest.mark.parametrize("scope", BY_SCOPE)
def test_a_scope_gives_its_claims(relying: Relying, scope: str) -> None:
    """Each standard scope gives exactly its standard claims at UserInfo, in their types."""
    assert scope in relying.metadata["scopes_supported"]
    told = relying.told(relying.tokens(scope=f"openid {scope}"))
    assert told == {"sub": relying.citizen} | {name: CLAIMS[name] for name in BY_SCOPE[scope]}
    assert set(BY_SCOPE[scope]) <= set(relying.metadata["claims_supported"])


@pytest.mark.module(
    "oidcc-scope-all", "oidcc-ensure-other-scope-order-succeeds", "oidcc-alternate-happy-flow"
)
@pytest.mark.parametrize("turned", [False, True])
def test_all_scopes_in_any_order(relying: Relying, turned: bool) -> None:
    """All scopes give all claims, whatever the order of scopes and of the request's parameters."""
    scopes = ["openid", *BY_SCOPE]
    parameters = relying.request(scope=" ".join(scopes[::-1] if turned else scopes))
    if turned:
        parameters = dict(reversed(parameters.items()))
    tokens = relying.redeemed(relying.go(parameters).code, nonce=parameters["nonce"])
    assert relying.told(tokens) == {"sub": relying.citizen, **CLAIMS}


@pytest.mark.module(
    "oidcc-display-page",
    "oidcc-display-popup",
    "oidcc-ensure-request-with-unknown-parameter-succeeds",
    "oidcc-login-hint",
    "oidcc-ui-locales",
    "oidcc-claims-locales",
)
@pytest.mark.parametrize(
    "more",
    [
        {"display": "page"},
        {"display": "popup"},
        {"extra": "foobar"},
        {"login_hint": "buffy@suite.example"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"ui_locales": "ka-GE en", "claims_locales": "ka en"},
    ],
    ids="-".join,
)
def test_what_need_not_be_understood_does_not_disturb(relying: Relying, more: dict[str, Any]) -> None:
    """Hints that ask for nothing Erti must do, and parameters that nobody knows, leave the flow as it is."""
    assert relying.told(relying.tokens(**more))["sub"] == relying.citizen


@pytest.mark.module("oidcc-prompt-login", "oidcc-max-age-1")
@pytest.mark.parametrize("again", [{"prompt": "login"}, {"max_age": "1"}], ids=["prompt", "max_age"])
def test_signing_in_again(relying: Relying, again: dict[str, Any]) -> None:
    """prompt=login, and max_age=1 two seconds later, show the sign-in page again, and auth_time moves on."""
    first = relying.tokens()["claims"]
    relying.later(seconds=2)
    parameters = relying.request(**again)
    answer = relying.go(parameters)
    assert "login-submit" in answer.seen
    second = relying.redeemed(answer.code, nonce=parameters["nonce"])["claims"]
    assert second["sub"] == first["sub"]
    assert second["auth_time"] > first["auth_time"] - 2
    assert second["iat"] - second["auth_time"] <= 10


@pytest.mark.module("oidcc-prompt-none-not-logged-in")
def test_prompt_none_without_a_session(relying: Relying) -> None:
    """prompt=none without a session ends in an error that says so, with a long state as it was, and no page."""
    answer = relying.authorize(prompt="none", state="s" * 128)
    assert answer.error in INTERACTION_ERRORS
    assert not answer.seen


@pytest.mark.module("oidcc-prompt-none-logged-in", "oidcc-id-token-hint", "oidcc-max-age-10000")
@pytest.mark.parametrize("how", ["prompt", "hint", "max_age"])
def test_an_earlier_sign_in_is_good(relying: Relying, how: str) -> None:
    """prompt=none, alone and with the person's ID token, and max_age=10000 give a code without a page."""
    first = relying.tokens(max_age="15000")
    changes = {
        "prompt": {"prompt": "none"},
        "hint": {"prompt": "none", "id_token_hint": first["id_token"]},
        "max_age": {"max_age": "10000"},
    }
    parameters = relying.request(**changes[how])
    answer = relying.go(parameters)
    assert not answer.seen
    second = relying.redeemed(answer.code, nonce=parameters["nonce"])["claims"]
    assert (second["sub"], second["auth_time"]) == (first["claims"]["sub"], first["claims"]["auth_time"])


@pytest.mark.module("oidcc-ensure-request-with-acr-values-succeeds")
def test_acr_values(relying: Relying) -> None:
    """With the levels that the provider advertises as acr_values, the ID token names one of them."""
    levels = relying.metadata["acr_values_supported"]
    assert relying.tokens(acr_values=" ".join(levels))["claims"]["acr"] in levels
    assert "acr" in relying.tokens(acr_values="1 2")["claims"]


@pytest.mark.module("oidcc-codereuse", "oidcc-codereuse-30seconds")
@pytest.mark.parametrize("seconds", [0, 30])
def test_a_code_is_used_twice(relying: Relying, seconds: int) -> None:
    """The second use gets invalid_grant, at once and half a minute later, and ends what the first one gave."""
    parameters = relying.request()
    code = relying.go(parameters).code
    tokens = relying.redeemed(code, nonce=parameters["nonce"])
    if seconds:
        relying.later(seconds)
    again = relying.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert again.headers["content-type"].startswith("application/json")
    assert relying.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.module("oidcc-ensure-registered-redirect-uri")
def test_an_unregistered_redirect_uri(relying: Relying) -> None:
    """An address that is not registered gets nothing: the person stands on an error page."""
    assert relying.authorize(redirect_uri=f"{CALLBACK}/other").refused_on_a_page


@pytest.mark.module("oidcc-ensure-post-request-succeeds")
def test_the_request_as_a_post(relying: Relying) -> None:
    """A request that the client's page posts is as good as one in an address, with a session and without."""
    for _ in range(2):
        parameters = relying.request(scope="openid phone")
        answer = relying.go(parameters, post=True)
        assert relying.redeemed(answer.code, nonce=parameters["nonce"])["claims"]["sub"] == relying.citizen


@pytest.mark.module("oidcc-server-client-secret-post")
def test_the_secret_in_the_form(relying: Relying) -> None:
    """A client that registered client_secret_post authenticates so, and not by Basic."""
    assert relying.told(relying.tokens(relying.by_post))["sub"] == relying.citizen
    code = relying.authorize(relying.by_post).code
    relying.by_post.method = "client_secret_basic"
    refused = relying.redeem(code, relying.by_post)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


@pytest.mark.module(
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
)
@pytest.mark.parametrize("name", ["request", "request_uri"])
def test_an_unsigned_request_object(relying: Relying, name: str) -> None:
    """An unsigned request object is refused by the standard's error, and its algorithm is not advertised."""
    claims = relying.request() | {"aud": suite.ISSUER, "iss": relying.first.client_id}
    given: Any = {"request": unsigned(claims), "request_uri": "https://suite.example/request.jwt"}[name]
    answer = relying.authorize(**{name: given})
    assert answer.error in (f"{name}_not_supported", f"invalid_{name}", "invalid_request_object")
    assert "code" not in answer.parameters
    assert "none" not in relying.metadata.get("request_object_signing_alg_values_supported", [])


@pytest.mark.module("oidcc-ensure-request-object-with-redirect-uri")
def test_the_redirect_uri_of_a_request_object(relying: Relying) -> None:
    """With another redirect_uri beside a request object, that other one is never gone to."""
    claims = relying.request() | {"aud": suite.ISSUER, "iss": relying.first.client_id}
    answer = relying.authorize(request=unsigned(claims), redirect_uri=f"{CALLBACK}/not-registered")
    assert answer.refused_on_a_page or answer.address.startswith(f"{CALLBACK}?")


@pytest.mark.module("oidcc-claims-essential")
def test_an_essential_claim(relying: Relying) -> None:
    """An essential name in the claims parameter gives the name at UserInfo, with scope openid alone."""
    told = relying.told(relying.tokens(claims=essential("name")))
    assert told == {"sub": relying.citizen, "name": CLAIMS["name"]}


@pytest.mark.module("oidcc-refresh-token")
def test_refresh_tokens_are_their_clients_own(relying: Relying) -> None:
    """Two clients refresh, the new ID token keeps iss, sub, aud and auth_time, and neither can use the other's token."""
    assert "refresh_token" in relying.metadata["grant_types_supported"]
    held = {}
    for client in (relying.first, relying.second):
        tokens = relying.tokens(client, scope="openid offline_access", prompt="consent")
        response = relying.token(client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert response.status_code == 200, response.text
        body = response.json()
        fresh = relying.checked(body["id_token"], client, nonce=None)
        kept = ("iss", "sub", "aud", "auth_time")
        assert [fresh[name] for name in kept] == [tokens["claims"][name] for name in kept]
        assert body["access_token"] != tokens["access_token"]
        assert relying.userinfo(body["access_token"]).status_code == 200
        held[client.client_id] = body.get("refresh_token", tokens["refresh_token"])
    refused = relying.token(grant_type="refresh_token", refresh_token=held[relying.second.client_id])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.module("oidcc-ensure-request-with-valid-pkce-succeeds")
def test_pkce(relying: Relying) -> None:
    """A request with an S256 challenge succeeds with its verifier."""
    parameters = relying.request(code_challenge=CHALLENGE, code_challenge_method="S256")
    code = relying.go(parameters).code
    assert relying.redeemed(code, nonce=parameters["nonce"], code_verifier=VERIFIER)["access_token"]
