"""PostgreSQL loses the process that runs a COMMIT, and is restarted in the middle of traffic."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from fastapi import FastAPI
from psutil import NoSuchProcess
from starlette.testclient import TestClient

from consent.ledger import fsck, signer
from core.database import Database
from tests import ports
from tests.conftest import ISSUER
from tests.consent.ledger.auditor import Auditor
from tests.engines import Postgres
from tests.idp.oidc.conftest import provider
from tests.idp.oidc.provider import CITIZEN, Provider

__all__ = ["provider"]
DURABLE = "max_connections = 100\nshared_buffers = 32MB\njit = off\nrestart_after_crash = on\n"
BLOWS = 5
THREADS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of our own, whose commits are durable, to be killed."""
    with tempfile.TemporaryDirectory(prefix="erti-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        made = Postgres(Path(folder) / "data", DURABLE)
        yield made
        made.stop()


@pytest.fixture
def database_url(server: Postgres) -> Iterator[str]:
    """A fresh database on that server."""
    with server.fresh() as url:
        yield url


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client that is told of errors as the network would tell it."""
    with TestClient(app, base_url=ISSUER, follow_redirects=False, raise_server_exceptions=False) as web:
        yield web


class Traffic:
    """Threads that read as an agency's system does, and keep what was answered."""

    def __init__(self, provider: Provider) -> None:
        self.answers: dict[str, int] = {}
        self.other: set[int] = set()
        self._web, self._stop = provider.web, threading.Event()
        self._bearer = {"Authorization": f"Bearer {provider.own_token()}"}
        self._threads = [threading.Thread(target=self._run, args=[number]) for number in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self) -> bool:
        """Whether more is answered than before."""
        before = len(self.answers)
        return ports.within(60, lambda: len(self.answers) > before + 2 * THREADS)

    def _run(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            body = {
                "citizen_id": CITIZEN,
                "purpose": "revenue-sign-in",
                "attributes": ["given_name"],
                "request_id": f"{number}-{turn}",
            }
            answer = self._web.post("/attributes/read", json=body, headers=self._bearer)
            if answer.status_code == 200:
                assert answer.json()["attributes"]["given_name"]["value"] == "Nino"
                self.answers[str(body["request_id"])] = turn
            else:
                self.other.add(answer.status_code)
                time.sleep(0.05)


def blow(server: Postgres, number: int) -> None:
    """Kill a process that commits, or the whole server for a while."""
    if number % 2:
        server.crash(pause=0.3)
        return
    for process in server.processes():
        try:
            if "COMMIT" in " ".join(process.cmdline()) or "idle in transaction" in " ".join(
                process.cmdline()
            ):
                process.send_signal(signal.SIGKILL)
                return
        except NoSuchProcess:
            continue
    server.crash()


@pytest.mark.slow
@pytest.mark.postgres
def test_the_database_restarts_under_load(server: Postgres, provider: Provider, database: Database) -> None:
    """While the database is away every read is answered with 503, afterwards all goes on by itself, and each
    answered read has exactly one entry."""
    provider.allow("given_name")
    auditor = Auditor(database)
    with Traffic(provider) as traffic:
        for number in range(BLOWS):
            assert traffic.goes_on(), traffic.other
            blow(server, number)
        assert traffic.goes_on(), traffic.other
    assert traffic.other <= {503}
    assert ports.within(60, database.parts.sequencer.drain)
    auditor.follow()
    print(f"{len(traffic.answers)} answered, others: {traffic.other}")
    assert [name for name in traffic.answers if auditor.released[name] != 1] == []
    assert max(auditor.released.values()) == 1
    assert signer.sign_if_due(database)
    assert fsck.check(database) == []
