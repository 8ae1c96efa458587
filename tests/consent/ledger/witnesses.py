"""Witnesses for tests, each a real HTTP server in a thread, and a log that grows by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from consent.ledger import note, quorum, tree
from consent.ledger.mirror import Fetch, Unavailable
from consent.ledger.witness import api, key
from consent.ledger.witness.core import Rate, Witness
from consent.ledger.witness.memory import Memory
from tests.ports import free_port

ORIGIN = "ledger.example.gov/2026"


@dataclass
class Log:
    """A log of leaves that hold nothing but their number and a flavour; two flavours are a fork."""

    flavour: str = "a"
    origin: str = ORIGIN
    signers: list[note.Signer] = field(
        default_factory=lambda: [note.Ed25519Signer(ORIGIN, b"e" * 32), note.Mldsa44Signer(ORIGIN, b"m" * 32)]
    )

    def policy(self) -> quorum.Policy:
        """A policy with the log's keys."""
        return quorum.Policy(logs=[signer.key for signer in self.signers], quorum=quorum.NONE)

    def _leaf(self, index: int) -> bytes:
        return tree.leaf_hash(f"{self.flavour} {index}".encode())

    def read(self, level: int, start: int, stop: int) -> list[bytes]:
        """Hashes of a level (tree.Reader)."""
        return [self._root(at * 256**level, (at + 1) * 256**level) for at in range(start, stop)]

    def _root(self, start: int, stop: int) -> bytes:
        edge = tree.Frontier()
        edge.extend(self._leaf(index) for index in range(start, stop))
        return edge.root()

    def checkpoint(self, size: int) -> note.Checkpoint:
        """The tree head at a size."""
        edge = tree.Frontier()
        edge.extend(self._leaf(index) for index in range(size))
        return note.Checkpoint(self.origin, size, edge.root())

    def signed(self, size: int) -> str:
        """The signed checkpoint of a size."""
        return note.sign(self.checkpoint(size), self.signers, at=1_800_000_000)

    def request(self, old: int, size: int) -> bytes:
        """The body of add-checkpoint from one size to another."""
        proof = tree.consistency_proof(self.read, old, size) if old <= size else []
        lines = "".join(f"{note.encode(step)}\n" for step in proof)
        return f"old {old}\n{lines}\n{self.signed(size)}".encode()


def witness(folder: Path, name: str, policy: quorum.Policy, *, rate: Rate | None = None) -> Witness:
    """A witness with a key and a memory of its own."""
    return Witness(key.make(folder, name), policy, Memory(folder), rate or Rate(1000, 1000))


@contextmanager
def served(application: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application on a free port, in a thread; yields its address."""
    port = port or free_port()
    server = uvicorn.Server(
        uvicorn.Config(application, host="127.0.0.1", port=port, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def running(made: Witness, port: int = 0) -> Iterator[str]:
    """Serve a witness."""
    with served(api.application(made), port) as url:
        yield url


def reader(folder: Path) -> Fetch:
    """Read a log's files as if over HTTP."""

    def fetch(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except OSError as error:
            raise Unavailable(path) from error

    return fetch
