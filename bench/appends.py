"""Append to the ledger in this process alone and print how it went, as JSON; `run.py` starts it."""

import hashlib
import json
import sys
import time

from bench.town import CLIENT, PURPOSE
from consent.events import Disclosed
from consent.ledger.sequencer import Disclosure, Sequencer, Ticket
from core.events import Actor
from core.settings import Settings
from registry_sync import people
from service.app import open_house

IN_FLIGHT = 512
CITIZENS = 500


def main(seconds: float) -> None:
    """Keep some hundred disclosures in flight for some seconds; every one is waited for."""
    database = open_house(Settings())
    sequencer = database.parts.sequencer
    sequencer.start()
    citizens = [people.new_citizen_id() for _ in range(CITIZENS)]
    _run(sequencer, citizens, CITIZENS, seconds=60)  # makes their keys and labels, once for each citizen
    begun, cpu = time.perf_counter(), time.process_time()
    done = _run(sequencer, citizens, 1 << 60, seconds=seconds)
    took, spent = time.perf_counter() - begun, time.process_time() - cpu
    sequencer.stop()
    database.close()
    json.dump({"done": done, "seconds": took, "cpu": spent}, sys.stdout)


def _run(sequencer: Sequencer, citizens: list[str], most: int, *, seconds: float) -> int:
    end, number, done = time.perf_counter() + seconds, 0, 0
    while time.perf_counter() < end and number < most:
        tickets: list[Ticket] = []
        while len(tickets) < IN_FLIGHT and number < most:
            tickets.append(sequencer.submit(_disclosure(citizens[number % CITIZENS], number)))
            number += 1
        for ticket in tickets:
            ticket.wait(30)
            done += 1
    return done


def _disclosure(citizen: str, number: int) -> Disclosure:
    request_id = f"bench-{time.time_ns()}-{number}"
    event = Disclosed(
        agency="bench",
        client=CLIENT,
        purpose=PURPOSE,
        purpose_version=1,
        basis="law",
        law="Bench Act 1",
        attributes=("given_name",),
        grant=None,
        channel="law",
        case="bench",
        official=None,
        request_id=request_id,
        outcome="released",
        rule=None,
    )
    return Disclosure(
        event=event,
        about=(citizen,),
        actor=Actor("client", CLIENT),
        agency="bench",
        purpose=PURPOSE,
        basis="law",
        outcome="released",
        client=CLIENT,
        request_id=request_id,
        body_sha256=hashlib.sha256(request_id.encode()).digest(),
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
