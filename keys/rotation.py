"""Keys over time: pending (published) -> active -> retiring -> retired, with nobody signed out."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import ECKey, JWKRegistry, KeyParameters, OKPKey, RSAKey
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.events import SYSTEM, Actor, record
from keys import epochs, signing
from keys.events import SigningKeyChanged
from keys.ring import Keyring
from keys.tables import signing_key

ENCRYPTION = ("ECDH-ES", "RSA-OAEP-256")  # by which others encrypt to us
ALGORITHMS = (*signing.ALGORITHMS, *ENCRYPTION)
STATES = ("pending", "active", "retiring", "retired")
RSA_BITS = 2048


@dataclass(frozen=True)
class SigningKey:
    """One key that signs, or that others encrypt to, as people see it: never its private part."""

    kid: str
    alg: str
    state: str
    public: dict[str, Any]
    created_at: datetime
    changed_at: datetime


def listing(db: Session) -> list[SigningKey]:
    """Return every key, the newest first."""
    rows = db.execute(select(signing_key).order_by(signing_key.c.created_at.desc(), signing_key.c.kid))
    return [
        SigningKey(row.kid, row.alg, row.state, row.public, row.created_at, row.changed_at) for row in rows
    ]


def ensure(db: Session) -> None:
    """Make the first active key of each algorithm where there is none."""
    for alg in ALGORITHMS:
        if not _in_state(db, alg, "active"):
            _move(db, _make(db, alg), "active", actor=SYSTEM)


def announce(db: Session, alg: str, *, actor: Actor) -> str:
    """Publish a pending key, or return the one that already is; it signs once it has been announced long enough.

    One that others encrypt to is published no earlier than it is active: whoever sees it may use it at once.
    """
    found = _in_state(db, alg, "pending")
    if found:
        return found[0].kid
    kid = _make(db, alg)
    _tell(db, kid, actor=actor)
    return kid


def rotate(db: Session, alg: str, *, actor: Actor) -> str:
    """Let the pending key sign from now on and retire the active one gently; return the new active key's ID.

    Doing so before clients had time to see the pending key in the JWKS makes those that cache it
    for long refuse tokens for a while: say so to whoever asks for it.
    """
    kid = announce(db, alg, actor=actor)
    for old in _in_state(db, alg, "active"):
        _move(db, old.kid, "retiring", actor=actor)
    _move(db, kid, "active", actor=actor)
    parts(db).keys.signing = (0.0, None)
    return kid


def tend(db: Session) -> list[str]:
    """Do what the schedule says is due; return the IDs of keys that moved. Run it once an hour or so."""
    settings, at, moved = parts(db).settings, clock.now(), []
    announce_for = timedelta(days=settings.signing_key_announce_days)
    lasts = timedelta(days=settings.signing_key_days)
    for alg in ALGORITHMS:
        for key in _in_state(db, alg, "active"):
            pending = _in_state(db, alg, "pending")
            if alg in ENCRYPTION:
                if at >= key.changed_at + lasts:
                    moved.append(rotate(db, alg, actor=SYSTEM))
            elif not pending and at >= key.changed_at + lasts - announce_for:
                moved.append(announce(db, alg, actor=SYSTEM))
            elif pending and at >= key.changed_at + lasts and at >= pending[0].changed_at + announce_for:
                moved.append(rotate(db, alg, actor=SYSTEM))
        for key in _in_state(db, alg, "retiring"):
            if at >= key.changed_at + timedelta(days=settings.signing_key_retain_days):
                _move(db, key.kid, "retired", actor=SYSTEM)
                moved.append(key.kid)
    return moved


def revoke(db: Session, kid: str, *, actor: Actor) -> None:
    """Retire a key at once, as after a theft; every token it signed stops verifying within a second."""
    key = next((key for key in listing(db) if key.kid == kid), None)
    if key is None:
        return
    if key.state == "active":
        rotate(db, key.alg, actor=actor)
    _move(db, kid, "retired", actor=actor)
    parts(db).keys.signing = (0.0, None)


def _make(db: Session, alg: str) -> str:
    ring: Keyring = parts(db).keys
    kid, at = secrets.token_urlsafe(12), clock.now()
    key = _generated(alg, {"kid": kid, "alg": alg, "use": "enc" if alg in ENCRYPTION else "sig"})
    epoch = epochs.newest(db)
    db.execute(
        insert(signing_key).values(
            kid=kid,
            alg=alg,
            state="pending",
            public=key.as_dict(private=False),
            epoch=epoch,
            wrapped=ring.custody.wrap(epoch, key.as_pem(private=True), kid.encode()),
            created_at=at,
            changed_at=at,
        )
    )
    return kid


def _generated(alg: str, extra: KeyParameters) -> ECKey | OKPKey | RSAKey:
    if alg in ("ES256", "ECDH-ES"):
        return ECKey.generate_key("P-256", extra)
    if alg == "EdDSA":
        return OKPKey.generate_key("Ed25519", extra)
    return RSAKey.generate_key(RSA_BITS, extra)


def _move(db: Session, kid: str, state: str, *, actor: Actor) -> None:
    values: dict[str, Any] = {"state": state, "changed_at": clock.now()}
    if state == "retired":
        values["wrapped"] = None
    db.execute(update(signing_key).where(signing_key.c.kid == kid).values(**values))
    _tell(db, kid, actor=actor)


def _tell(db: Session, kid: str, *, actor: Actor) -> None:
    row = db.execute(select(signing_key).where(signing_key.c.kid == kid)).one()
    event = SigningKeyChanged(
        kid=kid, alg=row.alg, state=row.state, thumbprint=JWKRegistry.import_key(row.public).thumbprint()
    )
    record(db, event, actor=actor)


def _in_state(db: Session, alg: str, state: str) -> list[SigningKey]:
    return [key for key in listing(db) if key.alg == alg and key.state == state]
