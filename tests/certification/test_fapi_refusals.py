"""The FAPI 2.0 plans: requests that must be refused, whoever sends them."""

from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.certification.fapi import Fapi
from tests.certification.relying import ASSERTION, unsigned

NOT_PROVEN = ("invalid_client", "invalid_request")
KEYED = ("jwt-dpop", "jwt-mtls", "signed")


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-unsigned-authorization-request-without-using-par-fails"
)
def test_a_request_that_was_not_pushed(fapi: Fapi) -> None:
    """A request with its parameters in the address is refused, on a page or at the client."""
    answer = fapi.go(fapi.asked())
    assert answer.refused_on_a_page or answer.error in ("invalid_request", "invalid_request_object")


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails",
    "fapi2-security-profile-final-ensure-redirect-uri-in-authorization-request",
    "fapi2-security-profile-final-ensure-response-type-code-idtoken-fails",
    "fapi2-security-profile-final-ensure-response-type-token-fails",
    "fapi2-security-profile-final-par-ensure-pkce-required",
    "fapi2-security-profile-final-par-plain-pkce-rejected",
)
@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"redirect_uri": None}, ("invalid_request",)),
        ({"response_type": "code id_token"}, ("unsupported_response_type", "invalid_request")),
        ({"response_type": "token"}, ("unsupported_response_type", "invalid_request")),
        ({"code_challenge": None, "code_challenge_method": None}, ("invalid_request",)),
        ({"code_challenge_method": "plain"}, ("invalid_request",)),
    ],
    ids=["redirect_uri", "code id_token", "token", "no-pkce", "plain-pkce"],
)
def test_a_pushed_request_that_is_not_good(
    fapi: Fapi, changes: dict[str, Any], errors: tuple[str, ...]
) -> None:
    """What FAPI forbids in a request is refused already where it is pushed."""
    assert fapi.refused_when_pushed(fapi.push(fapi.asked(**changes)), *errors)


@pytest.mark.module(
    "fapi2-security-profile-final-par-authorization-request-containing-request_uri-form-param"
)
def test_a_request_uri_in_a_pushed_request(fapi: Fapi) -> None:
    """A pushed request that names a request_uri is refused (RFC 9126, 2.1)."""
    form = {**fapi.asked(), "request_uri": "urn:ietf:params:oauth:request_uri:mine"}
    if fapi.variant.signed:
        form = {"request": fapi.me.request_object(fapi.asked()), "request_uri": form["request_uri"]}
    assert fapi.refused_when_pushed(fapi.push(form, raw=True), "invalid_request")


@pytest.mark.module("fapi2-security-profile-final-par-attempt-invalid-http-method")
def test_put_is_no_way_to_push(fapi: Fapi) -> None:
    """PUT at the endpoint for pushed requests is an HTTP error, and so is GET."""
    endpoint = fapi.endpoint("pushed_authorization_request_endpoint")
    form = fapi.me.proven(fapi.asked())
    assert fapi.web.put(endpoint, data=form, headers=fapi.me.headers()).status_code in (404, 405)
    assert fapi.web.get(endpoint, params=form, headers=fapi.me.headers()).status_code in (404, 405)


@pytest.mark.module(
    "fapi2-security-profile-final-par-attempt-reuse-request_uri",
    "fapi2-security-profile-final-par-attempt-to-use-expired-request_uri",
    "fapi2-security-profile-final-par-attempt-to-use-request_uri-for-different-client",
)
@pytest.mark.parametrize("how", ["again", "expired", "another client"])
def test_a_request_uri_once_in_time_for_its_client(fapi: Fapi, how: str) -> None:
    """A request_uri that led to an answer, is over, or is another client's, leads nowhere any more."""
    parameters = fapi.asked()
    request_uri = fapi.pushed(parameters)
    party = fapi.me
    if how == "again":
        assert fapi.visit(request_uri, expect=parameters).code
    elif how == "expired":
        fapi.later(seconds=601)
    else:
        party = fapi.other
    answer = fapi.visit(request_uri, party, expect=parameters)
    assert answer.refused_on_a_page or answer.error == "invalid_request_uri"


@pytest.mark.module("fapi2-security-profile-final-ensure-client-id-in-token-endpoint")
def test_the_other_clients_name_with_this_clients_proof(fapi: Fapi) -> None:
    """A token request under the other client's client_id, proven with this one's key or certificate, is refused."""
    answer, _asked = fapi.authorized()
    more: dict[str, Any] = {"assertion": fapi.me.assertion()} if fapi.variant.by_key else {}
    response = fapi.redeem_as(fapi.me, answer.code, client_id=fapi.other.client_id, **more)
    assert response.status_code in (400, 401)
    assert response.json()["error"] in ("invalid_client", "invalid_grant", "invalid_request")


@pytest.mark.module("fapi2-security-profile-final-ensure-holder-of-key-required")
def test_tokens_are_bound_or_not_given(fapi: Fapi) -> None:
    """Without a proof, or without a certificate, no token is given."""
    answer, _asked = fapi.authorized()
    if not fapi.variant.dpop:
        fapi.me.certificate = None
    response = fapi.redeem_as(fapi.me, answer.code, bare=True)
    assert response.status_code in (400, 401)
    assert response.json()["error"] in (
        "invalid_request",
        "invalid_grant",
        "invalid_client",
        "invalid_dpop_proof",
    )


@pytest.mark.module("fapi2-security-profile-final-ensure-authorization-code-is-bound-to-client")
def test_a_code_of_another_client(fapi: Fapi) -> None:
    """Another client cannot redeem a code."""
    answer, _asked = fapi.authorized()
    response = fapi.redeem_as(fapi.other, answer.code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


@pytest.mark.module(
    "fapi2-security-profile-final-attempt-reuse-authorization-code-after-one-second",
    "fapi2-security-profile-final-ensure-token-endpoint-fails-with-expired-auth-code",
)
@pytest.mark.parametrize("how", ["again", "expired"])
def test_a_code_once_in_time(fapi: Fapi, how: str) -> None:
    """A code used again ends the first use's token; one that is first used after a minute is refused."""
    answer, asked = fapi.authorized()
    if how == "again":
        tokens = fapi.accepted(fapi.redeem_as(fapi.me, answer.code), nonce=asked["nonce"])
        fapi.later(seconds=1)
    else:
        fapi.later(seconds=62)
    response = fapi.redeem_as(fapi.me, answer.code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    if how == "again":
        assert fapi.resource(tokens).status_code == 401


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-pkce-code-verifier-required",
    "fapi2-security-profile-final-incorrect-pkce-code-verifier-rejected",
)
@pytest.mark.parametrize("verifier", [None, "w" * 50])
def test_the_verifier_of_the_challenge(fapi: Fapi, verifier: str | None) -> None:
    """Without the right code_verifier there are no tokens."""
    answer, _asked = fapi.authorized()
    response = fapi.redeem_as(fapi.me, answer.code, code_verifier=verifier)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


def wrong_assertions(fapi: Fapi) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return assertions that are not good, each by what is wrong: the changes to it, and to the form."""
    issuer, me = fapi.metadata["issuer"], fapi.me
    later = {"iat": me.now + 90, "nbf": me.now + 90, "exp": me.now + 150}
    rsa = RSAKey.generate_key(2048)
    return {
        "none": ({}, {"assertion": None}),
        "type missing": ({}, {"client_assertion_type": None}),
        "type wrong": ({}, {"client_assertion_type": ASSERTION[:-1]}),
        "no sub": ({"sub": None}, {}),
        "wrong sub": ({"sub": fapi.other.client_id}, {}),
        "no iss": ({"iss": None}, {}),
        "wrong iss": ({"iss": fapi.other.client_id}, {}),
        "no aud": ({"aud": None}, {}),
        "wrong aud": ({"aud": "https://elsewhere.example"}, {}),
        "par as aud": ({"aud": fapi.endpoint("pushed_authorization_request_endpoint")}, {}),
        "token as aud": ({"aud": fapi.endpoint("token_endpoint")}, {}),
        "array as aud": ({"aud": [issuer, "https://elsewhere.example"]}, {}),
        "over": ({"iat": me.now - 360, "exp": me.now - 300}, {}),
        "to come": (later, {}),
        "RS256": ({"key": rsa, "alg": "RS256"}, {}),
        "other key": ({"key": fapi.other.key}, {}),
    }


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-invalid-client-assertions-fail",
    "fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails",
    "fapi2-security-profile-final-ensure-client-assertion-in-token-endpoint",
    "fapi2-security-profile-final-ensure-client-assertion-with-exp-is-5-minutes-in-past-fails",
    "fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails",
    "fapi2-security-profile-final-ensure-client-assertion-with-no-sub-fails",
    variants=KEYED,
)
@pytest.mark.parametrize("place", ["par", "token"])
def test_client_assertions_that_are_not_good(fapi: Fapi, place: str) -> None:
    """Each is refused where requests are pushed and where tokens are given; one of a clock ahead, and a right one, are not."""
    code = fapi.authorized()[0].code if place == "token" else ""
    asked = fapi.asked()
    form = {"request": fapi.me.request_object(asked)} if fapi.variant.signed else asked

    def attempt(assertion: str | None, **changed: Any) -> Any:
        if place == "token":
            return fapi.redeem_as(fapi.me, code, assertion=assertion, **changed)
        return fapi.push({**form, **changed}, raw=True, assertion=assertion)

    unsigned_one = unsigned(
        {"iss": fapi.me.client_id, "sub": fapi.me.client_id, "aud": fapi.metadata["issuer"]}
    )
    broken = fapi.me.assertion()
    broken = broken[:-6] + ("A" if broken[-6] != "A" else "B") + broken[-5:]
    tried = {"alg none": unsigned_one, "bad signature": broken}
    accepted = []
    for name, (changes, form_changes) in wrong_assertions(fapi).items():
        given = {"assertion": fapi.me.assertion(**changes), **form_changes}
        response = attempt(given.pop("assertion"), **given)
        if response.status_code not in (400, 401) or response.json()["error"] not in NOT_PROVEN:
            accepted.append((name, response.text))
    for name, assertion in tried.items():
        response = attempt(assertion)
        if response.status_code not in (400, 401) or response.json()["error"] not in NOT_PROVEN:
            accepted.append((name, response.text))
    assert not accepted
    fapi.me.lag = 8
    if place == "par":
        assert attempt(fapi.me.assertion(nbf=fapi.me.now)).status_code == 201
    fapi.me.lag = 0
    assert attempt(fapi.me.assertion()).status_code == (200 if place == "token" else 201)
