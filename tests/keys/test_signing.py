"""Signed tokens verify for what they are, and keys move through four states without signing anybody out."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database, parts
from core.events import SYSTEM, waiting
from keys import jwks, rotation, signing
from keys.errors import BadToken
from keys.tables import signing_key


@pytest.fixture
def signer(database: Database) -> Iterator[Session]:
    """Give a transaction in a database that has its first signing keys."""
    with database.writing() as db:
        rotation.ensure(db)
    with database.writing() as db:
        yield db


def claims(db: Session, **changed: Any) -> dict[str, Any]:
    """Return claims that verify, with some changed."""
    at = clock.seconds(clock.now())
    return {"iss": parts(db).settings.issuer, "aud": "a", "iat": at, "exp": at + 60, **changed}


@pytest.mark.parametrize("alg", signing.ALGORITHMS)
def test_a_token_verifies(signer: Session, alg: str) -> None:
    """A token signed with each algorithm verifies for its type and audience."""
    token = signing.sign(signer, claims(signer, sub="x"), typ="at+jwt", alg=alg)

    assert signing.verify(signer, token, typ="at+jwt", audience="a")["sub"] == "x"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"aud": "b"},
        {"exp": 1},
        {"exp": None},
        {"exp": "9999999999"},
        {"iat": 9_999_999_999},
    ],
)
def test_wrong_claims_are_refused(signer: Session, changed: dict[str, Any]) -> None:
    """A token of another issuer or audience, or with times that cannot be, does not verify."""
    token = signing.sign(signer, claims(signer, **changed), typ="at+jwt")

    with pytest.raises(BadToken):
        signing.verify(signer, token, typ="at+jwt", audience="a")


def test_another_type_is_refused(signer: Session) -> None:
    """An ID token is not an access token, however well it is signed."""
    token = signing.sign(signer, claims(signer), typ="JWT")

    with pytest.raises(BadToken):
        signing.verify(signer, token, typ="at+jwt")


def test_foreign_keys_and_algorithms_are_refused(signer: Session) -> None:
    """A key of one's own, `none`, and HS256 keyed with our public key all fail, also when named by our kid."""
    ours = jwks.public(signer)["keys"][0]
    header = {"typ": "at+jwt", "kid": ours["kid"]}
    foreign = jwt.encode({**header, "alg": "ES256"}, claims(signer), ECKey.generate_key("P-256"))
    public = json.dumps(ours).encode()
    symmetric = jwt.encode(
        {**header, "alg": "HS256"}, claims(signer), OctKey.import_key(public), algorithms=["HS256"]
    )
    unsigned = (
        ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({**header, "alg": "none"}, claims(signer))
        )
        + "."
    )

    for token in (foreign, symmetric, unsigned):
        with pytest.raises(BadToken):
            signing.verify(signer, token, typ="at+jwt")


@given(text=st.text(max_size=300))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_a_token_or_a_refusal(signer: Session, text: str) -> None:
    """Whatever is given as a token, the answer is BadToken and no other error."""
    with pytest.raises(BadToken):
        signing.verify(signer, text, typ="at+jwt")


def test_rotation_signs_nobody_out(signer: Session) -> None:
    """A token of the old key verifies after a rotation; new ones carry the new key; both are published."""
    before = signing.sign(signer, claims(signer), typ="at+jwt")
    kid = rotation.rotate(signer, "ES256", actor=SYSTEM)
    after = signing.sign(signer, claims(signer), typ="at+jwt")

    signing.verify(signer, before, typ="at+jwt")
    assert json.loads(base64.urlsafe_b64decode(after.split(".")[0] + "=="))["kid"] == kid
    assert len([key for key in jwks.public(signer)["keys"] if key["alg"] == "ES256"]) == 2
    assert not any(part in key for key in jwks.public(signer)["keys"] for part in ("d", "p", "q"))


def test_a_key_walks_through_its_four_states_on_schedule(signer: Session) -> None:
    """As time passes a key is announced, signs, retires, and finally loses its private part."""
    settings = parts(signer).settings
    first = next(key for key in rotation.listing(signer) if key.alg == "ES256")

    _age(signer, settings.signing_key_days - settings.signing_key_announce_days)
    rotation.tend(signer)
    assert _states(signer) == ["active", "pending"]
    _age(signer, settings.signing_key_announce_days)
    rotation.tend(signer)
    assert _states(signer) == ["active", "retiring"]
    _age(signer, settings.signing_key_retain_days)
    rotation.tend(signer)

    assert _states(signer) == ["active", "retired"]
    assert signer.scalar(select(signing_key.c.wrapped).where(signing_key.c.kid == first.kid)) is None


def test_revoking_stops_a_key_at_once(signer: Session) -> None:
    """A token of a revoked key does not verify, and another key signs from then on."""
    token = signing.sign(signer, claims(signer), typ="at+jwt")
    kid = next(key.kid for key in rotation.listing(signer) if key.alg == "ES256")

    rotation.revoke(signer, kid, actor=SYSTEM)

    with pytest.raises(BadToken):
        signing.verify(signer, token, typ="at+jwt")
    assert "active" in _states(signer)


def test_every_move_is_a_public_record(signer: Session) -> None:
    """Each change of a key's state waits for the public part of the ledger."""
    rotation.rotate(signer, "ES256", actor=SYSTEM)

    kinds = signer.scalars(select(waiting.c.kind).where(waiting.c.public)).all()
    assert set(kinds) == {"signing-key-changed"}
    assert len(kinds) >= 3


def _states(db: Session) -> list[str]:
    return sorted(key.state for key in rotation.listing(db) if key.alg == "ES256")


def _age(db: Session, days: int) -> None:
    for key in rotation.listing(db):
        older = key.changed_at - timedelta(days=days)
        db.execute(update(signing_key).where(signing_key.c.kid == key.kid).values(changed_at=older))
