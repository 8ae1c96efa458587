"""Looking up sealed values without opening them: keyed hashes, one key for each column."""

import hmac

from sqlalchemy.orm import Session

from core.database import parts

VERSION = 1


def index(db: Session, column: str, value: str) -> bytes:
    """Return the blind index of a value in a column: a version byte and HMAC-SHA256 under the column's key.

    `column` is a stable name such as ``idp.username``. The caller normalises the value first, since
    values that differ in a single bit have nothing in common here.
    """
    key: bytes = parts(db).keys.secret(f"blind/{VERSION}/{column}")
    return bytes([VERSION]) + hmac.digest(key, value.encode(), "sha256")
