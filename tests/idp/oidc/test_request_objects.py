"""Request objects (RFC 9101): what of them counts, what is refused, and by which error."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, KeySet

from consent.errors import FileRefused
from core.forms import Posted
from core.settings import Settings
from idp.oidc import request_objects
from idp.oidc.asked import Refusal
from keys import compact
from tests.conftest import ISSUER
from tests.idp.oidc import asker, signer
from tests.idp.oidc import provider as to
from tests.idp.oidc.asker import CALLBACK, told
from tests.idp.oidc.key_server import KeyServer
from tests.idp.oidc.provider import Provider
from tests.idp.oidc.signer import After

OUTSIDE = {"state": "outside", "nonce": "outside", "scope": "openid profile", "redirect_uri": CALLBACK}
DETAILS = [{"type": "citizen_attributes", "purpose": "revenue-relief", "attributes": ["employer"]}]


@pytest.mark.parametrize("alg", list(signer.KEYS))
def test_a_signed_request_object_is_what_counts(provider: Provider, alg: str) -> None:
    """In each algorithm that is advertised an object asks by itself; what stands beside it is neither used nor merged."""
    client = asker.plain(provider)
    client.key, client.alg = signer.KEYS[alg], alg
    provider.sign_in()
    found = told(client.send(client.object(state="inside"), **OUTSIDE))
    assert found["state"] == "inside"
    tokens = client.post(
        grant_type="authorization_code", code=found["code"], redirect_uri=CALLBACK, code_verifier=to.VERIFIER
    ).json()
    assert tokens["scope"] == "openid"
    assert to.claims_of(tokens["id_token"])["nonce"] == "n-1"
    document = provider.web.get("/.well-known/openid-configuration").json()
    assert alg in document["request_object_signing_alg_values_supported"]


def test_state_only_outside_the_request_object_is_not_used(provider: Provider) -> None:
    """A state beside an object without one does not come back (RFC 9101, 6.3)."""
    client = asker.plain(provider)
    provider.sign_in()
    found = told(client.send(client.object(state=None), **OUTSIDE))
    assert "code" in found
    assert "state" not in found


def test_an_object_by_post_is_led_through_the_steps_after_it_expired(provider: Provider) -> None:
    """A posted object is stored as what it asks: its own expiry ends no sign-in that began in time."""
    client = asker.plain(provider)
    sent = {"client_id": signer.NAME, "request": client.object(exp=After(1), prompt="login")}
    step = provider.web.post("/authorize", data=sent).headers["location"]
    assert provider.web.get(step).headers["location"].startswith("/login")
    sleep_past = client.object(exp=After(-6))
    assert told(client.send(sleep_past, redirect_uri=CALLBACK))["error"] == "invalid_request_object"
    provider.sign_in()
    assert "code" in told(provider.web.get(step))


def test_values_in_json_become_parameters(provider: Provider) -> None:
    """Numbers, objects and lists in an object mean what their text means among parameters."""
    client = asker.plain(provider, purposes=["revenue-relief"], resources=[to.API])
    provider.sign_in()
    given = client.object(
        max_age=300,
        claims={"id_token": {"acr": {"essential": True, "values": ["urn:erti:loa:substantial"]}}},
        authorization_details=DETAILS,
        resource=[to.API, ISSUER],
        unknown={"whatever": [1]},
    )
    answer = client.send(given)
    assert answer.headers["location"].startswith("/consent"), answer.headers["location"]
    wrong = client.object(claims={"id_token": {"acr": {"essential": True, "values": ["none"]}}})
    assert told(client.send(wrong, redirect_uri=CALLBACK))["error"] == "unmet_authentication_requirements"


BAD = "invalid_request_object"


WRONG: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"exp": After(-60)}, {}),
    ({"nbf": After(120)}, {}),
    ({"iat": After(120)}, {}),
    ({"exp": "soon"}, {}),
    ({"aud": "https://other.example"}, {}),
    ({"iss": to.PORTAL}, {}),
    ({"sub": signer.NAME}, {}),
    ({"client_id": to.PORTAL}, {}),
    ({"request": "a.b.c"}, {}),
    ({"request_uri": "https://signer.example/r"}, {}),
    ({"max_age": True}, {}),
    ({"max_age": 1.5}, {}),
    ({"scope": ["openid"]}, {}),
    ({"state": {"a": 1}}, {}),
    ({"claims": [1]}, {}),
    ({"resource": [1]}, {}),
    ({"nonce": "\x00"}, {}),
    ({}, {"typ": "logout+jwt"}),
    ({}, {"typ": "client-authentication+jwt"}),
    ({}, {"crit": ["exp"]}),
    ({}, {"kid": "nobody"}),
]


def test_attempt_with_an_object_that_is_not_good(provider: Provider) -> None:
    """An object that expired, is for another, from another, of another kind or of another form is refused by name."""
    client = asker.plain(provider)
    provider.sign_in()
    for changes, header in WRONG:
        answer = client.send(client.object(header, **changes), redirect_uri=CALLBACK)
        assert told(answer)["error"] == BAD, (changes, header)
    for changes, header in WRONG[:2]:
        pushed = client.push(request=client.object(header, **changes))
        assert (pushed.status_code, pushed.json()["error"]) == (400, BAD)


def test_attempt_to_forge_a_signature(provider: Provider) -> None:
    """No signature, another's key, a public key as a secret, a key in the header, another algorithm: all refused."""
    client = asker.plain(provider, request_object_signing_alg="ES256")
    provider.sign_in()
    good = client.object()
    head, body, _signature = good.split(".")
    none = compact.encoded(json.dumps({"alg": "none"}).encode())
    odd = compact.encoded(json.dumps({"alg": "None"}).encode())
    stranger = ECKey.generate_key("P-256")
    by_public = compact.encoded(b'{"alg":"HS256"}') + "." + body
    mac = hmac.digest(signer.EC.as_pem(private=False), by_public.encode(), "sha256")
    other = asker.Asker(provider, stranger)
    other_alg = asker.Asker(provider, signer.RSA, "PS256")
    attempts = {
        f"{none}.{body}.": "request_not_supported",
        f"{odd}.{body}.": BAD,
        f"{head}.{body}.": BAD,
        f"{head}.{compact.encoded(b'{}')}.{_signature}": BAD,
        other.object(): BAD,
        other.object({"jwk": stranger.as_dict(private=False)}): BAD,
        f"{by_public}.{compact.encoded(mac)}": BAD,
        other_alg.object(): BAD,
        "not.a.jwt": BAD,
        "x" * 20_000: BAD,
    }
    for given_object, error in attempts.items():
        assert told(client.send(given_object, redirect_uri=CALLBACK))["error"] == error
    assert "code" in told(client.send(good))


def test_attempt_to_use_an_assertion_as_a_request(provider: Provider) -> None:
    """What proves who a client is asks for nothing, although the same key signed it for the same audience."""
    client = asker.plain(provider)
    around = {**to.request(to.PORTAL), "client_id": signer.NAME, "redirect_uri": CALLBACK}
    assert told(client.send(client.assertion(), **around))["error"] == BAD


def test_attempt_to_send_both_ways_or_two_objects(provider: Provider) -> None:
    """An object by value beside one by reference, or twice, or beside another response_type, is an invalid request."""
    client = asker.plain(provider)
    good = client.object()
    both = client.send(good, request_uri="https://signer.example/r", redirect_uri=CALLBACK)
    assert told(both)["error"] == "invalid_request"
    twice = provider.web.get(
        "/authorize",
        params=[("client_id", signer.NAME), ("redirect_uri", CALLBACK), ("request", good), ("request", good)],
    )
    assert told(twice)["error"] == "invalid_request"
    other = client.send(good, response_type="token", redirect_uri=CALLBACK)
    assert told(other)["error"] == BAD


def test_an_error_goes_nowhere_that_is_not_registered(provider: Provider) -> None:
    """An object that cannot be read, with no redirect URI or a foreign one beside it, ends on a page."""
    client = asker.plain(provider)
    for around in ({}, {"redirect_uri": "https://evil.example/cb"}):
        answer = client.send("not.a.jwt", **around)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    inside = client.send(client.object(redirect_uri="https://evil.example/cb"), redirect_uri=CALLBACK)
    assert inside.status_code == 400


def test_an_encrypted_object_is_opened_and_still_has_to_be_signed(provider: Provider) -> None:
    """A client may encrypt its request to our key; what is inside is signed all the same (CVE-2026-9793)."""
    client = asker.plain(provider, request_object_encryption_alg="ECDH-ES")
    provider.sign_in()
    keys = provider.web.get("/jwks.json").json()["keys"]
    ours = next(key for key in keys if key["alg"] == "ECDH-ES")
    header = {"alg": "ECDH-ES", "enc": "A128CBC-HS256", "kid": ours["kid"], "cty": "oauth-authz-req+jwt"}
    key = KeySet.import_key_set({"keys": [ours]}).keys[0]

    def encrypted(inside: str, **changes: Any) -> str:
        wanted = {**header, **changes}
        return jwe.encrypt_compact(wanted, inside, key, algorithms=[wanted["alg"], wanted["enc"]])

    assert "code" in told(client.send(encrypted(client.object())))
    claims = json.dumps({**to.request(to.PORTAL), "client_id": signer.NAME, "redirect_uri": CALLBACK})
    none = compact.encoded(b'{"alg":"none"}') + "." + compact.encoded(claims.encode()) + "."
    for inside, error in ((claims, BAD), (none, "request_not_supported")):
        assert told(client.send(encrypted(inside), redirect_uri=CALLBACK))["error"] == error
    other = encrypted(client.object(), enc="A128GCM")
    assert told(client.send(other, redirect_uri=CALLBACK))["error"] == BAD


def test_an_object_at_an_address_of_the_client(provider: Provider) -> None:
    """request_uri fetches an object from a registered address, with its hash as a fragment or without."""
    provider.database.parts.settings = settings_of(provider)
    client = asker.Asker(provider)
    server = KeyServer()
    try:
        client.register(request_uris=[server.uri])
        server.body = client.object().encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(server.body).digest()).decode().rstrip("=")
        provider.sign_in()

        def by_reference(uri: str) -> dict[str, str]:
            sent = {"client_id": signer.NAME, "request_uri": uri, "redirect_uri": CALLBACK}
            return told(provider.web.get("/authorize", params=sent))

        assert "code" in by_reference(server.uri)
        assert "code" in by_reference(f"{server.uri}#{digest}")
        asked = server.asked
        assert by_reference(f"{server.uri}#{'A' * 43}")["error"] == "invalid_request_uri"
        assert by_reference(server.uri + "?more")["error"] == "invalid_request_uri"
        assert server.asked == asked + 1  # what is not registered is not called
        server.body = b"x" * 60_000
        assert by_reference(server.uri)["error"] == "invalid_request_uri"
        server.body, server.status = client.object().encode(), 404
        assert by_reference(server.uri)["error"] == "invalid_request_uri"
        server.body, server.status = compact.encoded(b'{"alg":"none"}').encode() + b".e30.", 200
        assert by_reference(server.uri)["error"] == "request_uri_not_supported"
    finally:
        server.close()


@pytest.mark.parametrize(
    "uri",
    ["https://127.0.0.1/r", "https://169.254.169.254/r", "https://[fd00::1]/r", "http://signer.example/r"],
)
def test_attempt_to_reach_our_own_network_through_a_request_uri(provider: Provider, uri: str) -> None:
    """A registered address of a private host or without TLS is not called (CVE-2020-10770)."""
    asker.plain(provider, request_uris=[uri])
    sent = {"client_id": signer.NAME, "request_uri": uri, "redirect_uri": CALLBACK}
    assert told(provider.web.get("/authorize", params=sent))["error"] == "invalid_request_uri"


def test_attempt_to_hold_up_every_thread_with_slow_addresses(provider: Provider) -> None:
    """One process fetches few objects at once: who comes when all turns are taken is told to try again, at once."""
    asker.plain(provider, request_uris=["https://signer.example/r"])
    turns = [request_objects._TURNS.acquire(blocking=False) for _ in range(request_objects.FETCHES_AT_ONCE)]
    try:
        assert all(turns)
        sent = {"client_id": signer.NAME, "request_uri": "https://signer.example/r", "redirect_uri": CALLBACK}
        found = told(provider.web.get("/authorize", params=sent))
    finally:
        for _turn in turns:
            request_objects._TURNS.release()
    assert found["error"] == "temporarily_unavailable"


def test_addresses_of_requests_are_looked_at_when_registering(provider: Provider) -> None:
    """request_uris are web addresses, and a client that signs its requests has keys."""
    for wrong in ({"request_uris": ["file:///etc/passwd"]}, {"request_object_signing_alg": "none"}):
        with pytest.raises(FileRefused):
            asker.plain(provider, **wrong)
    with pytest.raises(FileRefused):
        asker.plain(
            provider,
            jwks=None,
            token_endpoint_auth_method="client_secret_basic",
            require_signed_request_object=True,
        )


def test_a_client_that_must_sign_sends_nothing_plain(provider: Provider) -> None:
    """With require_signed_request_object plain parameters are refused, and objects need nbf and exp within an hour."""
    client = asker.plain(provider, require_signed_request_object=True)
    provider.sign_in()
    around = {**to.request(to.PORTAL), "client_id": signer.NAME, "redirect_uri": CALLBACK}
    assert told(provider.web.get("/authorize", params=around))["error"] == "invalid_request"
    assert "code" in told(client.send(client.object()))
    assert "code" in told(client.send(client.object(aud=[ISSUER, "https://other.example"])))
    for missing in ("nbf", "exp", "aud", "iss"):
        assert told(client.send(client.object(**{missing: None}), **around))["error"] == BAD
    late: tuple[dict[str, Any], ...] = ({"nbf": After(-3700)}, {"exp": After(3700)})
    for changed in late:
        assert told(client.send(client.object(**changed), **around))["error"] == BAD


NAMES = st.one_of(
    st.sampled_from(
        [*request_objects.TEXTS, *request_objects.JSON_VALUES, "max_age", "resource", "request", "iss"]
    ),
    st.text(max_size=12),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_any_claims_become_parameters_or_are_refused(claims: dict[str, Any]) -> None:
    """Whatever an object holds becomes texts that a form could have brought, or is refused; nothing of the JWT is among them."""
    try:
        found = request_objects.parameters(json.loads(json.dumps(claims)))
    except Refusal as refusal:
        found, error = Posted(), refusal.error
    else:
        error = BAD
    assert error == BAD
    for name, value in found.items:
        assert name not in request_objects.OF_THE_JWT
        assert "\x00" not in value
        assert value.encode().decode() == value
        assert claims[name] == value or name in ("resource", "max_age") or json.loads(value) == claims[name]


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["request", "request_uri"]),
    text=st.text(max_size=40)
    | st.from_regex(r"(urn:ietf:params:oauth:request_uri:|https?://|e[yJ]+\.)\S{0,20}"),
)
def test_any_text_where_an_object_should_be_is_refused(provider: Provider, name: str, text: str) -> None:
    """Whatever stands as request or request_uri, the answer is an error at the client's own address, or a page."""
    around = {**to.request(), name: text.replace("\x00", "")}
    answer = provider.web.get("/authorize", params={**around, "prompt": "none"})
    if answer.status_code == 303:
        assert answer.headers["location"].startswith(f"{to.CALLBACK}?error=")
    else:
        assert (answer.status_code, "location" in answer.headers) == (400, False)


def settings_of(provider: Provider) -> Settings:
    """Return the settings of a service that may call this machine, as only development may."""
    return provider.database.parts.settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1",)})
