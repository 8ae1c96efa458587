"""The FAPI 2.0 plans: DPoP proofs, at every endpoint that takes them."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.certification.fapi import Fapi
from tests.certification.party import Party, half

BY_DPOP = ("jwt-dpop", "mtls-dpop", "signed")


@pytest.mark.module(
    "fapi2-security-profile-final-check-dpop-proof-nbf-exp",
    "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-before-succeeds",
    "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-after-succeeds",
    variants=BY_DPOP,
)
@pytest.mark.parametrize("how", ["nbf and exp", "behind", "ahead"])
def test_proofs_of_other_clocks(fapi: Fapi, how: str) -> None:
    """Proofs with nbf and exp, and of a clock ten seconds off, are taken everywhere."""
    lag = {"behind": -10, "ahead": 10}.get(how, 0)
    now = fapi.me.now
    proof: dict[str, Any] = {"iat": now + lag} if lag else {"nbf": now, "exp": now + 60}
    parameters = fapi.asked()
    answer = fapi.visit(fapi.pushed(parameters, proof=proof), expect=parameters)
    tokens = fapi.accepted(fapi.redeem_as(fapi.me, answer.code, proof=proof), nonce=parameters["nonce"])
    assert fapi.resource(tokens, **proof).status_code == 200


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-mismatched-dpop-jkt-fails",
    variants=BY_DPOP,
)
def test_a_dpop_jkt_of_another_key_than_the_proofs(fapi: Fapi) -> None:
    """A pushed request whose dpop_jkt is not the key of the proof beside it is refused (RFC 9449, 10.1)."""
    parameters = fapi.asked(dpop_jkt=ECKey.generate_key("P-256").thumbprint())
    response = fapi.push(parameters, proof={})
    assert fapi.refused_when_pushed(response, "invalid_request", "invalid_dpop_proof")


@pytest.mark.module(
    "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt",
    "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-jkt",
    "fapi2-security-profile-final-ensure-dpopproof-at-par-endpoint-binding-success",
    "fapi2-security-profile-final-ensure-dpop-auth-code-binding-success",
    variants=BY_DPOP,
)
@pytest.mark.parametrize("by", ["proof", "dpop_jkt", "both"])
@pytest.mark.parametrize("same", [True, False])
def test_a_code_is_bound_to_the_key_it_was_asked_with(fapi: Fapi, by: str, same: bool) -> None:
    """What a proof or dpop_jkt at the pushed request binds a code to is the only key that redeems it."""
    named: dict[str, Any] = {} if by == "proof" else {"dpop_jkt": fapi.me.thumbprint}
    parameters = fapi.asked(**named)
    request_uri = fapi.pushed(parameters, proof=None if by == "dpop_jkt" else {})
    answer = fapi.visit(request_uri, expect=parameters)
    proof = {} if same else {"key": ECKey.generate_key("P-256")}
    response = fapi.redeem_as(fapi.me, answer.code, proof=proof)
    if same:
        assert fapi.accepted(response, nonce=parameters["nonce"])
    else:
        assert response.status_code == 400
        assert response.json()["error"] in ("invalid_grant", "invalid_dpop_proof")


@pytest.mark.module("fapi2-security-profile-final-dpop-negative-tests", variants=BY_DPOP)
def test_proofs_that_are_not_good(fapi: Fapi) -> None:
    """The resource refuses each proof that is wrong in one way, and takes those that are only unusual."""
    tokens = fapi.signed_in()
    url, token, me = fapi.endpoint("userinfo_endpoint"), tokens["access_token"], fapi.me
    assert fapi.resource(tokens).status_code == 200

    def sent(*proofs: str, name: str = "DPoP") -> int:
        headers = [
            ("Authorization", f"DPoP {token}"),
            *((name, one) for one in proofs),
            *me.headers().items(),
        ]
        return int(fapi.web.get(url, headers=headers).status_code)

    def proof(**changes: Any) -> str:
        return me.proof("GET", url, token=token, **changes)

    good = proof()
    head, body, signature = good.split(".")
    private = {"jwk": {**me.bound.as_dict(private=True)}}
    wrong = {
        "none": sent(),
        "two": sent(proof(), proof()),
        "no JWT": sent("rubbish"),
        "half a JWT": sent(f"{head}.{body}"),
        "no typ": sent(proof(header={"typ": None})),
        "other typ": sent(proof(header={"typ": "JWT"})),
        "no jwk": sent(proof(header={"jwk": None})),
        "private jwk": sent(proof(header=private)),
        "no jti": sent(proof(jti=None)),
        "no htm": sent(proof(htm=None)),
        "no htu": sent(proof(htu=None)),
        "no iat": sent(proof(iat=None)),
        "no ath": sent(proof(ath=None)),
        "other ath": sent(proof(ath="x" * 43)),
        "other htm": sent(proof(htm="PUT")),
        "other htu": sent(proof(htu="https://elsewhere.example/userinfo")),
        "bad signature": sent(f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"),
        "other key": sent(proof(key=ECKey.generate_key("P-256"))),
        "alg none": sent(unsecured(me, url, token)),
    }
    if not me.nonce:  # a server's nonce says when a proof was made, whatever its iat
        wrong |= {
            "an hour ahead": sent(proof(iat=me.now + 3600)),
            "an hour old": sent(proof(iat=me.now - 3600)),
        }
    once = proof()
    assert sent(once) == 200
    wrong["again"] = sent(once)
    assert {name: code for name, code in wrong.items() if code not in (400, 401)} == {}

    headers = {"Authorization": f"Bearer {token}", **me.headers()}
    assert fapi.web.get(url, headers=headers).status_code == 401, "a bound token is no bearer token"
    unusual = {
        "header in capitals": sent(proof(), name="DPOP"),
        "query in htu": sent(proof(htu=f"{url}?foo=bar#here")),
        "host in capitals": sent(proof(htu=url.replace("id.erti", "ID.Erti"))),
        "default port": sent(proof(htu=url.replace(".example/", ".example:443/"))),
        "more claims": sent(proof(extra="x", header={"extra": "y"})),
    }
    assert {name: code for name, code in unusual.items() if code != 200} == {}


def unsecured(me: Party, url: str, token: str) -> str:
    """Return a proof whose alg is none."""
    _head, body, _signature = me.proof("GET", url, token=token).split(".")
    public = me.bound.as_dict(private=False)
    jwk = {name: public[name] for name in ("kty", "crv", "x", "y")}
    head = json.dumps({"typ": "dpop+jwt", "alg": "none", "jwk": jwk})
    return f"{half(head.encode())}.{body}."
