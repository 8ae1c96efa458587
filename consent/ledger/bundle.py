"""A citizen's whole history with everything needed to check it offline."""

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from consent.ledger import entries, jcs, logs, map_store, proofs, sealed, signer, subjects, tree, withheld
from consent.ledger.errors import LedgerBusy
from consent.ledger.logs import Log
from consent.ledger.tables import entry, subject
from core.database import Database, parts

FORMAT = "erti-history-bundle/2"
SECONDS_FOR_EVENTS = 5.0
SECONDS_FOR_CHECKPOINT = 5.0
LOOK_SECONDS = 0.05
RETRY_SECONDS = 5
_PAYLOAD = select(entry.c.payload).where(
    entry.c.log == bindparam("log"), entry.c.leaf_index == bindparam("place")
)
_LAST = (
    select(entry.c.leaf_index)
    .join(
        subject,
        (entry.c.log == subject.c.log) & (entry.c.label == subject.c.label) & (entry.c.seq == subject.c.n),
    )
    .where(subject.c.log == bindparam("log"), subject.c.chain == bindparam("chain"))
)


def make(database: Database, citizen: str, *, earlier: int = 0) -> bytes:
    """The bundle that `erti-verify` reads: all that was recorded about a citizen when this was asked for.

    With `earlier`, the size of the tree of a bundle taken before, it also proves that the log extends that tree.

    Takes in what still waits about the citizen first, and waits for a checkpoint that covers it: signing is
    the worker's alone. Raises LedgerBusy if that takes too long, RuntimeError inside a write transaction.
    """
    sequencer = database.parts.sequencer
    if sequencer is not None and not sequencer.drain(citizen, timeout=SECONDS_FOR_EVENTS):
        raise LedgerBusy(overload=True, detail="events about the citizen still wait")
    until = time.monotonic() + SECONDS_FOR_CHECKPOINT
    with database.reading() as db:
        log = logs.current(db)
        last = db.scalar(_LAST, {"log": log.number, "chain": citizen}) or 0
    while True:
        with database.snapshot() as db:
            if _ready(db, log.number, last):
                return jcs.dumps(_contents(db, citizen, earlier))
        if time.monotonic() > until:
            detail = "no checkpoint covers the newest entry"
            raise LedgerBusy(overload=True, retry_after=RETRY_SECONDS, detail=detail)
        time.sleep(LOOK_SECONDS)


def _ready(db: Session, at_least: int, last: int) -> bool:
    """Tell whether the log that grows is signed up to the map that the tables hold, and that map knows `last`."""
    log = logs.current(db)
    state, signed = map_store.state(db, log.number), signer.published(db, log.number)
    if not state.settled or signed is None or state.root_index is None:
        return False
    if any(_end(db, one) is None for one in logs.listing(db) if one.frozen):
        return False
    return signed.size == state.root_index + 1 and (log.number > at_least or state.root_index > last)


def _end(db: Session, log: Log) -> str | None:
    """The checkpoint with which a frozen log ended, cosigned where witnesses are asked for; None before that."""
    signed = signer.published(db, log.number)
    return signed.note if signed is not None and signed.size == log.size else None


def _contents(db: Session, citizen: str, earlier: int) -> dict[str, Any]:
    house = parts(db)
    signed = signer.published(db)
    if signed is None:
        raise LedgerBusy(overload=True, detail="no checkpoint yet")
    every = logs.listing(db)
    trees = {log.number: _tree(db, log) for log in every}
    return {
        "format": FORMAT,
        "citizen": citizen,
        "label": subjects.label_of(house, citizen).hex(),
        "vrf_proof": entries.base64_of(subjects.proof_of(house, citizen)),
        "logs": [_section(db, citizen, log, trees) for log in every],
        "checkpoint": signed.note,
        "earlier": _extended(db, earlier, signed.size),
        "withheld": sealed.count(db, trees),
    }


def _extended(db: Session, earlier: int, size: int) -> dict[str, Any] | None:
    """Proof that the log that grows extends its tree of an earlier size; None for a size it never had."""
    if not 0 < earlier <= size:
        return None
    log = logs.current(db)
    tree_of = proofs.Tiles(db, log.number, size)
    return {
        "origin": log.origin,
        "size": earlier,
        "root": entries.base64_of(tree.range_root(tree_of.read, 0, earlier)),
        "proof": [entries.base64_of(step) for step in tree.consistency_proof(tree_of.read, earlier, size)],
    }


def _tree(db: Session, log: Log) -> proofs.Tiles:
    """A log's tree up to its newest map root, which is the last leaf that was signed."""
    end = map_store.state(db, log.number).root_index
    if end is None:
        raise LedgerBusy(overload=True, detail=f"log {log.number} has no map root")
    return proofs.Tiles(db, log.number, end + 1)


def _section(db: Session, citizen: str, log: Log, trees: Mapping[int, proofs.Tiles]) -> dict[str, Any]:
    """What one log holds of a citizen, up to its newest map root, which is the last leaf of its signed tree."""
    tree_of = trees[log.number]
    end = tree_of.size - 1
    label = subjects.label_of(parts(db), citizen)
    head = entries.first_head(label)
    listed = []
    for found in subjects.chain(db, citizen, log=log.number, below=end):
        head = entries.next_head(head, found.commitment)
        listed.append(_entry(db, found, tree_of, trees))
    ended = {"checkpoint": _end(db, log)} if log.frozen else {}
    return ended | {
        "origin": log.origin,
        "leaf0": {"record": _payload(db, log.number, 0).decode(), "proof": _proof(tree_of, 0)},
        "map": _map(db, log.number, label, end) | {"proof": _proof(tree_of, end)},
        "n": len(listed),
        "head": entries.base64_of(head),
        "entries": listed,
    }


def _map(db: Session, log: int, label: bytes, end: int) -> dict[str, Any]:
    way, _held = map_store.proof(db, log, label)
    other = way.other and {"label": way.other[0].hex(), "value": entries.base64_of(way.other[1])}
    return {
        "index": end,
        "root": entries.base64_of(_payload(db, log, end)),
        "siblings": [entries.base64_of(step) for step in way.siblings],
        "other": other,
    }


def _payload(db: Session, log: int, place: int) -> bytes:
    return db.scalar(_PAYLOAD, {"log": log, "place": place}) or b""


def _entry(
    db: Session, found: subjects.Opened, tree_of: proofs.Tiles, trees: Mapping[int, proofs.Tiles]
) -> dict[str, Any]:
    place = {"index": found.index, "proof": _proof(tree_of, found.index)}
    if found.record is None or found.nonce is None:
        return place | {"commitment": entries.base64_of(found.commitment), "erased": True}
    place |= {"record": found.record.decode(), "nonce": entries.base64_of(found.nonce)}
    if found.kind != withheld.REVEALED:
        return place
    return place | {"sealed": sealed.proof(db, json.loads(found.record), trees)}


def _proof(tree_of: proofs.Tiles, index: int) -> list[str]:
    return [entries.base64_of(step) for step in tree_of.inclusion(index)]
