"""A server for an application in the browser: three files, its settings, and nothing else."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.machine import NPM_FOLDER

FOLDER = Path(__file__).parent / "spa"
LIBRARY = NPM_FOLDER / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"


@contextlib.contextmanager
def serving(port: int, settings: dict[str, Any]) -> Iterator[str]:
    """Serve the application on a loopback port; gives its address. `settings` is read anew for each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            kind, body = "text/html", (FOLDER / "index.html").read_bytes()
            if path == "/app.js":
                kind, body = "text/javascript", (FOLDER / "app.js").read_bytes()
            elif path == "/oidc-client-ts.js":
                kind, body = "text/javascript", LIBRARY.read_bytes()
            elif path == "/settings.json":
                kind, body = "application/json", json.dumps(settings).encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
