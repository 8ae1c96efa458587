"""Clients that authenticate by a signed JWT, and what attackers try with one."""

import hmac
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from consent.errors import FileRefused
from core.forms import Posted
from idp.oidc import assertions
from keys import compact
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import SECRET, Provider, basic
from tests.idp.oidc.signer import EC, JWKS, KEYS, NAME, OWN, RSA, After, Signer, by_secret

FAPI = {"profile": "fapi2", "dpop_bound_access_tokens": True}
TOKEN_URL = f"{ISSUER}/token"


@pytest.fixture
def signer(provider: Provider) -> Signer:
    """Give a client of profile basic that signs with its keys."""
    made = Signer(provider)
    made.register()
    return made


def refused(answer: Any) -> bool:
    """Tell whether an answer is the one that every failure to authenticate gets."""
    return (answer.status_code, answer.json()) == (
        401,
        {"error": "invalid_client", "error_description": "The client could not be authenticated."},
    )


def works(answer: Any) -> bool:
    """Tell whether a client was let in."""
    return bool(answer.status_code == 200)


@pytest.mark.parametrize("alg", KEYS)
def test_each_algorithm_authenticates(signer: Signer, alg: str) -> None:
    """An assertion in each algorithm that is advertised lets the client in, with and without client_id and kid."""
    signer.key, signer.alg = KEYS[alg], alg
    assert works(signer.post())
    assert works(signer.post(client_id=NAME, **OWN))
    kid = next(one["kid"] for one in JWKS["keys"] if one["kty"] == KEYS[alg].key_type)
    signer.header = {"kid": kid, "typ": "client-authentication+jwt"}
    assert works(signer.post())


def test_a_secret_signs_where_that_is_registered(provider: Provider) -> None:
    """A client of client_secret_jwt signs with its secret, and is not let in with the secret itself."""
    plain = Signer(provider)
    secret = plain.register(token_endpoint_auth_method="client_secret_jwt", jwks=None)
    assert secret
    signer = by_secret(provider, secret)
    assert works(signer.post())
    assert refused(provider.token(NAME, secret, **OWN))
    assert refused(provider.web.post("/token", data={**OWN, "client_id": NAME, "client_secret": secret}))
    assert refused(plain.post())
    assert refused(by_secret(provider, secret + "x").post())
    with pytest.raises(FileRefused):
        plain.register(token_endpoint_auth_method="client_secret_jwt", jwks=None, client_secret="x" * 31)


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_an_assertion_counts_at_every_endpoint_and_once(signer: Signer, path: str) -> None:
    """An assertion lets its client in wherever clients authenticate; a second time, at any endpoint, it does not."""
    text, form = signer.assertion(), {**OWN, "token": "x"}
    assert works(signer.post(path, text, **form))
    assert refused(signer.post(path, text, **form))
    assert refused(signer.post("/revoke", text, token="x"))


def test_an_assertion_counts_where_requests_are_pushed_and_once(signer: Signer) -> None:
    """A request is pushed with an assertion, and neither the assertion nor its type is kept with it (RFC 9126, 2.1)."""
    signer.register(**FAPI)
    asked = {
        **to.request(client_id=NAME, redirect_uri="https://signer.example/cb", client=to.PORTAL),
        "nonce": "n",
    }
    text = signer.assertion()
    assert signer.post("/par", text, **asked).status_code == 201
    assert refused(signer.post("/par", text, **asked))
    assert refused(signer.post("/par", signer.assertion(aud=f"{ISSUER}/par"), **asked))
    signer.register()
    assert signer.post("/par", signer.assertion(aud=f"{ISSUER}/par"), **asked).status_code == 201


def test_of_many_replays_at_once_one_is_let_in(signer: Signer) -> None:
    """One assertion sent by many threads at the same moment works once."""
    text = signer.assertion()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: signer.post("/token", text, **OWN), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15


def test_two_clients_may_use_the_same_id(signer: Signer) -> None:
    """The ID of an assertion is its client's own: nobody uses up somebody else's."""
    other = Signer(signer.provider)
    other.register(client_id="another")
    assert works(signer.post("/token", signer.assertion(jti="1"), **OWN))
    assert works(other.post("/token", other.assertion(jti="1", iss="another", sub="another"), **OWN))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None}, {"iss": "https://evil.example"}, {"sub": None}, {"sub": to.PORTAL}, {"iss": to.PORTAL, "sub": to.PORTAL},
        {"iss": "nobody", "sub": "nobody"}, {"sub": [NAME], "iss": [NAME]}, {"sub": "\x00", "iss": "\x00"},
        {"aud": None}, {"aud": "https://evil.example"}, {"aud": []}, {"aud": ["https://evil.example"]}, {"aud": {}}, {"aud": ISSUER + "/"},
        {"jti": None}, {"jti": ""}, {"jti": 1}, {"jti": "x" * 256},
        {"exp": None}, {"exp": "9999999999"}, {"exp": True}, {"exp": After(-60)}, {"exp": After(7_200)}, {"exp": 10**400},
        {"iat": After(3_600)}, {"iat": "1"}, {"nbf": After(3_600)}, {"nbf": None, "iat": 10**400},
    ],
)  # fmt: skip
def test_claims_that_do_not_fit_are_refused(signer: Signer, changes: dict[str, Any]) -> None:
    """Issuer, subject, audience, times and ID must each be right; every failure gets one and the same answer."""
    assert refused(signer.post("/token", signer.assertion(**changes), **OWN))


def test_a_clock_that_is_a_little_off_is_taken(signer: Signer) -> None:
    """Ten seconds into the future pass, and seconds with a fraction do (FAPI 2.0 Security Profile, 5.3.2.1)."""
    at = time.time()
    assert works(signer.post("/token", signer.assertion(iat=int(at) + 10, nbf=int(at) + 10), **OWN))
    assert works(signer.post("/token", signer.assertion(iat=at, exp=at + 60.5), **OWN))


@pytest.mark.parametrize(
    "audience", [TOKEN_URL, [TOKEN_URL], [ISSUER, "https://other.example"], f"{ISSUER}/introspect"]
)
def test_a_basic_client_may_name_an_endpoint(signer: Signer, audience: Any) -> None:
    """Clients of profile basic may name the token endpoint or the one they call, as text or list; elsewhere not."""
    assert works(signer.post("/introspect", signer.assertion(aud=audience), token="x"))
    if audience == f"{ISSUER}/introspect":
        assert refused(signer.post("/token", signer.assertion(aud=audience), **OWN))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [ISSUER]},
        {"aud": TOKEN_URL},
        {"aud": f"{ISSUER}/introspect"},
        {"exp": After(1_800)},
    ],
)
def test_a_fapi_client_has_to_name_the_issuer_alone_and_for_minutes(
    signer: Signer, changes: dict[str, Any]
) -> None:
    """Under FAPI a list, an endpoint's address, and an assertion for half an hour are refused."""
    signer.register(**FAPI)
    assert works(signer.post("/introspect", token="x"))
    assert refused(signer.post("/introspect", signer.assertion(**changes), token="x"))


def test_a_fapi_client_does_not_sign_with_rs256(signer: Signer) -> None:
    """RS256 is for profile basic alone, and a client that registered one algorithm has to use that."""
    signer.register(**FAPI)
    signer.key, signer.alg = RSA, "RS256"
    assert refused(signer.post("/introspect", token="x"))
    signer.alg = "PS256"
    assert works(signer.post("/introspect", token="x"))
    signer.register(token_endpoint_auth_signing_alg="ES256")
    assert refused(signer.post())


@pytest.mark.parametrize("alg", ["none", "HS256", "HS384", "ES384", "RS512", "dir", "es256", ""])
def test_none_and_other_algorithms_with_the_public_key_as_secret(signer: Signer, alg: str) -> None:
    """`none`, and HMAC keyed with the client's public key however that is written, are refused (RFC 8725, 2.1)."""
    public = EC.as_pem(private=False)
    for secret in (public, b"\n" + public, public.strip(), EC.as_der(private=False), b"\x00"):
        payload = signer.assertion().split(".")[1]
        head = compact.encoded(b'{"alg":"%s"}' % alg.encode())
        mac = hmac.digest(secret, f"{head}.{payload}".encode(), "sha256")
        for signature in (compact.encoded(mac), ""):
            assert refused(signer.post("/token", f"{head}.{payload}.{signature}", **OWN))


def test_a_key_in_the_header_is_never_used(signer: Signer) -> None:
    """A signature by a key that the header itself brings or points to is refused; beside the right one it is ignored."""
    mine = ECKey.generate_key("P-256")
    brought: list[dict[str, Any]] = [
        {"jwk": mine.as_dict(private=False)},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"kid": "ec"},
        {"kid": "../../dev/null"},
    ]
    for header in brought:
        signer.key = mine
        assert refused(signer.post("/token", signer.assertion(header), **OWN))
    signer.key = EC
    assert works(signer.post("/token", signer.assertion(brought[0]), **OWN))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False}, {"typ": "dpop+jwt"}, {"typ": "at+jwt"}, {"typ": "oauth-authz-req+jwt"}])  # fmt: skip
def test_extensions_and_tokens_of_another_kind_are_refused(signer: Signer, header: dict[str, Any]) -> None:
    """A critical extension that nobody knows, and a JWT that was signed as something else, authenticate nobody."""
    assert refused(signer.post("/token", signer.assertion(header), **OWN))


def test_a_client_never_switches_its_method(signer: Signer) -> None:
    """Who registered keys is not let in by its ID, a secret, or Basic; who registered a secret, not by an assertion."""
    provider = signer.provider
    assert refused(provider.web.post("/token", data={**OWN, "client_id": NAME}))
    assert refused(provider.web.post("/token", data={**OWN, "client_id": NAME, "client_secret": "x"}))
    assert refused(provider.token(NAME, "", **OWN))
    text = signer.assertion(iss=to.PORTAL, sub=to.PORTAL)
    assert refused(signer.post("/token", text, **OWN))
    assert refused(
        signer.post("/token", signer.assertion(iss=to.PUBLIC, sub=to.PUBLIC), client_id=to.PUBLIC, **OWN)
    )


def test_two_methods_at_once_are_refused(signer: Signer) -> None:
    """An assertion beside a secret or beside Basic is an invalid request, whatever each is worth (RFC 6749, 2.3)."""
    both = signer.post(client_secret=SECRET, **OWN)
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    form = {**OWN, "client_assertion_type": assertions.TYPE, "client_assertion": signer.assertion()}
    answer = signer.provider.web.post(
        "/token", data=form, headers={"Authorization": basic(to.PORTAL, SECRET)}
    )
    assert answer.json()["error"] == "invalid_request"


def test_half_an_assertion_is_refused(signer: Signer) -> None:
    """Without its type, with another type, or twice, an assertion authenticates nobody, nor does a type alone."""
    assert refused(signer.post(client_assertion_type=None, **OWN))
    assert refused(
        signer.post(client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer", **OWN)
    )
    assert refused(signer.post(client_assertion=None, client_id=NAME, **OWN))
    assert refused(signer.post(client_id=to.PORTAL, **OWN))
    twice = signer.post(client_assertion=[signer.assertion(), signer.assertion()], **OWN)
    assert twice.json()["error"] == "invalid_request"


def test_a_long_assertion_costs_nothing(signer: Signer) -> None:
    """An assertion with a header of tens of kilobytes, as much as a form may hold, is refused before it is decoded."""
    form = Posted(
        [("client_assertion_type", assertions.TYPE), ("client_assertion", f"{'A' * 60_000}.e30.AA")]
    )
    tracemalloc.start()
    started = time.thread_time()
    for _round in range(100):
        assert isinstance(assertions.read(signer.provider.database, form, TOKEN_URL), assertions.Unproven)
    used, peak = time.thread_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 0.5
    assert peak < 1_000_000
    answer = signer.post("/token", f"{'A' * 1_000_000}.e30.AA", **OWN)
    assert answer.json()["error"] == "invalid_request"


@given(text=st.text(max_size=60) | st.from_regex(r"[\w-]{0,30}\.[\w-]{0,30}\.[\w-]{0,30}", fullmatch=True),
       more=st.lists(st.tuples(st.sampled_from(["client_assertion", "client_assertion_type", "client_id"]), st.text(max_size=20)), max_size=2))  # fmt: skip
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_form_is_read_or_refused(signer: Signer, text: str, more: list[tuple[str, str]]) -> None:
    """Whatever stands in the form's members for assertions, it proves nothing and breaks nothing."""
    form = Posted([("client_assertion", text), ("client_assertion_type", assertions.TYPE), *more])
    assert isinstance(assertions.read(signer.provider.database, form, TOKEN_URL), assertions.Unproven)


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"jwks": None}, "jwks"),
        ({"jwks_uri": "https://signer.example/jwks"}, "jwks"),
        ({"jwks": {"keys": [EC.as_dict(private=True)]}}, "jwks.keys[0]"),
        ({"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_signing_alg"),
        ({"token_endpoint_auth_signing_alg": "none"}, "token_endpoint_auth_signing_alg"),
        ({"token_endpoint_auth_signing_alg": "RS256", **FAPI}, "token_endpoint_auth_signing_alg"),
        ({"id_token_signed_response_alg": "RS256", **FAPI}, "id_token_signed_response_alg"),
        ({"token_endpoint_auth_method": "client_secret_basic", "token_endpoint_auth_signing_alg": "ES256"}, "token_endpoint_auth_signing_alg"),
        ({"token_endpoint_auth_method": "client_secret_basic", "jwks": None, "id_token_encrypted_response_alg": "ECDH-ES"}, "jwks"),
        ({"id_token_encrypted_response_alg": "RSA1_5"}, "id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "dir"}, "id_token_encrypted_response_alg"),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_with_the_rest_are_not_registered(
    provider: Provider, changes: dict[str, Any], member: str
) -> None:
    """A client that would need keys it does not have, or algorithms that are not allowed to it, is refused at the place."""
    with pytest.raises(FileRefused) as refusal:
        Signer(provider).register(**changes)
    assert f"client.{member}" in {mistake.path for mistake in refusal.value.mistakes}
