"""A mail server that keeps what it is sent, and a gateway for text messages that answers as it is told."""

import contextlib
import email
import email.policy
import json
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from core.database import Database, Parts
from tests.ports import free_port

TAKEN = (202, b'{"id": "m-1"}')


class Postbox(Message):
    """Keeps the letters that arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.letters: list[EmailMessage] = []

    def handle_message(self, message: Any) -> None:
        """Keep a letter that arrived."""
        read = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        self.letters.append(read)

    def to(self, address: str) -> list[EmailMessage]:
        """Return the letters to an address."""
        return [letter for letter in self.letters if str(letter["To"]) == address]

    def newest(self, address: str) -> str:
        """Return the text of the newest letter to an address."""
        return str(self.to(address)[-1].get_content())


@contextlib.contextmanager
def mail_server() -> Iterator[Postbox]:
    """A mail server; `url` is its address."""
    box = Postbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    box.url = f"smtp://127.0.0.1:{server.port}"
    try:
        yield box
    finally:
        server.stop()


class Gateway(ThreadingHTTPServer):
    """A gateway for text messages: keeps what it is sent, and answers with `answer`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.answer = TAKEN
        self.calls: list[tuple[dict[str, str], dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Where messages are handed to it."""
        return f"http://localhost:{self.server_port}/messages"


class _Desk(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        """Keep a message and answer."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((dict(self.headers.items()), json.loads(content)))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def sms_gateway() -> Iterator[Gateway]:
    """A gateway that runs."""
    gateway = Gateway()
    thread = threading.Thread(target=gateway.serve_forever, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        gateway.server_close()
        thread.join()


def with_mail(database: Database, url: str) -> Database:
    """Return the database as a worker with a mail server would see it."""
    house = database.parts
    settings = house.settings.model_copy(update={"smtp_url": url})
    return Database(Parts(settings, keys=house.keys, sealer=house.sealer), url=database.url)
