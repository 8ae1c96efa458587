"""Requests as they come off the wire, of any size: what a client library would refuse to send."""

import base64
import json
import tracemalloc
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from tests import apart


@dataclass(frozen=True)
class Heard:
    """What came back: status, body, and the most memory that was taken for it, in bytes."""

    status: int
    body: bytes
    peak: int


def send(
    app: FastAPI,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    headers: dict[str, bytes] | None = None,
    body: bytes = b"",
    measured: bool = False,
) -> Heard:
    """Send one request to the application; what `measured` costs time as well."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [
            (b"host", b"id.erti.example"),
            *((name.encode(), value) for name, value in (headers or {}).items()),
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("id.erti.example", 443),
    }
    pieces = [body[start : start + 65_536] for start in range(0, len(body), 65_536)] or [b""]
    heard: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def answer(message: Any) -> None:
        heard.append(message)

    if measured:
        tracemalloc.start()
    try:
        apart.run(lambda: app(scope, receive, answer))
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
    finally:
        if measured:
            tracemalloc.stop()
    return Heard(heard[0]["status"], b"".join(one.get("body", b"") for one in heard[1:]), peak)


def part(content: Any) -> str:
    """One part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
