"""Measure signing in by password beside the bare hash, and what reads through the door wait while logins fill the hashing pool."""

import asyncio
import time
from dataclasses import dataclass

import psutil
from argon2 import PasswordHasher

from bench import operations
from bench.figures import percentile, show
from bench.town import PASSWORD, Town
from bench.wire import Connection, Operation, drive
from core.settings import Settings

A_SECOND = 20  # reads through the door, each at its moment
AT_ONCE = 12  # logins under way while they fill the pool
ROUNDS = 4  # of hashing alone and of logins, in turn, so that both see the same machine
# The second recommended option of RFC 9106, section 4, which a government may want to set.
DEARER = {"argon2_memory_kib": 65_536, "argon2_passes": 3, "argon2_lanes": 4}


@dataclass
class Took:
    """So many operations took so many seconds, and so much CPU (seconds) of who did them."""

    done: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


def measure(
    settings: Settings, town: Town, server: psutil.Process, *, port: int, tokens: list[str], seconds: float
) -> None:
    """Print both figures; the service holds the first core, as `show_share` does while it hashes alone."""
    print("  signing in by password; in brackets the aim")
    show_share(settings, town, server, port, seconds)
    asyncio.run(show_reads(port, operations.user_info(tokens), operations.password_login(town), seconds))


def show_share(settings: Settings, town: Town, server: psutil.Process, port: int, seconds: float) -> None:
    """Print logins as a share of the hashes that one core makes with the same parameters, which the service has."""
    asyncio.run(_sign_all_in(port, town))
    alone, logins = Took(), Took()
    for _round in range(ROUNDS):
        _hash_alone(settings, alone, seconds / ROUNDS)
        before = _cpu(server)
        outcome = asyncio.run(
            drive(port, operations.password_login(town), connections=4, seconds=seconds / ROUNDS)
        )
        logins.done += outcome.done
        logins.seconds += outcome.seconds
        logins.cpu += _cpu(server) - before
        if outcome.failed:
            print(f"    {outcome.failed} logins failed; the first one said: {outcome.first_failure}")
    rate = (logins.done / logins.seconds) / (alone.done / alone.seconds)
    share = (alone.cpu / alone.done) / (logins.cpu / max(logins.done, 1))
    cost = f"{settings.argon2_memory_kib >> 10} MiB, {settings.argon2_passes} passes, {settings.argon2_lanes} lanes"
    show(f"share of bare argon2id ({cost})", f"{share:.2f} by CPU, {rate:.2f} by rate", "0.9")


async def _sign_all_in(port: int, town: Town) -> None:
    """Sign each account in once, so that its verifier is made anew where the parameters are others by now."""
    connection, login = Connection(port), operations.password_login(town)
    for number in range(len(town.accounts)):
        if (said := await login(connection, number)) is not True:
            raise SystemExit(f"a login failed: {said}")
    connection.close()


def _hash_alone(settings: Settings, took: Took, seconds: float) -> None:
    hasher = PasswordHasher(settings.argon2_passes, settings.argon2_memory_kib, settings.argon2_lanes)
    verifier = hasher.hash(PASSWORD)
    mine = psutil.Process()
    cores = mine.cpu_affinity() if hasattr(mine, "cpu_affinity") else None
    if cores:
        mine.cpu_affinity([0])
    begun, spent = time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        hasher.verify(verifier, PASSWORD)
        took.done += 1
    took.seconds += time.perf_counter() - begun
    took.cpu += time.process_time() - spent
    if cores:
        mine.cpu_affinity(cores)


async def show_reads(port: int, read: Operation, login: Operation, seconds: float) -> None:
    """Print what a read through the door waits while nobody signs in, and while logins fill the pool."""
    await _reads(port, read, 1)
    idle = await _reads(port, read, seconds)
    load = asyncio.create_task(drive(port, login, connections=AT_ONCE, seconds=seconds + 1))
    await asyncio.sleep(1)
    busy = await _reads(port, read, seconds)
    outcome = await load
    low, high = percentile(idle, 0.99), percentile(busy, 0.99)
    show(f"UserInfo, {A_SECOND} a second, nobody signing in: p99", f"{low:,.1f} ms")
    show(
        f"  while {AT_ONCE} logins are under way all the time: p99",
        f"{high:,.1f} ms, {high / low:.1f} times",
        "under 2 times",
    )
    print(f"    {outcome.done / outcome.seconds:,.0f} logins a second meanwhile, {outcome.failed} refused")


async def _reads(port: int, read: Operation, seconds: float) -> list[float]:
    """Send reads at their moments over some connections; return what each took in milliseconds, waiting for its turn included."""
    begun, took = time.perf_counter() + 0.1, []
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _number in range(8):
        free.put_nowait(Connection(port))

    async def one(number: int) -> None:
        due = begun + number / A_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = await free.get()
        try:
            if (said := await read(connection, number)) is not True:
                raise SystemExit(f"a read failed: {said}")
            took.append(1000 * (time.perf_counter() - due))
        finally:
            free.put_nowait(connection)

    await asyncio.gather(*(one(number) for number in range(int(seconds * A_SECOND))))
    while not free.empty():
        free.get_nowait().close()
    return took


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
