"""The test authority is a proper one, or the TLS journeys would prove nothing."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.browser.authority import Authority, Certificate


def shake_hands(certificate: Certificate, trusting: ssl.SSLContext, host: str) -> str | None:
    """Serve one handshake with a certificate, and return the TLS version a client gets who asks for `host`."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.chain, certificate.key)
    here, there = socket.socketpair()

    def answer() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except (ssl.SSLError, OSError):
            there.close()

    other = threading.Thread(target=answer)
    other.start()
    try:
        with trusting.wrap_socket(here, server_hostname=host) as client:
            return client.version()
    finally:
        here.close()
        other.join()


def test_a_certificate_is_good_for_its_hosts_and_for_no_other(tmp_path: Path) -> None:
    """OpenSSL accepts the chain for the names in it, and refuses it for another name."""
    authority = Authority(tmp_path)
    certificate = authority.certify("id.erti.example", "localhost")
    assert shake_hands(certificate, authority.context, "id.erti.example") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(certificate, authority.context, "tax.revenue.example")


def test_nobody_else_trusts_it(tmp_path: Path) -> None:
    """A client with the machine's own list of authorities refuses the certificate."""
    certificate = Authority(tmp_path).certify("id.erti.example")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer"):
        shake_hands(certificate, ssl.create_default_context(), "id.erti.example")
