"""The only way out: HTTP calls that cannot be turned against our own network."""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from core.errors import Refused
from core.language import _
from core.settings import Settings

TIMEOUT_SECONDS = 5.0
SIZE_LIMIT = 1_000_000


class CallRefused(Refused):
    """An outbound call to an address that we do not call, or whose answer broke a limit."""

    code = "outbound-refused"
    text = _("The address cannot be called from here. Use a public https address.")


@dataclass(frozen=True)
class Answer:
    """What came back: status, media type, and a body of at most SIZE_LIMIT bytes."""

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
) -> Answer:
    """Call an https address of a public host, without following redirects; raises CallRefused.

    The name is resolved once and the connection goes to that very address, so a second DNS answer
    cannot point elsewhere. Private hosts and plain http only where a setting names the host.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = host in settings.outbound_private_hosts
    if parts.scheme != "https" and not (named and parts.scheme == "http"):
        raise CallRefused(detail="scheme")
    if parts.username or parts.password:
        raise CallRefused(detail="userinfo")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host, port, private=named)
    literal = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{literal}:{port}").geturl()
    context = ssl.create_default_context()
    if settings.outbound_ca_file:
        context.load_verify_locations(settings.outbound_ca_file)
    try:
        with (
            httpx.Client(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False) as client,
            client.stream(
                method,
                target,
                content=content,
                headers={"Host": parts.netloc, **(headers or {})},
                extensions={"sni_hostname": host},
            ) as response,
        ):
            received = bytearray()
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > SIZE_LIMIT:
                    raise CallRefused(detail="answer too large")
            return Answer(response.status_code, response.headers.get("content-type", ""), bytes(received))
    except httpx.HTTPError as error:
        raise CallRefused(detail=type(error).__name__) from error


def _address(host: str, port: int, *, private: bool) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CallRefused(detail="name not found") from error
    for *_rest, place in found:
        address = str(place[0])
        if private or ipaddress.ip_address(address).is_global:
            return address
    raise CallRefused(detail="private address")
