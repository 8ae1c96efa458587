"""The suite's own site: documents that the provider fetches, and calls that it makes."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"  # which the run's settings let the provider call


@dataclass
class Site:
    """A server on loopback. `pages` are its documents by path; `posted` what was posted to it, by path."""

    address: str = ""
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    posted: list[tuple[str, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, document: Any, kind: str = "application/json") -> str:
        """Publish a document and return its address; text goes out as it is, anything else as JSON."""
        body = document if isinstance(document, str) else json.dumps(document)
        self.pages[path] = (kind, body.encode())
        return f"{self.address}{path}"


@contextlib.contextmanager
def open_site() -> Iterator[Site]:
    """Run a site until the end of the test."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = site.pages.get(self.path, ("text/plain", b""))
            self._say(200 if self.path in site.pages else 404, kind, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            site.posted.append((self.path, body))
            self._say(200, "text/plain", b"")
            site.arrived.set()

        def _say(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    site.address = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
