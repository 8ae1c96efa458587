"""An agency's receiver under test: a real HTTP server that takes pushed events, or misbehaves as told."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import update

from core import clock
from core.database import Database
from idp.signals import delivery
from idp.signals.tables import outbox, stream
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider
from tests.ports import free_port

TAKEN = (202, b"")
HEADER = "Bearer what the receiver wants to hear"


@dataclass
class Receiver:
    """A receiver on loopback. `answers` are used up one by one, then everything is taken."""

    port: int = field(default_factory=free_port)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/events"

    def start(self) -> "Receiver":
        """Begin to listen."""
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                mine.asked.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(mine.seconds)
                status, content = mine.answers.pop(0) if mine.answers else TAKEN
                if status == TAKEN[0]:
                    mine.taken.append(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=[0.02]).start()
        return self

    def stop(self) -> None:
        """Stop listening: connections are refused from now on."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def events(self, provider: Provider) -> list[dict[str, Any]]:
        """Return the claims of what it took, each checked as a stranger would check it."""
        return [checked(provider, token) for token in self.taken]


def checked(provider: Provider, token: str, *, audience: str = to.PORTAL) -> dict[str, Any]:
    """Return the claims of a Security Event Token, verified against the keys that discovery leads to (RFC 8417)."""
    about = provider.web.get("/.well-known/ssf-configuration").json()
    keys = KeySet.import_key_set(provider.web.get(about["jwks_uri"].removeprefix(ISSUER)).json())
    found = jwt.decode(token, keys, algorithms=["ES256", "RS256"])
    assert found.header["typ"] == "secevent+jwt"
    claims = dict(found.claims)
    assert claims["iss"] == about["issuer"]
    assert claims["aud"] == audience
    assert "exp" not in claims
    assert "sub" not in claims
    assert {"jti", "iat", "txn", "sub_id", "events"} <= set(claims)
    assert len(claims["events"]) == 1
    return claims


def said(claims: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type of a token's event by its last part, and what it says."""
    ((uri, body),) = claims["events"].items()
    return uri.rpartition("/")[2], body


@dataclass
class Api:
    """The stream management endpoints, called with a client's own token."""

    provider: Provider
    client: str = to.PORTAL
    scope: str = "ssf.manage"

    def token(self) -> str:
        """Return an access token of the client's own."""
        answer = self.provider.token(self.client, grant_type="client_credentials", scope=self.scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, body: Any = None, **params: str) -> httpx.Response:
        """Call an endpoint."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token()}"}
        found: Any = self.provider.web.request(
            method, path, content=content, params=params or None, headers=headers
        )
        return found

    def pushed_to(self, receiver: Receiver, **more: Any) -> dict[str, Any]:
        """Make a stream that is pushed to a receiver."""
        delivery = {
            "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url, "authorization_header": HEADER,
        }  # fmt: skip
        return self.made({"delivery": delivery, **more})

    def made(self, body: Any) -> dict[str, Any]:
        """Make a stream and return its configuration."""
        answer = self.call("POST", "/ssf/stream", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def poll(self, stream_id: str, **body: Any) -> dict[str, Any]:
        """Poll a stream."""
        answer = self.call("POST", f"/ssf/poll/{stream_id}", {"returnImmediately": True, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def deliver(database: Database) -> int:
    """Serve every stream that is due, as a worker's courier would; returns how many events were acknowledged."""
    count = 0
    while (lease := delivery._take(database)) is not None:
        count += delivery.serve(database, lease)
    return count


def rested(database: Database) -> None:
    """Let the time pass that streams and events rest after a failure."""
    with database.writing() as db:
        db.execute(update(stream).values(due_at=clock.now()))
        db.execute(update(outbox).values(due_at=clock.now()))


def eventually(happens: Callable[[], bool], seconds: float = 20) -> bool:
    """Return whether something came true in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not happens():
        time.sleep(0.02)
    return happens()
