"""A client that signs its requests: with PAR, beside other parameters, or at an address of its own."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from keys import compact
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc import signer
from tests.idp.oidc.provider import Provider
from tests.idp.oidc.signer import After, Signer

CALLBACK = "https://signer.example/cb"
FAPI: dict[str, Any] = {
    "profile": "fapi2",
    "require_pkce": True,
    "dpop_bound_access_tokens": True,
}
SIGNING: dict[str, Any] = {**FAPI, "profile": "fapi2-message-signing"}


@dataclass
class Asker(Signer):
    """The client `signer`, and what it asks."""

    def object(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a request object; None leaves a claim out."""
        at = int(time.time())
        plain = {
            **to.request(to.PORTAL), "client_id": signer.NAME, "redirect_uri": CALLBACK, "iss": signer.NAME,
            "aud": ISSUER, "nbf": at, "exp": at + 300,
        }  # fmt: skip
        changed = {name: at + value if isinstance(value, After) else value for name, value in changes.items()}
        claims = {name: value for name, value in {**plain, **changed}.items() if value is not None}
        wanted = {"alg": self.alg, "typ": "oauth-authz-req+jwt", **self.header, **(header or {})}
        return compact.sign({k: v for k, v in wanted.items() if v is not None}, claims, self.key)

    def send(self, given: str, **around: str) -> Any:
        """Send a browser with a request object."""
        return self.provider.web.get(
            "/authorize", params={"client_id": signer.NAME, "request": given, **around}
        )

    def push(self, **form: Any) -> Any:
        """Push a form, proven by an assertion."""
        return self.post("/par", **form)

    def go(self, pushed: Any, **around: str) -> Any:
        """Send a browser with what was pushed."""
        assert pushed.status_code == 201, pushed.text
        uri = pushed.json()["request_uri"]
        return self.provider.web.get(
            "/authorize", params={"client_id": signer.NAME, "request_uri": uri, **around}
        )


def told(response: Any) -> dict[str, str]:
    """Return what a response brings back to the client, in the query."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith(CALLBACK), location
    return dict(parse_qsl(urlsplit(location).query))


def plain(provider: Provider, **changes: Any) -> Asker:
    """Return the client, registered."""
    found = Asker(provider)
    found.register(**changes)
    return found
