"""A passkey in software (WebAuthn level 3, ES256), honest unless a test tells it to lie."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
Options = str | dict[str, Any]


def b64(data: bytes) -> str:
    """Return bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Undo `b64`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """One passkey the authenticator holds."""

    id: bytes
    key: ec.EllipticCurvePrivateKey
    rp_id: str
    user_handle: bytes
    sign_count: int = 0


@dataclass
class Maker:
    """Who made an authenticator: a model number, and a certificate chain (DER, the first one's key) to vouch with."""

    aaguid: bytes
    key: ec.EllipticCurvePrivateKey
    chain: list[bytes]

    def vouch(self, data: bytes) -> dict[str, Any]:
        """Return an attestation statement in the packed format (WebAuthn level 3, 8.2)."""
        return {"alg": -7, "sig": self.key.sign(data, ec.ECDSA(SHA256())), "x5c": self.chain}


@dataclass
class Authenticator:
    """A device with a browser at `origin`. `device_bound` passkeys cannot be copied; `counts` keeps a signature counter.

    `flags` are what a lying one says in place of the true ones.
    """

    origin: str
    device_bound: bool = True
    verifies_user: bool = True
    counts: bool = True
    maker: "Maker | None" = None
    flags: int | None = None
    credentials: list[Credential] = field(default_factory=list)

    def create(
        self,
        options: Options,
        *,
        origin: str = "",
        rp_id: str = "",
        cross_origin: bool = False,
        **client: Any,
    ) -> str:
        """Answer `navigator.credentials.create` as JSON. Arguments replace what an honest browser would say."""
        wanted = _options(options)
        credential = Credential(
            secrets.token_bytes(32),
            ec.generate_private_key(ec.SECP256R1()),
            rp_id or wanted["rp"]["id"],
            unb64(wanted["user"]["id"]),
        )
        self.credentials.append(credential)
        aaguid = self.maker.aaguid if self.maker else bytes(16)
        attested = aaguid + len(credential.id).to_bytes(2, "big") + credential.id + _cose(credential.key)
        said = self._client("webauthn.create", wanted, origin, cross_origin=cross_origin, **client)
        data = self._data(credential, AT) + attested
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
        if self.maker:
            statement = self.maker.vouch(data + hashlib.sha256(said).digest())
            attestation |= {"fmt": "packed", "attStmt": statement}
        response = {
            "clientDataJSON": b64(said),
            "attestationObject": b64(cbor2.dumps(attestation)),
            "transports": ["internal"],
        }
        return _answer(credential, response)

    def get(
        self,
        options: Options,
        *,
        origin: str = "",
        rp_id: str = "",
        user_handle: bytes | None = None,
        cross_origin: bool = False,
        **client: Any,
    ) -> str:
        """Answer `navigator.credentials.get` with the newest passkey, as JSON."""
        wanted, credential = _options(options), self.credentials[-1]
        credential.sign_count += self.counts
        data = self._data(credential, 0, rp_id=rp_id)
        said = self._client("webauthn.get", wanted, origin, cross_origin=cross_origin, **client)
        signature = credential.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        handle = credential.user_handle if user_handle is None else user_handle
        response = {
            "clientDataJSON": b64(said),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": b64(handle),
        }
        return _answer(credential, response)

    def _client(
        self, kind: str, wanted: dict[str, Any], origin: str, *, cross_origin: bool, **client: Any
    ) -> bytes:
        said = {
            "type": kind,
            "challenge": wanted["challenge"],
            "origin": origin or self.origin,
            "crossOrigin": cross_origin,
            **client,
        }
        return json.dumps(said).encode()

    def _data(self, credential: Credential, flags: int, *, rp_id: str = "") -> bytes:
        if self.flags is not None:
            flags |= self.flags
        else:
            flags |= UP | (UV if self.verifies_user else 0) | (0 if self.device_bound else BE | BS)
        rp_hash = hashlib.sha256((rp_id or credential.rp_id).encode()).digest()
        return rp_hash + bytes([flags]) + credential.sign_count.to_bytes(4, "big")


def _options(options: Options) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(options) if isinstance(options, str) else options
    return found


def _answer(credential: Credential, response: dict[str, Any]) -> str:
    content = {
        "id": b64(credential.id),
        "rawId": b64(credential.id),
        "type": "public-key",
        "response": response,
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
    }
    return json.dumps(content)


def _cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as COSE_Key (RFC 9053, section 7.1.1)."""
    numbers = key.public_key().public_numbers()
    return cbor2.dumps(
        {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    )
