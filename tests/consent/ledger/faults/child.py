"""A process that is meant to die: one round of reads, a decision and signatures, each answer written down at once."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from consent import disclosure, grants
from consent.ledger import signer
from core.database import Database
from core.errors import Problem
from core.settings import Settings
from service.app import begin, open_house
from tests.consent import country

CITIZENS = (country.CITIZEN, country.OTHER)
STOPPED = 3
_ANY_TRACER, _SET_TRACER = ctypes.c_ulong(-1), 0x59616D61


def main() -> None:
    """Fork a process for each order that comes in, so that none of them has to start Python anew."""
    for order in sys.stdin:
        pid = os.fork()
        if pid == 0:
            # Where the machine lets nobody watch but a parent, this lets strace.
            ctypes.CDLL(None).prctl(_SET_TRACER, _ANY_TRACER, 0, 0, 0)
            live(**json.loads(order))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        tell(ended=os.waitstatus_to_exitcode(status))


def tell(**facts: object) -> None:
    """Say something to the test."""
    print(json.dumps(facts), flush=True)


def live(number: str, folder: str) -> None:
    """Open the house, say which threads there are, wait until somebody watches, and do the round."""
    place = Path(folder)
    database = open_house(Settings())
    begin(database)
    sequencer = database.parts.sequencer
    sequencer.start()
    os.mkfifo(place / f"go-{number}")
    tell(pid=os.getpid(), sequencer=sequencer._thread.native_id)
    os.dup2(2, 1)  # what it logs is not for the test
    (place / f"go-{number}").read_bytes()  # waits, and asks no clock, which may be a wrong one
    file = os.open(place / "said.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for said in work(database, number):
        line = json.dumps(said).encode() + b"\n"
        if os.write(file, line) != len(line):
            os._exit(STOPPED)


def work(database: Database, number: str) -> Iterator[dict[str, object]]:
    """Everything that may be told of after it happened: answers and signatures."""
    for turn, what in enumerate(("read", "decide", "read", "sign", "read", "repeat", "sign")):
        for citizen in CITIZENS:
            name = f"{number}-{citizen}-{2 if what == 'repeat' else turn}"
            try:
                if what == "decide":
                    decide(database, citizen)
                elif what == "sign":
                    if signed := signer.sign_if_due(database):
                        yield {"size": signed.size, "root": signed.root.hex(), "note": signed.note}
                elif placed := read(database, citizen, name):
                    yield {"request": name, "citizen": citizen, "index": placed}
            except (SQLAlchemyError, OSError, Problem) as error:
                yield {"failed": what, "error": f"{type(error).__name__} {str(error)[:300]}"}


def read(database: Database, citizen: str, name: str) -> int | None:
    """A read through the door; the index of its entry once a value is in our hands."""
    answer = disclosure.release(database, country.ask(citizen=citizen, request_id=name))
    if isinstance(answer, disclosure.Released):
        assert answer.values["given_name"].value == country.VALUES["given_name"]
        return answer.receipt.index
    return None


def decide(database: Database, citizen: str) -> None:
    """The citizen decides anew: more if they allowed little, less if they allowed more."""
    with database.writing() as db:
        held = grants.live(db, citizen=citizen, purpose="revenue-sign-in")
        more = held is None or "employer" not in held.attributes
        country.allow(db, "given_name", *(["employer"] if more else []), citizen=citizen)


if __name__ == "__main__":
    main()
