"""A client's key under test, and the DPoP proofs that it makes: good ones, and ones that are wrong in one thing."""

import base64
import hashlib
import json
import secrets
import time
import warnings
from typing import Any

from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Key = ECKey | OKPKey | RSAKey
REGISTRY = JWSRegistry(
    algorithms=["ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519", "HS256"], strict_check_header=False
)
REGISTRY.max_header_length = REGISTRY.max_payload_length = 10_000_000


class Prover:
    """Whoever holds a key; `nonce` is what the server gave last, and goes into each proof."""

    def __init__(self, key: Key | None = None, alg: str = "ES256") -> None:
        self.key = key or ECKey.generate_key("P-256")
        self.alg = alg
        self.nonce: str | None = None

    @property
    def jkt(self) -> str:
        """The thumbprint of the key (RFC 7638)."""
        return self.key.thumbprint()

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        signed_by: Any = None,
        **claims: Any,
    ) -> str:
        """Return a proof; `header` and `claims` change its members, and None leaves one out."""
        return made(
            {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.key.as_dict(private=False), **(header or {})},
            {
                "jti": secrets.token_urlsafe(12),
                "htm": method,
                "htu": url,
                "iat": int(time.time()),
                "ath": hashed(token) if token else None,
                "nonce": self.nonce,
                **claims,
            },
            signed_by or self.key,
        )


def made(header: dict[str, Any], claims: Any, key: Any) -> str:
    """Return a JWS of a header and claims; members that are None are left out."""
    payload = {name: value for name, value in claims.items() if value is not None}
    kept = {name: value for name, value in header.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", SecurityWarning
        )  # EdDSA has a newer name (RFC 9864), and is still used
        return jws.serialize_compact(kept, json.dumps(payload), key, registry=REGISTRY)


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Return three parts with whatever in them."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hashed(token: str) -> str:
    """Return the hash of a token as `ath` wants it (RFC 9449, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
