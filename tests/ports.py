"""Free ports, and waiting for what listens on them."""

import itertools
import os
import random
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx

START_SECONDS = 120  # a machine busy with other tests takes its time


# Below the range from which the system takes ports for outgoing connections: while a killed process
# is away, a client that tries to reach it could otherwise be given that very port as its own.
RANGE = range(10_000, 32_000)
# Each worker of pytest-xdist has ports of its own and hands each out once a round: one that a test gave back for a
# moment, to start again on it, is nobody else's.
WORKERS = 16
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_ports = itertools.cycle(random.sample(RANGE[_worker::WORKERS], len(RANGE) // WORKERS))


def free_port() -> int:
    """Return a loopback port that nobody listens on, and that no outgoing connection will be given."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_for(url: str, *, verify: Any = True) -> None:
    """Wait until an address answers with 200; AssertionError after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    last: object = None
    # One client for all tries: each new one reads the system's certificates, which takes half of what is waited for.
    with httpx.Client(timeout=5, verify=verify, trust_env=False) as web:
        while time.monotonic() < deadline:
            try:
                last = web.get(url, headers={"Connection": "close"}).status_code
                if last == httpx.codes.OK:
                    return
            except httpx.TransportError as error:
                last = error
            time.sleep(0.05)
    raise AssertionError(f"{url} did not get ready: {last}")


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    """Return whether something came true within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happens():
            return True
        time.sleep(0.02)
    return happens()
