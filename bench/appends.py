"""One process that appends to the ledger, or signs it, as `bench.ledger` and `bench.run` tell it to on its input."""

import hashlib
import itertools
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from bench.town import CLIENT, PURPOSE
from consent.events import Disclosed
from consent.ledger import signer
from consent.ledger.disclosures import Disclosure, Integrated
from consent.ledger.sequencer import Sequencer, Ticket
from consent.tables import grant
from core.database import Database
from core.events import Actor
from core.settings import Settings
from service.app import open_house, settle

WAIT_SECONDS = 30.0
SIGN_SECONDS = 0.5
Grant = tuple[str, str, int]


@dataclass
class Run:
    """What is under way: entries whose turn has not come, and how long those took that are durable, in milliseconds."""

    queue: deque[tuple[Ticket, float] | None] = field(default_factory=deque)
    ready: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    took: list[float] = field(default_factory=list)
    refused: int = 0

    def add(self, ticket: Ticket | None, since: float) -> None:
        """Hand a ticket to whoever waits; None ends it."""
        self.queue.append(None if ticket is None else (ticket, since))
        self.ready.release()

    def wait(self) -> None:
        """Wait for each entry in turn until there are no more."""
        while True:
            self.ready.acquire()
            found = self.queue.popleft()
            if found is None:
                return
            ticket, since = found
            if isinstance(ticket.wait(WAIT_SECONDS), Integrated):
                self.took.append(1000 * (time.monotonic() - since))
            else:
                self.refused += 1
            self.room.release()


def main() -> None:
    """Answer each line on the input, a task in JSON, with its result; end with the input."""
    database = open_house(Settings())
    sequencer: Sequencer = database.parts.sequencer
    sequencer.start()
    known = grants(database)
    settle()
    for line in sys.stdin:
        task = json.loads(line)
        if task["do"] == "sign":
            result = sign(database)
        else:
            before, begun = time.process_time(), time.monotonic()
            run = appended(sequencer, known, task)
            took, cpu = time.monotonic() - begun, time.process_time() - before
            result = {"seconds": took, "cpu": cpu, "took": run.took, "refused": run.refused}
        print(json.dumps(result), flush=True)
    sequencer.stop()
    database.close()


def grants(database: Database) -> list[Grant]:
    """Return citizens, their grants and those's versions, which the reads rely on."""
    query = select(grant.c.citizen, grant.c.grant_id, grant.c.version).where(grant.c.purpose == PURPOSE)
    with database.reading() as db:
        return [(row.citizen, row.grant_id, row.version) for row in db.execute(query)]


def appended(sequencer: Sequencer, known: list[Grant], task: dict[str, Any]) -> Run:
    """Append as a task says: `number` entries or for `seconds`, with `at_once` under way, or `rate` a second.

    With a rate each entry has its moment, and its time counts from then on, however late it is handed over.
    """
    run, reads = Run(), disclosures(known, task.get("citizens"))
    waiter = threading.Thread(target=run.wait)
    waiter.start()
    run.room.release(
        task.get("at_once", 4096)
    )  # as many as the queue takes; one by one, so before the clock starts
    begun = time.monotonic()
    end, number = begun + task.get("seconds", 600), task.get("number", 1 << 60)
    for count, read in zip(range(number), reads, strict=False):
        due = begun + count / task["rate"] if "rate" in task else time.monotonic()
        if due >= end:
            break
        if (early := due - time.monotonic()) > 0:
            time.sleep(early)
        run.room.acquire()
        run.add(sequencer.submit(read), due if "rate" in task else time.monotonic())
    run.add(None, 0)
    waiter.join()
    return run


def sign(database: Database) -> dict[str, Any]:
    """Sign as the worker does, until another line comes; returns what it cost."""
    stop = threading.Event()
    threading.Thread(target=_stop_at_line, args=(stop,), daemon=True).start()
    before, signed, done = time.process_time(), None, 0
    while not stop.wait(SIGN_SECONDS):
        if found := signer.sign_if_due(database):
            signed, done = found, done + 1
    return {"cpu": time.process_time() - before, "signed": done, "size": signed.size if signed else 0}


def _stop_at_line(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


def disclosures(known: list[Grant], citizens: int | None = None) -> Iterator[Disclosure]:
    """Give reads of the citizens in turn, each under its grant, with a request ID of its own."""
    for number, (citizen, grant_id, version) in enumerate(itertools.cycle(known[:citizens])):
        request_id = f"bench-{os.getpid()}-{time.time_ns()}-{number}"
        event = Disclosed(
            agency="bench",
            client=CLIENT,
            purpose=PURPOSE,
            purpose_version=1,
            basis="consent",
            law=None,
            attributes=("given_name", "family_name", "birthdate", "income_bracket"),
            grant=grant_id,
            channel="login",
            case=None,
            official=None,
            request_id=request_id,
            outcome="released",
            rule=None,
        )
        yield Disclosure(
            event=event,
            about=(citizen,),
            actor=Actor("client", CLIENT),
            agency="bench",
            purpose=PURPOSE,
            basis="consent",
            outcome="released",
            grant_id=grant_id,
            grant_version=version,
            client=CLIENT,
            request_id=request_id,
            body_sha256=hashlib.sha256(request_id.encode()).digest(),
        )


if __name__ == "__main__":
    main()
