"""The only way out: HTTP calls that cannot be turned against our own network, and that end in time."""

import functools
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore

from core.errors import Refused
from core.language import _
from core.settings import Settings

SECONDS = 10.0  # for all of one call, however slowly the other side answers
OPERATION_SECONDS = 5.0  # for one step of it
SIZE_LIMIT = 1_000_000
WRITE_BYTES = 16_384
DEFAULT_PORTS = {"https": 443, "http": 80}
# IPv6 addresses that a gateway takes for others: local translation (RFC 8215) and site-local ones (RFC 3879) lead
# into somebody's own network, the rest to the IPv4 address in them.
_NOWHERE = ipaddress.IPv4Address(0)
_LOCAL = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "fec0::/10")))
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_WITH_IPV4 = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))


class CallRefused(Refused):
    """An outbound call to an address that we do not call, or whose answer broke a limit."""

    code = "outbound-refused"
    text = _("The address cannot be called from here. Use a public https address.")


@dataclass(frozen=True)
class Answer:
    """What came back: status, media type, and a body of limited size."""

    status: int
    content_type: str
    body: bytes


def fetch(
    settings: Settings,
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
    seconds: float = SECONDS,
    limit: int = SIZE_LIMIT,
) -> Answer:
    """Call an https address of a public host, without following redirects; raises CallRefused.

    The name is resolved once and the connection goes to that very address, so a second DNS answer
    cannot point elsewhere. Private hosts and plain http only where a setting names the host. The whole call
    takes no longer than `seconds` (once the name is resolved), whatever the other side does, and its answer has at most `limit` bytes.
    """
    host, port, parts = _target(settings, url)
    address = _address(host, port, private=host in settings.outbound_private_hosts)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    sent = {
        "Host": parts.netloc,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(len(content or b"")),
        **(headers or {}),
    }
    extra = settings.outbound_ca_file
    context = _context(str(extra), extra.stat().st_mtime_ns) if extra else _context("", 0)
    hurry = _Hurry(time.monotonic() + seconds)
    try:
        with (
            httpcore.ConnectionPool(ssl_context=context, network_backend=hurry) as pool,
            pool.stream(
                method,
                httpcore.URL(scheme=parts.scheme, host=address, port=port, target=path),
                headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in sent.items()],
                content=content or b"",
                extensions={"sni_hostname": host},
            ) as response,
        ):
            received = bytearray()
            for chunk in response.iter_stream():
                received += chunk
                if len(received) > limit:
                    raise CallRefused(detail="answer too large")
            return Answer(response.status, _content_type(response.headers), bytes(received))
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, UnicodeError) as error:
        raise CallRefused(detail=type(error).__name__) from error


def check(settings: Settings, url: str) -> None:
    """Tell early whether an address has a form that can be called; raises CallRefused. It resolves no name."""
    host, _port, _parts = _target(settings, url)
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    if not _public(str(literal)) and host not in settings.outbound_private_hosts:
        raise CallRefused(detail="private address")


@functools.lru_cache(maxsize=4)
def _context(ca_file: str, _changed: int) -> ssl.SSLContext:
    # Reading the system's certificates costs more than the rest of a call.
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class _Hurry(httpcore.SyncBackend):
    """Connections on which every step gets what is left of the time, and at most OPERATION_SECONDS."""

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within the time that is left."""
        left = _left(self._ends)
        return _Hurried(super().connect_tcp(host, port, left, local_address, socket_options), self._ends)


class _Hurried(httpcore.NetworkStream):
    """One connection of `_Hurry`."""

    def __init__(self, inner: httpcore.NetworkStream, ends: float) -> None:
        self._inner, self._ends = inner, ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        return self._inner.read(max_bytes, _left(self._ends))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write piece by piece, looking at the time before each."""
        for start in range(0, len(buffer), WRITE_BYTES):
            self._inner.write(buffer[start : start + WRITE_BYTES], _left(self._ends))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Agree on TLS within the time that is left."""
        return _Hurried(self._inner.start_tls(ssl_context, server_hostname, _left(self._ends)), self._ends)

    def get_extra_info(self, info: str) -> Any:
        """Return a fact about the connection."""
        return self._inner.get_extra_info(info)


def _left(ends: float) -> float:
    left = min(ends - time.monotonic(), OPERATION_SECONDS)
    if left <= 0:
        raise httpcore.ReadTimeout("the call took too long")
    return left


def _target(settings: Settings, url: str) -> tuple[str, int, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise CallRefused(detail="address") from error
    host = parts.hostname or ""
    named = host in settings.outbound_private_hosts
    if parts.scheme != "https" and not (named and parts.scheme == "http"):
        raise CallRefused(detail="scheme")
    if parts.username or parts.password:
        raise CallRefused(detail="userinfo")
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise CallRefused(detail="address")
    return host, port, parts


def _content_type(headers: list[tuple[bytes, bytes]]) -> str:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"content-type"), "")


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    plain = _led_to(found)
    return plain.is_global and not plain.is_multicast


def _led_to(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address, or instead of it the IPv4 address that it stands for: ::ffff:10.0.0.1 leads to 10.0.0.1.

    Mapped and compatible (RFC 4291, 2.5.5), translated (RFC 6052, 2.1; RFC 2765, 2.1) and 6to4 (RFC 3056, 2). For
    what leads into a local network by its form alone it is none that is public.
    """
    if isinstance(found, ipaddress.IPv4Address):
        return found
    if any(found in network for network in _LOCAL):
        return _NOWHERE
    if found in _SIX_TO_FOUR:
        return ipaddress.IPv4Address(found.packed[2:6])
    if any(found in network for network in _WITH_IPV4):
        return ipaddress.IPv4Address(found.packed[12:])
    return found


def _address(host: str, port: int, *, private: bool) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CallRefused(detail="name not found") from error
    for *_rest, place in found:
        address = str(place[0])
        if private or _public(address):
            return address
    raise CallRefused(detail="private address")
