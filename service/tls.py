"""TLS that Erti terminates itself: BCP 195's suites, files that may change, and clients' certificates."""

import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import structlog
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.importer import import_from_string
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger("erti.tls")
LOOK_SECONDS = 0.4  # what changes is in use within a second
# For TLS 1.2 those that RFC 9325, 4.2, recommends; every suite of TLS 1.3 is sound.
SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
APPLICATION = "service.commands.run:application"
Registered = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Files:
    """The files that TLS is terminated with; `client_ca` holds the authorities of clients' certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def stamp(self) -> tuple[object, ...]:
        """Return what differs when a file was changed or put in another's place. Raises OSError."""
        found = [path.stat() for path in (self.certificate, self.key, self.client_ca) if path]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)


class Door(ssl.SSLContext):
    """The TLS of one listening port. Each handshake gets what was loaded last, so that nothing restarts.

    A context of OpenSSL can learn to trust but not to forget, so `refresh` makes a new one, to which the
    handshake is handed over where it would choose a certificate by the server's name.
    """

    files: Files
    asks: bool
    newest: ssl.SSLContext
    _seen: tuple[object, ...]

    @classmethod
    def opened(cls, files: Files, *, asks: bool) -> Self:
        """Return the TLS of a port that asks clients for certificates or does not. Raises OSError, ssl.SSLError."""
        door = cls(ssl.PROTOCOL_TLS_SERVER)
        door.files, door.asks, door._seen = files, asks, (files.stamp(), frozenset())
        _set_up(door, files, asks=asks, registered=())
        door.newest = door
        door.sni_callback = door._hand_over
        return door

    def refresh(self, registered: Iterable[bytes] = ()) -> bool:
        """Load what changed and return whether anything did; what cannot be loaded leaves all as it was.

        `registered` are the certificates (DER) of clients that no authority vouches for.
        """
        trusted = frozenset(registered) if self.asks else frozenset()
        try:
            seen = (self.files.stamp(), trusted)
            if seen == self._seen:
                return False
            fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            _set_up(fresh, self.files, asks=self.asks, registered=trusted)
        except OSError as error:  # ssl.SSLError is one: half written, or a key that does not fit
            log.warning("not loaded", error=str(error))
            return False
        self.newest, self._seen = fresh, seen
        return True

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self.newest


def _set_up(context: ssl.SSLContext, files: Files, *, asks: bool, registered: Iterable[bytes]) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES))
    context.set_alpn_protocols(["http/1.1"])
    # Tickets would be sealed under one key for as long as the process runs (RFC 9325, 4.3.1, wants it changed), and
    # a resumed session would keep a client's certificate alive that is trusted no more.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
    # Without `password`, OpenSSL would ask for that of a sealed key at the terminal.
    context.load_cert_chain(files.certificate, files.key, password="")
    if not asks:
        return
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a registered certificate vouches for itself
    if files.client_ca:
        context.load_verify_locations(files.client_ca)
    for certificate in registered:
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError) as error:
            log.warning("registered certificate not loaded", error=str(error))


class Listening:
    """How one `erti serve` terminates TLS; it travels to each of its processes before anything is opened.

    With `mtls_port`, clients are asked for a certificate there alone: browsers would show people a window for it.
    """

    def __init__(self, files: Files, *, mtls_port: int | None) -> None:
        self.files = files
        self.mtls_port = mtls_port
        self.doors: list[Door] = []

    def context(self, *_uvicorn: Any) -> "Doors":
        """Open TLS in this process, as uvicorn's `ssl_context_factory`."""
        asks = self.files.client_ca is not None and self.mtls_port is None
        main = Doors.opened(self.files, asks=asks)
        self.doors = [main]
        if self.mtls_port is not None:
            main.others[self.mtls_port] = Door.opened(self.files, asks=True)
            self.doors += main.others.values()
        return main

    def application(self) -> ASGIApp:
        """Build the application in this process, with TLS watched beside it.

        By name: a process must say that it lives before it has read the whole house, or uvicorn takes it for dead.
        """
        app: ASGIApp = import_from_string(APPLICATION)(self)
        return app

    def watched(self, app: ASGIApp, registered: Registered) -> ASGIApp:
        """Return the application with a thread beside it that keeps TLS at the newest files and certificates."""

        async def beside(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan":
                await app(scope, receive, send)
                return
            stop = threading.Event()
            watch = threading.Thread(target=self._watch, args=(registered, stop), name="erti-tls")
            watch.start()
            try:
                await app(scope, receive, send)
            finally:
                stop.set()
                watch.join()

        return beside

    def _watch(self, registered: Registered, stop: threading.Event) -> None:
        while not stop.is_set():
            trusted = registered() if any(door.asks for door in self.doors) else ()
            for door in self.doors:
                door.refresh(trusted)
            stop.wait(LOOK_SECONDS)


class Doors(Door):
    """The TLS of the main port, which knows that of the others."""

    @classmethod
    def opened(cls, files: Files, *, asks: bool) -> Self:
        """Return the TLS of the main port. Raises OSError, ssl.SSLError."""
        door = super().opened(files, asks=asks)
        door.others = {}
        return door

    others: dict[int, Door]


class Loop(uvloop.Loop):
    """uvicorn hands every socket over with one TLS context; here each port gets its own."""

    async def create_server(self, *args: Any, sock: Any = None, ssl: Any = None, **more: Any) -> Any:
        """Listen as uvloop does."""
        if isinstance(ssl, Doors) and sock is not None:
            ssl = ssl.others.get(sock.getsockname()[1], ssl)
        return await super().create_server(*args, sock=sock, ssl=ssl, **more)


class Protocol(HttpToolsProtocol):
    """HTTP that tells the application which certificate the client showed, as ASGI's TLS extension does."""

    _extensions: dict[str, Any] | None = None

    def connection_made(self, transport: Any) -> None:
        """Note the certificate; TLS has ended its handshake by now."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        shown = connection.getpeercert(binary_form=True) if connection is not None else None
        if shown:
            self._extensions = {"tls": {"client_cert_chain": (ssl.DER_cert_to_PEM_cert(shown),)}}

    def on_message_begin(self) -> None:
        """Begin a request's scope."""
        super().on_message_begin()
        if self._extensions is not None:
            self.scope["extensions"] = self._extensions
