"""A client that signs: its assertions, and what it can read of what is encrypted to it."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from core.events import SYSTEM
from idp.oidc import assertions, clients
from keys import compact
from tests.conftest import ISSUER
from tests.idp.oidc.provider import Provider

NAME = "signer"
EC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
ED = OKPKey.generate_key("Ed25519")
KEYS: dict[str, Any] = {"ES256": EC, "PS256": RSA, "RS256": RSA, "EdDSA": ED, "Ed25519": ED}
JWKS = {
    "keys": [
        {**key.as_dict(private=False), "kid": kid} for kid, key in (("ec", EC), ("rsa", RSA), ("ed", ED))
    ]
}
OWN = {"grant_type": "client_credentials", "scope": "attributes"}
PLAIN: dict[str, Any] = {
    "client_id": NAME,
    "agency": "revenue",
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "redirect_uris": ["https://signer.example/cb"],
    "sign_in_purpose": "revenue-sign-in",
    "jwks": JWKS,
}


class After(int):
    """A moment so many seconds after now."""


@dataclass
class Signer:
    """The client `signer` at a provider, with a key, its algorithm, and what it puts into the header beside that."""

    provider: Provider
    key: Any = field(default_factory=lambda: EC)
    alg: str = "ES256"
    header: dict[str, Any] = field(default_factory=dict)

    def register(self, **changes: Any) -> str | None:
        """Register the client, changed in some ways; None leaves a member out. Returns a new secret, if any."""
        declared = {name: value for name, value in {**PLAIN, **changes}.items() if value is not None}
        with self.provider.database.writing() as db:
            return clients.put(db, {"require_pkce": False, **declared}, actor=SYSTEM)[1]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an assertion; None leaves one out."""
        at = int(time.time())
        plain = {
            "iss": NAME, "sub": NAME, "aud": ISSUER, "iat": at, "exp": at + 60, "jti": secrets.token_urlsafe(12),
        }  # fmt: skip
        changed = {name: at + value if isinstance(value, After) else value for name, value in changes.items()}
        return {name: value for name, value in {**plain, **changed}.items() if value is not None}

    def assertion(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return an assertion."""
        return compact.sign(
            {"alg": self.alg, **self.header, **(header or {})}, self.claims(**changes), self.key
        )

    def post(self, path: str = "/token", assertion: str | None = None, **form: Any) -> Any:
        """Post a form with an assertion, a good one if none is given."""
        proof = {"client_assertion_type": assertions.TYPE, "client_assertion": assertion or self.assertion()}
        sent = {**proof, **(form or OWN)}
        return self.provider.web.post(
            path, data={name: value for name, value in sent.items() if value is not None}
        )


def by_secret(provider: Provider, secret: str) -> Signer:
    """Return the client as it signs with its secret."""
    return Signer(provider, OctKey.import_key({"kty": "oct", "k": compact.encoded(secret.encode())}), "HS256")


def opened(text: str, key: Any) -> tuple[dict[str, Any], str]:
    """Return the header of a JWE and what it holds, as the client reads it."""
    algs = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
    registry = jwe.JWERegistry(algorithms=[*algs, "A128CBC-HS256", "A128GCM", "A256GCM"])
    found = jwe.decrypt_compact(text, key, registry=registry)
    return found.headers(), (found.plaintext or b"").decode()
