"""Codes from an authenticator app (TOTP, RFC 6238): each works once."""

import hmac
from dataclasses import dataclass

import pyotp
import segno
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.events import Actor, record
from idp import notify
from idp.events import TotpAdded
from idp.tables import totp as table
from keys import sealing

STEP_SECONDS = 30
DRIFT_STEPS = 1
NEVER = 0
_HAS = select(table.c.citizen_id).where(table.c.citizen_id == bindparam("citizen_id"))
SCOPE, AAD = "account", b"totp"


@dataclass(frozen=True)
class Setup:
    """What an authenticator app needs: the secret in base32, grouped for typing, and as a picture to scan."""

    secret: str
    grouped: str
    picture: str


def new_secret() -> str:
    """Draw a new secret of 160 bits in base32 (RFC 4226, section 4, R6)."""
    return pyotp.random_base32()


def setup(secret: str, *, name: str) -> Setup:
    """Return how to set up an app with a secret; `name` is what the app shows beside "Erti"."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Erti")
    grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return Setup(secret, grouped, segno.make(uri, error="m").svg_data_uri(scale=6, border=2))


def step(secret: str, typed: str, *, after: int = NEVER) -> int | None:
    """Return the time step that a code is right for, or None.

    Accepts one step of drift either way (RFC 6238, section 5.2) and only steps later than `after`,
    so that no code works twice.
    """
    code = "".join(char for char in typed if not char.isspace())
    app = pyotp.TOTP(secret, interval=STEP_SECONDS)
    now = clock.seconds(clock.now()) // STEP_SECONDS
    found = None
    for candidate in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        right = hmac.compare_digest(app.generate_otp(candidate).encode(), code.encode())
        if right and candidate > after:
            found = candidate
    return found


@dataclass(frozen=True)
class Bounds:
    """The most that password and app reach together; `held_by` names the session of a recovery code they came from."""

    acr: str
    held_by: str = ""


def put(db: Session, citizen_id: str, secret: str, used_step: int, *, bounds: Bounds, actor: Actor) -> None:
    """Set or replace a citizen's app; `used_step` is the step whose code confirmed it, which is spent."""
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))
    db.execute(
        insert(table).values(
            citizen_id=citizen_id,
            secret_sealed=sealing.seal(db, citizen_id, SCOPE, secret.encode(), aad=AAD),
            last_step=used_step,
            bound_acr=bounds.acr,
            held_by=bounds.held_by,
            added_at=clock.now(),
        )
    )
    record(db, TotpAdded(), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "totp-added")


def bounds(db: Session, citizen_id: str) -> Bounds | None:
    """Return what a citizen's app is bound to, or None if there is no app."""
    row = db.execute(
        select(table.c.bound_acr, table.c.held_by).where(table.c.citizen_id == citizen_id)
    ).first()
    return Bounds(row.bound_acr, row.held_by) if row else None


def accept(db: Session, citizen_id: str, typed: str) -> bool:
    """Tell whether a code is right now, and spend its time step in the same statement."""
    row = db.execute(select(table).where(table.c.citizen_id == citizen_id)).first()
    if row is None:
        return False
    secret = sealing.unseal(db, citizen_id, SCOPE, row.secret_sealed, aad=AAD).decode()
    right = step(secret, typed, after=row.last_step)
    if right is None:
        return False
    spent = db.execute(
        update(table)
        .where(table.c.citizen_id == citizen_id, table.c.last_step < right)
        .values(last_step=right)
        .returning(table.c.last_step)
    )
    return spent.first() is not None


def drop(db: Session, citizen_id: str) -> bool:
    """Remove a citizen's app; tell whether there was one."""
    gone = db.execute(delete(table).where(table.c.citizen_id == citizen_id).returning(table.c.citizen_id))
    return gone.first() is not None


def has(db: Session, citizen_id: str) -> bool:
    """Tell whether a citizen has an app."""
    return db.execute(_HAS, {"citizen_id": citizen_id}).first() is not None
