"""A small, fast HTTP/1.1 client over kept connections, so that the load costs less than the service."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

Headers = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer: status, headers with lower-case names (the last of each), body."""

    status: int
    headers: Headers
    body: bytes
    cookies: tuple[str, ...] = ()


class Connection:
    """One kept connection to the service on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a GET and return the answer."""
        return await self.send("GET", path, headers or {}, b"")

    async def post(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a form by POST and return the answer."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.send("POST", path, kind | dict(headers or {}), urlencode(form).encode())

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and read its answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await self._read()

    async def _read(self) -> Answer:
        reader = self._reader
        if reader is None:
            raise ConnectionError("not connected")
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        headers = {name.lower(): value for name, value in pairs}
        cookies = tuple(value.split(";")[0] for name, value in pairs if name.lower() == "set-cookie")
        length = int(headers.get("content-length", "0"))
        body = await reader.readexactly(length) if length else b""
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split(" ")[1]), headers, body, cookies)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None


@dataclass
class Outcome:
    """What a load did: how many operations ended well, how many did not, and how long each took (seconds)."""

    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    first_failure: str = ""

    def percentile(self, share: float) -> float:
        """Return the time within which that share of operations ended, in milliseconds."""
        ordered = sorted(self.took) or [0.0]
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]


Operation = Callable[[Connection, int], Awaitable[bool | str]]


async def drive(port: int, operation: Operation, *, connections: int, seconds: float) -> Outcome:
    """Repeat an operation over some connections for some seconds, and stop.

    The operation gets its connection and a running number, and returns True, or else what went wrong.
    """
    outcome, numbers = Outcome(), iter(range(1 << 60))
    begun = time.perf_counter()
    end = begun + seconds

    async def one() -> None:
        connection = Connection(port)
        while (start := time.perf_counter()) < end:
            try:
                result = await operation(connection, next(numbers))
            except (OSError, asyncio.IncompleteReadError) as error:
                connection.close()
                result = f"{type(error).__name__}: {error}"
            outcome.took.append(time.perf_counter() - start)
            if result is True:
                outcome.done += 1
            else:
                outcome.failed += 1
                outcome.first_failure = outcome.first_failure or str(result)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    outcome.seconds = time.perf_counter() - begun
    return outcome
