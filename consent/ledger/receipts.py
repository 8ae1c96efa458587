"""Receipts: signed statements of which entry stands for a read or a decision, with the proof that it stands there."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from consent.ledger import entries, logs, proofs, signer, tree
from consent.ledger.disclosures import Integrated
from core import clock
from core.database import parts
from keys import signing

TYPE = "erti-receipt+jwt"
MEDIA_TYPE = f"application/{TYPE}"
PROOF_HEADER = "c2sp.org/tlog-proof@v1"


def receipt(db: Session, placed: Integrated, *, audience: str, request_id: str = "") -> str:
    """A compact JWS for the reader to keep (RFC 7515): log, index, commitment and leaf hash of its entry.

    `audience` is the client that read. It names no citizen and never expires; whoever keeps it finds the
    key that signed it in the JWKS, or later among the retired ones (ADR 20). It holds no proof, because
    a read does not wait for a signed checkpoint: `proven` gives the same with one.
    """
    more = {"request_id": request_id} if request_id else {}
    return _signed(db, placed, {"aud": audience, **more})


def proven(db: Session, placed: Integrated, *, audience: str, facts: Mapping[str, Any]) -> str:
    """A receipt with the proof that its entry stands in the log, if a signed checkpoint covers it by now.

    `facts` are further claims: the opening for the citizen whose entry it is, the agency's own part of
    the entry for the agency.
    """
    proof = tlog_proof(db, placed.log, placed.index)
    more = {"tlog_proof": proof} if proof else {}
    return _signed(db, placed, {"aud": audience, **facts, **more})


def tlog_proof(db: Session, log: int, index: int) -> str | None:
    """The inclusion proof of a leaf with the checkpoint it ends in (C2SP tlog-proof v1); None before there is one.

    Nor is there one of what the law withholds: how large that log is, is for nobody to know.
    """
    if log not in {one.number for one in logs.listing(db)}:
        return None
    signed = signer.published(db, log)
    if signed is None or signed.size <= index:
        return None
    path = proofs.Tiles(db, log, signed.size).inclusion(index)
    lines = (PROOF_HEADER, f"index {index}", *map(entries.base64_of, path))
    return "\n".join(lines) + f"\n\n{signed.note}"


def _signed(db: Session, placed: Integrated, claims: dict[str, Any]) -> str:
    house = parts(db)
    leaf = entries.leaf(entries.COMMITMENT, placed.commitment)
    stands = {
        "iss": house.settings.issuer,
        "iat": clock.seconds(clock.now()),
        "jti": placed.event_id,
        "log": logs.origin(db, placed.log),
        "index": placed.index,
        "commitment": entries.base64_of(placed.commitment),
        "leaf_hash": entries.base64_of(tree.leaf_hash(leaf)),
    }
    return signing.sign(db, {**stands, **claims}, typ=TYPE)
