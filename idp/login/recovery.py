"""Recovery codes: ten, shown once, each good once."""

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock, sessions
from core.events import Actor, record
from idp import accounts, notify
from idp.events import RecoveryCodesMade, RecoveryCodeUsed
from idp.login import codes
from idp.tables import recovery_code as table
from keys import blind

COUNT = 10
GROUPS = 4  # 80 bits (NIST SP 800-63B-4, 4.2.1.1: 64 at least), and the index is keyed


def make(db: Session, citizen_id: str, *, acr: str, actor: Actor) -> list[str]:
    """Make new codes, as printed, and end the old ones with what was begun by them; only their keyed hashes are kept.

    `acr` is the assurance of whoever makes them.
    """
    drop(db, citizen_id)
    for one in sessions.every(db, citizen_id):
        if one.kind == sessions.REPAIR:
            accounts.end_session(db, one, reason="security", actor=actor)
    made = [codes.draw(GROUPS) for _number in range(COUNT)]
    db.execute(
        insert(table),
        [
            {"code_index": _index(db, citizen_id, code), "citizen_id": citizen_id, "bound_acr": acr}
            for code in made
        ],
    )
    record(db, RecoveryCodesMade(count=COUNT), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "codes-made")
    return made


def use(db: Session, citizen_id: str, typed: str) -> bool:
    """Spend a code as typed; tell whether it was one of this citizen's and unspent."""
    spent = db.execute(
        update(table)
        .where(
            table.c.code_index == _index(db, citizen_id, typed),
            table.c.citizen_id == citizen_id,
            table.c.used_at.is_(None),
        )
        .values(used_at=clock.now())
        .returning(table.c.citizen_id)
    ).first()
    if spent is None:
        return False
    event = RecoveryCodeUsed(left=left(db, citizen_id))
    record(db, event, actor=Actor("citizen", citizen_id), about=[citizen_id])
    notify.tell(db, citizen_id, "code-used")
    return True


def bound(db: Session, citizen_id: str) -> str:
    """Return the assurance at which a citizen's codes were made; empty if there are none."""
    return db.scalar(select(table.c.bound_acr).where(table.c.citizen_id == citizen_id).limit(1)) or ""


def left(db: Session, citizen_id: str) -> int:
    """Return how many codes are unspent."""
    unspent = select(func.count()).where(table.c.citizen_id == citizen_id, table.c.used_at.is_(None))
    return db.scalar(unspent) or 0


def drop(db: Session, citizen_id: str) -> None:
    """End every code of a citizen."""
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))


def _index(db: Session, citizen_id: str, typed: str) -> bytes:
    return blind.index(db, "idp.recovery-code", f"{citizen_id}\x00{codes.read(typed)}")
