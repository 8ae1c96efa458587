"""Attempts to make the service call into its own network through the addresses that clients register (CVE-2026-1180)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core import clock, outbound
from core.outbound import CallRefused
from core.settings import Settings
from idp.oidc import client_keys, clients
from idp.oidc.logout import courier, outbox
from idp.oidc.logout.outbox import Notice
from tests.attacks.conftest import CALLABLE, register
from tests.idp.oidc.provider import CITIZEN, Provider

INSIDE = (
    "https://127.0.0.1/x", "https://localhost/x", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/x",
    "https://192.168.1.1/x", "https://[::1]/x", "https://[fd00::1]/x", "https://[::ffff:127.0.0.1]/x",
    "https://[64:ff9b::7f00:1]/x", "https://0.0.0.0/x", "https://2130706433/x", "https://0x7f.1/x", "https://127.1/x",
    "https://user@127.0.0.1/x", "https://localhost./x",
)  # fmt: skip
BEFORE_A_CALL = ("private address", "scheme", "userinfo", "address", "name not found")
WITHOUT_TLS = "http://1.1.1.1/x"


def signer(name: str, uri: str) -> dict[str, Any]:
    """The metadata of a client whose keys, words or ends are at an address."""
    more = {"token_endpoint_auth_method": "private_key_jwt"} if name == "jwks_uri" else {}
    return {**more, name: uri}


@contextmanager
def counting(answer: bytes) -> Iterator[tuple[str, list[str]]]:
    """A site that may be called, whose every answer is this; with what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.wfile.write(answer)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_words: Any) -> None:
            pass

    server = ThreadingHTTPServer((CALLABLE, 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://{CALLABLE}:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def told(provider: Provider, uri: str) -> str:
    """What becomes of a logout token that is sent to an address."""
    made = register(provider, backchannel_logout_uri=uri)
    if made.status_code != 201:
        return "not registered"
    notice = Notice("1" * 32, made.json()["client_id"], CITIZEN, "", 1, clock.now())
    return courier.send(provider.database, notice)


def test_attempt_to_call_inside_by_any_way_of_writing_it(settings: Settings) -> None:
    """Whatever a host is called, an address that leads inside is not called, and neither is one without TLS."""
    for uri in (*INSIDE, WITHOUT_TLS):
        with pytest.raises(CallRefused) as refused:
            outbound.fetch(settings, "GET", uri, seconds=2)
        assert refused.value.detail in BEFORE_A_CALL, uri


def test_attempt_to_call_inside_through_what_clients_register(provider: Provider) -> None:
    """Sectors, keys and ends of sessions: nothing is fetched from or sent to an address inside."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        port = inside.getsockname()[1]
        for uri in (f"https://127.0.0.1:{port}/x", f"https://localhost:{port}/x"):
            assert register(provider, sector_identifier_uri=uri).status_code == 400
            made = register(provider, **signer("jwks_uri", uri))
            if made.status_code == 201:
                with provider.database.reading() as db:
                    client = clients.read(db, made.json()["client_id"])
                assert client_keys.ready(provider.database, client) == ()
            assert told(provider, uri) in ("not registered", outbox.WAITING)
            with pytest.raises(BlockingIOError):
                inside.accept()


def test_attempt_to_be_led_inside_by_a_redirect(provider: Provider) -> None:
    """A site that may be called and answers with a redirect inside has answered: nothing is followed, with any status."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        for status in (301, 302, 303, 307, 308):
            target = f"http://127.0.0.1:{inside.getsockname()[1]}/"
            answer = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
            with counting(answer) as (site, asked):
                assert register(provider, sector_identifier_uri=f"{site}/s").status_code == 400
                assert told(provider, f"{site}/bye") == outbox.WAITING
            assert asked == ["/s", "/bye"]
            with pytest.raises(BlockingIOError):
                inside.accept()
