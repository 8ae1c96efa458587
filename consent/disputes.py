"""Looks that a citizen does not recognise: what they wrote, who must answer until when, and the answer."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent import agencies, history, words
from consent.errors import (
    DisputeAnsweredAlready,
    DisputeMalformed,
    DisputesTooMany,
    DisputeUnknown,
    NotDisputable,
)
from consent.events import DisputeAnswered, DisputeClosed, DisputeOpened, DisputeOverdue, DisputeSeen
from consent.ledger.tables import entry
from core import clock, events, limits
from core.database import Base, Moment, parts
from core.events import SYSTEM, Actor, record
from keys import sealing

SCOPE = "dispute"
OPENED_A_DAY = 20
DAY_SECONDS = 86_400
HOUR_SECONDS = 3600
LONGEST_TEXT = 2000
LONGEST_ANSWER = 4000
LONGEST_SOURCE = 200
AT_ONCE = 200
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is easily taken for another
OPEN_STATES = ("open", "overdue")
STATES = (*OPEN_STATES, "answered")
SYSTEM_OF_AGENCY, CONSOLE = "system", "console"
CATEGORIES = tuple(words.ANSWERS)

dispute = Table(
    "dispute",
    Base.metadata,
    Column("id", String(16), primary_key=True),
    Column("citizen", String(64), nullable=False),
    Column("event_id", String(36), nullable=False),  # of the entry it is about
    Column("agency", String(64)),  # empty where staff of the service looked
    Column("state", String(16), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("seen_at", Moment),
    Column("answered_at", Moment),
    Column("category", String(16)),
    Column("through", String(16)),
    Column("asked", LargeBinary, nullable=False),  # what the citizen wrote, sealed under the citizen's key
    Column("answer", LargeBinary),
    UniqueConstraint("citizen", "event_id"),
)
Index("ix_dispute_state_due", dispute.c.state, dispute.c.due_at)
Index("ix_dispute_agency", dispute.c.agency, dispute.c.due_at)
_CLEAR = tuple(column for column in dispute.c if column.name not in ("asked", "answer"))
_DIALECT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(dispute),
    "postgresql": postgresql.insert(dispute),
}
_INSERT = {name: put.on_conflict_do_nothing().returning(dispute.c.id) for name, put in _DIALECT.items()}


@dataclass(frozen=True)
class Dispute:
    """A dispute without what was written. `agency` is None where staff of the service looked."""

    id: str
    citizen: str
    event_id: str
    agency: str | None
    state: str
    opened_at: datetime
    due_at: datetime
    seen_at: datetime | None
    answered_at: datetime | None
    category: str | None
    through: str | None

    @property
    def is_open(self) -> bool:
        """True until it is answered."""
        return self.state in OPEN_STATES

    @property
    def late(self) -> bool:
        """True if the answer came, or is still missing, after the deadline."""
        return (self.answered_at or clock.now()) > self.due_at

    @property
    def chain(self) -> str:
        """The chain of whoever must answer."""
        return agencies.chain(self.agency) if self.agency else events.OFFICE


@dataclass(frozen=True)
class Written:
    """What was written in a dispute: by the citizen, and in the answer, with whom that came from."""

    asked: str
    answer: str = ""
    source: str = ""


def begin(db: Session, citizen: str, event_id: str, *, text: str, actor: Actor) -> Dispute:
    """Open a dispute about a look in a citizen's history; the one there is if it was disputed before.

    `text` may be empty. Raises EntryUnknown, NotDisputable, DisputeMalformed, DisputesTooMany.
    """
    found = history.one(db, citizen, event_id)
    if not found.is_look:
        raise NotDisputable(detail=found.kind)
    said = text.strip()
    if len(said) > LONGEST_TEXT or "\0" in said:
        raise DisputeMalformed(detail="text")
    before = of_entries(db, citizen, [event_id]).get(event_id)
    if before is not None:
        return before
    if wait := limits.hit(db, "dispute", citizen, most=OPENED_A_DAY, per_seconds=DAY_SECONDS):
        raise DisputesTooMany(retry_after=wait)
    at, number = clock.now(), "".join(secrets.choice(LETTERS) for _letter in range(10))
    due_at = at + timedelta(days=parts(db).settings.dispute_days)
    values = {
        "id": number,
        "citizen": citizen,
        "event_id": event_id,
        "agency": found.agency,
        "state": "open",
        "opened_at": at,
        "due_at": due_at,
        "asked": sealing.seal(db, citizen, _scope(number), said.encode(), aad=number.encode()),
    }
    made = db.execute(_INSERT[db.get_bind().dialect.name].values(values)).first()
    opened = of_entries(db, citizen, [event_id])[event_id]
    if made is not None:
        event = DisputeOpened(agency=found.agency, dispute=number, entry=event_id, due_at=due_at)
        record(db, event, actor=actor, about=[citizen])
        # In the other chain nobody is named: it outlives the citizen's.
        record(db, event, actor=SYSTEM, about=[opened.chain])
    return opened


def of(db: Session, citizen: str) -> list[Dispute]:
    """Return a citizen's disputes, the newest first."""
    query = select(*_CLEAR).where(dispute.c.citizen == citizen).order_by(dispute.c.opened_at.desc())
    return [_dispute(row) for row in db.execute(query)]


def of_entries(db: Session, citizen: str, event_ids: Sequence[str]) -> dict[str, Dispute]:
    """Return the disputes about some entries of a citizen, by the event that made the entry."""
    mine = (dispute.c.citizen == citizen, dispute.c.event_id.in_(event_ids))
    return {row.event_id: _dispute(row) for row in db.execute(select(*_CLEAR).where(*mine))}


def listing(
    db: Session,
    *,
    states: Sequence[str] = OPEN_STATES,
    agency: str | None = None,
    after: str = "",
    most: int = AT_ONCE,
) -> list[Dispute]:
    """Return disputes in some states, of all or of one agency, those to be answered soonest first.

    `after` names the last one of the page before; one that is unknown begins anew.
    """
    query = select(*_CLEAR).where(dispute.c.state.in_(states))
    if agency is not None:
        query = query.where(dispute.c.agency == agency)
    last = db.execute(select(dispute.c.due_at, dispute.c.id).where(dispute.c.id == after)).first()
    if last is not None:
        tied = and_(dispute.c.due_at == last.due_at, dispute.c.id > last.id)
        query = query.where(or_(dispute.c.due_at > last.due_at, tied))
    query = query.order_by(dispute.c.due_at, dispute.c.id).limit(most)
    return [_dispute(row) for row in db.execute(query)]


def count(db: Session, state: str) -> int:
    """Return how many disputes are in a state."""
    query = select(func.count()).select_from(dispute).where(dispute.c.state == state)
    return db.scalar(query) or 0


def read(db: Session, number: str, *, citizen: str | None = None, agency: str | None = None) -> Dispute:
    """Return a dispute, if it is this citizen's or this agency's where one is named. Raises DisputeUnknown."""
    row = db.execute(select(*_CLEAR).where(dispute.c.id == number)).first()
    if row is None or citizen not in (None, row.citizen) or agency not in (None, row.agency):
        raise DisputeUnknown
    return _dispute(row)


def written(db: Session, found: Dispute) -> Written:
    """Return what was written in a dispute. Raises keys.errors.Shredded once the citizen is erased."""
    row = db.execute(select(dispute.c.asked, dispute.c.answer).where(dispute.c.id == found.id)).one()
    asked = sealing.unseal(db, found.citizen, _scope(found.id), row.asked, aad=found.id.encode()).decode()
    if row.answer is None:
        return Written(asked)
    content = sealing.unseal(db, found.citizen, _scope(found.id), row.answer, aad=_answer_aad(found))
    said: dict[str, Any] = msgspec.json.decode(content)
    return Written(asked, said["text"], said["source"])


def seen(db: Session, found: Dispute, *, actor: Actor, through: str) -> None:
    """Note that whoever must answer has read a dispute: an agency's system once, staff once an hour each."""
    if through == CONSOLE:
        name = f"{found.id} {actor.id}"
        if limits.hit(db, "dispute-seen", name, most=1, per_seconds=HOUR_SECONDS):
            return
    first = update(dispute).where(dispute.c.id == found.id, dispute.c.seen_at.is_(None))
    row = db.execute(first.values(seen_at=clock.now()).returning(dispute.c.id)).first()
    if row is not None or through == CONSOLE:
        event = DisputeSeen(
            agency=found.agency,
            dispute=found.id,
            entry=found.event_id,
            through=through,
            staff=actor.id if through == CONSOLE else None,
        )
        record(db, event, actor=actor, about=[found.citizen, found.chain])


def answer(
    db: Session, found: Dispute, *, category: str, text: str, actor: Actor, through: str, source: str = ""
) -> Dispute:
    """Answer a dispute, once. `source` says whom at the agency the answer came from, where staff passes it on.

    Raises DisputeMalformed, DisputeAnsweredAlready.
    """
    said, of_whom = text.strip(), source.strip()
    if category not in CATEGORIES or not 0 < len(said) <= LONGEST_ANSWER or len(of_whom) > LONGEST_SOURCE:
        raise DisputeMalformed(detail="answer")
    if "\0" in said + of_whom:
        raise DisputeMalformed(detail="NUL")
    content = msgspec.json.encode({"text": said, "source": of_whom})
    at = clock.now()
    row = db.execute(
        update(dispute)
        .where(dispute.c.id == found.id, dispute.c.state.in_(OPEN_STATES))
        .values(
            state="answered",
            answered_at=at,
            category=category,
            through=through,
            answer=sealing.seal(db, found.citizen, _scope(found.id), content, aad=_answer_aad(found)),
        )
        .returning(*_CLEAR)
    ).first()
    if row is None:
        raise DisputeAnsweredAlready(detail=found.id)
    event = DisputeAnswered(
        agency=found.agency,
        outcome=category,
        dispute=found.id,
        entry=found.event_id,
        through=through,
        late=at > found.due_at,
    )
    record(db, event, actor=actor, about=[found.citizen, found.chain])
    return _dispute(row)


def mark_overdue(db: Session) -> int:
    """Mark disputes whose time is over without an answer; returns how many."""
    late = select(dispute.c.id).where(dispute.c.state == "open", dispute.c.due_at < clock.now())
    rows = db.execute(
        update(dispute)
        .where(dispute.c.id.in_(late.limit(AT_ONCE)), dispute.c.state == "open")
        .values(state="overdue")
        .returning(*_CLEAR)
    ).all()
    for found in map(_dispute, rows):
        event = DisputeOverdue(
            agency=found.agency, dispute=found.id, entry=found.event_id, due_at=found.due_at
        )
        record(db, event, actor=SYSTEM, about=[found.citizen, found.chain])
    return len(rows)


def citizen_of(db: Session, number: str) -> str | None:
    """Return whose dispute it is, or None."""
    return db.scalar(select(dispute.c.citizen).where(dispute.c.id == number))


def erase(db: Session, citizen: str) -> None:
    """Forget what a citizen wrote and was answered: the keys are destroyed, the rows go."""
    _forget(db, citizen)


def forget_erased(db: Session, citizen: str) -> None:
    """Forget the disputes about looks of a citizen that were erased: they say who looked, and why.

    Nobody owes an answer about what nobody can read; of one that was open it is recorded that it is closed.
    """
    there = select(entry.c.event_id).where(entry.c.event_id == dispute.c.event_id).exists()
    for found in _forget(db, citizen, ~there):
        if found.is_open:
            event = DisputeClosed(agency=found.agency, dispute=found.id, entry=found.event_id)
            record(db, event, actor=SYSTEM, about=[citizen, found.chain])


def _forget(db: Session, citizen: str, *which: ColumnElement[bool]) -> list[Dispute]:
    gone = delete(dispute).where(dispute.c.citizen == citizen, *which).returning(*_CLEAR)
    found = [_dispute(row) for row in db.execute(gone).all()]
    for one in found:
        sealing.shred(db, citizen, _scope(one.id))
    return found


def _scope(number: str) -> str:
    """Each has a key of its own, so that one can be forgotten in backups too."""
    return f"{SCOPE}:{number}"


def _answer_aad(found: Dispute) -> bytes:
    return f"{found.id} answer".encode()


def _dispute(row: Row[*tuple[Any, ...]]) -> Dispute:
    return Dispute(**row._asdict())
