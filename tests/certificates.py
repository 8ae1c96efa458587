"""Certificates of every kind, sound and unsound, and the keys they are for."""

import base64
import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc.jwk import ECKey, RSAKey

from core import clock

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key in PEM, not sealed."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a JWK with the certificate in it (RFC 7517, 4.7)."""
        public = self.certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        kind = ECKey if isinstance(self.key, ec.EllipticCurvePrivateKey) else RSAKey
        key = kind.import_key(public)
        return {
            **key.as_dict(private=False),
            "kid": key.thumbprint(),
            "x5c": [base64.b64encode(self.der).decode()],
        }

    def files(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both as files; return their paths."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(self.pem)
        key.write_text(self.key_pem)
        return certificate, key


def subject(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """A name whose parts stand in the order given, one attribute each."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def common(name: str) -> x509.Name:
    """A name of one common name."""
    return subject((NameOID.COMMON_NAME, name))


def authority(name: str = "Erti test authority", *, issuer: Made | None = None) -> Made:
    """An authority: a root, or one below `issuer`."""
    return make(common(name), issuer=issuer, ca=True)


def make(
    name: x509.Name | str,
    *,
    issuer: Made | None = None,
    ca: bool = False,
    names: tuple[x509.GeneralName, ...] = (),
    usages: tuple[x509.ObjectIdentifier, ...] = (),
    days: tuple[float, float] = (-1, 2),
    key: Key | None = None,
) -> Made:
    """A certificate from `days[0]` until `days[1]` from now, signed by `issuer` or by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    held = common(name) if isinstance(name, str) else name
    now = clock.now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(held)
        .issuer_name(issuer.certificate.subject if issuer else held)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    if ca:
        builder = builder.add_extension(_signs_certificates(), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _signs_certificates() -> x509.KeyUsage:
    usage: dict[str, Any] = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage)
