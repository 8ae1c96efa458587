"""Print CPU per operation and operations per second on one core, on SQLite and on PostgreSQL."""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import uvloop
from argon2 import PasswordHasher

from bench import ledger, logins, operations, town
from bench.town import Town
from bench.wire import Operation, Outcome, drive
from core.settings import Settings
from tests.engines import Postgres
from tests.idp.oidc.proofs import Prover

DURABLE = "jit = off\nshared_buffers = 256MB\n"  # fsync and all else as PostgreSQL comes
HERE = Path(__file__).parent
WAIT_SECONDS = 60
TOKENS = 50


@dataclass(frozen=True)
class Row:
    """One line of the table. Times are of one operation: CPU in microseconds, the rest in milliseconds."""

    name: str
    rate: float
    cpu: float
    database_cpu: float | None = None
    median: float | None = None
    slowest: float | None = None
    failed: int = 0
    note: str = ""


@dataclass
class Bench:
    """One engine under measurement: its settings, and the processes whose CPU counts."""

    settings: Settings
    seconds: float
    connections: int
    postgres: Postgres | None

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which the service's own commands find this bench's house."""
        return os.environ | {
            "ERTI_ISSUER": self.settings.issuer,
            "ERTI_DATA_DIR": str(self.settings.data_dir),
            "ERTI_DATABASE_URL": self.settings.database_url,
            "ERTI_ACCESS_TOKEN_SECONDS": "3600",
            "ERTI_ARGON2_MEMORY_KIB": str(self.settings.argon2_memory_kib),
            "ERTI_ARGON2_PASSES": str(self.settings.argon2_passes),
            "ERTI_ARGON2_LANES": str(self.settings.argon2_lanes),
        }

    def database_cpu(self) -> float:
        """Return the CPU seconds that PostgreSQL has used; 0 for SQLite, which is inside the service."""
        return self.postgres.cpu_seconds() if self.postgres else 0.0


def main() -> None:
    """Measure each engine and print its table."""
    parser = argparse.ArgumentParser(
        description="The service (one process) and PostgreSQL are held to one core; the load comes from this "
        "process on another, over loopback. Every measurement is bounded in time."
    )
    parser.add_argument("--seconds", type=float, default=6, help="how long each operation is repeated")
    parser.add_argument("--people", type=int, default=2000, help="people in the register that is imported")
    parser.add_argument("--connections", type=int, default=16, help="requests under way at once")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--logins", action="store_true", help="only signing in by password")
    parser.add_argument("--ledger", action="store_true", help="only the ledger, which may use all cores")
    chosen = parser.parse_args()
    print(f"{machine()}; {chosen.connections} connections, {chosen.seconds:.0f} s each")
    for engine in [chosen.engine] if chosen.engine else ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(prefix="erti-bench-") as folder:
            Path(folder).chmod(0o755)  # PostgreSQL runs as another user when we are root
            measure(engine, Path(folder), chosen)


def measure(engine: str, folder: Path, chosen: argparse.Namespace) -> None:
    """Measure one engine, printing each line as soon as it is known."""
    own_core(os.getpid(), last=True)
    print(
        f"\n{engine}\n{'operation':44}{'a second':>10}{'CPU µs':>10}{'db CPU µs':>11}{'p50 ms':>9}{'p99 ms':>9}"
    )
    postgres = Postgres(folder / "pg", DURABLE) if engine == "postgresql" else None
    try:
        if postgres:
            for process in postgres.processes():
                own_core(process.pid)
        with postgres.empty() if postgres else sqlite(folder) as address:
            settings = Settings(
                issuer=f"http://localhost:{free_port()}", data_dir=folder / "data", database_url=address
            )
            run(Bench(settings, chosen.seconds, chosen.connections, postgres), folder, chosen)
    finally:
        if postgres:
            postgres.stop()


def run(bench: Bench, folder: Path, chosen: argparse.Namespace) -> None:
    """Load the registers, found the town, and measure."""
    civil, tax = town.write_registers(folder / "country", chosen.people)
    town.open_tables(bench.settings)
    show(imported(bench, civil))
    inside = town.found(bench.settings, civil, tax)
    if not chosen.ledger:
        with served(bench) as server:
            port = int(bench.settings.issuer.rpartition(":")[2])
            tokens = asyncio.run(operations.tokens(port, inside, TOKENS))
            holder = Prover()
            bound = asyncio.run(operations.tokens(port, inside, TOKENS, holder))
            bound_read = operations.bound_user_info(bench.settings.issuer, holder, bound)
            for name, operation, share in () if chosen.logins else plan(inside, tokens, bound_read):
                show(loaded(bench, server, name, operation, share))
            seconds = max(bench.seconds, 6)
            logins.measure(bench.settings, inside, server, port=port, tokens=tokens, seconds=seconds)
        dearer = replace(bench, settings=bench.settings.model_copy(update=logins.DEARER))
        with served(dearer) as server:
            logins.show_share(dearer.settings, inside, server, port, 2 * seconds)
        show(bare_hash(bench))
    if chosen.logins:
        return
    for pid in (
        os.getpid(),
        *(process.pid for process in (bench.postgres.processes() if bench.postgres else ())),
    ):
        all_cores(pid)
    ledger.measure(bench.settings, bench.environment, bench.postgres, min(bench.seconds, 6))


def plan(inside: Town, tokens: list[str], bound_read: Operation) -> list[tuple[str, Operation, float]]:
    """Return what is asked over HTTP: name, operation, share of the connections."""
    return [
        ("client credentials: token", operations.client_credentials(inside), 1),
        ("sign-in with session: code flow, tokens", operations.code_flow(inside), 1),
        ("UserInfo through the door, durable entry", operations.user_info(tokens), 1),
        ("the same, with a DPoP proof for each", bound_read, 1),
        ("introspection", operations.introspection(inside, tokens), 1),
        ("password login: page, then form", operations.password_login(inside), 0.25),
    ]


def loaded(bench: Bench, server: psutil.Process, name: str, operation: Operation, share: float) -> Row:
    """Put the service under one operation's load."""
    port, connections = server_port(bench), max(1, int(bench.connections * share))
    with uvloop_runner() as runner:
        runner.run(
            drive(port, operation, connections=connections, seconds=1)
        )  # caches filled, statements built
        before, base = cpu(server), bench.database_cpu()
        outcome = runner.run(drive(port, operation, connections=connections, seconds=bench.seconds))
        spent, base_spent = cpu(server) - before, bench.database_cpu() - base
    return row(name, outcome, spent, base_spent if bench.postgres else None)


def row(name: str, outcome: Outcome, spent: float, base_spent: float | None) -> Row:
    """Turn an outcome into a line of the table."""
    done = max(outcome.done, 1)
    return Row(
        name,
        outcome.done / outcome.seconds,
        1e6 * spent / done,
        None if base_spent is None else 1e6 * base_spent / done,
        outcome.percentile(0.5),
        outcome.percentile(0.99),
        outcome.failed,
        outcome.first_failure,
    )


def imported(bench: Bench, civil: Path) -> Row:
    """Load a civil register with the command that operators use."""
    base, begun = bench.database_cpu(), time.perf_counter()
    before = os.times()
    command = [
        sys.executable,
        "-m",
        "service",
        "citizens",
        "import",
        str(civil),
        "--source",
        "civil",
        "--json",
    ]
    result = json.loads(pinned(bench, command))
    after, took = os.times(), time.perf_counter() - begun
    spent = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    base_spent = 1e6 * (bench.database_cpu() - base) / result["read"] if bench.postgres else None
    return Row(
        "import: records of a civil register", result["read"] / took, 1e6 * spent / result["read"], base_spent
    )


def bare_hash(bench: Bench) -> Row:
    """The argon2id check alone with the service's parameters: the price no login can be below."""
    settings = bench.settings
    hasher = PasswordHasher(settings.argon2_passes, settings.argon2_memory_kib, settings.argon2_lanes)
    verifier = hasher.hash(town.PASSWORD)
    begun, spent, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < min(bench.seconds, 3):
        hasher.verify(verifier, town.PASSWORD)
        done += 1
    spent, took = time.process_time() - spent, time.perf_counter() - begun
    return Row("argon2id alone, for comparison", done / took, 1e6 * spent / done)


@contextmanager
def served(bench: Bench) -> Iterator[psutil.Process]:
    """Run the service in one process on the first core."""
    port = server_port(bench)
    command = [sys.executable, "-m", "service", "serve", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(command, env=bench.environment, stdout=subprocess.DEVNULL)
    own_core(process.pid)
    try:
        wait_for(port, process)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def pinned(bench: Bench, command: list[str]) -> str:
    """Run a command on the first core and return what it prints."""
    with subprocess.Popen(
        command, env=bench.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        own_core(process.pid)
        printed, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{errors[-2000:]}")
    return printed


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """Give the address of a SQLite file."""
    yield f"sqlite:///{folder / 'erti.db'}"


@contextmanager
def uvloop_runner() -> Iterator[asyncio.Runner]:
    """Give a fast event loop for the load."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


def server_port(bench: Bench) -> int:
    """Return the port on which the service listens."""
    return int(bench.settings.issuer.rpartition(":")[2])


def free_port() -> int:
    """Return a port on loopback that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the service answers; stop if it ended instead."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the service did not start")


def own_core(pid: int, *, last: bool = False) -> None:
    """Hold a process to the first core, or to the last one, where the system can do that."""
    cores = psutil.cpu_count() or 1
    if hasattr(psutil.Process, "cpu_affinity") and cores > 1:
        process = psutil.Process(pid)
        process.cpu_affinity([cores - 1 if last else 0])


def all_cores(pid: int) -> None:
    """Undo `own_core`."""
    if hasattr(psutil.Process, "cpu_affinity"):
        psutil.Process(pid).cpu_affinity(list(range(psutil.cpu_count() or 1)))


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds a process has used, in its own code and in the kernel for it."""
    times = process.cpu_times()
    return times.user + times.system


def machine() -> str:
    """Say on what this was measured."""
    return f"Python {sys.version.split()[0]}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB"


def show(line: Row) -> None:
    """Print one line of the table."""
    rest = [f"{'' if value is None else f'{value:,.0f}':>11}" for value in (line.database_cpu,)]
    rest += [f"{'' if value is None else f'{value:,.1f}':>9}" for value in (line.median, line.slowest)]
    print(f"{line.name:44}{line.rate:>10,.0f}{line.cpu:>10,.0f}{''.join(rest)}", flush=True)
    if line.failed:
        print(f"  {line.failed} of these failed; the first one said: {line.note}")


if __name__ == "__main__":
    main()
