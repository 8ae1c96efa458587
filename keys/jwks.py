"""The public half of the signing keys, as clients fetch it."""

from typing import Any

from sqlalchemy.orm import Session

from keys import signing


def public(db: Session) -> dict[str, Any]:
    """Return the JWK Set (RFC 7517, section 5): pending keys too, so that clients know them before they sign."""
    return {"keys": signing.loaded(db).published}
