"""The plan FAPI 2.0 Message Signing: request objects that must be refused, and those that must not."""

from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.certification.fapi import Fapi
from tests.certification.relying import unsigned

HOUR = 3_600


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-request-object-with-multiple-aud-succeeds",
    "fapi2-security-profile-final-ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted",
)
@pytest.mark.parametrize("how", ["several audiences", "clock ahead"])
def test_request_objects_that_are_good(fapi: Fapi, how: str) -> None:
    """One with several audiences, the issuer among them, and one of a clock eight seconds ahead, lead to tokens."""
    parameters, issuer = fapi.asked(), fapi.metadata["issuer"]
    changes: dict[str, Any] = {"aud": [issuer, "https://elsewhere.example"]}
    if how == "clock ahead":
        changes = {"nbf": fapi.me.now + 8, "iat": fapi.me.now + 8}
    form = {"request": fapi.me.request_object(parameters, **changes)}
    answer = fapi.visit(fapi.pushed(form, raw=True), expect=parameters)
    assert fapi.accepted(fapi.redeem_as(fapi.me, answer.code), nonce=parameters["nonce"])


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-request-object-without-exp-fails",
    "fapi2-security-profile-final-ensure-request-object-without-nbf-fails",
    "fapi2-security-profile-final-ensure-expired-request-object-fails",
    "fapi2-security-profile-final-ensure-request-object-with-bad-aud-fails",
    "fapi2-security-profile-final-ensure-request-object-with-exp-over-60-fails",
    "fapi2-security-profile-final-ensure-request-object-with-nbf-over-60-fails",
    "fapi2-security-profile-final-ensure-signed-request-object-with-RS256-fails",
    "fapi2-security-profile-final-ensure-matching-key-in-authorization-request",
    "fapi2-security-profile-final-ensure-request-object-signature-algorithm-is-not-none",
    "fapi2-security-profile-final-ensure-request-object-with-invalid-signature-fails",
    "fapi2-security-profile-final-ensure-unsigned-request-at-par-endpoint-fails",
    "fapi2-security-profile-final-par-authorization-request-containing-request_uri",
)
def test_request_objects_that_are_not_good(fapi: Fapi) -> None:
    """Each is refused where it is pushed: by its times, audience, key, algorithm or signature, or for what it holds."""
    me, parameters = fapi.me, fapi.asked()
    now = me.now
    good = me.request_object(parameters)
    head, body, signature = good.split(".")
    aud = {"aud": fapi.metadata["issuer"], "iss": me.client_id, "exp": now + 60, "nbf": now}
    tried = {
        "no exp": me.request_object(parameters, exp=None),
        "no nbf": me.request_object(parameters, nbf=None),
        "over": me.request_object(parameters, iat=now - 360, nbf=now - 360, exp=now - 300),
        "other audience": me.request_object(parameters, aud="https://elsewhere.example"),
        "lives too long": me.request_object(parameters, exp=now + HOUR + 600),
        "began too long ago": me.request_object(parameters, iat=now - HOUR - 600, nbf=now - HOUR - 600),
        "RS256": me.request_object(parameters, key=RSAKey.generate_key(2048), alg="RS256"),
        "other key": me.request_object(parameters, key=fapi.other.key),
        "alg none": unsigned({**parameters, **aud}),
        "bad signature": f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "request_uri inside": me.request_object({**parameters, "request_uri": "urn:x"}),
        "no client": me.request_object({**parameters, "client_id": fapi.other.client_id}),
    }
    taken = {}
    for name, request in tried.items():
        response = fapi.push({"request": request}, raw=True)
        if not fapi.refused_when_pushed(response, "invalid_request", "invalid_request_object"):
            taken[name] = response.text
    plain = fapi.push(parameters, raw=True)
    if not fapi.refused_when_pushed(plain, "invalid_request", "invalid_request_object"):
        taken["not signed at all"] = plain.text
    assert taken == {}
    assert fapi.push({"request": me.request_object(parameters)}, raw=True).status_code == 201
