"""FAPI 2.0 at the authorization endpoint: how requests of such clients come, and how their answers go."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select

from consent.errors import FileRefused
from core import clock
from idp.oidc import tables
from tests.conftest import ISSUER
from tests.idp.oidc import asker, signer
from tests.idp.oidc import provider as to
from tests.idp.oidc.asker import CALLBACK, Asker, told
from tests.idp.oidc.provider import Provider
from tests.idp.oidc.signer import EC, opened

PLAIN: dict[str, Any] = {**to.request(to.PORTAL), "client_id": signer.NAME, "redirect_uri": CALLBACK}


@pytest.fixture
def fapi(provider: Provider) -> Asker:
    """Give a client of the FAPI 2.0 Security Profile, and a citizen who is signed in."""
    provider.sign_in()
    return asker.plain(provider, **asker.FAPI)


@pytest.fixture
def signing(provider: Provider) -> Asker:
    """Give a client of FAPI 2.0 Message Signing, and a citizen who is signed in."""
    provider.sign_in()
    return asker.plain(provider, **asker.SIGNING)


def answer_of(response: Any) -> dict[str, Any]:
    """Return what the signed answer in a response says."""
    given = told(response)
    assert set(given) == {"response"}
    return to.claims_of(given["response"])


def test_a_fapi_client_pushes_and_gets_a_short_lived_code_and_the_issuer(fapi: Asker) -> None:
    """What was pushed with PKCE leads to a code of a minute at most, with iss, by 303 (FAPI 2.0, 5.3.2.2)."""
    found = told(fapi.go(fapi.push(**PLAIN)))
    assert (found["iss"], found["state"]) == (ISSUER, "xyz")
    with fapi.provider.database.reading() as db:
        expires = db.scalar(select(tables.code.c.expires_at))
    assert expires is not None
    assert expires - clock.now() <= timedelta(seconds=60)


def test_an_unsigned_request_without_par_fails(fapi: Asker) -> None:
    """Plain parameters, an object by value and one by reference are refused from a client that has to push."""
    ways: tuple[dict[str, str], ...] = (
        {},
        {"request": fapi.object()},
        {"request_uri": "https://signer.example/r"},
    )
    for way in ways:
        found = told(fapi.provider.web.get("/authorize", params={**PLAIN, **way}))
        assert (found["error"], "code" in found) == ("invalid_request", False)


def test_what_fapi_wants_of_a_pushed_request(fapi: Asker) -> None:
    """No PKCE, plain PKCE, another response_type or no redirect_uri is refused when it is pushed."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": f"{CALLBACK}/more"}, "invalid_request"),
        ({"client_id": to.PORTAL}, "invalid_client"),
    ]
    for changes, error in wrong:
        pushed = fapi.push(**{**PLAIN, **changes})
        assert pushed.json()["error"] == error, changes


def test_a_fapi_client_may_sign_what_it_pushes(fapi: Asker) -> None:
    """An object in a pushed request is what counts; what stands beside it is left out."""
    found = told(fapi.go(fapi.push(request=fapi.object(state="inside"), state="beside")))
    assert found["state"] == "inside"
    assert "state" not in told(fapi.go(fapi.push(request=fapi.object(state=None), state="beside")))


def test_a_fapi_client_registers_https_addresses_alone(provider: Provider) -> None:
    """Neither plain http nor this machine is an address for answers in this profile (FAPI 2.0, 5.3.2.2)."""
    for uri in ("http://signer.example/cb", "http://127.0.0.1/cb"):
        with pytest.raises(FileRefused):
            asker.plain(provider, **asker.FAPI, redirect_uris=[uri])


def test_a_signing_client_is_answered_in_a_signed_text(signing: Asker) -> None:
    """A client of Message Signing gets success and error signed, whether it asks for that or says nothing."""
    for mode in (None, "jwt", "query.jwt"):
        pushed = signing.push(request=signing.object(response_mode=mode))
        found = answer_of(signing.go(pushed))
        assert (found["iss"], found["aud"], found["state"]) == (ISSUER, signer.NAME, "xyz")
        assert "code" in found
    refused = signing.push(request=signing.object(prompt="none", max_age=0))
    assert answer_of(signing.go(refused))["error"] == "login_required"
    outside = signing.provider.web.get("/authorize", params=PLAIN)
    assert answer_of(outside)["error"] == "invalid_request"


def test_a_signing_client_asks_for_no_plain_answer(signing: Asker) -> None:
    """A response_mode that would not be signed is refused when it is pushed (FAPI 2.0 Message Signing, 5.4)."""
    for mode in ("query", "fragment", "form_post"):
        pushed = signing.push(request=signing.object(response_mode=mode))
        assert pushed.json()["error"] == "invalid_request"
        assert "jwt" in pushed.json()["error_description"]


def test_a_signing_client_has_to_sign(signing: Asker) -> None:
    """Plain parameters are refused although they were pushed, and so is an object without nbf or exp, or for too long."""
    assert signing.push(**PLAIN).json()["error"] == "invalid_request"
    after = signer.After
    for changes in ({"nbf": None}, {"exp": None}, {"nbf": after(-3700)}, {"exp": after(3700)}, {"aud": None}):
        assert signing.push(request=signing.object(**changes)).json()["error"] == "invalid_request_object"
    rs256 = Asker(signing.provider, signer.RSA, "RS256")
    assert signing.push(request=rs256.object()).json()["error"] == "invalid_request_object"
    for typ in (None, "JWT", "application/oauth-authz-req+jwt"):
        assert signing.push(request=signing.object({"typ": typ})).status_code == 201
    # 10 seconds of a clock's error are nothing.
    assert signing.push(request=signing.object(nbf=after(10), iat=after(10))).status_code == 201


def test_an_answer_is_encrypted_to_the_client_that_wants_it(provider: Provider) -> None:
    """Signed and then encrypted to the client's key: only the client reads its code in the address."""
    client = asker.plain(provider, authorization_encrypted_response_alg="ECDH-ES+A256KW")
    provider.sign_in()
    found = told(client.send(client.object(response_mode="jwt")))
    header, inside = opened(found["response"], EC)
    assert (header["alg"], header["enc"], header["cty"]) == ("ECDH-ES+A256KW", "A128CBC-HS256", "JWT")
    assert "code" in to.claims_of(inside)
    document = provider.web.get("/.well-known/openid-configuration").json()
    assert "ECDH-ES+A256KW" in document["authorization_encryption_alg_values_supported"]


def test_an_answer_that_cannot_be_encrypted_uses_nothing_up(provider: Provider) -> None:
    """Without a key to encrypt to, the person is told so, no code is made, and the request can be answered later."""
    ed = {"keys": [{**signer.ED.as_dict(private=False), "kid": "ed"}]}
    wants = {"authorization_encrypted_response_alg": "ECDH-ES"}
    client = Asker(provider, signer.ED, "EdDSA")
    client.register(jwks=ed, **wants)
    provider.sign_in()
    pushed = client.push(request=client.object(response_mode="jwt"))
    assert client.go(pushed).status_code == 409
    with provider.database.reading() as db:
        assert db.execute(select(tables.code)).first() is None
    key = ECKey.generate_key("P-256")
    client.register(jwks={"keys": [*ed["keys"], {**key.as_dict(private=False), "kid": "ec"}]}, **wants)
    location = client.go(pushed).headers["location"]
    _header, inside = opened(dict(parse_qsl(urlsplit(location).query))["response"], key)
    assert "code" in to.claims_of(inside)
