"""Which models of authenticators are proven ones: trusted roots from PEM, or from the FIDO Metadata Service's file."""

import base64
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from webauthn.helpers.structs import AttestationObject

from core import clock
from core.settings import Settings

NONE, FOR_HIGH, FOR_ALL = "none", "high", "all"
PEM_MARK: Final = b"-----BEGIN CERTIFICATE-----"
BLOB_ALGORITHMS: Final = ["ES256", "RS256"]
LONGEST_CHAIN = 8
# States of a model in which nothing it says can be relied on (FIDO Metadata Service 3.0, section 3.1.4).
COMPROMISED: Final = frozenset(
    {
        "REVOKED",
        "ATTESTATION_KEY_COMPROMISE",
        "USER_KEY_PHYSICAL_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_VERIFICATION_BYPASS",
    }
)
AAGUID_EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
LONGEST_BLOB = 64 * 1024 * 1024
_BAD = (ValueError, TypeError, KeyError, AttributeError, RecursionError, JoseError)


class _Long(jws.JWSRegistry):
    """The lengths of a metadata file: a chain in its header, and megabytes of models."""

    max_header_length = 64 * 1024
    max_payload_length = LONGEST_BLOB


class UnreadableRoots(Exception):
    """The file of trusted roots cannot be used; the text says why, for the operator."""


@dataclass(frozen=True)
class Trusted:
    """Roots that are trusted for every model (`roots`), or for one (`models`, by AAGUID); `allowed` narrows models."""

    roots: tuple[x509.Certificate, ...] = ()
    models: Mapping[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()

    def of(self, aaguid: str) -> tuple[x509.Certificate, ...]:
        """Return the roots that a model's statement may end at; none if the model is not allowed."""
        if self.allowed and aaguid not in self.allowed:
            return ()
        return self.roots + self.models.get(aaguid, ())


@functools.lru_cache(maxsize=16)
def trusted(settings: Settings) -> Trusted:
    """Return what the settings trust, read once for each process; raises UnreadableRoots."""
    allowed = frozenset(one.lower() for one in settings.passkey_models)
    if settings.passkey_attestation == NONE:
        return Trusted()
    if settings.passkey_roots is None:
        raise UnreadableRoots("ERTI_PASSKEY_ROOTS is empty, so no passkey could be proven")
    authority = _file(settings.passkey_metadata_root) if settings.passkey_metadata_root else b""
    found = read(_file(settings.passkey_roots), authority=authority)
    return Trusted(found.roots, found.models, allowed)


def read(content: bytes, *, authority: bytes = b"") -> Trusted:
    """Return the roots of a file: PEM certificates, a metadata BLOB as it is downloaded, or its payload as JSON.

    A BLOB has to be signed under `authority` (PEM), whose chain stands in its header (FIDO Metadata Service 3.0,
    section 3.2); plain JSON is as trusted as the file is. Raises UnreadableRoots.
    """
    try:
        if PEM_MARK in content:
            return Trusted(roots=tuple(x509.load_pem_x509_certificates(content)))
        text = content.strip()
        document = json.loads(text) if text.startswith(b"{") else _opened(text, authority)
        entries = document["entries"]
        models = {str(one["aaguid"]).lower(): _roots(one) for one in entries if "aaguid" in one}
    except UnreadableRoots:
        raise
    except _BAD as error:
        raise UnreadableRoots(f"neither PEM nor FIDO metadata: {type(error).__name__}") from error
    if not any(models.values()):
        raise UnreadableRoots("the metadata names no trusted model")
    return Trusted(models=models)


def proven(trust: Trusted, attested: AttestationObject, aaguid: str) -> bool:
    """Tell whether an attestation statement, whose signature was checked, proves the model (WebAuthn 7.1, 22 to 24).

    Establishes: 1. it holds certificates (self attestation proves nothing); 2. where the first names a model, it is
    the one stated (8.2.1); 3. each is valid now and issued by the next, which may issue; 4. the last is, or was issued
    by, a root that is trusted for this model.
    """
    chain = getattr(attested.att_stmt, "x5c", None) or []
    try:
        certificates = [x509.load_der_x509_certificate(bytes(one)) for one in chain[:LONGEST_CHAIN]]
        return (
            bool(certificates) and _names(certificates[0], aaguid) and _leads(certificates, trust.of(aaguid))
        )
    except _BAD:
        return False


def _names(certificate: x509.Certificate, aaguid: str) -> bool:
    try:
        value = certificate.extensions.get_extension_for_oid(AAGUID_EXTENSION).value
    except x509.ExtensionNotFound:
        return True
    stated = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
    return stated[-16:].hex() == aaguid.replace("-", "")  # an OCTET STRING of 16 bytes


def _leads(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    at = clock.now()
    if not all(one.not_valid_before_utc <= at <= one.not_valid_after_utc for one in chain):
        return False
    if not all(_issued(child, parent) for child, parent in pairwise(chain)):
        return False
    return any(chain[-1] == root or _issued(chain[-1], root) for root in roots)


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
        return bool(parent.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (InvalidSignature, x509.ExtensionNotFound, ValueError, TypeError):
        return False


def _opened(blob: bytes, authority: bytes) -> dict[str, Any]:
    if not authority:
        raise UnreadableRoots("ERTI_PASSKEY_METADATA_ROOT is empty, so nobody vouches for the metadata")
    given = json.loads(base64.urlsafe_b64decode(blob.split(b".")[0] + b"=="))
    chain = [x509.load_der_x509_certificate(base64.b64decode(one)) for one in given["x5c"][:LONGEST_CHAIN]]
    if not _leads(chain, x509.load_pem_x509_certificates(authority)):
        raise UnreadableRoots("the metadata is not signed under ERTI_PASSKEY_METADATA_ROOT")
    pem = chain[0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key: ECKey | RSAKey = ECKey.import_key(pem) if given["alg"] == "ES256" else RSAKey.import_key(pem)
    document = json.loads(
        jws.deserialize_compact(blob, key, registry=_Long(algorithms=BLOB_ALGORITHMS)).payload
    )
    if not isinstance(document, dict):
        raise TypeError("the payload is not an object")
    return document


def _roots(entry: Mapping[str, Any]) -> tuple[x509.Certificate, ...]:
    """Return the roots of one model; none if one of its reports says that it is compromised."""
    if COMPROMISED & {str(report.get("status")) for report in entry.get("statusReports", [])}:
        return ()
    texts = entry["metadataStatement"]["attestationRootCertificates"]
    return tuple(x509.load_der_x509_certificate(base64.b64decode(text)) for text in texts)


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableRoots(f"{path}: {error.strerror}") from error
