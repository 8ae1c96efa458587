"""Signed tokens: made and checked in one place, with type, algorithm and audience always stated."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from keys.errors import BadToken
from keys.ring import SIGNING_KEYS_SECONDS, Keyring
from keys.tables import signing_key

TOKEN_LIMIT = 16_384
LEEWAY_SECONDS = 5


@dataclass(frozen=True)
class _Loaded:
    active: dict[str, ECKey | RSAKey]  # alg -> private key
    known: dict[str, ECKey | RSAKey]  # kid -> public key, until it is retired
    published: list[dict[str, Any]]


def sign(db: Session, claims: dict[str, Any], *, typ: str, alg: str = "ES256") -> str:
    """Return a JWT in compact form, signed by the active key of `alg` (RFC 7519; RFC 7515, section 7.1).

    `typ` goes into the header, so that a token of one kind is never taken for another (RFC 8725, 3.11).
    """
    key = loaded(db).active[alg]
    return jwt.encode({"alg": alg, "typ": typ, "kid": key.kid}, claims, key, algorithms=[alg])


def verify(
    db: Session,
    token: str,
    *,
    typ: str,
    audience: str | None = None,
    algs: Sequence[str] = ("ES256", "RS256"),
    expired_ok: bool = False,
) -> dict[str, Any]:
    """Return the claims of one of our own tokens. It establishes, in this order (RFC 7519, 7.2; RFC 8725):

    (1) the token is of sane length and its header says `typ` and an algorithm of `algs`;
    (2) the key is one of ours, named by `kid`, made for that algorithm and not retired;
    (3) the signature is right;
    (4) the issuer is this service and the audience, if asked for, is the one named;
    (5) it has an expiry, which has not passed (unless `expired_ok`), and was not issued in the future.

    Raises BadToken. The caller owes the look-up whether the token was revoked.
    """
    if len(token) > TOKEN_LIMIT:
        raise BadToken(detail="too long")
    try:
        header = jws.extract_compact(token.encode()).headers()
        alg = header.get("alg")
        if header.get("typ") != typ or alg not in algs:  # (1)
            raise BadToken(detail="typ or alg")
        key = loaded(db).known.get(str(header.get("kid")))
        if key is None or key.alg != alg:  # (2)
            raise BadToken(detail="key")
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[str(alg)]).claims  # (3)
    except (JoseError, ValueError) as error:
        raise BadToken(detail=type(error).__name__) from error
    if claims.get("iss") != parts(db).settings.issuer:  # (4)
        raise BadToken(detail="issuer")
    if audience is not None and audience not in _audiences(claims):
        raise BadToken(detail="audience")
    at = clock.seconds(clock.now())
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int) or not isinstance(issued, int) or issued > at + LEEWAY_SECONDS:  # (5)
        raise BadToken(detail="times")
    if expires < at - LEEWAY_SECONDS and not expired_ok:
        raise BadToken(detail="expired")
    return claims


def loaded(db: Session) -> _Loaded:
    """Return the signing keys, read again once a second so that a rotation reaches every process."""
    ring: Keyring = parts(db).keys
    until, held = ring.signing
    if held is not None and time.monotonic() < until:
        return held  # type: ignore[no-any-return]
    fresh = _load(db, ring, held)
    ring.signing = (time.monotonic() + SIGNING_KEYS_SECONDS, fresh)
    return fresh


def _load(db: Session, ring: Keyring, held: _Loaded | None) -> _Loaded:
    rows = db.execute(
        select(signing_key).where(signing_key.c.state != "retired").order_by(signing_key.c.created_at)
    ).all()
    before = {key.kid: key for key in held.active.values()} if held else {}
    active, known, published = {}, {}, []
    for row in rows:
        kind = ECKey if row.alg == "ES256" else RSAKey
        known[row.kid] = kind.import_key(row.public)
        published.append(row.public)
        if row.state == "active":
            active[row.alg] = before.get(row.kid) or kind.import_key(
                ring.custody.unwrap(row.epoch, row.wrapped, row.kid.encode()),
                {"kid": row.kid, "alg": row.alg, "use": "sig"},
            )
    return _Loaded(active, known, published)


def _audiences(claims: dict[str, Any]) -> list[str]:
    found = claims.get("aud", [])
    return found if isinstance(found, list) else [found]
