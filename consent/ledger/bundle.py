"""A citizen's whole history with everything needed to check it offline."""

import time
from typing import Any

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.ledger import entries, proofs, signer, subjects
from consent.ledger.errors import LedgerBusy
from consent.ledger.signer import Signed
from consent.ledger.tables import entry, subject
from core.database import Database, parts

FORMAT = "erti-history-bundle/1"
SECONDS_FOR_EVENTS = 5.0
SECONDS_FOR_CHECKPOINT = 3.0
LOOK_SECONDS = 0.05
RETRY_SECONDS = 5
_LEAF0 = select(entry.c.payload).where(entry.c.leaf_index == 0)
_LAST = select(entry.c.leaf_index).join(
    subject, (entry.c.label == subject.c.label) & (entry.c.seq == subject.c.n)
)


def make(database: Database, citizen: str) -> bytes:
    """The bundle that `erti-verify` reads: all that was recorded about a citizen when this was asked for.

    Takes in what still waits about the citizen first, and waits for a checkpoint that covers it: signing is
    the worker's alone. Raises LedgerBusy if that takes too long, RuntimeError inside a write transaction.
    """
    sequencer = database.parts.sequencer
    if sequencer is not None and not sequencer.drain(citizen, timeout=SECONDS_FOR_EVENTS):
        raise LedgerBusy(overload=True, detail="events about the citizen still wait")
    signed = _covering_checkpoint(database, citizen)
    with database.reading() as db:
        return rfc8785.dumps(_contents(db, citizen, signed))


def _covering_checkpoint(database: Database, citizen: str) -> Signed:
    until = time.monotonic() + SECONDS_FOR_CHECKPOINT
    with database.reading() as db:
        last = db.scalar(_LAST.where(subject.c.chain == citizen)) or 0
    while True:
        with database.reading() as db:
            signed = signer.newest(db)
        if signed is not None and signed.size > last:
            return signed
        if time.monotonic() > until:
            detail = "no checkpoint covers the newest entry"
            raise LedgerBusy(overload=True, retry_after=RETRY_SECONDS, detail=detail)
        time.sleep(LOOK_SECONDS)


def _contents(db: Session, citizen: str, signed: Signed) -> dict[str, Any]:
    house = parts(db)
    tree_of = proofs.Tiles(db, signed.size)
    label = subjects.label_of(house, citizen)
    head = entries.first_head(label)
    listed = []
    for found in subjects.chain(db, citizen, below=signed.size):
        head = entries.next_head(head, found.commitment)
        listed.append(_entry(found, tree_of))
    return {
        "format": FORMAT,
        "citizen": citizen,
        "label": label.hex(),
        "vrf_proof": entries.base64_of(subjects.proof_of(house, citizen)),
        "n": len(listed),
        "head": entries.base64_of(head),
        "entries": listed,
        "leaf0": {"record": (db.scalar(_LEAF0) or b"").decode(), "proof": _proof(tree_of, 0)},
        "checkpoint": signed.note,
    }


def _entry(found: subjects.Opened, tree_of: proofs.Tiles) -> dict[str, Any]:
    place = {"index": found.index, "proof": _proof(tree_of, found.index)}
    if found.record is None or found.nonce is None:
        return place | {"commitment": entries.base64_of(found.commitment), "erased": True}
    return place | {"record": found.record.decode(), "nonce": entries.base64_of(found.nonce)}


def _proof(tree_of: proofs.Tiles, index: int) -> list[str]:
    return [entries.base64_of(step) for step in tree_of.inclusion(index)]
