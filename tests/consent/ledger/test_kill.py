"""Processes killed at random under load: what was answered stands in the ledger, once, and all adds up."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from consent.ledger import bundle, fsck, logs, signer
from core.database import Database
from registry_sync import people
from service.app import open_house
from tests import ports, service_process
from tests.consent.ledger.auditor import Auditor
from verifier import erti_verify

KILLS = int(os.environ.get("ERTI_KILLS", "25"))  # fewer only while somebody works on this test
READS_A_SECOND = 200
READERS = 20
READY_SECONDS = 180
CLIENT, PURPOSE, ATTRIBUTE = "revenue-portal", "revenue-assessment", "income_bracket"


def digest(value: str) -> str:
    """What a client writes down of a value."""
    return hashlib.sha256(value.encode()).hexdigest()


@dataclass
class Reader:
    """An agency's system: one thread that writes down every answer, synced, before it asks again."""

    addresses: list[str]
    token: str
    citizens: list[str]
    file: Path
    seed: int
    stop: threading.Event
    answered: int = 0
    refused: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Ask at an even pace, again under the same request ID when there was no answer."""
        dice = random.Random(self.seed)
        pace = READERS / READS_A_SECOND
        with (
            httpx.Client(
                timeout=3, trust_env=False, verify=False, headers={"Authorization": f"Bearer {self.token}"}
            ) as web,
            self.file.open("ab", buffering=0) as file,
        ):
            number, due = 0, time.monotonic() + dice.random() * pace
            while not self.stop.is_set():
                number += 1
                body: dict[str, object] = {
                    "citizen_id": dice.choice(self.citizens),
                    "purpose": PURPOSE,
                    "attributes": [ATTRIBUTE],
                    "request_id": f"{self.seed}-{number}",
                    "case": "kill-test",
                    "official": "kill-test",
                }
                for _ in range(dice.choice((1, 4))):
                    value = self.ask(web, dice.choice(self.addresses), body)
                    if value is not None:
                        kept = {"request_id": body["request_id"], "sha256": digest(value)}
                        file.write(json.dumps(kept).encode() + b"\n")
                        os.fsync(file.fileno())
                        self.answered += 1
                        break
                    time.sleep(0.05)
                due = max(due + pace, time.monotonic() - 1)
                self.stop.wait(max(due - time.monotonic(), 0))

    def ask(self, web: httpx.Client, address: str, body: dict[str, object]) -> str | None:
        """The value released, or None if there was no answer or none in time."""
        try:
            answer = web.post(f"{address}/attributes/read", json=body)
        except httpx.TransportError:
            return None
        if answer.status_code == 200:
            return str(answer.json()["attributes"].get(ATTRIBUTE, {}).get("value"))
        self.refused.add(answer.status_code)
        return None


@dataclass
class Town:
    """Two serve processes and a worker, each of which may be killed and comes back."""

    service: service_process.Service
    ports: list[int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start one process."""
        erti = (sys.executable, "-m", "service")
        command = ("worker",) if name == "worker" else ("serve", "--port", name)
        self.running[name] = self.service.start(*erti, *command)

    def kill(self, name: str) -> None:
        """Kill one process without warning, start it again, and wait until it serves."""
        process = self.running[name]
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.start(name)
        if name != "worker":
            self.ready(int(name))

    def ready(self, port: int) -> None:
        """Wait until a process serves; three start at once here, on a machine that may be busy."""
        assert ports.within(READY_SECONDS, lambda: self.answers(port)), f"port {port} does not get ready"

    def answers(self, port: int) -> bool:
        """Whether a process says that it is ready."""
        try:
            address = f"http://localhost:{port}/readyz"
            return httpx.get(address, timeout=5, trust_env=False, verify=False).is_success
        except httpx.TransportError:
            return False

    def token(self) -> str:
        """An access token of the client's own."""
        basic = base64.b64encode(f"{CLIENT}:{self.service.secret(CLIENT)}".encode()).decode()
        answer = httpx.post(
            f"http://localhost:{self.ports[0]}/token",
            data={"grant_type": "client_credentials", "scope": "attributes"},
            headers={"Authorization": f"Basic {basic}"},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """A founded house on each engine, with its three processes ready."""
    found = [ports.free_port(), ports.free_port()]
    issuer = f"http://localhost:{found[0]}"
    if request.param == "sqlite":
        yield from _found(tmp_path, issuer, found, "")
    else:
        with request.getfixturevalue("postgres").empty() as url:
            yield from _found(tmp_path, issuer, found, url)


def _found(folder: Path, issuer: str, found: list[int], url: str) -> Iterator[Town]:
    service = service_process.prepare(folder, issuer=issuer, homes={}, database_url=url)
    town = Town(service, found)
    try:
        for name in (*map(str, found), "worker"):
            town.start(name)
        for port in found:
            town.ready(port)
        yield town
    finally:
        service.stop()


@pytest.mark.slow
def test_nothing_answered_is_lost_when_processes_are_killed(town: Town, tmp_path: Path) -> None:
    """Through 25 kills of random processes under 200 reads a second, every answered read has exactly one
    entry, in the chain of whom the value is the register's, indexes have no gap, the root is that of the rows,
    and every chain is linear."""
    seed = int(os.environ.get("ERTI_KILL_SEED") or random.SystemRandom().randrange(10**9))
    print(f"\nERTI_KILL_SEED={seed}")
    dice, stop, token = random.Random(seed), threading.Event(), town.token()
    database = open_house(town.service.settings)
    held = _held(database, town)
    citizens = list(held)
    readers = [
        Reader(
            [f"http://localhost:{port}" for port in town.ports],
            token,
            citizens,
            tmp_path / f"answers-{number}.jsonl",
            number,
            stop,
        )
        for number in range(READERS)
    ]
    threads = [threading.Thread(target=reader.run) for reader in readers]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    auditor, answered = Auditor(database), [0]
    try:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 0.8))
            # However busy the machine is, a kill comes only after answers since the last one.
            grown = partial(_grown, readers, answered[-1])
            assert ports.within(READY_SECONDS, grown), "the load stands still"
            town.kill(dice.choice(sorted(town.running)))
            check(auditor, readers, held)
            answered.append(sum(reader.answered for reader in readers))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        rate = sum(reader.answered for reader in readers) / (time.monotonic() - began)
        print(
            f"answered after each kill: {answered}; {rate:.0f} of {READS_A_SECOND} a second; "
            f"other answers: {[reader.refused for reader in readers if reader.refused]}"
        )
    for port in town.ports:
        town.ready(port)
    check(auditor, readers, held)
    database.parts.sequencer.start()
    assert database.parts.sequencer.drain(timeout=20)
    database.parts.sequencer.stop()
    assert fsck.check(database) == []
    assert set().union(*(reader.refused for reader in readers)) <= {503}
    with database.reading() as db:
        policy = erti_verify.read_policy(signer.policy_text(db).encode())
    assert ports.within(READY_SECONDS, lambda: _signed(database)), "the worker does not sign again"
    for citizen in citizens[:5]:
        history = erti_verify.read_bundle(bundle.make(database, citizen), policy)
        assert erti_verify.verdict_of(history) == ["VALID-COMPLETE"]
    database.close()


def _held(database: Database, town: Town) -> dict[str, str]:
    """The citizens that the demo introduces, and the digest of what the register's own file holds of each."""
    with database.reading() as db:
        found = {uin: people.by_identifier(db, "UIN", uin) for uin in town.service.truth.showcase}
    known = [service_process.Sample(uin, citizen, "") for uin, citizen in found.items() if citizen]
    held = {sample.citizen_id: digest(town.service.income_bracket(sample)) for sample in known}
    assert len(set(held.values())) > 1, "all values are alike: a mix-up would not be seen"
    return held


def _grown(readers: list[Reader], before: int) -> bool:
    """Whether more reads were answered than before."""
    return sum(reader.answered for reader in readers) > before


def _signed(database: Database) -> bool:
    """Whether the newest checkpoint covers everything."""
    with database.reading() as db:
        signed = signer.newest(db)
        return signed is not None and signed.size == logs.current(db).size


def check(auditor: Auditor, readers: list[Reader], held: dict[str, str]) -> None:
    """Hold the ledger as it is now, and the register's values, to every answer written down before."""
    answers = [
        json.loads(line)
        for reader in readers
        if reader.file.exists()
        for line in reader.file.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    auditor.follow()
    lost = [answer for answer in answers if auditor.released[answer["request_id"]] != 1]
    assert lost == [], "answered reads without exactly one entry"
    wrong = [answer for answer in answers if answer["sha256"] != held[auditor.whose[answer["request_id"]]]]
    assert wrong == [], "values that are not the register's about whom the entry names"
    twice = [request_id for request_id, count in auditor.released.items() if count > 1]
    assert twice == [], "one request with several entries"
