"""Sends logout tokens to the clients that are to hear of an end, several side by side, until they are taken."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import outbound
from core.database import Database
from core.errors import Problem
from core.outbound import CallRefused
from idp.oidc import clients
from idp.oidc.logout import outbox
from idp.oidc.logout.outbox import Notice

log = structlog.get_logger("erti.logout")
AT_ONCE: Final = 8
LEASE: Final = timedelta(seconds=60)  # longer than a call can take
HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
TAKEN: Final = (200, 204)  # Back-Channel Logout 1.0, 2.8; some frameworks answer an empty body with 204


class LogoutCourier:
    """Hands notices to threads, so that a client that does not answer keeps no other waiting."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="logout")
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def turn(self, database: Database) -> int:
        """Take what is due into service without waiting for it; returns how many notices were taken."""
        slots = 0
        while slots < AT_ONCE and self._free.acquire(blocking=False):
            slots += 1
        taken: list[Notice] = []
        try:
            taken = self._due(database, slots)
        finally:
            for _unused in range(slots - len(taken)):
                self._free.release()
        for notice in taken:
            self._pool.submit(self._serve, database, notice)
        return len(taken)

    def close(self) -> None:
        """Finish the calls that are under way; what is left stays in the outbox."""
        self._pool.shutdown(wait=True)

    def _due(self, database: Database, slots: int) -> list[Notice]:
        if not slots:
            return []
        with database.reading() as db:
            if not outbox.waits(db):
                return []
        with database.writing() as db:
            return outbox.take(db, most=slots, lease=LEASE)

    def _serve(self, database: Database, notice: Notice) -> None:
        try:
            send(database, notice)
        except (SQLAlchemyError, OSError, Problem) as error:
            log.warning("logout not told", notice=notice.id, error=type(error).__name__)
        finally:
            self._free.release()


def send(database: Database, notice: Notice) -> str:
    """Send one notice and keep what became of it; returns its state."""
    with database.reading() as db:
        client = clients.find(db, notice.client_id)
        token = outbox.token(db, notice, client) if client and client.backchannel_logout_uri else ""
    taken = True  # who was switched off, or wants to hear nothing any more, is told nothing
    if client is not None and token:
        content = urlencode({"logout_token": token}).encode()
        taken = _call(database, client.backchannel_logout_uri, content, client.client_id)
    with database.writing() as db:
        return outbox.settle(db, notice, taken=taken, pause=_pause(notice.attempts))


def _call(database: Database, uri: str, content: bytes, client_id: str) -> bool:
    try:
        answer = outbound.fetch(database.parts.settings, "POST", uri, content=content, headers=HEADERS)
    except (CallRefused, OSError) as error:
        detail = error.detail if isinstance(error, CallRefused) else type(error).__name__
        log.info("logout not delivered", client=client_id, reason=detail)
        return False
    if answer.status not in TAKEN:
        log.info("logout not taken", client=client_id, status=answer.status)
    return answer.status in TAKEN


def _pause(attempts: int) -> timedelta:
    whole = min(2.0 ** min(attempts, 20), outbox.LONGEST_WAIT.total_seconds())
    return timedelta(seconds=whole * random.uniform(0.5, 1.0))  # noqa: S311  (spreads load, hides nothing)
