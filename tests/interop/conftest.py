"""A running service with clients that nobody here wrote, and a citizen who can sign in."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests import citizens, service_process
from tests.citizens import Citizen
from tests.plain_browser import PlainBrowser
from tests.ports import free_port
from tests.service_process import Service

NODE_BACK = "http://localhost:9/back"  # nobody listens: the browser stops there and hands the address over
DPOP_BACK = "http://localhost:9/bound"
KEYS: dict[str, Any] = {
    "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
    "PS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
    "ECDH-ES": ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"}),
}
SIGNED_BACK = "https://signed.example/back"


@dataclass(frozen=True)
class Town:
    """The service, the ports kept for Apache and for an application in the browser, and a citizen with password and authenticator app."""

    service: Service
    apache_port: int
    spa_port: int
    citizen: Citizen

    def allows(self, address: str, *, back: str = NODE_BACK) -> str:
        """Let the citizen sign in and allow what is asked, in a fresh browser; return the address it is sent back to."""
        browser = PlainBrowser(stop_at=back)
        browser.open(address)
        citizens.sign_in(browser, self.citizen)
        if not browser.stopped_at:
            browser.press("consent-allow")
        browser.close()
        assert browser.stopped_at.startswith(back)
        return browser.stopped_at


def client(client_id: str, redirect_uri: str, home: str) -> dict[str, Any]:
    """A client of the revenue service, as its developer would register it."""
    return {
        "client_id": client_id,
        "client_secret": secrets.token_urlsafe(32),
        "agency": "revenue",
        "client_name": client_id,
        "redirect_uris": [redirect_uri],
        "post_logout_redirect_uris": [home],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile offline_access",
        "sign_in_purpose": "revenue-sign-in",
    }


def signing_client() -> dict[str, Any]:
    """A client that signs with its keys, and wants what it is told signed and encrypted."""
    known = client("signing", NODE_BACK, NODE_BACK)
    del known["client_secret"]
    return {
        **known,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [key.as_dict(private=False) for key in KEYS.values()]},
        "id_token_signed_response_alg": "PS256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "userinfo_signed_response_alg": "ES256",
        "userinfo_encrypted_response_alg": "ECDH-ES",
        "userinfo_encrypted_response_enc": "A256GCM",
        "introspection_signed_response_alg": "ES256",
    }


def application(home: str) -> dict[str, Any]:
    """A public client: an application that lives in the browser."""
    known = client("spa", f"{home}/back", f"{home}/")
    del known["client_secret"]
    uris = [f"{home}/back", f"{home}/silent"]
    return {**known, "redirect_uris": uris, "token_endpoint_auth_method": "none"}


def message_signing() -> dict[str, Any]:
    """A client that keeps to FAPI 2.0 Message Signing."""
    known = client("oauth4webapi", SIGNED_BACK, SIGNED_BACK)
    del known["client_secret"]
    return {
        **known,
        "profile": "fapi2-message-signing",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEYS["ES256"].as_dict(private=False)]},
        "dpop_bound_access_tokens": True,
        "authorization_signed_response_alg": "ES256",
        "introspection_signed_response_alg": "ES256",
    }


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The service on a free port; the citizen has activated their account with plain forms."""
    port, apache_port, spa_port = free_port(), free_port(), free_port()
    apache_home = f"http://localhost:{apache_port}"
    service = service_process.prepare(
        tmp_path_factory.mktemp("town"),
        issuer=f"http://localhost:{port}",
        homes={},
        more_clients=[
            client("apache", f"{apache_home}/private/back", f"{apache_home}/")
            | {"backchannel_logout_uri": f"{apache_home}/private/back?logout=backchannel"},
            client("node", NODE_BACK, NODE_BACK),
            client("requests", NODE_BACK, NODE_BACK),
            client("idpyoidc", NODE_BACK, NODE_BACK),
            application(f"http://localhost:{spa_port}"),
            signing_client(),
            message_signing(),
            {
                **client("device", NODE_BACK, NODE_BACK),
                "token_endpoint_auth_method": "none",
                "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
            },
            {
                **client("dpop", DPOP_BACK, DPOP_BACK),
                "token_endpoint_auth_method": "none",
                "dpop_bound_access_tokens": True,
            },
        ],
    )
    with service_process.running(service, port=port):
        browser = PlainBrowser()
        citizen = citizens.activate(browser, service.issuer, service.sample(0))
        browser.close()
        yield Town(service, apache_port, spa_port, citizen)


@pytest.fixture
def browser() -> Iterator[PlainBrowser]:
    """A browser that nobody has used yet."""
    fresh = PlainBrowser()
    yield fresh
    fresh.close()
