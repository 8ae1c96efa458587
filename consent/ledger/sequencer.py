"""The one way into the ledger: gathers disclosures into batches and takes in what waits, in one thread."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import structlog
from sqlalchemy import bindparam, select

from consent.ledger import aside, batch, logs, openings, signer
from consent.ledger.attempts import Failure, attempt
from consent.ledger.disclosures import (
    Disclosure,
    Integrated,
    Item,
    Later,
    Outcome,
    Refused,
    Repeated,
    Reused,
)
from consent.ledger.errors import LedgerBusy, RequestReused
from consent.ledger.reliance import CheckGrants
from consent.ledger.subjects import LABELS_KEPT, Labels
from consent.ledger.tables import entry
from core import clock
from core.database import Database, among, texts
from core.events import waiting

log = structlog.get_logger("erti.ledger")

__all__ = ["Disclosure", "Integrated", "Refused", "Repeated", "Sequencer", "Ticket"]

MOST_IN_BATCH = 256
MOST_WAITING_IN_BATCH = 500
LEAST_BULK_IN_BATCH = 64
MOST_QUEUED = 4096
IDLE_SECONDS = 0.075
MOST_REST_SECONDS = 1.0
LOCKED_SECONDS = 0.01
LOOK_UP_SECONDS = 5.0
_QUEUED, _TAKEN, _DONE, _GIVEN_UP = range(4)

_PEEK = (
    select(waiting.c.id, waiting.c.chain, waiting.c.public).order_by(waiting.c.id).limit(bindparam("most"))
)
_ABOUT = {
    engine: select(waiting.c.id).where(named).order_by(waiting.c.id)
    for engine, named in among(waiting.c.chain, "chains").items()
}
_NEWEST_WAITING = select(waiting.c.id).order_by(waiting.c.id.desc()).limit(1)
_FIND = select(entry.c.leaf_index).where(entry.c.event_id.in_(bindparam("events", expanding=True)))


class Ticket:
    """A disclosure's place in the queue; whoever submitted it waits here."""

    def __init__(self, item: Item, owner: "Sequencer") -> None:
        self.item: Final = item
        self.queued_at: Final = time.monotonic()
        self.state = _QUEUED
        self.outcome: Integrated | Refused | Reused | None = None
        self._owner = owner
        self._ready = threading.Lock()
        self._ready.acquire()

    def wait(self, timeout: float | None = None) -> Integrated | Refused:
        """Wait until the entry is durable: Integrated, Repeated or Refused.

        `timeout` in seconds, the settings' deadline if left out. Raises LedgerBusy when it passes or the
        entry could not be made (it may then exist, but nothing is released), RequestReused for a request
        ID that came with another body.
        """
        deadline = self._owner.deadline if timeout is None else timeout
        left = self.queued_at + deadline - time.monotonic()
        if not self._ready.acquire(timeout=max(left, 0)):
            self._owner.give_up(self)
        if self.outcome is None or self.state == _GIVEN_UP:
            raise LedgerBusy(overload=True, detail="not durable in time")
        if isinstance(self.outcome, Reused):
            raise RequestReused(detail=self.item.disclosure.client)
        return self.outcome

    def settle(self, outcome: Integrated | Refused | Reused | None) -> None:
        """Let the waiter go on, with nothing if the entry could not be made."""
        if self.state in (_QUEUED, _TAKEN):
            self.outcome = outcome
            self.state = _DONE
            self._ready.release()


class Sequencer:
    """Every process that releases values has one. The database's head row orders them all."""

    def __init__(self, database: Database, check_grants: CheckGrants) -> None:
        self._database = database
        self._check_grants = check_grants
        self._labels = Labels(database.parts)
        self._queue: deque[Ticket] = deque()
        self._bulk: deque[Ticket] = deque()
        self._bell = threading.Condition()
        self._rung = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._fresh_until = 0.0
        self._peek_at = 0.0
        self._rest_until = 0.0
        self._rest = IDLE_SECONDS
        self._keyed: set[str] = set()
        self._keyed_year = 0
        settings = database.parts.settings
        self.deadline: Final = settings.release_deadline_seconds
        self._gather: Final = settings.ledger_batch_milliseconds / 1000

    # -- for those who wait

    def start(self) -> None:
        """Begin to work, in a thread of its own."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Finish what is queued and what waits, then end."""
        if self._thread is not None:
            with self._bell:
                self._stopping = self._rung = True
                self._bell.notify_all()
            self._thread.join()
            self._thread = None

    @property
    def running(self) -> bool:
        """True while the thread works; a process whose sequencer died is not ready."""
        return self._thread is not None and self._thread.is_alive()

    def submit(self, disclosure: Disclosure) -> Ticket:
        """Queue a disclosure; `Ticket.wait` says when it is durable.

        Raises RuntimeError inside a write transaction (on SQLite the wait would be a deadlock), LedgerBusy
        when the queue is full or checkpoints stopped, ValueError for an event that cannot be written.
        """
        if self._database.in_writing():
            raise RuntimeError("a read is never released while a write transaction is open in this thread")
        ticket = Ticket(Item.of(disclosure), self)
        with self._bell:
            if len(self._queue) >= MOST_QUEUED or self._stopping:
                raise LedgerBusy(overload=True, detail="queue full")
            self._queue.append(ticket)
            if len(self._queue) in (1, MOST_IN_BATCH):
                self._bell.notify_all()
        return ticket

    def submit_all(self, disclosures: Sequence[Disclosure]) -> list[Ticket]:
        """Queue many disclosures at once, all or none. Single ones go before them, and leave them a part of each batch.

        Raises as `submit` does.
        """
        if self._database.in_writing():
            raise RuntimeError("a read is never released while a write transaction is open in this thread")
        tickets = [Ticket(Item.of(disclosure), self) for disclosure in disclosures]
        with self._bell:
            if len(self._bulk) + len(tickets) > MOST_QUEUED or self._stopping:
                raise LedgerBusy(overload=True, detail="queue full")
            self._bulk.extend(tickets)
            self._bell.notify_all()
        return tickets

    def give_up(self, ticket: Ticket) -> None:
        """Take a ticket whose time is over out of the queue, or make sure its outcome releases nothing."""
        with self._bell:
            for queue in (self._queue, self._bulk):
                if ticket.state == _QUEUED and ticket in queue:
                    queue.remove(ticket)
            if ticket.state != _DONE:
                ticket.state = _GIVEN_UP

    def wake(self) -> None:
        """Look for waiting events now."""
        with self._bell:
            self._rung = True
            self._bell.notify_all()

    def drain(self, chain: str | None = None, timeout: float = 5.0) -> bool:
        """Wait until the events that wait now, of one chain or of all, are taken; False if time ran out.

        Where no sequencer runs (a command, a test) the work is done here. Raises RuntimeError inside a
        write transaction.
        """
        if self._database.in_writing():
            raise RuntimeError("nothing waits for the sequencer while a write transaction is open")
        until = time.monotonic() + timeout
        query, newest = _NEWEST_WAITING, None
        if chain is not None:
            query = query.where(waiting.c.chain == chain)
        while True:
            with self._database.reading() as db:
                if newest is None:
                    newest = db.scalar(query)
                if newest is None or db.scalar(query.where(waiting.c.id <= newest)) is None:
                    return True
            if time.monotonic() > until:
                return False
            if self._thread is None:
                self.take_waiting()
            else:
                self.wake()
                time.sleep(0.005)

    # -- the work

    def take_waiting(self) -> int:
        """Take one batch of waiting events into the ledger; returns how many."""
        self._peek_at = time.monotonic() + IDLE_SECONDS
        with self._database.reading() as db:
            rows = db.execute(_PEEK, {"most": MOST_WAITING_IN_BATCH}).all()
            if not rows:
                return 0
            self._labels.prepare(db, [row.chain for row in rows if not row.public])
        return aside.take(self._database, self._labels, [row.id for row in rows])

    def try_again(self) -> tuple[int, list[aside.Kept]]:
        """Take in what was set aside; return how many stand in the ledger now, and what is left."""
        return aside.try_again(self._database, self._labels)

    def _run(self) -> None:
        """Work until told to stop. No fault ends it, for then every read would wait in vain until the process ends."""
        try:
            going: bool | Failure = True
            while going:
                going = attempt(self._turn)
                if isinstance(going, Failure):
                    log.error("sequencer stumbled", error=going.name, where=going.where)
                    time.sleep(IDLE_SECONDS)
                    going = not self._stopping
        finally:
            with self._bell:
                self._stopping = True
                left = [*self._queue, *self._bulk]
                self._queue.clear()
                self._bulk.clear()
            for ticket in left:
                ticket.settle(None)

    def _turn(self) -> bool:
        tickets = self._next()
        if tickets:
            self._integrate(tickets)
        done, due = 0, self._rung or time.monotonic() >= self._peek_at
        self._rung = False
        if due and time.monotonic() >= self._rest_until:
            done = self._take_or_rest()
            self._rung |= done == MOST_WAITING_IN_BATCH
        self._database.parts.keys.sweep()
        return not self._stopping or bool(tickets) or bool(done) or bool(self._queue) or bool(self._bulk)

    def _take_or_rest(self) -> int:
        """Take waiting events; where nothing can be taken now, look again later and later. Reads go on meanwhile."""
        done = attempt(self.take_waiting)
        if not isinstance(done, Failure):
            self._rest = IDLE_SECONDS
            return done
        log.warning("waiting events not taken", error=done.name, where=done.where)
        self._rest_until = self._peek_at = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, MOST_REST_SECONDS)
        return 0

    def _next(self) -> list[Ticket]:
        """The next batch: what was queued while the last one was written, or within the gathering time."""
        with self._bell:
            if not self._queue and not self._bulk and not self._rung and not self._stopping:
                self._bell.wait(max(self._peek_at - time.monotonic(), 0.001))
            while self._queue and len(self._queue) + len(self._bulk) < MOST_IN_BATCH and not self._stopping:
                left = self._queue[0].queued_at + self._gather - time.monotonic()
                if left <= 0:
                    break
                self._bell.wait(left)
            single = MOST_IN_BATCH - min(len(self._bulk), LEAST_BULK_IN_BATCH)
            tickets = [self._queue.popleft() for _ in range(min(len(self._queue), single))]
            room = MOST_IN_BATCH - len(tickets)
            tickets += [self._bulk.popleft() for _ in range(min(len(self._bulk), room))]
            for ticket in tickets:
                ticket.state = _TAKEN
        return tickets

    def _integrate(self, tickets: Sequence[Ticket]) -> None:
        outcomes, failed = self._enter(tickets)
        if failed is not None and not failed.passing:
            outcomes = self._enter_apart(tickets)
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            if isinstance(outcome, Later):
                self._again(ticket)
            else:
                ticket.settle(outcome)
        if all(isinstance(outcome, Later) for outcome in outcomes):
            time.sleep(LOCKED_SECONDS)

    def _enter(self, tickets: Sequence[Ticket]) -> tuple[list[Outcome | None], Failure | None]:
        """Make the entries of these disclosures: all of them, or none and why not."""
        items, outcomes = [ticket.item for ticket in tickets], list[Outcome | None]()

        def work() -> None:
            self._prepare(items)
            with self._database.writing() as db:
                outcomes.extend(batch.integrate(db, self._labels, items, self._check_grants))

        failed = attempt(work)
        if failed is None:
            return outcomes, None
        log.warning("batch not integrated", entries=len(items), error=failed.name, where=failed.where)
        # With outcomes at hand it was the COMMIT that failed, and nobody knows whether it happened.
        if outcomes and self._committed(items):
            return outcomes, None
        return [None] * len(items), None if outcomes else failed

    def _enter_apart(self, tickets: Sequence[Ticket]) -> list[Outcome | None]:
        """After a batch that failed of itself: set aside what waits about the same people and is at fault, then halve."""
        names = {name for ticket in tickets for name in ticket.item.disclosure.about}
        cleared = attempt(partial(self._take_about, names))
        if isinstance(cleared, Failure):
            log.warning("waiting events not taken", error=cleared.name, where=cleared.where)
            return [None] * len(tickets)
        return self._enter_halves(tickets)

    def _take_about(self, names: Iterable[str]) -> int:
        with self._database.reading() as db:
            found = db.scalars(_ABOUT[db.get_bind().dialect.name], {"chains": texts(db, names)}).all()
        return aside.take(self._database, self._labels, found) if found else 0

    def _enter_halves(self, tickets: Sequence[Ticket]) -> list[Outcome | None]:
        """Halve what fails until the disclosures at fault are alone; they get nothing, the others their entries."""
        if all(ticket.state == _GIVEN_UP for ticket in tickets):
            return [None] * len(tickets)
        outcomes, failed = self._enter(tickets)
        if failed is None or failed.passing:
            return outcomes
        if len(tickets) == 1:
            kind = tickets[0].item.draft.kind
            log.error("entry not made", kind=kind, error=failed.name, where=failed.where)
            return outcomes
        middle = len(tickets) // 2
        return self._enter_halves(tickets[:middle]) + self._enter_halves(tickets[middle:])

    def _prepare(self, items: Sequence[Item]) -> None:
        """Everything that need not happen under the head lock. Raises LedgerBusy if checkpoints stopped."""
        names = {name for item in items for name in item.disclosure.about}
        missing = self._labels.missing(names)
        if missing or time.monotonic() >= self._fresh_until:
            with self._database.reading() as db:
                self._labels.prepare(db, missing)
                fresh = signer.fresh(db)
            if not fresh:
                raise LedgerBusy(overload=True, detail="no checkpoint was signed for too long")
            self._fresh_until = time.monotonic() + 1
        year = clock.now().year
        if year != self._keyed_year or len(self._keyed) > LABELS_KEPT:
            self._keyed, self._keyed_year = set(), year
        if new := names - self._keyed:
            # A key made here and not under the head lock cannot hold up, or deadlock with, anybody else.
            with self._database.writing() as db:
                openings.ready(db, new, year)
            self._keyed |= new

    def _again(self, ticket: Ticket) -> None:
        """Put a ticket back whose grant is being decided on; its deadline still runs."""
        with self._bell:
            if ticket.state == _TAKEN:
                ticket.state = _QUEUED
                self._queue.append(ticket)

    def _committed(self, items: Sequence[Item]) -> bool:
        """After a COMMIT whose fate is unknown: are its entries there? Nothing is written again.

        The head lock makes the answer final: the lost transaction held it, and has ended when we get it.
        """
        wanted = [item.event_id for item in items]

        def look_up() -> bool:
            with self._database.writing() as db:
                logs.lock(db)
                logs.lock(db, logs.WITHHELD)
                return db.execute(_FIND, {"events": wanted}).first() is not None

        until = time.monotonic() + LOOK_UP_SECONDS
        while time.monotonic() < until:
            found = attempt(look_up)
            if not isinstance(found, Failure):
                return found
            time.sleep(IDLE_SECONDS)
        return False
