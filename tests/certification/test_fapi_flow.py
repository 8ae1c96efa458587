"""The FAPI 2.0 plans: what a client that behaves well gets, in each pairing of authentication and binding."""

import json
import secrets
from typing import Any

import pytest

from tests.certification.fapi import FAPI_ALGORITHMS, Fapi
from tests.certification.relying import CALLBACK, CLAIMS, ISSUER

SIGNING = ("id_token_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported")


@pytest.mark.module("fapi2-security-profile-final-discovery-end-point-verification")
def test_the_discovery_document(fapi: Fapi) -> None:
    """PAR, PKCE, iss in answers, FAPI's algorithms, the client authentication and the binding are advertised."""
    response = fapi.web.get(f"{ISSUER}/.well-known/openid-configuration")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/json")
    found = response.json()
    assert found["issuer"] == ISSUER
    assert found["pushed_authorization_request_endpoint"].startswith("https://")
    assert found["authorization_response_iss_parameter_supported"] is True
    assert "S256" in found["code_challenge_methods_supported"]
    for name in SIGNING:
        assert set(FAPI_ALGORITHMS) & set(found[name])
        assert "none" not in found[name]
    methods = set(found["token_endpoint_auth_methods_supported"])
    wanted = (
        {"private_key_jwt"} if fapi.variant.by_key else {"tls_client_auth", "self_signed_tls_client_auth"}
    )
    assert wanted & methods
    if fapi.variant.dpop:
        assert set(found["dpop_signing_alg_values_supported"]) & set(FAPI_ALGORITHMS)
    else:
        assert found["tls_client_certificate_bound_access_tokens"] is True
    if fapi.me.certificate:
        assert {"token_endpoint", "pushed_authorization_request_endpoint"} <= set(
            found["mtls_endpoint_aliases"]
        )
    if fapi.variant.signed:
        assert "jwt" in found["response_modes_supported"]
        assert set(found["authorization_signing_alg_values_supported"]) & set(FAPI_ALGORITHMS)
        assert set(found["request_object_signing_alg_values_supported"]) & set(FAPI_ALGORITHMS)


@pytest.mark.module("fapi2-security-profile-final-happy-flow")
def test_two_clients_and_their_bound_tokens(fapi: Fapi) -> None:
    """Both clients get tokens and claims; with the other's key or certificate a token opens nothing."""
    mine = fapi.signed_in(scope="openid email")
    others = fapi.signed_in(fapi.other, scope="openid email")
    said = fapi.resource(mine)
    assert said.status_code == 200
    assert said.json() == {"sub": mine["claims"]["sub"], "email": CLAIMS["email"], "email_verified": True}
    assert fapi.resource(others, fapi.other).status_code == 200
    assert fapi.resource(mine, fapi.other).status_code in (400, 401)
    assert fapi.resource(others, fapi.me).status_code in (400, 401)


@pytest.mark.module("fapi2-security-profile-final-user-rejects-authentication")
def test_a_person_who_says_no(fapi: Fapi) -> None:
    """A person who does not allow it comes back with access_denied, with state and iss, at both clients."""
    for party in (fapi.me, fapi.other):
        parameters = fapi.asked(party, scope="openid email", prompt="consent")
        answer = fapi.visit(fapi.pushed(parameters, party), party, expect=parameters, decide="consent-deny")
        assert answer.error == "access_denied"


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-authorization-request-without-state-success",
    "fapi2-security-profile-final-ensure-authorization-request-without-nonce-success",
    "fapi2-security-profile-final-ensure-authorization-request-with-64-char-nonce-success",
    "fapi2-security-profile-final-ensure-authorization-request-with-long-nonce",
    "fapi2-security-profile-final-ensure-authorization-request-with-long-state",
    "fapi2-security-profile-final-ensure-other-scope-order-succeeds",
)
@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"nonce": None},
        {"nonce": secrets.token_hex(32)},
        {"nonce": secrets.token_hex(192)},
        {"state": secrets.token_hex(500)},
        {"scope": "email openid"},
    ],
    ids=["no-state", "no-nonce", "nonce-64", "nonce-384", "state-1000", "scopes"],
)
def test_state_and_nonce_of_any_length(fapi: Fapi, changes: dict[str, Any]) -> None:
    """State and nonce may be left out, or be long, and come back as they were; the order of scopes does not matter."""
    tokens = fapi.signed_in(**changes)
    assert tokens["claims"].get("nonce") == changes["nonce"] if "nonce" in changes else tokens


@pytest.mark.module("fapi2-security-profile-final-test-claims-parameter-identity-claims")
def test_claims_one_by_one(fapi: Fapi) -> None:
    """Every standard claim that is advertised can be asked for by itself, and comes at UserInfo."""
    wanted = sorted(set(CLAIMS) & set(fapi.metadata["claims_supported"]))
    assert set(wanted) == set(CLAIMS)
    asked = json.dumps({place: dict.fromkeys(wanted) for place in ("userinfo", "id_token")})
    tokens = fapi.signed_in(claims=asked)
    assert fapi.resource(tokens).json() == {"sub": tokens["claims"]["sub"], **CLAIMS}


@pytest.mark.module("fapi2-security-profile-final-access-token-type-header-case-sensitivity")
def test_the_token_type_in_any_case(fapi: Fapi) -> None:
    """The resource takes the token type in small, capital and mixed letters (RFC 9110, 11.1)."""
    tokens = fapi.signed_in()
    for scheme in ("dpop", "DPOP", "DpOp") if fapi.variant.dpop else ("bearer", "BEARER", "BeArEr"):
        assert fapi.resource(tokens, scheme=scheme).status_code == 200


@pytest.mark.module("fapi2-security-profile-final-refresh-token")
def test_refresh_tokens(fapi: Fapi) -> None:
    """Both clients refresh and keep their token; authentication, binding and the right client are needed."""
    held = {}
    for party in (fapi.me, fapi.other):
        tokens = fapi.signed_in(party, scope="openid offline_access", prompt="consent")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        body = fapi.accepted(fapi.call_token(party, form), party, nonce=None)
        for name in ("iss", "sub", "aud", "auth_time"):
            assert body["claims"][name] == tokens["claims"][name]
        assert body["access_token"] != tokens["access_token"]
        assert fapi.resource(body, party).status_code == 200
        assert body.get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]
        held[party.client_id] = form
    stranger = fapi.call_token(fapi.me, held[fapi.other.client_id])
    assert (stranger.status_code, stranger.json()["error"]) == (400, "invalid_grant")
    own = held[fapi.me.client_id]
    if fapi.variant.by_key:
        assert fapi.call_token(fapi.me, own, assertion=None).json()["error"] == "invalid_client"
    if fapi.variant.dpop:
        assert fapi.call_token(fapi.me, own, bare=True).status_code == 400
    elif fapi.variant.by_key:
        fapi.me.certificate = None
        assert fapi.call_token(fapi.me, own).status_code in (400, 401)


@pytest.mark.module(
    "fapi2-security-profile-final-par-without-duplicate-parameters",
    "fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds",
)
def test_a_request_uri_is_all_that_is_needed(fapi: Fapi) -> None:
    """client_id and request_uri suffice, and a request_uri that was only looked at is still good."""
    parameters = fapi.asked()
    request_uri = fapi.pushed(parameters)
    fapi.anyone().open(
        f"{fapi.metadata['authorization_endpoint']}?client_id={fapi.me.client_id}&request_uri={request_uri}"
    )
    answer = fapi.visit(request_uri, expect=parameters)
    assert fapi.accepted(fapi.redeem_as(fapi.me, answer.code), nonce=parameters["nonce"])


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object",
    "fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object",
    "fapi2-security-profile-final-state-only-outside-request-object-not-used",
)
@pytest.mark.parametrize("name", ["nonce", "state", "only state"])
def test_what_stands_beside_a_request_uri_counts_for_nothing(fapi: Fapi, name: str) -> None:
    """A state or nonce in the address, beside the one that was pushed or without one, is not used."""
    changes = {"state": None} if name == "only state" else {}
    parameters = fapi.asked(**changes)
    more = {name.rpartition(" ")[2]: "from the address"}
    answer = fapi.visit(fapi.pushed(parameters), expect=parameters, more=more)
    assert answer.error == "invalid_request" or fapi.accepted(
        fapi.redeem_as(fapi.me, answer.code), nonce=parameters["nonce"]
    )


@pytest.mark.module("fapi2-security-profile-final-plain-fapi-tolerate-unregistered-redirect-uri")
def test_a_redirect_uri_that_is_not_registered(fapi: Fapi) -> None:
    """A pushed request with a redirect_uri that is not registered is refused."""
    response = fapi.push(fapi.asked(redirect_uri=f"{CALLBACK}/not-registered"))
    assert fapi.refused_when_pushed(response, "invalid_request", "invalid_redirect_uri")
