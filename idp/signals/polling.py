"""Poll delivery (RFC 8936): what a receiver fetches, acknowledges and reports as unusable."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from consent import notices
from consent.notices import WAITING
from core import clock
from core.database import Database
from idp.oidc import clients
from idp.signals import bodies, outbox, streams
from idp.signals.bodies import Poll
from idp.signals.errors import StreamRefused
from idp.signals.streams import ENABLED, Stream
from idp.signals.tables import outbox as table
from idp.signals.vocabulary import POLL

MOST = 100
IN_HAND = timedelta(seconds=60)  # what was handed out and not acknowledged by then is handed out again
WAIT_SECONDS = 4.0  # of a long poll; a service that stops gives requests under way five
LOOK_SECONDS = 0.25
WAITERS = 8  # long polls one process holds open, out of its threads; others are answered at once

_slots = threading.BoundedSemaphore(WAITERS)
_waiting: set[str] = set()
_guard = threading.Lock()


def poll(database: Database, client_id: str, stream_id: str, wish: Poll) -> dict[str, Any]:
    """Settle what the receiver reports, and give it what waits for it (RFC 8936, 2.4).

    With nothing there a receiver that did not ask to be answered at once waits a little, one poll for each stream.
    Raises StreamUnknown, and StreamRefused for a stream that is pushed to.
    """
    with database.reading() as db:
        stream = streams.read(db, client_id, stream_id)
    if stream.method != POLL:
        raise StreamRefused(detail="push", mistake="this stream is pushed, not polled")
    if wish.ack or wish.set_errs:
        with database.writing() as db:
            _report(db, stream, wish)
    most = MOST if wish.max_events is None else min(wish.max_events, MOST)
    if most == 0:  # RFC 8936, 2.4: only acknowledgements, no events
        return {"sets": {}, "moreAvailable": _any(database, stream)}
    if not _any(database, stream) and not wish.return_immediately:
        _wait(database, stream)
    if not _any(database, stream):
        return {"sets": {}, "moreAvailable": False}
    with database.writing() as db:
        return _give(db, stream, most)


def _report(db: Session, stream: Stream, wish: Poll) -> None:
    outbox.received(db, stream, wish.ack)
    for jti, error in wish.set_errs.items():
        outbox.refused(db, stream, jti, bodies.kept(error))


def _give(db: Session, stream: Stream, most: int) -> dict[str, Any]:
    client = clients.read(db, stream.client_id)
    at = clock.now()
    due = (table.c.stream_id == stream.stream_id, table.c.state == WAITING, table.c.due_at <= at)
    first = select(table.c.id).where(*due).order_by(table.c.id).limit(most).with_for_update(skip_locked=True)
    rows = db.execute(
        update(table)
        .where(table.c.id.in_(first))
        .values(attempts=table.c.attempts + 1, due_at=at + IN_HAND)
        .returning(table)
    ).all()
    notices.tried(db, [row.jti for row in rows])
    given = [outbox.signed(db, row, client) for row in sorted(rows, key=lambda row: row.id)]
    left = db.scalar(select(func.count()).select_from(table).where(*due)) or 0
    return {"sets": {item.jti: item.token for item in given}, "moreAvailable": left > 0}


def _any(database: Database, stream: Stream) -> bool:
    mine = (table.c.stream_id == stream.stream_id, table.c.state == WAITING, table.c.due_at <= clock.now())
    with database.reading() as db:
        now = streams.find(db, stream.client_id)
        if now is None or now.status != ENABLED:
            return False
        return db.execute(select(table.c.id).where(*mine).limit(1)).first() is not None


def _wait(database: Database, stream: Stream) -> None:
    with _slot(stream.stream_id) as free:
        ends = time.monotonic() + WAIT_SECONDS
        while free and time.monotonic() < ends and not _any(database, stream):
            time.sleep(LOOK_SECONDS)


@contextmanager
def _slot(stream_id: str) -> Iterator[bool]:
    """Give one of the few places for waiting, or False if they are taken or this stream has one already."""
    with _guard:
        free = stream_id not in _waiting and _slots.acquire(blocking=False)
        if free:
            _waiting.add(stream_id)
    try:
        yield free
    finally:
        if free:
            with _guard:
                _waiting.discard(stream_id)
            _slots.release()
