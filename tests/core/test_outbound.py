"""Calls to the outside end in time, whatever the other side does."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from core import outbound
from core.settings import Settings

HERE = Settings(outbound_private_hosts=("127.0.0.1",))
Behaviour = Callable[[socket.socket], None]


class Server:
    """A TCP server on loopback that does to each connection what it was told, and keeps what it was sent."""

    def __init__(self, behave: Behaviour) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}/path?query"
        self.asked = b""
        self.closing = threading.Event()
        self._behave = behave
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self.closing.is_set():
            try:
                taken, _from = self.socket.accept()
            except OSError:
                return
            with taken:
                self.asked = _request(taken)
                try:
                    self._behave(taken)
                except OSError:
                    continue

    def drip(self, taken: socket.socket, text: bytes) -> None:
        """Send a byte every tenth of a second, for ever."""
        while not self.closing.wait(0.1):
            taken.sendall(text)

    def close(self) -> None:
        """Stop."""
        self.closing.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join()


def _request(taken: socket.socket) -> bytes:
    asked = taken.recv(65_536)
    length = int((re.findall(rb"Content-Length: (\d+)", asked) or [b"0"])[0])
    while len(asked.partition(b"\r\n\r\n")[2]) < length and (more := taken.recv(65_536)):
        asked += more
    return asked


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], Server]]:
    """Give a way to start servers, which end with the test."""
    started: list[Server] = []

    def start(behave: Behaviour) -> Server:
        started.append(Server(behave))
        return started[-1]

    yield start
    for server in started:
        server.close()


def test_an_answer_comes_back_whole(serve) -> None:
    """Status, media type and body of an answer are returned, and the host is asked by its own name."""
    server = serve(
        lambda taken: taken.sendall(
            b"HTTP/1.1 202 Yes\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
        )
    )
    answer = outbound.fetch(HERE, "POST", server.address, content=b"hello", headers={"X-A": "b"})
    assert answer == outbound.Answer(202, "text/plain", b"ok")
    head, _blank, body = server.asked.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /path?query HTTP/1.1\r\n")
    assert b"X-A: b" in head
    assert body == b"hello"


@pytest.mark.parametrize(
    "before",
    [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"],
    ids=["nothing", "headers", "body"],
)
def test_a_server_that_drips_is_left_in_time(serve, before: bytes) -> None:
    """A server that sends a byte now and then, in its headers or its body, holds us no longer than the deadline."""

    def behave(taken: socket.socket) -> None:
        taken.sendall(before)
        server.drip(taken, b"a")

    server = serve(behave)
    started = time.monotonic()
    with pytest.raises(outbound.CallRefused):
        outbound.fetch(HERE, "GET", server.address, seconds=1.0)
    assert time.monotonic() - started < 3


def test_an_answer_without_end_is_cut_off(serve) -> None:
    """An answer larger than the limit is refused as soon as it passes it."""

    def behave(taken: socket.socket) -> None:
        taken.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            taken.sendall(b"x" * 65_536)

    server = serve(behave)
    with pytest.raises(outbound.CallRefused, match="too large"):
        outbound.fetch(HERE, "GET", server.address)


@pytest.mark.parametrize(
    "url",
    [
        "https://[::ffff:10.0.0.1]/",
        "https://[::10.0.0.1]/", "https://[::ffff:0:10.0.0.1]/", "https://[64:ff9b::10.0.0.1]/",
        "https://[64:ff9b:1::808:808]/", "https://[2002:a00:1::1]/", "https://[fec0::1]/", "https://224.0.0.1/", "https://exa mple.com/", "https://example.com:99999/",
        "https://example.com/\r\nX-Injected: 1", "https://[", "https://bücher.example/",
    ],
)  # fmt: skip
def test_addresses_that_hide_something_are_refused(url: str) -> None:
    """Mapped and multicast addresses, odd characters and broken ports are refused before any call."""
    with pytest.raises(outbound.CallRefused):
        outbound.check(Settings(), url)
    with pytest.raises(outbound.CallRefused):
        outbound.fetch(Settings(), "GET", url)


def test_an_address_is_checked_without_a_call() -> None:
    """`check` takes a public https address, and a private one only where the settings name it."""
    outbound.check(Settings(), "https://agency.example/events")
    outbound.check(HERE, "http://127.0.0.1:9000/events")
    with pytest.raises(outbound.CallRefused):
        outbound.check(Settings(), "http://127.0.0.1:9000/events")
