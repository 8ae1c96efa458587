"""JOSE texts of others are taken apart within limits, and nothing in them chooses the key or the algorithm."""

import base64
import hmac
import json
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from keys import compact
from keys.errors import BadToken

EC, RSA, ED = ECKey.generate_key("P-256"), RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")
KEYS: dict[str, Any] = {"ES256": EC, "RS256": RSA, "PS256": RSA, "EdDSA": ED, "Ed25519": ED}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def encoded(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def token(header: Any, payload: bytes = b"{}", signature: bytes = b"x") -> str:
    """Return a text in the form of a JWS."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return ".".join(map(encoded, (head, payload, signature)))


@pytest.mark.parametrize("alg", KEYS)
def test_a_signature_holds_for_its_own_key_and_algorithm_alone(alg: str) -> None:
    """What a key signed holds; not by another key, not by an algorithm that was not asked for, not when changed."""
    text = compact.sign({"alg": alg, "typ": "JWT"}, {"sub": "ñ"}, KEYS[alg])
    found = compact.signed(text)
    assert found.claims() == {"sub": "ñ"}
    assert compact.holds(found, KEYS[alg], algs=[alg])
    assert not compact.holds(found, KEYS[alg], algs=["HS256"])
    assert not compact.holds(found, ECKey.generate_key("P-256"), algs=[alg])
    head, _payload, signature = text.split(".")
    assert not compact.holds(compact.signed(f"{head}.{encoded(b'{}')}.{signature}"), KEYS[alg], algs=[alg])


def test_unsigned_and_keyed_with_a_public_key_hold_for_nobody() -> None:
    """`none` never holds, even if somebody listed it; HS256 does not hold with a public key, nor with an empty one."""
    assert not compact.holds(compact.signed(token({"alg": "none"}, signature=b"")), EC, algs=["none"])
    made: Any = OctKey.import_key({"kty": "oct", "k": encoded(b"k" * 32)})
    found = compact.signed(compact.sign({"alg": "HS256"}, {}, made))
    assert not compact.holds(found, EC, algs=["HS256", "ES256"])
    assert compact.holds_by_secret(found, "k" * 32)
    assert not compact.holds_by_secret(found, "k" * 31)
    unkeyed = hmac.digest(b"", found.covered, "sha256")
    assert not compact.holds_by_secret(replace(found, signature=unkeyed), "")


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a.b", "a.b.c.d", token(b"[]"), token(b"null"), token(b"{}"), token({"alg": ["ES256"]}),
        token({"alg": ""}), token({"alg": "ES256", "kid": 1}), token({"alg": "ES256", "typ": None}),
        token({"alg": "ES256", "crit": ["exp"]}), token({"alg": "ES256", "b64": False}),
        token(b'{"alg":"ES256","alg":"none"}'), token({"alg": "ES256"}) + "=", token({"alg": "ES256"}) + "\n",
        token({"alg": "ES256"}).replace(".", "..", 1), token(b"\xff\xfe"), token(b'{"alg":"ES256","a":NaN}'),
        "A" + token({"alg": "ES256"}), token({"alg": "ES256", "x": "y" * compact.HEADER_LIMIT}),
    ],
)  # fmt: skip
def test_what_is_not_in_form_is_refused(text: str) -> None:
    """Other parts, other characters, repeated or odd members and extensions are refused before any key is looked for."""
    with pytest.raises(BadToken):
        compact.signed(text)


@pytest.mark.parametrize(
    "payload", [b"[1]", b"1", b'{"a":1e999}', b'{"a":1,"a":2}', b"[" * 9_000, b"9" * 9_000, b"\x00"]
)
def test_claims_that_are_no_object_of_sane_numbers_are_refused(payload: bytes) -> None:
    """Claims are one object without repeated members; nesting without end and numbers beyond all others are refused."""
    with pytest.raises(BadToken):
        compact.signed(token({"alg": "ES256"}, payload)).claims()


def test_a_header_of_a_megabyte_is_refused_before_it_is_decoded() -> None:
    """A JWT with a header of 1 MB costs no time and no memory."""
    huge = token({"alg": "ES256", "x": "y" * 1_000_000})
    tracemalloc.start()
    started = time.thread_time()
    for _round in range(100):
        with pytest.raises(BadToken):
            compact.signed(huge)
        with pytest.raises(BadToken):
            compact.encrypted_header(huge + ".a.b", limit=2_000_000)
    used, peak = time.thread_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 1
    assert peak < 10_000_000


@given(header=JSON, payload=JSON, signature=st.binary(max_size=80), noise=st.text(max_size=3))
def test_any_header_is_read_or_refused(header: Any, payload: Any, signature: bytes, noise: str) -> None:
    """Whatever JSON stands in header and payload, the outcome is parts or BadToken, and no key holds for it."""
    given_header = {"alg": "ES256", **header} if isinstance(header, dict) else header
    text = noise + token(given_header, json.dumps(payload).encode(), signature)
    try:
        found = compact.signed(text)
        found.claims()
    except BadToken:
        return
    assert not compact.holds(found, EC, algs=["ES256", "RS256", "HS256"])
