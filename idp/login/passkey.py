"""Citizens' passkeys: added, named, used and removed."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.events import SYSTEM, Actor, record
from idp import accounts, notify
from idp.accounts import Account
from idp.errors import PasskeyRefused
from idp.events import PasskeyAdded, PasskeyCloneSuspected, PasskeyRemoved, PasskeyRenamed
from idp.login import assurance, ceremony
from idp.login.ceremony import Held, Made, Rejected
from idp.tables import account
from idp.tables import passkey as table
from keys import sealing
from registry_sync import people

SIGN_IN = "sign-in"
LONGEST_NAME = 60
SCOPE = "account"


@dataclass(frozen=True)
class Passkey:
    """One passkey of a citizen, as shown to them, and the assurance (`acr`) that it reaches."""

    id: str
    name: str
    device_bound: bool
    acr: str
    added_at: datetime
    used_at: datetime


@dataclass(frozen=True)
class Proved:
    """Whose passkey answered, and where they wanted to go. `bound_acr`: the assurance at which it was added."""

    account: Account
    device_bound: bool
    bound_acr: str
    return_to: str


def of(db: Session, citizen_id: str) -> list[Passkey]:
    """Return a citizen's passkeys, the oldest first."""
    rows = db.execute(select(table).where(table.c.citizen_id == citizen_id).order_by(table.c.added_at))
    return [
        Passkey(
            row.id,
            _open_name(db, citizen_id, row.id, row.name_sealed),
            row.device_bound,
            assurance.lower(assurance.of(assurance.passkey(device_bound=row.device_bound)), row.bound_acr),
            row.added_at,
            row.used_at,
        )
        for row in rows
    ]


def ask_new(db: Session, citizen_id: str, handle: bytes, *, purpose: str, browser: str) -> str:
    """Return creation options (JSON) for another passkey of a citizen, who may have no account yet."""
    known = db.scalars(select(table.c.credential_id).where(table.c.citizen_id == citizen_id)).all()
    found = accounts.find(db, citizen_id)
    name = found.username if found and found.named else people.grouped(citizen_id)
    return ceremony.ask_new(db, purpose=purpose, browser=browser, handle=handle, name=name, known=known)


def ask_sign_in(db: Session, *, browser: str, return_to: str) -> str:
    """Return request options (JSON) for signing in and going on to `return_to`."""
    return ceremony.ask_use(db, purpose=SIGN_IN, browser=browser, return_to=return_to)


def put(db: Session, citizen_id: str, made: Made, *, name: str, acr: str, actor: Actor) -> None:
    """Add a passkey to an account; raises PasskeyRefused if its credential ID is somebody's already.

    `acr` is the assurance of whoever adds it; it never reaches more (NIST SP 800-63B-4, 4.1.2).
    """
    taken = select(table.c.id).where(table.c.credential_id == made.credential_id)
    if db.execute(taken).first():
        raise PasskeyRefused(detail="credential ID is taken")
    passkey_id, at = secrets.token_hex(8), clock.now()
    db.execute(
        insert(table).values(
            id=passkey_id,
            credential_id=made.credential_id,
            citizen_id=citizen_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            device_bound=made.device_bound,
            bound_acr=acr,
            name_sealed=_seal_name(db, citizen_id, passkey_id, name),
            added_at=at,
            used_at=at,
        )
    )
    event = PasskeyAdded(passkey=passkey_id, device_bound=made.device_bound)
    record(db, event, actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "passkey-added")


def rename(db: Session, citizen_id: str, passkey_id: str, name: str, *, actor: Actor) -> None:
    """Give one of a citizen's passkeys another name; nothing happens if it is not theirs."""
    found = db.execute(
        update(table)
        .where(table.c.id == passkey_id, table.c.citizen_id == citizen_id)
        .values(name_sealed=_seal_name(db, citizen_id, passkey_id, name))
        .returning(table.c.id)
    )
    if found.first():
        record(db, PasskeyRenamed(passkey=passkey_id), actor=actor, about=[citizen_id])


def drop(db: Session, citizen_id: str, passkey_id: str, *, actor: Actor) -> bool:
    """Remove one of a citizen's passkeys; tell whether it was theirs. `idp.login.methods` says which may go."""
    gone = db.execute(
        delete(table).where(table.c.id == passkey_id, table.c.citizen_id == citizen_id).returning(table.c.id)
    )
    if gone.first() is None:
        return False
    record(db, PasskeyRemoved(passkey=passkey_id), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "passkey-removed")
    return True


def prove(db: Session, answer: str, *, browser: str) -> Proved | Rejected:
    """Check a passkey's answer at sign-in and note its use; a suspected copy leaves a trace and is refused."""
    outcome = ceremony.used(
        db, answer, purpose=SIGN_IN, browser=browser, find=lambda credential_id: _held(db, credential_id)
    )
    if isinstance(outcome, Rejected):
        return outcome
    row = db.execute(select(table).where(table.c.credential_id == outcome.credential_id)).one()
    if outcome.cloned:
        event = PasskeyCloneSuspected(passkey=row.id)
        record(db, event, actor=SYSTEM, about=[row.citizen_id])
        notify.tell(db, row.citizen_id, "passkey-clone")
        return Rejected("counter did not go forward")
    db.execute(
        update(table).where(table.c.id == row.id).values(sign_count=outcome.sign_count, used_at=clock.now())
    )
    owner = accounts.hold(db, row.citizen_id)
    return Proved(owner, row.device_bound, row.bound_acr, outcome.return_to)


def _held(db: Session, credential_id: bytes) -> Held | None:
    # Locked until the counter is written, so that of two answers with one count the second is seen.
    row = db.execute(
        select(table.c.public_key, table.c.sign_count, account.c.handle)
        .join(account, account.c.citizen_id == table.c.citizen_id)
        .where(table.c.credential_id == credential_id)
        .with_for_update(of=table)
    ).first()
    return Held(row.public_key, row.sign_count, row.handle) if row else None


def _seal_name(db: Session, citizen_id: str, passkey_id: str, name: str) -> bytes:
    plain = " ".join(name.split())[:LONGEST_NAME]
    return sealing.seal(db, citizen_id, SCOPE, plain.encode(), aad=passkey_id.encode())


def _open_name(db: Session, citizen_id: str, passkey_id: str, sealed: bytes) -> str:
    return sealing.unseal(db, citizen_id, SCOPE, sealed, aad=passkey_id.encode()).decode()
