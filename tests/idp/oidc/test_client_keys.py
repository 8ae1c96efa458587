"""Clients' keys: what is taken for one, which is chosen, and how seldom anybody can make us call for them."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from core.database import Database
from core.settings import Settings
from idp.oidc import fetched_keys, public_keys
from idp.oidc.errors import ClientKeysWrong
from keys import compact
from tests.browser.authority import Authority
from tests.idp.oidc.key_server import KeyServer, public

WEAK = {"kty": "RSA", "e": "AQAB", "n": compact.encoded(b"\xff" * 128)}  # 1024 bits
EC, RSA, ED = ECKey.generate_key("P-256"), RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")
A, B = public(EC, kid="a"), public(ECKey.generate_key("P-256"), kid="b")
Start = Callable[..., KeyServer]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let calls go to loopback, where the clients' servers are."""
    return settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1", "localhost")})


@pytest.fixture
def serve() -> Iterator[Start]:
    """Give a way to start clients' servers, which end with the test."""
    started: list[KeyServer] = []

    def start(*keys: dict[str, Any], **more: Any) -> KeyServer:
        started.append(KeyServer(*keys, **more))
        return started[-1]

    yield start
    for server in started:
        server.close()


def kids(keys: tuple[public_keys.PublicKey, ...]) -> list[str]:
    """Return the IDs of keys."""
    return [one.kid for one in keys]


def fetched(database: Database, server: KeyServer, *, again: bool = False) -> list[str]:
    """Return the IDs of the keys at a server's address as the house knows them."""
    return kids(fetched_keys.at(database, server.uri, public_keys.read, again=again))


@pytest.mark.parametrize(
    "jwk",
    [
        EC.as_dict(private=True), RSA.as_dict(private=True), ED.as_dict(private=True),
        OctKey.generate_key(256).as_dict(), {**A, "k": "x"}, WEAK,
        public(ECKey.generate_key("secp256k1")), public(OKPKey.generate_key("Ed448")), {**A, "y": A["x"]},
        {"kty": "EC", "crv": "P-256", "x": A["x"]}, {**A, "x": "!"}, {**A, "x": "A" * 5_000}, {**A, "kid": 1},
        {**public(RSA), "e": "Aw"}, {**public(RSA), "n": "A" * 1_500}, {**public(RSA), "n": "AQAB"}, {"kty": ["EC"]},
        {"kty": "AKP", "pub": "x"}, {}, 1, None, "key", [A],
    ],
)  # fmt: skip
def test_what_is_no_public_key_of_use_is_a_mistake_at_its_place(jwk: Any) -> None:
    """Private, symmetric, weak and unknown keys, and points off their curve, are named where they stand."""
    found = public_keys.mistakes({"keys": [A, jwk]})
    assert [place for place, _says in found] == [".keys[1]"]


def test_an_rsa_key_beyond_all_measure_is_a_mistake() -> None:
    """An RSA key of more than 8192 bits, which would make each check dear, is refused."""
    number = rsa.RSAPublicNumbers(65_537, (1 << 8_200) + 1)
    long = compact.encoded(number.n.to_bytes(1_026, "big"))
    assert public_keys.mistakes({"keys": [{"kty": "RSA", "e": "AQAB", "n": long}]})


def test_good_sets_have_no_mistakes_and_two_keys_of_one_name_are_told_apart_or_refused() -> None:
    """Keys may share an ID if kind or use tells them apart (FAPI 2.0, 5.6.3), and not otherwise (RFC 7517, 4.5)."""
    good = [
        A,
        B,
        public(RSA, kid="a"),
        public(ED, kid="a"),
        {**A, "use": "enc"},
        public(OKPKey.generate_key("X25519")),
    ]
    assert public_keys.mistakes({"keys": good}) == []
    assert [place for place, _says in public_keys.mistakes({"keys": [A, B, {**B, "kid": "a"}]})] == [
        ".keys[2].kid"
    ]
    wrong: tuple[Any, ...] = (None, [], {}, {"keys": []}, {"keys": {}}, {"keys": [A] * 51})
    for document in wrong:
        assert public_keys.mistakes(document), document


def test_a_published_private_key_spoils_the_set_and_an_unknown_one_does_not() -> None:
    """Of a fetched set keys of other kinds are passed over; with a private or symmetric one it is not believed at all."""
    assert kids(public_keys.read({"keys": [{"kty": "AKP"}, 1, WEAK, A]})) == ["a"]
    for jwk in (OctKey.generate_key(256).as_dict(), ED.as_dict(private=True)):
        with pytest.raises(ClientKeysWrong):
            public_keys.read({"keys": [A, jwk]})


def test_a_key_is_chosen_by_use_algorithm_and_id() -> None:
    """A signature is tried with keys for signing, of its algorithm and its ID; encryption prefers a key made for it."""
    keys = public_keys.read(
        {
            "keys": [
                A,
                B,
                public(RSA, kid="r", alg="RS256"),
                {**A, "kid": "e", "use": "enc"},
                public(ED, alg="Ed25519"),
            ]
        }
    )

    def tried(alg: str, **header: str) -> list[str]:
        signed = compact.Signed({"alg": alg, **header}, b"", b"", b"")
        return [one.kid for one in public_keys.for_signature(keys, signed)]

    assert tried("ES256") == ["a", "b"]
    assert tried("ES256", kid="b") == ["b"]
    assert (
        tried("ES256", kid="e")
        == tried("ES256", kid="none")
        == tried("PS256")
        == tried("HS256")
        == tried("none")
        == []
    )
    assert tried("RS256") == ["r"]
    assert tried("EdDSA") == [""]
    to = public_keys.for_encryption(keys, "ECDH-ES")
    assert to is not None
    assert to.kid == "e"
    assert public_keys.for_encryption(keys, "RSA-OAEP") is None


def test_keys_are_fetched_over_tls_and_kept(
    settings: Settings, database: Database, serve: Start, tmp_path: Path
) -> None:
    """An https address is called once, and only if a known authority vouches for it."""
    authority = Authority(tmp_path)
    certificate = authority.certify("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    server = serve(A, context=context)
    assert fetched(database, server) == []
    known = settings.model_copy(update={"outbound_ca_file": authority.file})
    other = Database(type(database.parts)(settings=known))
    assert [fetched(other, server) for _time in range(3)] == [["a"]] * 3
    assert server.asked == 1
    other.close()


def test_a_client_that_changes_its_keys_is_asked_again(database: Database, serve: Start) -> None:
    """Where the keys held do not do, the address is called once more, even shortly after."""
    server = serve(A)
    assert fetched(database, server) == ["a"]
    server.keys = [B]
    assert fetched(database, server) == ["a"]
    assert fetched(database, server, again=True) == ["b"]


def test_nobody_can_make_us_call_a_client_without_end(database: Database, serve: Start) -> None:
    """Any number of signatures by keys that nobody knows costs the client's server three calls, then one in ten seconds."""
    server = serve(A)
    for _attempt in range(50):
        assert fetched(database, server, again=True) == ["a"]
    assert server.asked == fetched_keys.AT_ONCE


def test_a_server_that_fails_is_left_alone_and_old_keys_go_on(database: Database, serve: Start) -> None:
    """An error, a set that is not to be believed, and no JSON leave what was held; each is asked once in a while."""
    server = serve(A)
    assert fetched(database, server) == ["a"]
    server.status = 500
    assert [fetched(database, server, again=True) for _time in range(5)] == [["a"]] * 5
    assert server.asked == 2
    for body in (
        b"<html>",
        b"[" * 50_000,
        json.dumps({"keys": [A, {**A, "d": "x"}]}).encode(),
        b"a" * 70_000,
    ):
        bad = serve()
        bad.body = body
        assert [fetched(database, bad) for _time in range(3)] == [[]] * 3
        assert bad.asked == 1


def test_a_slow_server_holds_up_few(database: Database, serve: Start) -> None:
    """Of many threads that want keys from a server that does not answer, one calls, four wait, the others go on."""
    server = serve(A)
    server.let_go.clear()
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetched(database, server))) for _number in range(20)
    ]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + 10
    while len(found) < 20 - 1 - fetched_keys.WAITERS and time.monotonic() < ends:
        time.sleep(0.01)
    assert found == [[]] * (20 - 1 - fetched_keys.WAITERS)
    server.let_go.set()
    for thread in threads:
        thread.join()
    assert found.count(["a"]) == 1 + fetched_keys.WAITERS
    assert server.asked == 1


def test_a_redirect_is_not_followed(database: Database, serve: Start) -> None:
    """A `jwks_uri` that answers with a redirect, by which it could lead inside, gives no keys."""
    server = serve(A)
    server.status = 302
    assert fetched(database, server) == []


def test_addresses_inside_are_not_called(database: Database) -> None:
    """A `jwks_uri` that leads into our own network, or that is no web address, gives no keys."""
    for uri in (
        "http://10.0.0.1/jwks",
        "https://169.254.169.254/",
        "https://[::1]/jwks",
        "file:///etc/passwd",
        "x",
    ):
        assert fetched_keys.at(database, uri, public_keys.read) == ()


def test_nothing_is_fetched_while_a_transaction_is_open(database: Database) -> None:
    """A call inside a write transaction, where it would hold up everybody, is a mistake of ours."""
    with database.writing(), pytest.raises(RuntimeError):
        fetched_keys.at(database, "https://client.example/jwks", public_keys.read)


@given(
    document=st.recursive(
        st.none()
        | st.integers()
        | st.text(max_size=6)
        | st.sampled_from(["EC", "RSA", "OKP", "P-256", "AQAB", "AA"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["keys", "kty", "crv", "x", "y", "n", "e", "kid", "use"]), inner, max_size=6
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_keys_or_a_refusal(document: Any) -> None:
    """Whatever stands at a client's address or in its registration, it is keys or words about what is wrong."""
    for shape in (document, {"keys": [document]}):
        says = public_keys.mistakes(shape)
        try:
            found = public_keys.read(shape)
        except ClientKeysWrong:
            assert says
        else:
            assert says or found
