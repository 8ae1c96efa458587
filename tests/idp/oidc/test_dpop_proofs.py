"""DPoP proofs as RFC 9449, 4.3 checks them: what is taken, and each thing that is refused, by name."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from core import clock
from core.database import Parts
from core.settings import Settings
from idp.oidc import addresses, dpop, nonces
from idp.oidc.calls import Call
from idp.oidc.dpop import Proof, ProofRefused
from service.app import open_house
from tests.conftest import ISSUER
from tests.engines import Sqlite
from tests.idp.oidc import proofs
from tests.idp.oidc.proofs import Prover

URL = f"{ISSUER}/token"


@pytest.fixture(scope="module")
def strict(sqlite: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """The parts of a house that wants a nonce in each proof."""
    yield from house(sqlite, tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def lax(sqlite: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """The parts of a house that offers nonces."""
    yield from house(sqlite, tmp_path_factory.mktemp("lax"), dpop_nonce="offered")


def house(sqlite: Sqlite, folder: Path, **more: Any) -> Iterator[Parts]:
    """Open a house in a folder."""
    url = sqlite.fresh(folder / "erti.strict")
    database = open_house(Settings(issuer=ISSUER, database_url=url, data_dir=folder, **more))
    yield database.parts
    database.close()


@pytest.fixture(scope="module", autouse=True)
def minute() -> Iterator[Callable[[], int]]:
    """Keep to one minute, so that no nonce is renewed in between; gives what tells the true one."""
    true, kept = nonces._minute, int(time.time()) // nonces.SECONDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nonces, "_minute", lambda: kept)
        yield true


@pytest.fixture
def prover(strict: Parts) -> Prover:
    """Somebody with a key and a nonce."""
    prover = Prover()
    prover.nonce = nonces.current(strict)
    return prover


def shown(
    strict: Parts, *headers: str, token: str | None = None, method: str = "POST", url: str = URL
) -> Proof:
    """Show proofs with a call."""
    return dpop.verify(strict, Call(method=method, url=url, dpop=headers), token=token)


def refused(strict: Parts, *headers: str, token: str | None = None) -> tuple[str, str]:
    """Show proofs that are refused; return the error and what is said about it."""
    with pytest.raises(ProofRefused) as raised:
        shown(strict, *headers, token=token)
    assert raised.value.description.isascii()
    return raised.value.error, raised.value.description


KEYS: list[tuple[str, Any]] = [
    ("ES256", ECKey.generate_key("P-256")),
    ("PS256", RSAKey.generate_key(2048)),
    ("EdDSA", OKPKey.generate_key("Ed25519")),
    ("Ed25519", OKPKey.generate_key("Ed25519")),
]


@pytest.mark.parametrize(("alg", "key"), KEYS)
def test_a_proof_by_each_algorithm_is_taken(strict: Parts, prover: Prover, alg: str, key: Any) -> None:
    """What discovery names is verified, and says the key's thumbprint."""
    prover.key, prover.alg = key, alg
    assert shown(strict, prover.proof("POST", URL)).jkt == key.thumbprint()


def test_a_proof_with_members_nobody_knows_is_taken(strict: Parts, prover: Prover) -> None:
    """Unknown members of header, jwk and claims are ignored."""
    jwk = {**prover.key.as_dict(private=False), "use": "sig", "kid": "1", "else": [1]}
    told = prover.proof("POST", URL, header={"jwk": jwk, "extra": {"a": 1}}, extra=["x"])
    assert shown(strict, told).jkt == prover.jkt


@pytest.mark.parametrize(
    "htu",
    [
        URL,
        f"{URL}?with=query#and-fragment",
        URL.replace("https://id.erti.example", "HTTPS://ID.Erti.EXAMPLE"),
        URL.replace("id.erti.example", "id.erti.example:443"),
        URL.replace("/token", "/%74oken"),
        URL.replace("/token", "/a/.././token"),
    ],
)
def test_an_htu_is_compared_normalized_and_without_query(strict: Parts, prover: Prover, htu: str) -> None:
    """Case of scheme and host, the default port, needless escapes, dots, query and fragment make no difference."""
    assert shown(strict, prover.proof("POST", htu)).jkt == prover.jkt


@pytest.mark.parametrize(
    "htu",
    [
        f"{ISSUER}/userinfo",
        f"{ISSUER}/Token",
        f"{ISSUER}/token/",
        f"{ISSUER}/token%2F",
        f"{ISSUER}:8443/token",
        ISSUER.replace("https", "http") + "/token",
        f"{ISSUER}.evil.example/token",
        "https://id.erti.example@evil.example/token",
        "https://user@id.erti.example/token",
        "/token",
        "https:///token",
        "https://id.erti.example:x/token",
        "https://[::1/token",
        f"{ISSUER}/to\tken",
        f"{ISSUER}/token%zz",
        f"{ISSUER}/tokén",
    ],
)
def test_an_htu_of_another_address_is_refused(strict: Parts, prover: Prover, htu: str) -> None:
    """Another path, host, port or scheme, and what is no address at all."""
    assert refused(strict, prover.proof("POST", htu)) == (
        "invalid_dpop_proof",
        "htu is not the address of this request.",
    )


def test_no_proof_and_two_proofs_are_refused(strict: Parts, prover: Prover) -> None:
    """(1) There is just one header, even if both proofs are good."""
    one, two = prover.proof("POST", URL), prover.proof("POST", URL)
    assert refused(strict)[0] == refused(strict, one, two)[0] == "invalid_dpop_proof"
    assert refused(strict, f"{one}, {two}")[0] == refused(strict, f"{one},{two}")[0] == "invalid_dpop_proof"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "é.é.é", "\x00"])
def test_what_is_not_a_jwt_is_refused(strict: Parts, text: str) -> None:
    """(2) A proof has three parts that can be read."""
    assert refused(strict, text) == ("invalid_dpop_proof", "The proof is not a JWT.")


def test_a_proof_in_json_serialization_is_refused(strict: Parts, prover: Prover) -> None:
    """(2) Only the compact form is a proof."""
    header, payload, signature = prover.proof("POST", URL).split(".")
    text = json.dumps({"protected": header, "payload": payload, "signature": signature})
    assert refused(strict, text)[1] == "The proof is not a JWT."


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, "", [], {}, True, ["POST"]])
def test_a_proof_without_a_claim_or_with_one_of_a_wrong_type_is_refused(
    strict: Parts, prover: Prover, name: str, value: Any
) -> None:
    """(3) jti, htm and htu are text and iat is a number: a list with the right text in it is not."""
    error, says = refused(strict, prover.proof("POST", URL, **{name: value}))
    assert error == "invalid_dpop_proof"
    assert says.startswith(name)


@pytest.mark.parametrize("claims", [[], "text", 7, None, True])
def test_claims_that_are_no_object_are_refused(strict: Parts, claims: Any) -> None:
    """(3) The payload is a JSON object, and so is the header."""
    assert refused(strict, proofs.unsigned({"alg": "ES256"}, claims))[1] == "The proof is not a JWT."
    assert refused(strict, proofs.unsigned(["alg", "b64", "crit"], {}))[1] == "The proof is not a JWT."


@pytest.mark.parametrize("typ", [None, "JWT", "dpop", "at+jwt", "DPOP+JWT", ["dpop+jwt"]])
def test_another_typ_is_refused(strict: Parts, prover: Prover, typ: Any) -> None:
    """(4) A token of another kind, signed by the same key, is no proof."""
    header = {"alg": "ES256", "jwk": prover.key.as_dict(private=False), "typ": typ}
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": int(time.time()), "nonce": prover.nonce or "n"}
    assert refused(strict, proofs.unsigned(header, claims))[1] == "typ must be dpop+jwt."


def test_alg_none_is_refused(strict: Parts, prover: Prover) -> None:
    """(5) A proof without a signature is none, however `none` is spelled."""
    for alg in ("none", "None", "NONE", "", None, ["ES256"]):
        header = {"typ": "dpop+jwt", "alg": alg, "jwk": prover.key.as_dict(private=False)}
        claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": int(time.time())}
        assert refused(strict, proofs.unsigned(header, claims))[1].startswith("alg must be one of")
    assert refused(strict, proofs.unsigned({"typ": "dpop+jwt"}, {}))[1] == "The proof is not a JWT."


def test_hmac_with_the_public_key_as_secret_is_refused(strict: Parts, prover: Prover) -> None:
    """(5) A symmetric algorithm is not taken, with a symmetric key in the header or the public key as secret."""
    secret = OctKey.import_key("the secret of nobody, which is long enough")
    for jwk in ({"kty": "oct", "k": "c2VjcmV0"}, prover.key.as_dict(private=False)):
        told = prover.proof("POST", URL, header={"alg": "HS256", "jwk": jwk}, signed_by=secret)
        assert refused(strict, told)[1].startswith("alg must be one of")


def test_rs256_and_es384_are_refused(strict: Parts, prover: Prover) -> None:
    """(5) Algorithms that FAPI 2.0 leaves out are left out here too."""
    for alg, key in (("RS256", KEYS[1][1]), ("ES384", ECKey.generate_key("P-384"))):
        told = Prover(key, alg).proof("POST", URL)
        assert refused(strict, told)[1].startswith("alg must be one of")


@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], "b64", 7])
def test_a_critical_header_nobody_understands_is_refused(strict: Parts, prover: Prover, crit: Any) -> None:
    """(5) `crit` says that the rest must be understood, which nothing here is (RFC 7515, 4.1.11)."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": prover.key.as_dict(private=False), "crit": crit}
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": int(time.time())}
    assert refused(strict, proofs.unsigned({**header, "b64": False}, claims))[0] == "invalid_dpop_proof"
    assert refused(strict, proofs.unsigned(header, claims))[1].startswith("crit")


def test_a_signature_by_another_key_is_refused(strict: Parts, prover: Prover) -> None:
    """(6) Who shows somebody else's public key cannot sign for it."""
    thief = ECKey.generate_key("P-256")
    assert refused(strict, prover.proof("POST", URL, signed_by=thief))[1] == "The signature is not right."


def test_a_changed_claim_breaks_the_signature(strict: Parts, prover: Prover) -> None:
    """(6) A proof for one address is not turned into one for another; nor does a cut signature pass."""
    header, _payload, signature = prover.proof("POST", f"{ISSUER}/userinfo").split(".")
    payload = prover.proof("POST", URL).split(".")[1]
    assert refused(strict, f"{header}.{payload}.{signature}")[1] == "The signature is not right."
    good = prover.proof("POST", URL)
    for broken in (good[:-4], good.rpartition(".")[0] + ".", good + "AAAA", good + "="):
        assert refused(strict, broken)[1] == "The signature is not right."


@pytest.mark.parametrize("jwk", [None, "text", [], 7, {}, {"kty": "EC"}])
def test_a_header_without_a_key_is_refused(strict: Parts, prover: Prover, jwk: Any) -> None:
    """(6) The key stands in the proof; there is no other place to look for one."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk, "kid": "x", "jku": "https://evil.example/jwks"}
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": int(time.time())}
    assert refused(strict, proofs.unsigned(header, claims))[1].startswith("jwk")


def test_a_key_of_another_kind_than_the_algorithm_is_refused(strict: Parts, prover: Prover) -> None:
    """(6) ES256 goes with P-256 alone, PS256 with RSA, Ed25519 with its curve; a point must be on it."""
    rsa, p384 = KEYS[1][1].as_dict(private=False), ECKey.generate_key("P-384").as_dict(private=False)
    x25519 = OKPKey.generate_key("X25519").as_dict(private=False)
    good = prover.key.as_dict(private=False)
    off_the_curve = {**good, "y": good["x"]}
    not_text = {**good, "x": ["AAAA"]}
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": int(time.time())}
    for alg, jwk in [
        ("ES256", rsa), ("ES256", p384), ("ES256", x25519), ("ES256", off_the_curve), ("ES256", not_text),
        ("PS256", good), ("Ed25519", good), ("Ed25519", x25519), ("EdDSA", x25519),
    ]:  # fmt: skip
        told = proofs.unsigned({"typ": "dpop+jwt", "alg": alg, "jwk": jwk}, claims, b"s" * 64)
        assert refused(strict, told)[1].startswith("jwk"), (alg, jwk)


def test_an_rsa_key_that_is_too_small_or_dear_to_check_is_refused(strict: Parts) -> None:
    """(6) 1024 bits are too few; 16384 bits, or an exponent as long as the modulus, would cost the server."""
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": int(time.time())}
    small = {"kty": "RSA", "n": base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode(), "e": "AQAB"}
    n = base64.urlsafe_b64encode(b"\xff" * 2048).rstrip(b"=").decode()
    fine = KEYS[1][1].as_dict(private=False)
    for jwk in (small, {"kty": "RSA", "n": n, "e": "AQAB"}, {**fine, "e": fine["n"]}, {**fine, "e": "AA"}):
        told = proofs.unsigned({"typ": "dpop+jwt", "alg": "PS256", "jwk": jwk}, claims, b"s" * 256)
        error, says = refused(strict, told)
        assert error == "invalid_dpop_proof"
        assert says.startswith(("jwk", "An RSA key"))


@pytest.mark.parametrize(("alg", "key"), KEYS[:3])
def test_a_private_key_in_the_header_is_refused(strict: Parts, prover: Prover, alg: str, key: Any) -> None:
    """(7) A client that gives its private key away is told so, though its proof is right otherwise."""
    prover.key, prover.alg = key, alg
    told = prover.proof("POST", URL, header={"jwk": key.as_dict(private=True)})
    assert refused(strict, told)[1] == "jwk holds a private or a symmetric key."


@pytest.mark.parametrize("htm", ["GET", "post", "PUT", "POST "])
def test_an_htm_of_another_method_is_refused(strict: Parts, prover: Prover, htm: str) -> None:
    """(8) The method is compared letter by letter."""
    assert refused(strict, prover.proof(htm, URL))[1] == "htm is not the method of this request."


def test_a_proof_without_or_with_a_wrong_nonce_is_sent_for_one(
    strict: Parts, lax: Parts, prover: Prover
) -> None:
    """(10) The error says that a nonce is wanted; one that is made up, or no text, never passes."""
    for nonce in ("made-up", "", 7, ["x"], nonces.current(strict) + "x", nonces.current(lax), "\ud800"):
        assert refused(strict, prover.proof("POST", URL, nonce=nonce))[0] == "use_dpop_nonce"
    prover.nonce = None
    assert refused(strict, prover.proof("POST", URL))[0] == "use_dpop_nonce"


def test_where_nonces_are_offered_a_proof_may_come_without(strict: Parts, lax: Parts) -> None:
    """(10) Then the answer brings one for the next time, and one that is not good is refused all the same."""
    prover = Prover()
    assert shown(lax, prover.proof("POST", URL)).fresh == nonces.current(lax)
    prover.nonce = nonces.current(lax)
    assert shown(lax, prover.proof("POST", URL)).fresh == ""
    prover.nonce = nonces.current(strict)
    assert refused(lax, prover.proof("POST", URL))[0] == "use_dpop_nonce"


def test_a_nonce_is_good_for_one_to_two_minutes_and_a_fresh_one_is_offered(
    strict: Parts, prover: Prover, minute: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """(10) Any node knows the nonce of this minute and the last; who used the last one's is given the new one."""
    start = datetime.fromtimestamp(60 * (int(time.time()) // 60), tz=clock.now().tzinfo)
    monkeypatch.setattr(nonces, "_minute", minute)
    monkeypatch.setattr(clock, "now", lambda: start)
    prover.nonce = nonces.current(strict)
    assert shown(strict, prover.proof("POST", URL)).fresh == ""
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=119))
    assert shown(strict, prover.proof("POST", URL)).fresh == nonces.current(strict) != prover.nonce
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=121))
    assert refused(strict, prover.proof("POST", URL))[0] == "use_dpop_nonce"
    monkeypatch.setattr(clock, "now", lambda: start - timedelta(seconds=3))  # a node that is a bit behind
    assert shown(strict, prover.proof("POST", URL)).fresh


@pytest.mark.parametrize("seconds", [-3600, -301, 17, 61, 3600, float("inf"), float("nan")])
def test_a_proof_from_another_time_needs_a_nonce_to_be_taken(
    strict: Parts, lax: Parts, prover: Prover, seconds: float
) -> None:
    """(11) Without a nonce iat must be about now; with one the client's clock does not matter."""
    assert shown(strict, prover.proof("POST", URL, iat=time.time() + seconds)).jkt == prover.jkt
    prover.nonce = None
    told = prover.proof("POST", URL, iat=time.time() + seconds)
    assert refused(lax, told) == ("invalid_dpop_proof", "iat is too far from now.")


@pytest.mark.parametrize("seconds", [-290, -10, 0, 8, 10])
def test_a_proof_of_a_clock_that_is_a_little_off_is_taken(lax: Parts, seconds: int) -> None:
    """(11) Ten seconds ahead pass (FAPI 2.0, 5.3.2.1), and five minutes behind."""
    assert shown(lax, Prover().proof("POST", URL, iat=int(time.time()) + seconds)).jkt


def test_a_proof_may_have_nbf_and_exp_and_must_keep_to_them(strict: Parts, prover: Prover) -> None:
    """(11) A proof with nbf now and exp in five minutes is taken; expired, or not begun, it is refused."""
    at = int(time.time())
    assert shown(strict, prover.proof("POST", URL, nbf=at, exp=at + 300)).jkt == prover.jkt
    for claims in ({"exp": at - 60}, {"nbf": at + 60}, {"exp": "never"}, {"nbf": [1]}):
        assert (
            refused(strict, prover.proof("POST", URL, **claims))[1] == "exp has passed, or nbf has not come."
        )


@pytest.mark.parametrize("ath", [None, "wrong", 7, [], proofs.hashed("another token")])
def test_a_proof_without_or_with_a_wrong_ath_is_refused(strict: Parts, prover: Prover, ath: Any) -> None:
    """(12) With a token, ath is its hash; a proof for one token does not go with another."""
    assert shown(strict, prover.proof("POST", URL, token="the token"), token="the token").jkt == prover.jkt
    told = prover.proof("POST", URL, ath=ath)
    assert refused(strict, told, token="the token")[1] == "ath is not the hash of the access token."


def test_a_long_jti_is_refused(strict: Parts, prover: Prover) -> None:
    """(3) An ID of 256 characters is long enough."""
    assert shown(strict, prover.proof("POST", URL, jti="x" * 256)).jkt == prover.jkt
    assert refused(strict, prover.proof("POST", URL, jti="x" * 257))[1] == "jti is too long."


def test_a_proof_of_a_megabyte_is_refused_before_it_is_read(strict: Parts, prover: Prover) -> None:
    """(2) However long, in whichever part, it costs the server less than a millisecond of its time."""
    for told in (
        prover.proof("POST", URL, header={"x": "x" * 1_000_000}),
        prover.proof("POST", URL, x="x" * 1_000_000),
        "." * 1_000_000,
    ):
        began = time.process_time()
        assert refused(strict, told)[1] == "The proof is too long."
        assert time.process_time() - began < 0.02


def test_json_that_is_nested_a_thousand_times_is_refused(strict: Parts) -> None:
    """(2) Depth that a parser gives up on is refused like anything else that cannot be read."""
    deep = "[" * 2_900
    part = base64.urlsafe_b64encode(deep.encode()).rstrip(b"=").decode()
    fine = base64.urlsafe_b64encode(b'{"alg":"ES256"}').rstrip(b"=").decode()
    assert refused(strict, f"{part}.e30.AA") == refused(strict, f"{fine}.{part}.AA")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["typ", "alg", "jwk", "crit", "b64", "kid", "x5c", "jku", "use", "key_ops", "cty"])
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "use", "alg", "key_ops", "kid"])
TEXTS = st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "AQAB", "", "A", "AA", "AAA="]) | st.text(
    max_size=60
)


@given(
    text=st.text(max_size=200)
    | st.from_regex(r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,90}")
)
def test_no_text_crashes_the_reader(strict: Parts, text: str) -> None:
    """Whatever stands in the header is refused by the one error, and never taken."""
    refused(strict, text)


@given(
    header=st.dictionaries(NAMES, VALUES, max_size=4),
    alg=st.sampled_from([*dpop.ALGORITHMS, "none", "HS256", 7]),
    jwk=st.dictionaries(MEMBERS, TEXTS | VALUES, max_size=8) | VALUES,
    claims=st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "nonce", "exp", "nbf"]), VALUES),
    signature=st.binary(max_size=80),
)
@example({}, "PS256", {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {}, b"")
@example({}, "Ed25519", {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, {}, b"")
@example({"x5c": 7, "kid": 7}, "ES256", {}, {}, b"")
def test_no_json_crashes_the_reader(
    strict: Parts, header: dict[str, Any], alg: Any, jwk: Any, claims: dict[str, Any], signature: bytes
) -> None:
    """Nor does JSON with the right members and anything in them, its claims good or not."""
    full = {"jti": "1", "htm": "POST", "htu": URL, "iat": time.time()}
    for payload in (claims, {**full, **claims}, full):
        told = proofs.unsigned({"typ": "dpop+jwt", "alg": alg, "jwk": jwk, **header}, payload, signature)
        refused(strict, told)


@given(
    claims=st.dictionaries(
        st.sampled_from(["jti", "htm", "htu", "iat", "nonce", "exp", "nbf", "ath"]), VALUES
    )
)
def test_no_signed_claims_crash_the_reader(strict: Parts, claims: dict[str, Any]) -> None:
    """Nor do claims that are signed as they should be."""
    prover = Prover(KEYS[0][1])
    told = prover.proof("POST", URL, **{"nonce": nonces.current(strict), **claims})
    with suppress(ProofRefused):
        assert shown(strict, told, token="t").jkt == prover.jkt


@given(
    uri=st.text(max_size=60)
    | st.from_regex(r"https?://[a-zA-Z0-9.:@\[\]%-]{0,20}(/[a-z.%0-9A-F]{0,6}){0,4}(\?x)?(#y)?")
)
def test_no_address_crashes_and_a_normal_one_stays_so(uri: str) -> None:
    """Normalizing twice is normalizing once, whatever is given."""
    try:
        once = addresses.normal(uri)
    except ValueError:
        return
    assert addresses.normal(once) == once
    assert addresses.same(uri, once)
