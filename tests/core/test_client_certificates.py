"""Whose certificate a request was sent under: the connection's, or what a trusted proxy says, and nobody else."""

import base64
import contextlib
import ssl
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from core import web
from core.settings import Settings
from core.web import CertificateUnreadable
from tests import certificates

PROXY, STRANGER = "10.1.2.3", "203.0.113.9"
MADE = certificates.make("agency")
DER = MADE.der
RFC_9440 = f":{base64.b64encode(DER).decode()}:"
NGINX = quote(MADE.pem, safe="")
BEHIND = Settings(trusted_proxies=("10.0.0.0/8",), client_certificate_header="Client-Cert")


def asked(
    settings: Settings, peer: str, *headers: str, name: str = "client-cert", shown: bytes | None = None
) -> bytes | None:
    """What the service takes for the certificate of a request that a peer sent with some headers."""
    scope: dict[str, Any] = {
        "type": "http",
        "client": (peer, 1),
        "headers": [(name.encode(), header.encode("latin-1")) for header in headers],
        "app": SimpleNamespace(state=SimpleNamespace(settings=settings)),
    }
    if shown is not None:
        scope["extensions"] = {"tls": {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(shown)]}}
    return web.certificate(Request(scope))


@pytest.mark.parametrize("header", [RFC_9440, NGINX, quote(MADE.pem.replace("\n", " "))])
def test_a_trusted_proxy_hands_the_certificate_over(header: str) -> None:
    """Both forms are understood: RFC 9440's byte sequence and nginx's percent-encoded PEM."""
    assert asked(BEHIND, PROXY, header) == DER


@pytest.mark.parametrize("header", ["", None])
def test_without_a_certificate_there_is_none(header: str | None) -> None:
    """No header or an empty one says that the client showed nothing."""
    assert asked(BEHIND, PROXY, *([] if header is None else [header])) is None


def test_a_header_from_anybody_else_says_nothing() -> None:
    """The attack: a client that reaches the service directly sends the header itself, well-formed or not."""
    for forged in (RFC_9440, NGINX, "nonsense"):
        assert asked(BEHIND, STRANGER, forged) is None
        assert asked(BEHIND, STRANGER, forged, forged) is None
        assert asked(BEHIND, "", forged) is None


def test_no_header_is_believed_unless_a_setting_names_it() -> None:
    """The attack: a proxy that is trusted for addresses passes on what its visitors send."""
    silent = Settings(trusted_proxies=("10.0.0.0/8",))
    assert asked(silent, PROXY, RFC_9440) is None
    named = Settings(trusted_proxies=("10.0.0.0/8",), client_certificate_header="X-Client-Cert")
    assert asked(named, PROXY, RFC_9440) is None
    assert asked(named, PROXY, RFC_9440, name="x_client_cert") is None
    assert asked(named, PROXY, RFC_9440, name="x-client-cert") == DER


def test_several_copies_of_the_header_are_refused() -> None:
    """The attack: a second header slipped past a proxy that adds its own, as a line or behind a comma."""
    other = f":{base64.b64encode(certificates.make('other').der).decode()}:"
    for headers in ([RFC_9440, other], [RFC_9440, RFC_9440], ["", RFC_9440], [f"{other}, {RFC_9440}"]):
        with pytest.raises(CertificateUnreadable):
            asked(BEHIND, PROXY, *headers)


def test_two_certificates_in_one_header_are_refused() -> None:
    """What a proxy hands over is one certificate: no chain, nothing before or after it."""
    for header in (quote(MADE.pem + MADE.pem), quote("x" + MADE.pem), RFC_9440 + ";a=1", f" {RFC_9440}x"):
        with pytest.raises(CertificateUnreadable):
            asked(BEHIND, PROXY, header)


def test_a_header_that_is_too_long_is_refused() -> None:
    """A certificate of more than 12 KiB is nobody's."""
    with pytest.raises(CertificateUnreadable):
        asked(BEHIND, PROXY, f":{'A' * web.LONGEST_CERTIFICATE}:")


def test_a_direct_connection_shows_its_own_certificate() -> None:
    """The peer's certificate counts, whatever header comes with it."""
    forged = f":{base64.b64encode(certificates.make('other').der).decode()}:"
    assert asked(BEHIND, STRANGER, forged, shown=DER) == DER
    assert asked(Settings(), STRANGER, shown=DER) == DER


def test_a_proxys_own_certificate_is_not_its_clients() -> None:
    """A proxy may show a certificate to the service itself; its client showed what the header says."""
    proxys = certificates.make("proxy").der
    assert asked(BEHIND, PROXY, shown=proxys) is None
    assert asked(BEHIND, PROXY, RFC_9440, shown=proxys) == DER


@given(
    st.text(st.characters(max_codepoint=255), max_size=300)
    | st.binary(max_size=100).map(lambda some: f":{base64.b64encode(some).decode()}:")
    | st.text(st.sampled_from("%2BA=/+ \n:-"), max_size=60).map(
        lambda some: f"-----BEGIN CERTIFICATE-----\n{some}-----END CERTIFICATE-----"
    )
)
@example("-----BEGIN CERTIFICATE-----" + " " * 15_000)
@example(":::")
def test_any_header_is_a_certificate_or_a_refusal(header: str) -> None:
    """Whatever a proxy sends, reading it gives some bytes or CertificateUnreadable, never another error."""
    with contextlib.suppress(CertificateUnreadable):
        assert web.presented(header)


@pytest.mark.parametrize("address", ["http://mtls.example", "mtls.example", "https://mtls.example/path"])
def test_an_mtls_address_is_an_origin(address: str) -> None:
    """An address for client certificates that is no https origin is refused at start."""
    with pytest.raises(ValueError, match="mtls_address"):
        Settings(mtls_address=address)
