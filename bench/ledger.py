"""Measure the ledger: appends by one and by four processes beside a signer, its proofs, its checks, its size."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from bench import checks
from bench.figures import percentile, show, spread
from core.database import Database
from core.settings import Settings
from service.app import open_house
from tests.engines import Postgres

AT_ONCE = 512
AIMS = {"sqlite": 3000, "postgresql": 5000}
AIM_MILLISECONDS = 30.0
LONG = 10_000


class Process:
    """A process of `bench.appends`: takes a task, gives its result."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.appends"],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def tell(self, task: dict[str, Any]) -> None:
        """Hand over a task, or the line that ends one."""
        if self._process.stdin:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """Wait for the result of the last task."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit("a process that appends to the ledger ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> None:
        """Let it end."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(60)


def measure(
    settings: Settings, environment: dict[str, str], postgres: Postgres | None, seconds: float
) -> None:
    """Measure one engine, whose town is founded, printing each figure as soon as it is known."""
    engine = "postgresql" if postgres else "sqlite"
    print(f"\nthe ledger on {engine}, on all cores, a signer beside it; in brackets the aim")
    workers = [Process(environment) for _ in range(4)]
    with signing(environment):
        each(workers, {"number": 500, "at_once": AT_ONCE})  # caches filled, statements built
        for count in (1, 4):
            appends(workers[:count], engine, postgres, seconds)
        each(workers[:1], {"number": LONG, "at_once": AT_ONCE, "citizens": 1})
    for worker in workers:
        worker.end()
    database = open_house(settings)
    show_size(database)
    checks.show_bundle(database)
    checks.show_fsck(database)
    checks.show_proofs(database)
    checks.show_map(database)
    database.close()


def appends(workers: Sequence[Process], engine: str, postgres: Postgres | None, seconds: float) -> None:
    """Print how fast these processes append as fast as they can, and how long an entry takes at half that rate."""
    count = len(workers)
    name = "1 process" if count == 1 else f"{count} processes"
    base = postgres.cpu_seconds() if postgres else 0.0
    full = each(workers, {"seconds": seconds, "at_once": AT_ONCE // count})
    took = [value for found in full for value in found["took"]]
    rate = sum(len(found["took"]) / found["seconds"] for found in full)
    cpu = 1e6 * sum(found["cpu"] for found in full) / len(took)
    base_cpu = (
        f" and {1e6 * (postgres.cpu_seconds() - base) / len(took):,.0f} of the database" if postgres else ""
    )
    show(f"appends, durable and integrated, {name}", f"{rate:,.0f} a second", f"{AIMS[engine]:,}")
    print(f"    {cpu:,.0f} µs CPU each{base_cpu}; with {AT_ONCE} under way {spread(took)}")
    half = each(workers, {"seconds": seconds, "rate": rate / 2 / count})
    took = [value for found in half for value in found["took"]]
    reached = sum(len(found["took"]) / found["seconds"] for found in half)
    label = f"  open loop, {reached:,.0f} a second, {name}"
    show(label, f"p99 {percentile(took, 0.99):,.1f} ms", f"{AIM_MILLISECONDS:.0f}")
    print(f"    {spread(took)}")


def each(workers: Sequence[Process], task: dict[str, Any]) -> list[dict[str, Any]]:
    """Let processes append at once, each its own, and return their results."""
    for worker in workers:
        worker.tell({"do": "append", **task})
    found = [worker.result() for worker in workers]
    if refused := sum(result["refused"] for result in found):
        print(f"  {refused} entries were refused")
    return found


@contextmanager
def signing(environment: dict[str, str]) -> Iterator[None]:
    """Sign beside what is measured, and print what that cost."""
    signer = Process(environment)
    signer.tell({"do": "sign"})
    yield
    signer.tell({})
    found = signer.result()
    signer.end()
    each_entry = 1e6 * found["cpu"] / max(found["size"], 1)
    show("signing: tree, map, tiles, journal", f"{each_entry:,.0f} µs CPU an entry, {found['signed']} times")


def show_size(database: Database) -> None:
    """Print how many bytes an entry takes in the store, indexes and all."""
    with database.reading() as db:
        count = db.scalar(text("SELECT count(*) FROM ledger_entry")) or 1
        if database.is_sqlite:
            pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            show("bytes an entry, whole SQLite file", f"{(db.scalar(text(pages)) or 0) / count:,.0f}")
            return
        sizes = {
            name: (db.scalar(text(f"SELECT pg_total_relation_size('{name}')")) or 0) / count
            for name in ("ledger_entry", "ledger_request", "ledger_node", "ledger_subject")
        }
    parts = ", ".join(f"{name.removeprefix('ledger_')} {size:,.0f}" for name, size in sizes.items())
    show("bytes an entry, with indexes", f"{sum(sizes.values()):,.0f} ({parts})")
