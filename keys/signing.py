"""Signed tokens: made and checked in one place, with type, algorithm and audience always stated."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from keys import compact
from keys.errors import BadToken
from keys.ring import SIGNING_KEYS_SECONDS, Keyring
from keys.tables import signing_key

ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA")
LEEWAY_SECONDS = 5
_KINDS: Final[dict[str, Any]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}

PrivateKey = ECKey | OKPKey | RSAKey


@dataclass(frozen=True)
class Loaded:
    """The keys that are not retired. `active` leads from an algorithm to a key ID, `known` from that to a public key.

    Private keys are opened when they are first needed, as opening one costs more than using it.
    """

    active: dict[str, str]
    known: dict[str, PrivateKey]
    published: list[dict[str, Any]]
    algs: dict[str, str]
    rows: dict[str, Row[Any]]
    opened: dict[str, PrivateKey] = field(default_factory=dict)

    def private(self, ring: Keyring, kid: str) -> PrivateKey:
        """Return a private key by its ID."""
        if kid not in self.opened:
            row = self.rows[kid]
            pem = ring.custody.unwrap(row.epoch, row.wrapped, kid.encode())
            self.opened[kid] = _KINDS[row.public["kty"]].import_key(
                pem, {"kid": kid, "use": row.public["use"]}
            )
        return self.opened[kid]


def sign(db: Session, claims: dict[str, Any], *, typ: str, alg: str = "ES256") -> str:
    """Return a JWT in compact form, signed by the active key of `alg` (RFC 7519; RFC 7515, section 7.1).

    `typ` goes into the header, so that a token of one kind is never taken for another (RFC 8725, 3.11). Each
    algorithm has a key of its own, also where two could use the same one (RFC 8725, 3.1; the key's `alg` says which).
    """
    found = loaded(db)
    kid = found.active[alg]
    return compact.sign({"alg": alg, "typ": typ, "kid": kid}, claims, found.private(parts(db).keys, kid))


def verify(
    db: Session,
    token: str,
    *,
    typ: str,
    audience: str | None = None,
    algs: Sequence[str] = ALGORITHMS,
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
    given = compact.signed(token)
    if given.header.get("typ") != typ or given.alg not in algs:  # (1)
        raise BadToken(detail="typ or alg")
    held = loaded(db)
    key = held.known.get(given.kid)
    if key is None or held.algs[given.kid] != given.alg:  # (2)
        raise BadToken(detail="key")
    if not compact.holds(given, key, algs=algs):  # (3)
        raise BadToken(detail="signature")
    claims = given.claims()
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


def loaded(db: Session) -> Loaded:
    """Return the keys, read again once a second so that a rotation reaches every process."""
    ring: Keyring = parts(db).keys
    until, held = ring.signing
    if held is not None and time.monotonic() < until:
        return held  # type: ignore[no-any-return]
    fresh = _load(db, held)
    ring.signing = (time.monotonic() + SIGNING_KEYS_SECONDS, fresh)
    return fresh


def _load(db: Session, held: Loaded | None) -> Loaded:
    rows = db.execute(
        select(signing_key).where(signing_key.c.state != "retired").order_by(signing_key.c.created_at)
    ).all()
    # What signs is published before it does and until long after; what others encrypt to, while it is the one to use.
    published = [row.public for row in rows if row.state == "active" or row.public["use"] == "sig"]
    kids = {row.kid for row in rows}
    return Loaded(
        active={row.alg: row.kid for row in rows if row.state == "active"},
        known={row.kid: _public(row.public) for row in rows},
        published=published,
        algs={row.kid: row.alg for row in rows},
        rows={row.kid: row for row in rows},
        opened={kid: key for kid, key in held.opened.items() if kid in kids} if held else {},
    )


def _public(jwk: dict[str, Any]) -> PrivateKey:
    bare = {name: value for name, value in jwk.items() if name != "alg"}
    return _KINDS[jwk["kty"]].import_key(bare)  # type: ignore[no-any-return]


def _audiences(claims: dict[str, Any]) -> list[str]:
    found = claims.get("aud", [])
    return found if isinstance(found, list) else [found]
