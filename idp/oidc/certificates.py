"""Client certificates: whether one proves which client calls (RFC 8705, section 2)."""

import base64
import ipaddress
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

from core import clock
from idp.oidc import names

SUBJECT: Final = "tls_client_auth_subject_dn"
DNS: Final = "tls_client_auth_san_dns"
URI: Final = "tls_client_auth_san_uri"
IP: Final = "tls_client_auth_san_ip"
EMAIL: Final = "tls_client_auth_san_email"
EXPECTATIONS: Final = (SUBJECT, DNS, URI, IP, EMAIL)
SMALLEST_RSA: Final = 2048
LONGEST: Final = 16 * 1024


class CertificateRefused(Exception):
    """A certificate does not prove what it should; the text says why, for the log."""


def verify_vouched_for(der: bytes, expected: Mapping[str, str], authorities: Path | None) -> None:
    """Check a certificate that an authority vouches for (RFC 8705, 2.1). It establishes:

    (1) it can be read, and its key is strong enough;
    (2) a chain leads from it to one of the authorities, by name and signature; each of the chain is valid
        now, those above may sign certificates and it may not, and it may be shown by clients (RFC 5280, 6);
    (3) of the five members that name a client's subject exactly one is registered;
    (4) the certificate holds that very name.

    Whether its key is held by who shows it is TLS's to establish. Raises CertificateRefused.
    """
    if authorities is None:
        raise CertificateRefused("no authorities are known")
    certificate = _read(der)
    try:
        _verifier(authorities).verify(certificate, [])
    except (verification.VerificationError, ValueError) as error:
        raise CertificateRefused(f"not vouched for: {error}") from error
    given = [(name, expected[name]) for name in EXPECTATIONS if expected.get(name)]
    if len(given) != 1:
        raise CertificateRefused("not exactly one expected name is registered")
    if not _named(certificate, *given[0]):
        raise CertificateRefused("another name")


def verify_registered(der: bytes, own: Collection[bytes]) -> None:
    """Check a certificate that nobody vouches for (RFC 8705, 2.2). It establishes:

    (1) it can be read, and its key is strong enough;
    (2) it is valid now;
    (3) it is, bit for bit, one of the client's own.

    Raises CertificateRefused.
    """
    certificate = _read(der)
    if not certificate.not_valid_before_utc <= clock.now() <= certificate.not_valid_after_utc:
        raise CertificateRefused("not valid now")
    if der not in own:
        raise CertificateRefused("not registered")


def registered(jwks: Mapping[str, Any]) -> list[bytes]:
    """Return the certificates (DER) in a set of keys."""
    keys = jwks.get("keys")
    found = [of_key(key) for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []
    return [one for one in found if one]


def of_key(jwk: Mapping[str, Any]) -> bytes:
    """Return the certificate (DER) of a key, the first of its `x5c` (RFC 7517, 4.7); empty if none can be read."""
    chain = jwk.get("x5c")
    first = chain[0] if isinstance(chain, list) and chain else None
    if not isinstance(first, str) or len(first) > LONGEST:
        return b""
    try:
        return _read(base64.b64decode(first, validate=True)).public_bytes(Encoding.DER)
    except (ValueError, CertificateRefused):
        return b""


def can_be_expected(name: str, value: str) -> bool:
    """Tell whether a registered name is one that a certificate can hold: no pattern, and readable."""
    try:
        match name:
            case "tls_client_auth_subject_dn":
                names.parse(value)
            case "tls_client_auth_san_ip":
                ipaddress.ip_address(value)
                return "%" not in value
            case "tls_client_auth_san_dns":
                return value.isascii() and value.isprintable() and not set(value) & set("* /:@")
            case "tls_client_auth_san_email":
                return value.isascii() and value.isprintable() and value.count("@") == 1
            case _:
                return value.isascii() and value.isprintable() and ":" in value
    except ValueError:
        return False
    return True


def readable(authorities: Path) -> bool:
    """Tell whether a file holds certificates of authorities."""
    try:
        _verifier(authorities)
    except CertificateRefused:
        return False
    return True


def _read(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CertificateRefused("not a certificate") from error
    strong = isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA
    )
    if not strong:
        raise CertificateRefused("a weak key")
    return certificate


def _named(certificate: x509.Certificate, name: str, value: str) -> bool:
    try:
        if name == SUBJECT:
            return names.of(certificate.subject) == names.parse(value)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    match name:
        case "tls_client_auth_san_dns":
            return value.lower() in {one.lower() for one in held.get_values_for_type(x509.DNSName)}
        case "tls_client_auth_san_uri":
            return value in held.get_values_for_type(x509.UniformResourceIdentifier)
        case "tls_client_auth_san_ip":
            return can_be_expected(name, value) and ipaddress.ip_address(value) in held.get_values_for_type(
                x509.IPAddress
            )
        case _:
            return _mailbox(value) in {_mailbox(one) for one in held.get_values_for_type(x509.RFC822Name)}


def _mailbox(address: str) -> tuple[str, str]:
    """The local part counts as it is written, the host without its case (RFC 5280, 7.5)."""
    local, _at, host = address.rpartition("@")
    return local, host.lower()


def _verifier(authorities: Path) -> verification.ClientVerifier:
    store = _store(authorities, _stamp(authorities))
    builder = PolicyBuilder().store(store).time(clock.now())
    return builder.extension_policies(
        ca_policy=_OF_AUTHORITIES, ee_policy=_OF_CLIENTS
    ).build_client_verifier()


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise CertificateRefused("the authorities cannot be read") from error
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=4)
def _store(path: Path, _stamp: tuple[int, int, int]) -> Store:
    try:
        return Store(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise CertificateRefused("the authorities cannot be read") from error


def _signs(_policy: Any, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an authority whose key may not sign certificates")


def _optional(policy: ExtensionPolicy, *kinds: type[x509.ExtensionType]) -> ExtensionPolicy:
    for kind in kinds:
        policy = policy.may_be_present(kind, Criticality.AGNOSTIC, None)
    return policy


# The web's rules, less what it wants of names and identifiers: an office's own authority may be made with openssl.
_OF_AUTHORITIES = _optional(
    ExtensionPolicy.webpki_defaults_ca(), x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier
).may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
_OF_CLIENTS = _optional(
    ExtensionPolicy.webpki_defaults_ee(), x509.SubjectAlternativeName, x509.AuthorityKeyIdentifier
)
