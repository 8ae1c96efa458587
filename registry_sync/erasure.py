"""Forgetting somebody: their keys are destroyed, and every row by which they could be found or read goes."""

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from core import clock
from core.events import Actor, record
from keys import sealing
from registry_sync import holding
from registry_sync.attributes import SCOPE
from registry_sync.errors import PersonUnknown
from registry_sync.events import CitizenErased
from registry_sync.people import ERASED
from registry_sync.tables import (
    attribute_document,
    former_name,
    person,
    person_block,
    person_identifier,
    person_position,
    quarantined_record,
    source_record,
)

NOTHING = b""
_HOLD = select(person.c.state).where(person.c.citizen_id == bindparam("citizen")).with_for_update()
_THEIRS = (attribute_document, former_name, person_block, person_position, source_record, person_identifier)


def erase(db: Session, citizen_id: str, *, actor: Actor) -> None:
    """Destroy what the registers said about a citizen, for good, in this transaction.

    1. The data key that sealed identity and attributes; backups of the rows cannot be opened any more.
    2. Documents, identifiers, blocking keys, and what remembers which records and messages were theirs.
    3. What waits in quarantine for one of their identifiers; its repeats are passed over.

    The citizen ID alone stays, so that it is never given to somebody else and the ledger's entries keep an owner.
    Other processes forget the key within `keys.ring.DATA_KEY_SECONDS`. Raises PersonUnknown, also if it was done before.
    """
    state = db.scalar(_HOLD, {"citizen": citizen_id})
    if state is None or state == ERASED:
        raise PersonUnknown
    sealing.shred(db, citizen_id, SCOPE)  # 1
    identifiers = select(person_identifier.c.blind).where(person_identifier.c.citizen_id == citizen_id)
    db.execute(  # 3, while the identifiers are known
        update(quarantined_record)
        .where(quarantined_record.c.identifier.in_(identifiers))
        .values(state=holding.DISMISSED, sealed=None, identifier=None)
    )
    for table in _THEIRS:  # 2
        db.execute(delete(table).where(table.c.citizen_id == citizen_id))
    at = clock.now()
    db.execute(
        update(person)
        .where(person.c.citizen_id == citizen_id)
        .values(
            state=ERASED,
            state_as_of=at.date().isoformat(),
            numbered=False,
            identity=NOTHING,
            matched_at=at,
            changed_at=at,
        )
    )
    record(db, CitizenErased(citizen=citizen_id), actor=actor, about=[citizen_id])
