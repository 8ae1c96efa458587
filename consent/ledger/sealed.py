"""The proof of an entry that was withheld: that its log held it at the time, as an open checkpoint of that time fixed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from consent.ledger import entries, logs, proofs, tree, withheld
from consent.ledger.errors import LedgerBusy
from consent.ledger.proofs import Tiles


def proof(db: Session, record: Mapping[str, Any], trees: Mapping[int, Tiles]) -> dict[str, Any]:
    """What stands beside an entry that reveals another, in a bundle whose open logs have these trees.

    The withheld entry's place in a checkpoint of its log; the public record that has held that checkpoint's
    hash since; and the first checkpoint kept of the open log with that record in it, which the log extends.
    """
    where = record["data"]["sealed"]
    number = next(log.number for log in logs.listing(db, logs.WITHHELD) if log.origin == where["log"])
    fixed = withheld.covering(db, number, where["index"])
    if fixed is None:
        raise LedgerBusy(overload=True, detail="a revealed entry is fixed in no open log")
    sealed_tree, open_tree = proofs.Tiles(db, number, fixed.size), trees[fixed.open_log]
    return {
        "proof": _texts(sealed_tree.inclusion(where["index"])),
        "checkpoint": fixed.note,
        "open": {
            **public(db, fixed.open_log, fixed.open_index, fixed.payload, open_tree),
            "checkpoint": fixed.open_note,
            "extends": _texts(tree.consistency_proof(open_tree.read, fixed.open_size, open_tree.size)),
        },
    }


def public(db: Session, log: int, index: int, payload: bytes, tree_of: Tiles) -> dict[str, Any]:
    """A public record of an open log with its place."""
    return {
        "origin": logs.origin(db, log),
        "index": index,
        "record": payload.decode(),
        "proof": _texts(tree_of.inclusion(index)),
    }


def count(db: Session, trees: Mapping[int, Tiles]) -> dict[str, Any] | None:
    """The newest published count of what the law withholds in the country; None before the first. The same for all."""
    for one in withheld.published(db, most=2):
        if one.log in trees and one.index < trees[one.log].size:
            return public(db, one.log, one.index, one.payload, trees[one.log])
    return None


def _texts(steps: list[bytes]) -> list[str]:
    return [entries.base64_of(step) for step in steps]
