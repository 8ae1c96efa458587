"""TLS that Erti terminates itself: what it refuses, what it reloads, and whose certificate reaches the application."""

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from service.tls import SUITES, Door, Files, Listening, Loop, Protocol
from tests import certificates
from tests.certificates import Made
from tests.ports import free_port, within

HOST = "localhost"


async def says_who_calls(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the fingerprint of the certificate it was told of."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain", ())
    said = ",".join(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() for pem in chain) or "nobody"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": said.encode()})


@dataclass
class Office:
    """A listening service with its files, the ports, and the certificates of clients that it was told of."""

    folder: Path
    server: Made
    vouching: Made
    port: int
    mtls_port: int
    registered: list[bytes] = field(default_factory=list)

    def call(self, port: int, client: Made | None = None, context: ssl.SSLContext | None = None) -> str:
        """The service's answer to a GET; ssl.SSLError if it refuses the handshake."""
        with self.connect(port, client, context) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while more := connection.recv(4096):
                answer += more
        if not answer:
            raise ConnectionError
        return answer.decode().partition("\r\n\r\n")[2].split("\r\n")[1]

    def connect(
        self, port: int, client: Made | None = None, context: ssl.SSLContext | None = None
    ) -> ssl.SSLSocket:
        """A TLS connection that believes the service's certificate."""
        context = context or ssl.create_default_context(cadata=self.server.pem)
        if client:
            context.load_cert_chain(*client.files(self.folder, "client"))
        raw = socket.create_connection((HOST, port), timeout=5)
        try:
            return context.wrap_socket(raw, server_hostname=HOST)
        except OSError:
            raw.close()
            raise


def server_certificate(name: str = "server", **more: Any) -> Made:
    """A certificate for localhost."""
    return certificates.make(name, names=(x509.DNSName(HOST),), **more)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A port that asks nobody for a certificate and one that does."""
    made, vouching = server_certificate(), certificates.authority()
    files = Files(*made.files(tmp_path, "server"), tmp_path / "authority.pem")
    (tmp_path / "authority.pem").write_text(vouching.pem)
    found = Office(tmp_path, made, vouching, free_port(), free_port())
    listening = Listening(files, mtls_port=found.mtls_port)
    config = uvicorn.Config(
        listening.watched(says_who_calls, lambda: found.registered),
        loop=f"{Loop.__module__}:Loop",
        http=Protocol,
        ssl_context_factory=listening.context,
        log_level="critical",
    )
    server = uvicorn.Server(config)
    sockets = [socket.create_server(("127.0.0.1", port)) for port in (found.port, found.mtls_port)]
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        assert within(10, lambda: server.started)
        yield found
    finally:
        server.should_exit = True
        thread.join()


def answers(office: Office) -> bool:
    """Tell whether the service answers a client that believes `office.server` alone."""
    try:
        return office.call(office.port) == "nobody"
    except ssl.SSLError:
        return False


def fingerprint(made: Made) -> str:
    """What the application says of a client that showed this certificate."""
    return hashlib.sha256(made.der).hexdigest()


def relaxed(version: ssl.TLSVersion, suites: str = "ALL") -> ssl.SSLContext:
    """A client that would take anything of one version, so that what is refused is refused by the service."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def greet(client: ssl.SSLContext, service: ssl.SSLContext) -> ssl.SSLObject:
    """Let a client and the service shake hands in memory; gives the client's side, raises what the service says."""
    to_service, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_service, server_hostname=HOST)
    answering = service.wrap_bio(to_service, to_client, server_side=True)
    for side in (asking, answering, asking, answering, asking):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return asking


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> list[Door]:
    """The service's TLS with a certificate for each kind of key."""
    folder = tmp_path_factory.mktemp("doors")
    keys = (None, rsa.generate_private_key(65537, 2048))
    made = [server_certificate(key=key).files(folder, f"server-{number}") for number, key in enumerate(keys)]
    return [Door.opened(Files(*files), asks=False) for files in made]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("old", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(doors: list[Door], old: ssl.TLSVersion) -> None:
    """A client that speaks TLS 1.1 at most gets no connection (RFC 9325, 3.1.1)."""
    for door in doors:
        with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
            greet(relaxed(old), door)


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-SHA256",  # CBC
        "ECDHE-RSA-AES256-SHA384",
        "ECDHE-ECDSA-AES256-SHA",
        "AES128-GCM-SHA256",  # RSA key transport, no forward secrecy
        "AES256-SHA",
        "DHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",  # sound, but not among those that RFC 9325 recommends for TLS 1.2
    ],
)
def test_suites_that_bcp_195_does_not_recommend_are_refused(doors: list[Door], suite: str) -> None:
    """CBC suites, RSA key transport and the rest get no connection, whatever key the certificate has."""
    for door in doors:
        with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
            greet(relaxed(ssl.TLSVersion.TLSv1_2, suite), door)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_tls_is_spoken_with_forward_secrecy(doors: list[Door], version: ssl.TLSVersion) -> None:
    """TLS 1.2 with a recommended suite and TLS 1.3 both work, and no ticket is given."""
    for door in doors:
        connection = greet(relaxed(version), door)
        name, spoken, _bits = connection.cipher() or ("", "", 0)
        assert spoken == connection.version()
        assert name in SUITES if version == ssl.TLSVersion.TLSv1_2 else name.startswith("TLS_")
        assert connection.session is None or not connection.session.has_ticket


def test_a_new_certificate_is_served_within_a_second(office: Office) -> None:
    """When the files change, the next handshake shows the new certificate; nothing restarts."""
    office.server = server_certificate("renewed")
    office.server.files(office.folder, "server")
    assert not answers(office), "who believes the new one alone is not yet answered"
    assert within(1, lambda: answers(office))


def test_a_key_that_does_not_fit_changes_nothing(office: Office) -> None:
    """While certificate and key do not belong together, the old pair goes on."""
    (office.folder / "server.key").write_text(certificates.make("other").key_pem)
    assert not within(1, lambda: not answers(office))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_vouched_for_certificate_reaches_the_application(office: Office, version: ssl.TLSVersion) -> None:
    """The application is told of the certificate on the mTLS port, and of none on the other port or without one."""
    client = certificates.make("client", issuer=office.vouching, usages=certificates.CLIENT)
    context = ssl.create_default_context(cadata=office.server.pem)
    context.minimum_version = context.maximum_version = version
    assert office.call(office.mtls_port, client, context) == fingerprint(client)
    assert office.call(office.mtls_port) == "nobody"
    assert office.call(office.port, client) == "nobody", (
        "the main port asks nobody, so browsers show no window"
    )


def test_a_self_signed_certificate_is_taken_while_it_is_registered(office: Office) -> None:
    """Refused in the handshake, taken within a second of its registration, refused again when that ends."""
    client, twin = certificates.make("client"), certificates.make("client")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        office.call(office.mtls_port, client)
    office.registered = [twin.der, client.der]
    assert within(1, lambda: taken(office, client)), "whatever other certificate has the same name"
    assert taken(office, twin)
    office.registered = [twin.der]
    assert within(1, lambda: not taken(office, client))
    assert taken(office, twin)


def test_a_registered_certificate_that_cannot_be_loaded_harms_nobody_else(office: Office) -> None:
    """What one client registered by mistake does not shut the others out."""
    client = certificates.make("client")
    office.registered = [b"", b"nonsense", client.der[:-1], client.der]
    assert within(1, lambda: taken(office, client))


def taken(office: Office, client: Made) -> bool:
    """Tell whether the application is told of this certificate."""
    try:
        return office.call(office.mtls_port, client) == fingerprint(client)
    except (ssl.SSLError, ConnectionError):
        return False


def test_somebody_elses_certificate_without_its_key_is_refused(office: Office) -> None:
    """A certificate is public; whoever cannot sign with its key gets no connection."""
    client = certificates.make("client")
    office.registered = [client.der]
    assert within(1, lambda: taken(office, client))
    thief = Made(client.certificate, certificates.make("thief").key)
    with pytest.raises(ssl.SSLError):
        office.call(office.mtls_port, thief)
