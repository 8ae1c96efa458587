"""What others encrypt to us is opened by our keys and algorithms alone, at no great cost."""

import base64
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from sqlalchemy import update
from sqlalchemy.orm import Session

from core.database import Database, parts
from core.events import SYSTEM
from keys import compact, decryption, jwks, rotation
from keys.errors import BadToken
from keys.tables import signing_key

EVERY = [
    "RSA1_5",
    "dir",
    "PBES2-HS256+A128KW",
    "A128KW",
    *decryption.ALGORITHMS,
    *decryption.ENCODINGS,
    "DEF",
]


@pytest.fixture
def opener(database: Database) -> Iterator[Session]:
    """Give a transaction in a database that has its first keys."""
    with database.writing() as db:
        rotation.ensure(db)
    with database.writing() as db:
        yield db


def published(db: Session, alg: str) -> Any:
    """Return the key that a client finds in our JWK Set for an algorithm."""
    listed = [key for key in jwks.public(db)["keys"] if key["use"] == "enc" and key["alg"] == alg]
    assert len(listed) == 1
    return KeySet.import_key_set({"keys": listed}).keys[0]


def sealed(key: Any, alg: str, enc: str = "A256GCM", text: str = "hello", **header: Any) -> str:
    """Encrypt a text as somebody else would."""
    return jwe.encrypt_compact({"alg": alg, "enc": enc, **header}, text, key, algorithms=EVERY)


@pytest.mark.parametrize("enc", decryption.ENCODINGS)
@pytest.mark.parametrize("alg", decryption.ALGORITHMS)
def test_what_is_encrypted_to_a_published_key_opens(opener: Session, alg: str, enc: str) -> None:
    """A client takes the one key of use `enc` for its algorithm from the JWK Set, and we read what it wrote."""
    key = published(opener, alg)
    assert decryption.opened(opener, sealed(key, alg, enc, kid=key.kid)) == "hello"
    assert decryption.opened(opener, sealed(key, alg, enc)) == "hello"


def test_an_encryption_key_retires_gently(opener: Session) -> None:
    """The new key alone is published at once; the old one opens what was under way, until it is retired."""
    before = published(opener, "ECDH-ES")
    text = sealed(before, "ECDH-ES", kid=before.kid)
    rotation.rotate(opener, "ECDH-ES", actor=SYSTEM)
    assert published(opener, "ECDH-ES").kid != before.kid
    assert decryption.opened(opener, text) == "hello"
    rotation.revoke(opener, before.kid, actor=SYSTEM)
    with pytest.raises(BadToken):
        decryption.opened(opener, text)


def test_encryption_keys_turn_on_schedule(opener: Session) -> None:
    """After a signing key's life an encryption key is replaced in one step, with no time of announcement."""
    before = published(opener, "RSA-OAEP-256").kid
    days = timedelta(days=parts(opener).settings.signing_key_days)
    for key in rotation.listing(opener):
        older = update(signing_key).where(signing_key.c.kid == key.kid)
        opener.execute(older.values(changed_at=key.changed_at - days))
    rotation.tend(opener)
    assert published(opener, "RSA-OAEP-256").kid != before
    assert {key["use"] for key in jwks.historical(opener)["keys"]} == {"sig"}


@pytest.mark.filterwarnings(
    "ignore::joserfc.errors.SecurityWarning"
)  # the attacker's own choice of algorithms
def test_other_keys_and_algorithms_open_nothing(opener: Session) -> None:
    """RSA1_5, passwords, symmetric and direct keys are refused, and so is one of our keys under a foreign algorithm."""
    ours = published(opener, "RSA-OAEP-256")
    bare = RSAKey.import_key({name: ours[name] for name in ("kty", "n", "e")})
    secret = OctKey.generate_key(128)
    made = [
        sealed(RSAKey.generate_key(2048), "RSA-OAEP-256"),
        sealed(ECKey.generate_key("P-256"), "ECDH-ES", kid=published(opener, "ECDH-ES").kid),
        sealed(bare, "RSA1_5"),
        sealed(bare, "RSA-OAEP-256", kid="another"),
        sealed(secret, "A128KW"),
        sealed(secret, "dir", "A128GCM"),
        sealed(secret, "PBES2-HS256+A128KW"),
    ]
    for text in made:
        with pytest.raises(BadToken):
            decryption.opened(opener, text)


def test_a_zip_bomb_is_refused_unopened(opener: Session) -> None:
    """A JWE that would unpack to 30 MB is refused by its header: no time, no memory (RFC 8725, 3.6)."""
    key = published(opener, "ECDH-ES")
    assert len(zlib.compress(b"a" * 30_000_000)) < decryption.LIMIT
    bomb = sealed(key, "ECDH-ES", text="a" * 30_000_000, zip="DEF")
    assert len(bomb) < decryption.LIMIT
    tracemalloc.start()
    started = time.thread_time()
    with pytest.raises(BadToken, match="zip"):
        decryption.opened(opener, bomb)
    used, peak = time.thread_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 0.2
    assert peak < 1_000_000


def test_a_text_too_long_is_refused_unread(opener: Session) -> None:
    """A JWE of a megabyte, or with a header of a megabyte, is refused by its length."""
    key = published(opener, "ECDH-ES")
    for text in (sealed(key, "ECDH-ES", text="a" * 1_000_000), f"{'A' * 1_000_000}.a.a.a.a"):
        with pytest.raises(BadToken, match=r"too long|form"):
            decryption.opened(opener, text)


@given(header=st.dictionaries(st.sampled_from(["epk", "apu", "apv", "kid", "typ", "cty", "p2c", "iv", "tag"]),
       st.none() | st.text(max_size=5) | st.integers() | st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "k"]),
       st.sampled_from(["EC", "oct", "OKP", "P-256", "X25519", "AA", "AAAA"]), max_size=4), max_size=4),
       rest=st.lists(st.binary(max_size=40), min_size=4, max_size=4), alg=st.sampled_from(decryption.ALGORITHMS))  # fmt: skip
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_header_opens_nothing_and_breaks_nothing(
    opener: Session, header: dict[str, Any], rest: list[bytes], alg: str
) -> None:
    """Whatever stands in the header and the other parts of a JWE, the outcome is BadToken and no other error."""
    head = json.dumps({"alg": alg, "enc": "A128GCM", **header}).encode()
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, *rest))
    with pytest.raises(BadToken):
        decryption.opened(opener, text)


def test_a_point_beside_the_curve_is_refused(opener: Session) -> None:
    """An ephemeral key that is no point of the curve, as an invalid-curve attack needs it, opens nothing."""
    key = published(opener, "ECDH-ES")
    head, *rest = sealed(key, "ECDH-ES").split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    header["epk"]["y"] = header["epk"]["x"]
    none: Any = OctKey.generate_key(128)
    text = ".".join([compact.sign({"alg": "none"}, header, none).split(".")[1], *rest])
    with pytest.raises(BadToken):
        decryption.opened(opener, text)
