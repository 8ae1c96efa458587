"""A client of the FAPI plans: its keys, its certificate, and every way to show that it holds them."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from starlette.testclient import TestClient

from core import clock
from tests import certificates
from tests.certificates import Made
from tests.certification.relying import ASSERTION, CALLBACK, Registered
from tests.conftest import ISSUER

RESENDS = 2
Key = ECKey | RSAKey | OKPKey


@dataclass(frozen=True)
class Variant:
    """How the clients of a variant prove themselves, what their tokens are bound to, and whether messages are signed."""

    by_key: bool
    dpop: bool
    signed: bool = False

    @classmethod
    def of(cls, name: str) -> "Variant":
        """Read a variant's name."""
        if name == "signed":
            return cls(by_key=True, dpop=True, signed=True)
        proof, bound = name.split("-")
        return cls(by_key=proof == "jwt", dpop=bound == "dpop")


@dataclass
class Party(Registered):
    """One client. `lag` is what its clock is off by; `nonces` are the newest of each server."""

    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    bound: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    certificate: Made | None = None
    variant: Variant = field(default_factory=lambda: Variant(by_key=True, dpop=True))
    lag: int = 0
    nonce: str = ""

    @classmethod
    def made(cls, name: str, variant: Variant) -> "Party":
        """Make a client of a variant, with the metadata that registers it."""
        mine = cls(name, variant=variant)
        mine.metadata = {
            "client_id": name,
            "client_name": f"Certification {name}",
            "profile": "fapi2-message-signing" if variant.signed else "fapi2",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_method": "private_key_jwt"
            if variant.by_key
            else "self_signed_tls_client_auth",
            "dpop_bound_access_tokens": variant.dpop,
            "tls_client_certificate_bound_access_tokens": not variant.dpop,
        }
        public = {**mine.key.as_dict(private=False), "use": "sig", "alg": "ES256"}
        if not (variant.by_key and variant.dpop):
            mine.certificate = certificates.make(name)
            chain = base64.b64encode(mine.certificate.der).decode()
            assert isinstance(mine.certificate.key, EllipticCurvePrivateKey)
            held = ECKey.import_key(mine.certificate.key).as_dict(private=False)
            mine.metadata["jwks"] = {"keys": [public, {**held, "kid": "tls", "x5c": [chain]}]}
        else:
            mine.metadata["jwks"] = {"keys": [public]}
        return mine

    @property
    def now(self) -> int:
        """What the client's clock says."""
        return clock.seconds(clock.now()) + self.lag

    def assertion(self, *, key: Key | None = None, alg: str = "ES256", **changes: Any) -> str:
        """Return a client assertion (RFC 7523, 3); `None` leaves a claim out."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "jti": secrets.token_urlsafe(12),
            "iat": self.now,
            "exp": self.now + 60,
            **changes,
        }
        return self.signed(claims, key=key, alg=alg)

    def request_object(
        self, parameters: dict[str, Any], *, key: Key | None = None, alg: str = "ES256", **changes: Any
    ) -> str:
        """Return a request object (RFC 9101, 4) with the lifetime that FAPI wants."""
        claims = {
            "iss": self.client_id,
            "aud": ISSUER,
            "iat": self.now,
            "nbf": self.now,
            "exp": self.now + 300,
            "jti": secrets.token_urlsafe(12),
            **parameters,
            **changes,
        }
        return self.signed(claims, key=key, alg=alg, typ="oauth-authz-req+jwt")

    def signed(
        self, claims: dict[str, Any], *, key: Key | None = None, alg: str = "ES256", typ: str = "JWT"
    ) -> str:
        """Return a JWT signed with the client's key or another."""
        given = {name: value for name, value in claims.items() if value is not None}
        used = key or self.key
        return str(jwt.encode({"alg": alg, "kid": self.key.kid, "typ": typ}, given, used, algorithms=[alg]))

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        key: ECKey | None = None,
        header: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Return a DPoP proof (RFC 9449, 4.2); `None` leaves a claim or a header member out."""
        used = key or self.bound
        claims = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": url,
            "iat": self.now,
            "nonce": self.nonce or None,
            "ath": half(hashlib.sha256(token.encode()).digest()) if token else None,
            **changes,
        }
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": used.as_dict(private=False), **(header or {})}
        head["jwk"] = {k: v for k, v in (head["jwk"] or {}).items() if k != "kid"} or None
        given = {name: value for name, value in claims.items() if value is not None}
        head = {name: value for name, value in head.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        return jwt.encode(head, given, used, registry=registry)

    @property
    def thumbprint(self) -> str:
        """The thumbprint of the key that tokens are bound to (RFC 7638)."""
        return str(self.bound.thumbprint())

    def proven(self, form: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Return a form with what authenticates the client in it; `assertion=None` leaves that out."""
        proved = {"client_id": self.client_id}
        if self.variant.by_key:
            made = how["assertion"] if "assertion" in how else self.assertion()
            if made is not None:
                proved |= {"client_assertion_type": ASSERTION, "client_assertion": made}
        return {name: value for name, value in {**proved, **form}.items() if value is not None}

    def headers(self) -> dict[str, str]:
        """Return the header in which the proxy before the service says what certificate the client showed."""
        if self.certificate is None:
            return {}
        return {"Client-Cert": f":{base64.b64encode(self.certificate.der).decode()}:"}

    def post(
        self,
        web: TestClient,
        url: str,
        form: dict[str, Any],
        *,
        proof: dict[str, Any] | None = None,
        **how: Any,
    ) -> Any:
        """Post a form as the client authenticates, with a proof where `proof` says how; again where a nonce is wanted."""
        for _ in range(RESENDS):
            headers = self.headers() | how.get("headers", {})
            if proof is not None:
                headers["DPoP"] = self.proof("POST", url, **proof)
            response = web.post(url, data=self.proven(form, **how), headers=headers)
            if not self._wants_nonce(response):
                break
        return response

    def get(self, web: TestClient, url: str, token: str, *, scheme: str = "", **proof: Any) -> Any:
        """Get a resource with a token that is bound as the variant has it."""
        for _ in range(RESENDS):
            kind = scheme or ("DPoP" if self.variant.dpop else "Bearer")
            headers = self.headers() | {"Authorization": f"{kind} {token}"}
            if self.variant.dpop:
                headers["DPoP"] = self.proof("GET", url, token=token, **proof)
            response = web.get(url, headers=headers)
            if not self._wants_nonce(response):
                break
        return response

    def _wants_nonce(self, response: Any) -> bool:
        said = response.headers.get("dpop-nonce", "")
        self.nonce = said or self.nonce
        wanted = "use_dpop_nonce" in (response.headers.get("www-authenticate", "") + response.text)
        return bool(said) and wanted and response.status_code in (400, 401)


def half(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
