"""Messages of the registries as they come: repeats dropped, order kept, what cannot be applied put aside whole."""

from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.events import Actor, record
from registry_sync import apply, holding, quarantine
from registry_sync.apply import Applied
from registry_sync.events import RecordQuarantined
from registry_sync.holding import Contents, Held
from registry_sync.people import identifier
from registry_sync.tables import registry_message as table
from registry_sync.wire import messages
from registry_sync.wire.messages import Message
from registry_sync.wire.shapes import NATIONAL, Bad

KEPT_DAYS = 400
_TAKE = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing().returning(table.c.id_hash),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing().returning(table.c.id_hash),
}


def receive(db: Session, message: Message) -> str:
    """Take a verified message in and return its outcome: applied, outdated or quarantined.

    A repeat gets the outcome of the first and changes nothing. Everything that follows from the message
    happens in this transaction or not at all.
    """
    row = {
        "id_hash": message.id_hash,
        "source": message.source,
        "kind": message.kind or "unknown",
        "outcome": "taken",
        "received_at": clock.now(),
    }
    this_one = table.c.id_hash == message.id_hash
    if db.execute(_TAKE[db.get_bind().dialect.name], row).first() is None:
        return str(db.execute(select(table.c.outcome).where(this_one)).scalar_one())
    actor = Actor("registry", message.source)
    applied = apply.message(db, message, actor=actor)
    if applied.bad:
        _put_aside(db, message, applied, applied.bad, actor)
    db.execute(update(table).where(this_one).values(outcome=applied.outcome))
    if applied.founded and applied.citizen:
        quarantine.retry_for(db, applied.citizen, actor=actor)
    return applied.outcome


def purge(db: Session) -> int:
    """Forget which messages came more than KEPT_DAYS ago; returns how many. The order of facts stays known."""
    before = clock.now() - timedelta(days=KEPT_DAYS)
    return len(db.execute(delete(table).where(table.c.received_at < before).returning(table.c.id_hash)).all())


def _put_aside(db: Session, message: Message, applied: Applied, bad: Bad, actor: Actor) -> None:
    raw = message.token.encode()
    content = holding.fingerprint(db, raw)
    waits_for = None
    notice = messages.read(message)
    if bad.reason == "unknown-person" and not isinstance(notice, Bad):
        acts = notice.relations and bad.spot == apply.REPRESENTATIVE
        number = notice.relations[0].national if acts else notice.national
        waits_for = identifier(db, NATIONAL, number) if number else None
    held = Held(content, bad, Contents(raw, candidates=applied.candidates), identifier=waits_for)
    numbers = holding.shelve(db, message.source, holding.MESSAGE, [held], run=message.id_hash[:36])
    event = RecordQuarantined(source=message.source, record=numbers[content], reason=bad.reason)
    record(db, event, actor=actor, about=[holding.owner(message.source)])
