"""Citizens' passkeys: added, named, used and removed."""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock, limits
from core.database import parts
from core.errors import TooMany
from core.events import SYSTEM, Actor, record
from core.language import Lazy, _
from idp import accounts, notify
from idp.accounts import HeldAccount
from idp.errors import PasskeyRefused, PasskeyUnproven
from idp.events import PasskeyAdded, PasskeyCloneSuspected, PasskeyRemoved, PasskeyRenamed
from idp.login import assurance, attestation, ceremony, models
from idp.login.ceremony import Held, Known, Made, Rejected
from idp.tables import passkey as table
from keys import sealing
from registry_sync import people

SIGN_IN = "sign-in"
LONGEST_NAME = 60
ASKED_IN_TEN_MINUTES = 120  # each is a row that stays for a while
SCOPE = "account"
SUSPECTED = "counter did not go forward"
_UNNAMED = _("Passkey")


@dataclass(frozen=True)
class Passkey:
    """One passkey of a citizen, as shown to them, and the assurance (`acr`) that it reaches.

    A suspected one may have been copied, and opens nothing any more. `held_by` names the session of a recovery
    code that one came from which is held back.
    """

    id: str
    name: str
    device_bound: bool
    acr: str
    added_at: datetime
    used_at: datetime
    suspected_at: datetime | None
    known: Known
    held_by: str = ""


@dataclass(frozen=True)
class Proved:
    """Whose passkey answered, and where they wanted to go.

    `bound_acr` is the assurance at which it was added; `device_bound` what counts of it under the policy.
    """

    account: HeldAccount
    device_bound: bool
    bound_acr: str
    return_to: str
    held: bool = False


def of(db: Session, citizen_id: str) -> list[Passkey]:
    """Return a citizen's passkeys, the oldest first."""
    rows = db.execute(select(table).where(table.c.citizen_id == citizen_id).order_by(table.c.added_at))
    return [
        Passkey(
            row.id,
            _open_name(db, citizen_id, row.id, row.name_sealed),
            row.device_bound,
            assurance.lower(
                assurance.of(assurance.passkey(device_bound=_counts_as_bound(db, row))), row.bound_acr
            ),
            row.added_at,
            row.used_at,
            row.suspected_at,
            Known(row.credential_id, tuple(row.transports)),
            row.held_by,
        )
        for row in rows
    ]


def ask_new(
    db: Session,
    citizen_id: str,
    handle: bytes,
    *,
    purpose: str,
    browser: str,
    key: bool = False,
    nameless: bool = False,
) -> str:
    """Return creation options (JSON) for another passkey of a citizen, who may have no account yet.

    `key` asks for a security key rather than this device. `nameless` keeps the sign-in name to ourselves. Raises TooMany.
    """
    if wait := limits.hit(db, "passkey:new", citizen_id, most=ASKED_IN_TEN_MINUTES, per_seconds=600):
        raise TooMany(retry_after=wait)
    mine = select(table.c.credential_id, table.c.transports).where(table.c.citizen_id == citizen_id)
    known = [Known(row.credential_id, tuple(row.transports)) for row in db.execute(mine)]
    name = people.grouped(citizen_id) if nameless else shown_name(db, citizen_id)
    whose = _whose(browser, citizen_id)
    return ceremony.ask_new(
        db, purpose=purpose, browser=whose, handle=handle, name=name, known=known, key=key
    )


def made(db: Session, citizen_id: str, answer: str, *, purpose: str, browser: str) -> Made | Rejected:
    """Check the answer to `ask_new`: made in this browser for this citizen, whoever used the browser before."""
    return ceremony.made(db, answer, purpose=purpose, browser=_whose(browser, citizen_id))


def ask_sign_in(db: Session, *, browser: str, return_to: str, only: Sequence[Known] = ()) -> str:
    """Return request options (JSON) for signing in and going on to `return_to`; `only` as in `ceremony.ask_use`."""
    return ceremony.ask_use(db, purpose=SIGN_IN, browser=browser, return_to=return_to, only=only)


def methods(db: Session, made: Made) -> tuple[str, ...]:
    """Return the methods (`amr`) of a passkey that was just made and so was just used."""
    policy = parts(db).settings.passkey_attestation
    return assurance.passkey(device_bound=made.device_bound and (policy == attestation.NONE or made.proven))


def shown_name(db: Session, citizen_id: str) -> str:
    """Return what authenticators call the account: the chosen name, else the citizen ID in groups."""
    found = accounts.find(db, citizen_id)
    return found.username if found and found.named else people.grouped(citizen_id)


def put(
    db: Session,
    citizen_id: str,
    made: Made,
    *,
    name: str,
    acr: str,
    actor: Actor,
    browser: str | Lazy = _UNNAMED,
    held_by: str = "",
) -> None:
    """Add a passkey to an account under the name typed, else under one that its maker or `browser` gives it.

    `acr` is the assurance of whoever adds it; it never reaches more (NIST SP 800-63B-4, 4.1.2). Raises
    PasskeyRefused if its credential ID is somebody's already, PasskeyUnproven if the policy wants its model proven.
    """
    taken = select(table.c.id).where(table.c.credential_id == made.credential_id)
    if db.execute(taken).first():
        raise PasskeyRefused(detail="credential ID is taken")
    if parts(db).settings.passkey_attestation == attestation.FOR_ALL and not made.proven:
        raise PasskeyUnproven(detail=f"model {made.aaguid} is not proven")
    name = name.strip() or _free(db, citizen_id, str(models.name(made.aaguid, made.transports, browser)))
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
            held_by=held_by,
            aaguid=made.aaguid,
            transports=list(made.transports),
            attested=made.proven,
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


def citizen_of(db: Session, passkey_id: str) -> str | None:
    """Return whose passkey one is, or None for none."""
    return db.scalar(select(table.c.citizen_id).where(table.c.id == passkey_id))


def prove(db: Session, answer: str, *, browser: str) -> Proved | Rejected:
    """Check a passkey's answer at sign-in and note its use.

    Once its counter went back there may be a copy, and nobody can tell which of the two is the owner's: that leaves
    a trace, and the passkey is refused from then on (WebAuthn level 3, section 7.2, step 22).
    """
    outcome = ceremony.used(
        db, answer, purpose=SIGN_IN, browser=browser, find=lambda credential_id: _held(db, credential_id)
    )
    if isinstance(outcome, Rejected):
        return outcome
    row = db.execute(select(table).where(table.c.credential_id == outcome.credential_id)).one()
    if row.suspected_at is not None:
        return Rejected(SUSPECTED)
    if outcome.cloned:
        suspect(db, row.citizen_id, row.id)
        return Rejected(SUSPECTED)
    db.execute(
        update(table).where(table.c.id == row.id).values(sign_count=outcome.sign_count, used_at=clock.now())
    )
    owner = accounts.hold(db, row.citizen_id)
    return Proved(owner, _counts_as_bound(db, row), row.bound_acr, outcome.return_to, bool(row.held_by))


def suspect(db: Session, citizen_id: str, passkey_id: str) -> None:
    """Let a passkey that may have been copied open nothing any more, and end every session that came by a passkey.

    One of those who are in by it may be the thief, and nobody can tell which.
    """
    db.execute(update(table).where(table.c.id == passkey_id).values(suspected_at=clock.now()))
    record(db, PasskeyCloneSuspected(passkey=passkey_id), actor=SYSTEM, about=[citizen_id])
    notify.tell(db, citizen_id, "passkey-clone")
    accounts.end_sessions(db, citizen_id, reason="security", actor=SYSTEM, by=assurance.BY_PASSKEY)


def _counts_as_bound(db: Session, row: Row[Any]) -> bool:
    """Tell whether a passkey counts as one that stays on its device: as it says, or as the policy wants it proven."""
    settled = parts(db).settings.passkey_attestation == attestation.NONE or row.attested
    return bool(row.device_bound and settled)


def _free(db: Session, citizen_id: str, name: str) -> str:
    """Return a name that none of a citizen's passkeys has: this one, or with a number."""
    taken = {one.name for one in of(db, citizen_id)}
    numbered = (f"{name} {number}" for number in itertools.count(2))
    return next(one for one in itertools.chain((name,), numbered) if one not in taken)


def _whose(browser: str, citizen_id: str) -> str:
    return f"{browser}\x00{citizen_id}"


def _held(db: Session, credential_id: bytes) -> Held | None:
    # The account comes first: whoever removes the passkey holds it before that.
    owner = db.scalar(select(table.c.citizen_id).where(table.c.credential_id == credential_id))
    if owner is None:
        return None
    handle = accounts.hold(db, owner).handle
    # Locked until the counter is written, so that of two answers with one count the second is seen.
    row = db.execute(
        select(table.c.public_key, table.c.sign_count, table.c.device_bound)
        .where(table.c.credential_id == credential_id)
        .with_for_update()
    ).first()
    return Held(row.public_key, row.sign_count, handle, row.device_bound) if row else None


def _seal_name(db: Session, citizen_id: str, passkey_id: str, name: str) -> bytes:
    plain = " ".join(name.split())[:LONGEST_NAME]
    return sealing.seal(db, citizen_id, SCOPE, plain.encode(), aad=passkey_id.encode())


def _open_name(db: Session, citizen_id: str, passkey_id: str, sealed: bytes) -> str:
    return sealing.unseal(db, citizen_id, SCOPE, sealed, aad=passkey_id.encode()).decode()
