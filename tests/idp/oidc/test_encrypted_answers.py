"""What clients are told is signed and encrypted as each of them registered, with keys it may publish and change."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet

from core.settings import Settings
from idp.oidc import metadata
from keys import compact
from tests.conftest import ISSUER
from tests.idp.oidc.key_server import KeyServer, public
from tests.idp.oidc.provider import CITIZEN, VERIFIER, Provider, answered, claims_of
from tests.idp.oidc.signer import EC, NAME, RSA, Signer, opened

JWT = "application/token-introspection+jwt"
CALLBACK = "https://signer.example/cb"
CODE = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let calls go to loopback, where the client's server is."""
    return settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1",)})


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """Give the client's own web server."""
    made = KeyServer(public(EC, kid="first"))
    yield made
    made.close()


def code(provider: Provider, **changes: Any) -> str:
    """Return a code for the client."""
    return answered(provider.authorize(client_id=NAME, redirect_uri=CALLBACK, **changes))["code"]


def tokens(signer: Signer, scope: str = "openid") -> dict[str, Any]:
    """Let a citizen who is signed in go through the flow, and return the token response."""
    answer = signer.post(**CODE, code=code(signer.provider, scope=scope))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def checked(provider: Provider, text: str, alg: str) -> dict[str, Any]:
    """Return the claims of a JWT of ours, checked as its reader would: with the key of its ID and algorithm."""
    keys = [
        key
        for key in provider.web.get("/jwks.json").json()["keys"]
        if key["alg"] == alg and key["use"] == "sig"
    ]
    assert json.loads(decoded_header(text))["alg"] == alg
    found = jwt.decode(text, KeySet.import_key_set({"keys": keys}), algorithms=[alg])
    return dict(found.claims)


def decoded_header(text: str) -> str:
    """Return the header of a JWT as text."""
    return compact.decoded(text.split(".", maxsplit=1)[0]).decode()


PAIRS = [(alg, "A128CBC-HS256") for alg in metadata.ENCRYPTION_ALGORITHMS] + [
    ("ECDH-ES", "A256GCM"),
    ("RSA-OAEP-256", "A128GCM"),
]


@pytest.mark.parametrize(("alg", "enc"), PAIRS)
def test_an_id_token_is_signed_then_encrypted(provider: Provider, alg: str, enc: str) -> None:
    """The client opens it with its key, and finds a JWT that we signed for it (OpenID Connect Core 1.0, 10.2)."""
    signer = Signer(provider)
    signer.register(
        id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc, require_pkce=False
    )
    provider.sign_in()
    key, kid = (RSA, "rsa") if alg.startswith("RSA") else (EC, "ec")
    header, inside = opened(tokens(signer)["id_token"], key)
    assert (header["alg"], header["enc"], header["cty"], header["kid"]) == (alg, enc, "JWT", kid)
    assert claims_of(inside)["aud"] == NAME
    assert claims_of(inside)["iss"] == ISSUER


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # EdDSA is what clients call it
@pytest.mark.parametrize("alg", metadata.ID_TOKEN_ALGORITHMS)
def test_an_id_token_comes_in_each_algorithm(provider: Provider, alg: str) -> None:
    """Each algorithm that is advertised for ID tokens has a published key of its own, and a client gets its choice."""
    signer = Signer(provider)
    signer.register(id_token_signed_response_alg=alg)
    provider.sign_in()
    assert checked(provider, tokens(signer)["id_token"], alg)["aud"] == NAME


@pytest.mark.parametrize(
    ("signed", "encrypted"), [("PS256", ""), ("", "ECDH-ES+A256KW"), ("ES256", "RSA-OAEP")]
)
def test_userinfo_is_signed_or_encrypted_or_both(provider: Provider, signed: str, encrypted: str) -> None:
    """UserInfo comes as application/jwt with the same claims, and with issuer and audience if it is signed (5.3.2)."""
    signer = Signer(provider)
    asked = {"userinfo_signed_response_alg": signed, "userinfo_encrypted_response_alg": encrypted}
    signer.register(**{name: value for name, value in asked.items() if value})
    provider.sign_in()
    provider.allow("given_name")
    before = len(provider.history())
    answer = provider.userinfo(tokens(signer, "openid profile")["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    assert answer.headers["cache-control"] == "no-store"
    text = answer.text
    if encrypted:
        _header, text = opened(text, RSA if encrypted.startswith("RSA") else EC)
    claims = checked(provider, text, signed) if signed else json.loads(text)
    assert claims.pop("iss", None) == (ISSUER if signed else None)
    assert claims.pop("aud", None) == (NAME if signed else None)
    assert set(claims) == {"sub", "given_name"}
    assert claims["sub"] == CITIZEN
    assert len(provider.history()) > before


def test_nothing_is_released_that_could_not_be_encrypted(provider: Provider, server: KeyServer) -> None:
    """Without a key to encrypt to, UserInfo is refused before the door: no value leaves, and no entry says that one did."""
    signer = Signer(provider)
    signer.register()
    provider.sign_in()
    provider.allow("given_name")
    token = tokens(signer, "openid profile")["access_token"]
    signer.register(jwks=None, jwks_uri=server.uri, userinfo_encrypted_response_alg="ECDH-ES")
    server.status = 500
    before = provider.history()
    answer = provider.userinfo(token)
    assert answer.status_code == 409
    assert "client-keys-away" in answer.json()["type"]
    assert provider.history() == before


def test_keys_at_an_address_are_fetched_and_followed(provider: Provider, server: KeyServer) -> None:
    """A client that publishes its keys is let in by them, gets its ID token encrypted to them, and may change them."""
    signer = Signer(provider)
    signer.register(jwks=None, jwks_uri=server.uri, id_token_encrypted_response_alg="ECDH-ES")
    provider.sign_in()
    opened(tokens(signer)["id_token"], EC)
    assert server.asked == 1
    signer.key = ECKey.generate_key("P-256")
    server.keys = [public(signer.key, kid="second")]
    header, _inside = opened(tokens(signer)["id_token"], signer.key)
    assert header["kid"] == "second"
    assert server.asked == 2


def test_a_code_is_not_used_up_where_its_answer_cannot_be_encrypted(
    provider: Provider, server: KeyServer
) -> None:
    """If the client's keys cannot be had, nothing happens at the token endpoint, and the same code works afterwards."""
    signer = Signer(provider)
    secret = signer.register(
        token_endpoint_auth_method="client_secret_basic", jwks=None, jwks_uri=server.uri,
        id_token_encrypted_response_alg="ECDH-ES",
    )  # fmt: skip
    provider.sign_in()
    server.keys = []
    given = code(provider)
    failed = provider.token(NAME, secret, **CODE, code=given)
    assert failed.status_code == 409
    assert "client-keys-away" in failed.json()["type"]
    assert server.asked == 1
    server.keys = [public(EC, use="enc")]
    signer.register(
        token_endpoint_auth_method="client_secret_basic", jwks={"keys": server.keys},
        id_token_encrypted_response_alg="ECDH-ES",
    )  # fmt: skip
    answer = provider.token(NAME, secret, **CODE, code=given)
    assert answer.status_code == 200, answer.text
    opened(answer.json()["id_token"], EC)


def test_introspection_is_signed_for_whom_asks_so(provider: Provider) -> None:
    """A resource that accepts it gets a JWT of its own type, for it alone; a dead token says no more in it (RFC 9701)."""
    signer = Signer(provider)
    signer.register(introspection_signed_response_alg="ES256")
    provider.sign_in()
    token = tokens(signer)["access_token"]
    for text, active in ((token, True), ("made up", False)):
        form = {"token": text, **signed_form(signer)}
        answer = provider.web.post("/introspect", data=form, headers={"Accept": JWT})
        assert answer.headers["content-type"] == JWT
        assert json.loads(decoded_header(answer.text))["typ"] == "token-introspection+jwt"
        claims = checked(provider, answer.text, "ES256")
        assert set(claims) == {"iss", "aud", "iat", "token_introspection"}
        assert (claims["iss"], claims["aud"]) == (ISSUER, NAME)
        assert claims["token_introspection"]["active"] is active
        assert ("scope" in claims["token_introspection"]) is active
    assert signer.post("/introspect", token=token).json()["active"] is True
    bad = provider.web.post("/introspect", data={"token": token}, headers={"Accept": JWT})
    assert bad.json()["error"] == "invalid_client"


def signed_form(signer: Signer) -> dict[str, str]:
    """Return what a form needs to authenticate the client."""
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signer.assertion(),
    }


def test_introspection_for_message_signing_is_always_signed_and_encrypted_on_wish(provider: Provider) -> None:
    """A client of that profile gets a JWT whatever it accepts, and encrypted if it registered that."""
    signer = Signer(provider)
    profile = {"profile": "fapi2-message-signing", "dpop_bound_access_tokens": True}
    signer.register(**profile)
    answer = signer.post("/introspect", token="x")
    assert checked(provider, answer.text, "ES256")["token_introspection"] == {"active": False}
    signer.register(
        **profile,
        introspection_encrypted_response_alg="RSA-OAEP-256",
        introspection_signed_response_alg="PS256",
    )
    _header, inside = opened(signer.post("/introspect", token="x").text, RSA)
    assert checked(provider, inside, "PS256")["aud"] == NAME


def test_every_algorithm_that_is_advertised_is_one_that_can_be_registered(provider: Provider) -> None:
    """Each value of the lists of algorithms in the discovery document is taken at registration and has a key."""
    document = provider.web.get("/.well-known/openid-configuration").json()
    for kind in ("id_token", "userinfo", "introspection"):
        for alg in document[f"{kind}_signing_alg_values_supported"]:
            Signer(provider).register(**{f"{kind}_signed_response_alg": alg})
        for alg in document[f"{kind}_encryption_alg_values_supported"]:
            for enc in document[f"{kind}_encryption_enc_values_supported"]:
                asked = {f"{kind}_encrypted_response_alg": alg, f"{kind}_encrypted_response_enc": enc}
                Signer(provider).register(**asked)
    methods = document["token_endpoint_auth_methods_supported"]
    assert {"private_key_jwt", "client_secret_jwt"} <= set(methods)
    assert document["token_endpoint_auth_signing_alg_values_supported"] == list(
        metadata.AUTH_SIGNING_ALGORITHMS
    )
    assert "none" not in str(document["token_endpoint_auth_signing_alg_values_supported"])


def test_an_id_token_that_was_encrypted_to_us_is_a_hint(provider: Provider) -> None:
    """A client may encrypt the ID token it sends back as a hint, so that it stands in no log (OpenID Connect Core 3.1.2.1)."""
    signer = Signer(provider)
    signer.register()
    provider.sign_in()
    token = tokens(signer)["id_token"]
    ours = next(key for key in provider.web.get("/jwks.json").json()["keys"] if key["alg"] == "ECDH-ES")
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "kid": ours["kid"], "cty": "JWT"}
    hint = jwe.encrypt_compact(header, token, ECKey.import_key(ours), algorithms=["ECDH-ES", "A128GCM"])
    assert "code" in answered(
        provider.authorize(client_id=NAME, redirect_uri=CALLBACK, prompt="none", id_token_hint=hint)
    )
    spoilt = answered(
        provider.authorize(client_id=NAME, redirect_uri=CALLBACK, id_token_hint=hint[:-4] + "AAAA")
    )
    assert spoilt["error"] == "invalid_request"
    assert "signer" not in provider.web.get("/end-session", params={"id_token_hint": hint[:-4] + "AAAA"}).text
