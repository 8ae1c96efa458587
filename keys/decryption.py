"""What others encrypted to us, opened: by our own keys, with the algorithms that we publish and no others."""

from typing import Any, Final

from cryptography.exceptions import InvalidKey, InvalidTag
from joserfc import jwe
from joserfc.errors import JoseError
from sqlalchemy.orm import Session

from core.database import parts
from keys import compact, rotation, signing
from keys.errors import BadToken

ALGORITHMS: Final = rotation.ENCRYPTION
ENCODINGS: Final = ("A128CBC-HS256", "A128GCM", "A256GCM")
LIMIT: Final = 49_152  # characters; what comes by form has to fit into one


def opened(db: Session, token: str, *, limit: int = LIMIT) -> str:
    """Return what a JWE in compact form holds (RFC 7516, section 5.2), for whoever checks the signature on that.

    That it opens proves nothing about the sender: our key is public. It establishes:

    (1) the token is of sane length, in form, without compression and without extensions (`compact`);
    (2) `alg` and `enc` are those that we publish; none of them derives a key from a password, so none can be made to
        count for long, and none is symmetric, direct, or RSA1_5 (RFC 8725, 3.2);
    (3) a key of ours that was made for that algorithm opens it: the one of `kid`, or where there is none the active one
        and those before it that are not yet retired;
    (4) what was inside is text.

    Raises BadToken, the same for whatever went wrong inside, so that nobody learns which step it was.
    """
    header = compact.encrypted_header(token, limit=limit)  # (1)
    alg, enc = header["alg"], header["enc"]
    if alg not in ALGORITHMS or enc not in ENCODINGS:  # (2)
        raise BadToken(detail="alg or enc")
    held, ring = signing.loaded(db), parts(db).keys
    wanted = header.get("kid")
    for kid in reversed(held.rows):  # (3)
        usable = held.algs[kid] == alg and held.rows[kid].state in ("active", "retiring")
        if usable and wanted in (None, kid):
            text = _text(token, held.private(ring, kid), algorithms=(alg, enc), limit=limit)
            if text is not None:
                return text
    raise BadToken(detail="not opened")


def _text(token: str, key: Any, *, algorithms: tuple[str, str], limit: int) -> str | None:
    registry = jwe.JWERegistry(algorithms=algorithms)
    registry.max_protected_header_length = compact.HEADER_LIMIT
    registry.max_ciphertext_length = limit
    try:
        return (jwe.decrypt_compact(token, key, registry=registry).plaintext or b"").decode()  # (4)
    except (JoseError, ValueError, TypeError, AssertionError, InvalidTag, InvalidKey):
        return None
