"""A client's own web server, which publishes its keys."""

import http.server
import json
import ssl
import threading
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey


def public(key: ECKey | OKPKey | RSAKey, **more: str) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    return {**key.as_dict(private=False), **more}


class KeyServer:
    """Answers with `keys`, or with whatever `body` or `status` say, and counts how often it was asked."""

    def __init__(self, *keys: dict[str, Any], context: ssl.SSLContext | None = None) -> None:
        self.keys = list(keys)
        self.body: bytes | None = None
        self.status = 200
        self.asked = 0
        self.let_go = threading.Event()
        self.let_go.set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        port = self._server.server_address[1]
        self.uri = f"https://localhost:{port}/jwks" if context else f"http://127.0.0.1:{port}/jwks"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked += 1
                served.let_go.wait(10)
                body = served.body if served.body is not None else json.dumps({"keys": served.keys}).encode()
                self.send_response(served.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        return Handler
