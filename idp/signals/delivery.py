"""Push delivery (RFC 8935): each event to its receiver's endpoint, again and again until it is acknowledged."""

import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent import notices
from consent.notices import WAITING
from core import clock, outbound
from core.database import Database
from core.errors import Problem
from core.outbound import CallRefused
from idp.oidc import clients
from idp.signals import bodies, outbox, streams
from idp.signals.bodies import Refusal
from idp.signals.outbox import Waiting
from idp.signals.streams import ENABLED, Stream
from idp.signals.tables import outbox as table
from idp.signals.tables import stream as stream_table
from idp.signals.vocabulary import PUSH

log = structlog.get_logger("erti.signals")
AT_ONCE = 8  # streams served side by side by one worker
BATCH = 20
LEASE = timedelta(seconds=60)
NOTHING_TO_DO = timedelta(seconds=0.5)
TURN_SECONDS = 20.0  # then the stream queues again behind the others
CALL_SECONDS = outbound.SECONDS
LONGEST_WAIT_UNREACHED = timedelta(minutes=5)
LONGEST_WAIT_ANSWERED = timedelta(minutes=15)
ACKNOWLEDGED, BAD_REQUEST = 202, 400  # RFC 8935, 2.2 and 2.3
# The event itself is no good for the receiver; other codes say that the two have to sort out how they meet.
FINAL = ("invalid_request", "invalid_key", "invalid_issuer", "invalid_audience")

REACHED, UNREACHED, ANSWERED_BADLY = "received", "unreached", "answered badly"


@dataclass(frozen=True)
class Lease:
    """A stream that this worker alone serves until the lease runs out."""

    name: str
    stream: Stream


class Courier:
    """Serves the streams that are due, several side by side, so that a slow receiver keeps nobody else waiting."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="signals")
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def turn(self, database: Database) -> int:
        """Take what is due into service without waiting for it; returns how many streams were taken."""
        taken = 0
        while self._free.acquire(blocking=False):
            lease = None
            try:
                lease = _take(database)
            finally:
                if lease is None:
                    self._free.release()
            if lease is None:
                break
            self._pool.submit(self._serve, database, lease)
            taken += 1
        return taken

    def close(self) -> None:
        """Finish the calls that are under way; what is left stays in the outbox."""
        self._closing.set()
        self._pool.shutdown(wait=True)

    def _serve(self, database: Database, lease: Lease) -> None:
        try:
            serve(database, lease, closing=self._closing)
        except (SQLAlchemyError, OSError, Problem) as error:
            log.warning("stream not served", stream=lease.stream.stream_id, error=type(error).__name__)
        finally:
            self._free.release()


def serve(database: Database, lease: Lease, *, closing: threading.Event | None = None) -> int:
    """Send a leased stream what it is due, the events about one citizen in their order; returns how many were taken.

    It ends when nothing is due, after a failure (the stream then rests), or when its turn is over. An event may
    reach its receiver twice if we die between the two, never not at all.
    """
    ends, count, rest = time.monotonic() + TURN_SECONDS, 0, NOTHING_TO_DO
    while True:
        with database.reading() as db:
            batch = _batch(db, lease.stream)
            header = streams.authorization(db, lease.stream)
        for item in batch:
            outcome, rest = _send(database, lease.stream, header, item), timedelta(0)
            with database.writing() as db:
                going = _settle(db, lease, item, outcome)
            count += outcome == REACHED
            if not going or time.monotonic() > ends or (closing is not None and closing.is_set()):
                _release(database, lease)
                return count
        if not batch:
            _release(database, lease, rest=rest)
            return count


def classify(status: int, content: bytes) -> str | Refusal:
    """Say what an answer to a push means (RFC 8935, 2.2 to 2.4): taken, refused for good, or to be tried again."""
    if status == ACKNOWLEDGED:
        return REACHED
    if status == BAD_REQUEST:
        found = bodies.refusal(content)
        if found is not None and found.error in FINAL:
            return found
    return ANSWERED_BADLY


def pause(failures: int, longest: timedelta) -> timedelta:
    """Return how long to wait after so many failures in a row: doubling from a second, with jitter, up to a limit."""
    whole = min(2.0 ** min(failures, 20), longest.total_seconds())
    return timedelta(seconds=whole * random.uniform(0.5, 1.0))  # noqa: S311  (spreads load, hides nothing)


def _ready(stream_id: ColumnElement[str] | str, at: datetime) -> tuple[ColumnElement[bool], ...]:
    """What may go now: due, and with nothing earlier about the same citizen still waiting."""
    earlier = table.alias()
    held = exists().where(
        earlier.c.stream_id == table.c.stream_id,
        earlier.c.citizen == table.c.citizen,
        earlier.c.state == WAITING,
        earlier.c.id < table.c.id,
    )
    return (table.c.stream_id == stream_id, table.c.state == WAITING, table.c.due_at <= at, ~held)


def _take(database: Database) -> Lease | None:
    at = clock.now()
    free = (
        stream_table.c.method == PUSH,
        stream_table.c.status == ENABLED,
        stream_table.c.due_at <= at,
        stream_table.c.lease_until <= at,
        exists().where(*_ready(stream_table.c.stream_id, at)),
    )
    first = select(stream_table.c.stream_id).where(*free).order_by(stream_table.c.due_at).limit(1)
    with database.reading() as db:
        if db.execute(first).first() is None:
            return None
    name = secrets.token_hex(16)
    with database.writing() as db:
        found = db.execute(first.with_for_update(skip_locked=True)).first()
        if found is None:
            return None
        row = db.execute(
            update(stream_table)
            .where(stream_table.c.stream_id == found.stream_id)
            .values(lease=name, lease_until=at + LEASE)
            .returning(stream_table)
        ).one()
        return Lease(name, streams.stream(row))


def _batch(db: Session, stream: Stream) -> list[Waiting]:
    ready = _ready(stream.stream_id, clock.now())
    rows = db.execute(select(table).where(*ready).order_by(table.c.id).limit(BATCH)).all()
    client = clients.fetch(db, stream.client_id)
    return [outbox.signed(db, row, client) for row in rows] if client else []


def _send(database: Database, stream: Stream, header: str | None, item: Waiting) -> str | Refusal:
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    if header:
        headers["Authorization"] = header
    try:
        answer = outbound.fetch(
            database.parts.settings,
            "POST",
            stream.endpoint_url or "",
            content=item.token.encode(),
            headers=headers,
            seconds=CALL_SECONDS,
        )
    except (CallRefused, OSError) as error:
        detail = error.detail if isinstance(error, CallRefused) else type(error).__name__
        log.info("event not delivered", stream=stream.stream_id, kind=item.kind, reason=detail)
        return UNREACHED
    outcome = classify(answer.status, answer.body)
    if outcome != REACHED:
        log.info("event not taken", stream=stream.stream_id, kind=item.kind, status=answer.status)
    return outcome


def _settle(db: Session, lease: Lease, item: Waiting, outcome: str | Refusal) -> bool:
    """Keep what became of one event; tell whether to go on with the stream. The lease is prolonged with it."""
    at, stream = clock.now(), lease.stream
    mine = (stream_table.c.stream_id == stream.stream_id, stream_table.c.lease == lease.name)
    held = db.execute(
        select(stream_table.c.failures, stream_table.c.status).where(*mine).with_for_update()
    ).first()
    notices.tried(db, [item.jti])
    tries = item.attempts + 1
    this = table.c.id == item.id
    db.execute(update(table).where(this).values(attempts=tries))
    if outcome == REACHED:
        outbox.received(db, stream, [item.jti])
    elif isinstance(outcome, Refusal):
        outbox.refused(db, stream, item.jti, outcome)
    elif outcome == ANSWERED_BADLY:
        db.execute(update(table).where(this).values(due_at=at + pause(tries, LONGEST_WAIT_ANSWERED)))
    if held is None:  # another worker serves it, or it is gone
        return False
    if outcome in (UNREACHED, ANSWERED_BADLY):
        failures = held.failures + 1
        rests = at + pause(failures, LONGEST_WAIT_UNREACHED)
        db.execute(update(stream_table).where(*mine).values(failures=failures, due_at=rests))
        return False
    values = {"failures": 0, "due_at": at, "lease_until": at + LEASE}
    db.execute(update(stream_table).where(*mine).values(values))
    return bool(held.status == ENABLED)


def _release(database: Database, lease: Lease, *, rest: timedelta = timedelta(0)) -> None:
    at = clock.now()
    with database.writing() as db:
        db.execute(
            update(stream_table)
            .where(stream_table.c.stream_id == lease.stream.stream_id, stream_table.c.lease == lease.name)
            .values(lease=None, lease_until=at + rest)
        )
