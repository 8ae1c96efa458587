"""Which registries are believed: their keys, and what a message must show before anything in it counts."""

import base64
import binascii
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from core import clock
from core.language import _
from core.settings import Settings
from registry_sync.errors import MessageRefused
from registry_sync.wire import messages
from registry_sync.wire.messages import Message

TYPE = "secevent+jwt"
ALGORITHMS = ("ES256", "ES384", "Ed25519", "PS256", "RS256")
TOKEN_LIMIT = 64 * 1024
LEEWAY_SECONDS = 60
SPEAKS = {"civil": frozenset(messages.KINDS)}  # which events each source may announce
_KINDS: dict[str, type[ECKey] | type[RSAKey] | type[OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_MADE_FOR = {"P-256": ("ES256",), "P-384": ("ES384",), "Ed25519": ("Ed25519",), "": ("PS256", "RS256")}

Key = ECKey | RSAKey | OKPKey


@dataclass(frozen=True)
class Trusted:
    """One registry's public key: whose it is, for which source it speaks, and for which algorithms it is made."""

    issuer: str
    source: str
    kid: str
    key: Key
    algorithms: tuple[str, ...]


def verify(settings: Settings, token: bytes) -> Message:
    """Return the message in a Security Event Token. It establishes, in this order (RFC 8417; RFC 8725):

    (1) it is a compact JWS of sane length whose header says `secevent+jwt` (RFC 8417, 2.3), names
        one of ALGORITHMS and relies on no extension;
    (2) the issuer is a registry that is trusted here, and `kid` names a key of it made for that algorithm;
    (3) the signature is right;
    (4) the audience is this service;
    (5) it has a `jti`, was not issued in the future, has not expired, and announces exactly one event;
    (6) the registry may announce such events.

    Raises MessageRefused with the code of RFC 8935, section 2.4. The caller owes dropping repeats.
    """
    text, header, claims = _parts(token)
    if header.get("typ") not in (TYPE, f"application/{TYPE}"):  # (1)
        raise MessageRefused("invalid_request", _("The token's type is not secevent+jwt."))
    if "crit" in header:
        raise MessageRefused("invalid_request", _("The token relies on an extension that is not known here."))
    if header.get("alg") not in ALGORITHMS:
        raise MessageRefused("invalid_key", _("The signature algorithm is not accepted."))
    trusted = _key(settings, claims.get("iss"), header)  # (2)
    try:
        jws.deserialize_compact(text, trusted.key, algorithms=[header["alg"]])  # (3)
    except (JoseError, ValueError) as error:
        raise MessageRefused("authentication_failed", _("The signature is not right.")) from error
    audience = claims.get("aud")
    if settings.issuer not in (audience if isinstance(audience, list) else [audience]):  # (4)
        raise MessageRefused("invalid_audience", _("The message is not addressed to this service."))
    _check_claims(claims)  # (5)
    message = messages.message(claims, source=trusted.source, token=text)
    if message.kind and message.kind not in SPEAKS.get(trusted.source, ()):  # (6)
        raise MessageRefused("access_denied", _("This registry may not announce such events."))
    return message


def reread(token: bytes, source: str) -> Message:
    """Return the message in a token that was verified when it came and has been sealed since."""
    text, _header, claims = _parts(token)
    return messages.message(claims, source=source, token=text)


def keys(path: Path | None) -> tuple[Trusted, ...]:
    """Return the trusted keys of a JWKS file; each key names its registry in `iss`, and its `source` if another.

    The file is read again when it changes. Raises ValueError for a file that holds a private key, a
    shared secret or a key without `kid` or `iss`.
    """
    return _load(path, path.stat().st_mtime_ns) if path and path.exists() else ()


@functools.lru_cache(maxsize=8)
def _load(path: Path, _changed: int) -> tuple[Trusted, ...]:
    return tuple(_trusted(jwk) for jwk in json.loads(path.read_text("utf-8"))["keys"])


def _trusted(jwk: dict[str, Any]) -> Trusted:
    if "d" in jwk or "k" in jwk:
        raise ValueError("a registry's key file must hold public keys only")
    if jwk.get("kty") not in _KINDS or not jwk.get("kid") or not jwk.get("iss"):
        raise ValueError("a registry's key needs kty EC, RSA or OKP, a kid, and its registry in iss")
    possible = _MADE_FOR.get(jwk.get("crv", ""), ())
    algorithms = tuple(alg for alg in possible if jwk.get("alg", alg) in (alg, "EdDSA"))
    plain = {name: value for name, value in jwk.items() if name not in ("iss", "source", "alg")}
    return Trusted(
        jwk["iss"],
        jwk.get("source", jwk["iss"]),
        jwk["kid"],
        _KINDS[jwk["kty"]].import_key(plain),
        algorithms,
    )


def _key(settings: Settings, issuer: object, header: dict[str, Any]) -> Trusted:
    theirs = [key for key in keys(settings.registry_keys) if key.issuer == issuer]
    if not theirs:
        raise MessageRefused("invalid_issuer", _("The issuer is not a registry known here."))
    for key in theirs:
        if key.kid == header.get("kid") and header["alg"] in key.algorithms:
            return key
    raise MessageRefused("invalid_key", _("The key is not one that this registry has registered."))


def _parts(token: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
    pieces = token.strip().split(b".")
    try:
        if len(token) > TOKEN_LIMIT or len(pieces) != 3:
            raise ValueError("not a compact JWS")
        header, claims = (
            msgspec.json.decode(
                base64.urlsafe_b64decode(piece + b"=" * (-len(piece) % 4)), type=dict[str, Any]
            )
            for piece in pieces[:2]
        )
        return token.strip().decode("ascii"), header, claims
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise MessageRefused("invalid_request", _("The body is not a Security Event Token.")) from error


def _check_claims(claims: dict[str, Any]) -> None:
    latest = clock.seconds(clock.now()) + LEEWAY_SECONDS
    issued, happened, expires = claims.get("iat"), claims.get("toe", 0), claims.get("exp", latest)
    jti, events = claims.get("jti"), claims.get("events")
    if not _is_moment(issued, latest) or not _is_moment(happened, latest):
        raise MessageRefused("invalid_request", _("`iat` or `toe` is missing, not a time, or still to come."))
    if not isinstance(expires, int | float) or expires < latest - 2 * LEEWAY_SECONDS:
        raise MessageRefused("invalid_request", _("The message has expired."))
    if not isinstance(jti, str) or not 0 < len(jti) <= 255 or not jti.isprintable():
        raise MessageRefused("invalid_request", _("`jti` is missing or too long."))
    if not isinstance(events, dict) or len(events) != 1 or not isinstance(next(iter(events.values())), dict):
        raise MessageRefused("invalid_request", _("`events` must hold exactly one event."))


def _is_moment(value: object, latest: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= latest
