"""The public half of the keys that sign and of those to encrypt to, as clients fetch it."""

from typing import Any

from sqlalchemy.orm import Session

from core import clock
from keys import rotation, signing


def public(db: Session) -> dict[str, Any]:
    """Return the JWK Set (RFC 7517, section 5): pending keys too, so that clients know them before they sign."""
    return {"keys": signing.loaded(db).published}


def historical(db: Session) -> dict[str, Any]:
    """Return every key that ever signed or may, as a JWK Set: what never expires must stay checkable (ADR 20).

    `iat` says when a key was made and `exp` when it was retired, in seconds, as in the historical keys of
    OpenID Federation 1.0. A signature by a retired key counts only beside a proof from the ledger.
    """
    return {
        "keys": [
            dict(key.public)
            | {"iat": clock.seconds(key.created_at)}
            | ({"exp": clock.seconds(key.changed_at)} if key.state == "retired" else {})
            for key in rotation.listing(db)
            if key.public["use"] == "sig"
        ]
    }
