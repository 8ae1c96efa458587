"""`erti serve` terminates TLS itself, with several processes and a second port that asks for certificates."""

import base64
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import clients
from service.app import begin, open_house
from tests import certificates
from tests.certificates import Made
from tests.ports import free_port, wait_for, within
from tests.service.command_line import erti

pytestmark = pytest.mark.slow
ROOT = certificates.authority()
OFFICE = certificates.make("office", issuer=ROOT, usages=certificates.CLIENT)
SERVER = certificates.make("localhost", names=(x509.DNSName("localhost"),))
BOTH = 12  # calls on connections of their own: both processes are met


@dataclass
class Running:
    """The service as processes, its database, and where it listens."""

    database: Database
    folder: Path
    port: int
    mtls_port: int

    def token(
        self, client_id: str, made: Made | None, *, port: int = 0, headers: dict[str, str] | None = None
    ) -> int:
        """Ask for a token on a new connection; the status, or 0 if TLS lets nobody in."""
        context = ssl.create_default_context(cadata=SERVER.pem)
        if made:
            context.load_cert_chain(*made.files(self.folder, "caller"))
        url = f"https://localhost:{port or self.mtls_port}/token"
        form = {"client_id": client_id, "grant_type": "client_credentials", "scope": "attributes"}
        try:
            return httpx.post(
                url, data=form, headers=headers, verify=context, trust_env=False, timeout=20
            ).status_code
        except httpx.TransportError:
            return 0


def client(client_id: str, **more: Any) -> dict[str, Any]:
    """A client of the sandbox's agency, for its own calls."""
    return {"client_id": client_id, "grant_types": ["client_credentials"], **more}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two processes that listen on two ports."""
    folder, port, mtls_port = tmp_path_factory.mktemp("tls"), free_port(), free_port()
    certificate, key = SERVER.files(folder, "server")
    authorities = folder / "authorities.pem"
    authorities.write_text(ROOT.pem)
    issuer = f"https://localhost:{port}"
    assert erti(folder, "migrate").exit_code == 0
    settings = Settings(
        data_dir=folder,
        issuer=issuer,
        client_ca=authorities,
        mtls_address=f"https://localhost:{mtls_port}",
    )
    database = open_house(settings)
    begin(database)
    with database.writing() as db:
        known = client("office", token_endpoint_auth_method="tls_client_auth")
        clients.put(db, {**known, "tls_client_auth_subject_dn": "CN=office"}, actor=SYSTEM)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "service", "serve", "--issuer", issuer, "--port", str(port)),
            *("--workers", "2", "--tls-cert", str(certificate), "--tls-key", str(key)),
            *("--client-ca", str(authorities), "--mtls-port", str(mtls_port)),
        ],
        env=os.environ | {"ERTI_DATA_DIR": str(folder)},
    )
    try:
        wait_for(f"{issuer}/readyz", verify=ssl.create_default_context(cadata=SERVER.pem))
        yield Running(database, folder, port, mtls_port)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        database.close()


def test_a_certificate_reaches_the_application_in_every_process(running: Running) -> None:
    """On the second port the client is known by its certificate, on the first nobody is, and a header says nothing."""
    assert {running.token("office", OFFICE) for _ in range(BOTH)} == {200}
    assert running.token("office", None) == 401
    assert running.token("office", certificates.make("other", issuer=ROOT)) == 401
    assert running.token("office", OFFICE, port=running.port) == 401
    forged = f":{base64.b64encode(OFFICE.der).decode()}:"
    assert running.token("office", None, headers={"Client-Cert": forged}) == 401


def test_the_document_names_the_second_port(running: Running) -> None:
    """The aliases lead to the port that asks for certificates."""
    context = ssl.create_default_context(cadata=SERVER.pem)
    url = f"https://localhost:{running.port}/.well-known/openid-configuration"
    document = httpx.get(url, verify=context, trust_env=False, timeout=20).json()
    assert (
        document["mtls_endpoint_aliases"]["token_endpoint"] == f"https://localhost:{running.mtls_port}/token"
    )


def test_a_registration_is_known_in_every_process_within_a_second(running: Running) -> None:
    """A client's own certificate is let in, in whichever process, a second after it was registered; and out again."""
    own = certificates.make("own")
    known = client("own", token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": [own.jwk]})
    assert running.token("own", own) == 0
    with running.database.writing() as db:
        clients.put(db, known, actor=SYSTEM)
    time.sleep(1)
    assert {running.token("own", own) for _ in range(BOTH)} == {200}
    with running.database.writing() as db:
        clients.switch(db, "own", active=False, actor=SYSTEM)
    time.sleep(1)
    assert {running.token("own", own) for _ in range(BOTH)} == {0}


def test_a_renewed_certificate_is_served_in_every_process(running: Running) -> None:
    """Certificate and key are exchanged while the service runs, and the next connections get the new ones."""
    renewed = certificates.make("renewed", names=(x509.DNSName("localhost"),))
    context = ssl.create_default_context(cadata=renewed.pem)

    def served() -> bool:
        url = f"https://localhost:{running.port}/healthz"
        try:
            return all(
                httpx.get(url, verify=context, trust_env=False, timeout=20).status_code == 200
                for _ in range(BOTH)
            )
        except httpx.TransportError:
            return False

    renewed.files(running.folder, "server")
    assert within(5, served)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--mtls-port", "1"), "--mtls-port needs"),
        (("--client-ca", "authorities.pem"), "client certificates need"),
        (("--tls-cert", "server.pem"), "go together"),
        (("--tls-cert", "server.pem", "--tls-key", "server.pem"), "cannot be used for TLS"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_listens(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    """Options that make no TLS together, and files that are no key, end the command with a sentence."""
    SERVER.files(tmp_path, "server")
    (tmp_path / "authorities.pem").write_text(ROOT.pem)
    words = [str(tmp_path / word) if word.endswith(".pem") else word for word in options]
    answer = erti(tmp_path, "serve", *words)
    assert answer.exit_code == 2
    assert says in " ".join(answer.stderr.split())
