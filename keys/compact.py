"""Compact JOSE texts (RFC 7515, RFC 7516): taken apart within limits before a key is touched."""

import base64
import hmac
import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keys.errors import BadToken

TOKEN_LIMIT: Final = 16_384  # characters of a whole token
HEADER_LIMIT: Final = 4_096  # characters of its header, which may carry a certificate that nobody looks at
SIGNED_PARTS: Final = 3
ENCRYPTED_PARTS: Final = 5
_PART = re.compile(r"[A-Za-z0-9_-]*")

Key = ECKey | OKPKey | RSAKey


@dataclass(frozen=True)
class Signed:
    """A JWS in its parts. Nothing in it is to be believed until `holds` said so."""

    header: dict[str, Any]
    payload: bytes
    signature: bytes
    covered: bytes  # what the signature is over

    @property
    def alg(self) -> str:
        """The algorithm that the header names."""
        return str(self.header["alg"])

    @property
    def kid(self) -> str:
        """The ID of the key that the header names, or nothing."""
        return str(self.header.get("kid", ""))

    def claims(self) -> dict[str, Any]:
        """Return the payload as claims (RFC 7519, 7.2); raises BadToken."""
        return members(self.payload)


def signed(token: str, *, limit: int = TOKEN_LIMIT) -> Signed:
    """Take a JWS in compact form apart (RFC 7515, section 7.1), believing nothing in it. It establishes:

    (1) the whole and its header are of sane length, before anything is decoded;
    (2) it has three parts in base64url without padding or other characters;
    (3) the header is an object without repeated members, with text for `alg` and, if they are there, `kid` and `typ`;
    (4) it asks for no extension (`crit`), as none is understood here (RFC 7515, 4.1.11).

    Key material in the header (`jwk`, `jku`, `x5c`, `x5u`) is left unread. Raises BadToken.
    """
    parts = _parts(token, SIGNED_PARTS, limit)
    return Signed(
        header=_header(parts[0]),
        payload=decoded(parts[1]),
        signature=decoded(parts[2]),
        covered=f"{parts[0]}.{parts[1]}".encode(),
    )


def encrypted_header(token: str, *, limit: int) -> dict[str, Any]:
    """Return the header of a JWE in compact form (RFC 7516, section 7.1), under the same conditions as `signed`.

    Compression is refused as well: a small text may unpack to a huge one (RFC 8725, 3.6). Raises BadToken.
    """
    header = _header(_parts(token, ENCRYPTED_PARTS, limit)[0])
    if "zip" in header or not isinstance(header.get("enc"), str):
        raise BadToken(detail="zip or enc")
    return header


def holds(given: Signed, key: Key, *, algs: Collection[str]) -> bool:
    """Tell whether the signature is right by this key and an algorithm of `algs`, which never comes from elsewhere.

    An algorithm takes its own kind of key only: no public key is ever the secret of an HMAC (RFC 8725, 3.1).
    """
    if given.alg not in algs or given.alg == "none":
        return False
    model = _model(given.alg)
    try:
        model.check_key(key)
        return bool(model.verify(given.covered, given.signature, key))
    except (JoseError, ValueError, TypeError):
        return False


def holds_by_secret(given: Signed, secret: str) -> bool:
    """Tell whether the signature is HS256 by a secret that two know (RFC 7518, section 3.2). An empty one is nobody's."""
    right = hmac.digest(secret.encode(), given.covered, "sha256")
    return bool(secret) and given.alg == "HS256" and hmac.compare_digest(right, given.signature)


def sign(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    """Return a JWS in compact form over claims, with this header and its `alg`."""
    covered = ".".join(encoded(_json(part)) for part in (header, claims))
    model = _model(header["alg"])
    model.check_key(key)
    return f"{covered}.{encoded(model.sign(covered.encode(), key))}"


def members(text: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; raises BadToken for anything else, repeated members included."""
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadToken(detail="not JSON") from error
    if not isinstance(found, dict):
        raise BadToken(detail="not an object")
    return found


def encoded(content: bytes) -> str:
    """Return base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """Undo `encoded`; raises BadToken."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError as error:  # a length that no bytes have
        raise BadToken(detail="base64url") from error


def _parts(token: str, count: int, limit: int) -> list[str]:
    if len(token) > limit:  # (1)
        raise BadToken(detail="too long")
    parts = token.split(".", count)
    if len(parts) != count or len(parts[0]) > HEADER_LIMIT or not all(map(_PART.fullmatch, parts)):  # (2)
        raise BadToken(detail="form")
    return parts


def _header(part: str) -> dict[str, Any]:
    header = members(decoded(part))
    texts = [header.get("alg"), header.get("kid", ""), header.get("typ", "")]
    if not all(isinstance(text, str) for text in texts) or not header["alg"]:  # (3)
        raise BadToken(detail="header")
    if "crit" in header or "b64" in header:  # (4)
        raise BadToken(detail="extension")
    return header


def _model(alg: str) -> Any:
    # EdDSA of RFC 8037 may be Ed25519 or Ed448; here it is always the first, which RFC 9864 names.
    return jws.JWSRegistry.algorithms["Ed25519" if alg == "EdDSA" else alg]


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is repeated")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("beyond all numbers")
    return number
