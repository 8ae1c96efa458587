"""The receipt of a read: a signed statement of which entry stands for it."""

from sqlalchemy.orm import Session

from consent.ledger import entries, tree
from consent.ledger.batch import Integrated
from core import clock
from core.database import parts
from keys import signing

TYPE = "erti-receipt+jwt"


def receipt(db: Session, placed: Integrated, *, audience: str, request_id: str = "") -> str:
    """A compact JWS for the reader to keep (RFC 7515): log, index, commitment and leaf hash of its entry.

    `audience` is the client that read. It names no citizen and never expires; the key that signed it
    stands in the JWKS as long as it is not retired.
    """
    house = parts(db)
    leaf = entries.leaf(entries.COMMITMENT, placed.commitment)
    claims = {
        "iss": house.settings.issuer,
        "aud": audience,
        "iat": clock.seconds(clock.now()),
        "jti": placed.event_id,
        "log": house.settings.ledger_origin,
        "index": placed.index,
        "commitment": entries.base64_of(placed.commitment),
        "leaf_hash": entries.base64_of(tree.leaf_hash(leaf)),
    }
    if request_id:
        claims["request_id"] = request_id
    return signing.sign(db, claims, typ=TYPE)
