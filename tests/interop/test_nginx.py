"""Debian's nginx, with the configuration that we document, hands certificates over to the service behind it."""

import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from idp.oidc import binding
from tests import certificates, citizens, service_process
from tests.certificates import Made
from tests.interop.nginx_process import nginx_before
from tests.interop.node_client import NodeClient
from tests.plain_browser import PlainBrowser
from tests.ports import free_port
from tests.service_process import Service

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nginx"),
    pytest.mark.slow,
]
BACK = "https://localhost:9/back"  # nobody listens: the browser stops there
ROOT = certificates.authority()
OFFICE = certificates.make(
    certificates.subject((NameOID.COUNTRY_NAME, "GE"), (NameOID.COMMON_NAME, "სამსახური")), issuer=ROOT
)
OTHER = certificates.make("other", issuer=ROOT)
FAPI_OFFICE = certificates.make("fapi", issuer=ROOT, names=(x509.DNSName("fapi.example"),))
OWN = certificates.make("own")
SERVER = certificates.make("localhost", names=(x509.DNSName("localhost"),))
OWN_KEYS = {"keys": [OWN.jwk]}
PKI, SELF, FAPI = "by-authority", "by-itself", "fapi"


@dataclass
class Border:
    """The service behind nginx: its two addresses, and a folder for the certificates of callers."""

    service: Service
    mtls: str
    folder: Path

    def post(self, made: Made | None, path: str = "/token", *, base: str = "", **more: Any) -> httpx.Response:
        """Post as a program that shows a certificate."""
        context = ssl.create_default_context(cadata=SERVER.pem)
        if made:
            context.load_cert_chain(*made.files(self.folder, "caller"))
        return httpx.post(f"{base or self.mtls}{path}", verify=context, trust_env=False, timeout=20, **more)

    def token(self, client_id: str, made: Made | None, **more: Any) -> httpx.Response:
        """Ask for a token of the client's own."""
        form = {"client_id": client_id, "grant_type": "client_credentials", "scope": "attributes"}
        return self.post(made, data=form, **more)


def client(client_id: str, **more: Any) -> dict[str, Any]:
    """A client of the revenue service whose tokens are bound to its certificate."""
    return {
        "client_id": client_id,
        "agency": "revenue",
        "client_name": client_id,
        "redirect_uris": [BACK],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "sign_in_purpose": "revenue-sign-in",
        "tls_client_certificate_bound_access_tokens": True,
        **more,
    }


@pytest.fixture(scope="module")
def border(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Border]:
    """The service on a port of its own, nginx before it."""
    folder = tmp_path_factory.mktemp("border")
    chain, key = SERVER.files(folder, "server")
    (folder / "authorities.pem").write_text(ROOT.pem)
    inner, port, mtls_port = free_port(), free_port(), free_port()
    mtls = f"https://localhost:{mtls_port}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ERTI_TRUSTED_PROXIES", '["127.0.0.1/32"]')
        environment.setenv("ERTI_CLIENT_CERTIFICATE_HEADER", "Client-Cert")
        environment.setenv("ERTI_CLIENT_CA", str(folder / "authorities.pem"))
        environment.setenv("ERTI_MTLS_ADDRESS", mtls)
        service = service_process.prepare(
            folder / "data",
            issuer=f"https://localhost:{port}",
            homes={},
            more_clients=[
                client(
                    PKI,
                    token_endpoint_auth_method="tls_client_auth",
                    tls_client_auth_subject_dn="CN=სამსახური,C=GE",
                ),
                client(
                    FAPI,
                    profile="fapi2",
                    token_endpoint_auth_method="tls_client_auth",
                    tls_client_auth_san_dns="fapi.example",
                ),
                client(SELF, token_endpoint_auth_method="self_signed_tls_client_auth", jwks=OWN_KEYS),
            ],
        )
        with (
            nginx_before(inner, port=port, mtls_port=mtls_port, chain=chain, key=key),
            service_process.running(service, port=inner),
        ):
            yield Border(service, mtls, folder)


def test_a_certificate_comes_through_nginx(border: Border) -> None:
    """A client of each kind gets a token that is bound to its certificate; other certificates prove nothing."""
    for name, made, others in ((PKI, OFFICE, (OTHER, OWN, None)), (SELF, OWN, (OFFICE, None))):
        answer = border.token(name, made)
        assert answer.status_code == 200, answer.text
        form = {"client_id": name, "token": answer.json()["access_token"]}
        told = border.post(made, "/introspect", data=form).json()
        assert told["cnf"] == {"x5t#S256": binding.thumbprint(made.der)}
        for other in others:
            refused = border.token(name, other)
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_forged_header_gets_nowhere(border: Border) -> None:
    """The attack: a caller without the key sends the header itself; nginx strips it at either address."""
    byte_sequence = f":{base64.b64encode(OFFICE.der).decode()}:"
    for forged in (byte_sequence, quote(OFFICE.pem, safe="")):
        for name in ("Client-Cert", "client-cert", "Client_Cert"):
            headers = [(name, forged), ("client-cert", forged)]
            for base in (border.mtls, border.service.issuer):
                assert border.token(PKI, None, base=base, headers=headers).status_code == 401
            assert border.token(PKI, OWN, headers=headers).status_code == 401
            assert border.token(SELF, OWN, headers=headers).status_code == 200, "its own counts"


def test_people_are_not_asked_for_a_certificate(border: Border) -> None:
    """At the address for people nginx asks for none, so no browser shows a window, and one that is offered is not seen."""
    assert border.token(PKI, OFFICE, base=border.service.issuer).status_code == 401


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_nginx_speaks_no_suite_that_bcp_195_does_not_recommend(border: Border, suite: str) -> None:
    """The documented configuration holds nginx to the same TLS as the service itself."""
    for address in (border.service.issuer, border.mtls):
        context = ssl.create_default_context(cadata=SERVER.pem)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
        with pytest.raises(httpx.ConnectError, match="HANDSHAKE_FAILURE"):
            httpx.get(f"{address}/readyz", verify=context, trust_env=False)


@pytest.mark.needs("node")
@pytest.mark.parametrize(("caller", "made", "pushed"), [(PKI, OFFICE, ""), (FAPI, FAPI_OFFICE, "1")])
def test_openid_client_signs_a_citizen_in_with_a_certificate(
    border: Border, caller: str, made: Made, pushed: str
) -> None:
    """openid-client finds the aliases by itself, pushes its request there as FAPI 2.0 wants it, and its tokens open
    UserInfo in its own hands alone."""
    certificate, key = made.files(border.folder, "office")
    paths = {"CERTIFICATE": certificate, "KEY": key, "AUTHORITY": border.folder / "server.pem"}
    environment = {"PUSHED": pushed, **{name: str(path) for name, path in paths.items()}}
    scope = "openid profile offline_access"
    browser = PlainBrowser(verify=ssl.create_default_context(cadata=SERVER.pem))
    with NodeClient("mtls.mjs", border.service, caller, BACK, scope, **environment) as program:
        citizen = citizens.activate(browser, border.service.issuer, border.service.sample(int(bool(pushed))))
        browser.stop_at = BACK
        browser.open(program.wants())
        browser.press("consent-allow")
        result = program.learns(browser.stopped_at)
    browser.close()

    assert result["userinfo"]["sub"] == citizen.citizen_id
    assert result["userinfo"]["given_name"]
    assert result["cnf"] == {"x5t#S256": binding.thumbprint(made.der)}
    assert result["active"] == [True, False]
    assert str(httpx.URL(border.mtls).port) in result["ports"]
    headers = {"Authorization": f"Bearer {result['token']}"}
    assert border.post(OTHER, "/userinfo", headers=headers).status_code == 401
    assert border.post(made, "/userinfo", headers=headers).status_code == 200
