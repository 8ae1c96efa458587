"""Reads a log of ours with aics-tlog alone, in an environment of its own: aics_judge.py FOLDER ORIGIN VKEY < CLAIMS

Prints the same verdict as the oracle in Go. Nothing of ours is imported here, and nothing of it by ours.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import aics_tlog
from aics_tlog.checkpoint import checkpoint_from_note


def checkpoint(text: str, origin: str, vkey: str, witnesses: list[str]) -> aics_tlog.Checkpoint:
    """Return a checkpoint that the log's key signed and all the witnesses cosigned. Raises ValueError."""
    found, note = checkpoint_from_note(text)
    keys = [aics_tlog.parse_vkey(witness) for witness in witnesses]
    said = aics_tlog.verify_checkpoint(
        note, aics_tlog.parse_vkey(vkey), keys, len(keys), expected_origin=origin
    )
    if not said.ok:
        raise ValueError(said.error)
    return found


def hashes(texts: list[str]) -> list[bytes]:
    """Return hashes that were written in base64."""
    return [base64.b64decode(text, validate=True) for text in texts]


def leaves(log: aics_tlog.TileReader, size: int, root: bytes) -> int:
    """Check every tile and every entry against the root, and build the whole tree anew from the entries."""
    aics_tlog.audit_tiles(log, size, root)
    entries = [aics_tlog.read_entry(log, index, size) for index in range(size)]
    tree = aics_tlog.MerkleTree(entries)
    if tree.root() != root:
        raise ValueError("the entries have another root")
    for index, entry in enumerate(entries):
        path = tree.inclusion_proof(index)
        if path != aics_tlog.inclusion_proof_from_tiles(log, index, size):
            raise ValueError(f"the tiles lead to another proof of entry {index}")
        if not aics_tlog.verify_leaf_inclusion(entry, index, size, path, root):
            raise ValueError(f"entry {index} is not in the tree")
    return len(entries)


def claimed(log: aics_tlog.TileReader, now: aics_tlog.Checkpoint, vkey: str, claims: dict[str, Any]) -> int:
    """Check what the log's owner claims: the way from an earlier checkpoint, and inclusion proofs."""
    if claims["earlier"]:
        before = checkpoint(claims["earlier"], now.origin, vkey, [])
        proof = hashes(claims["consistency"])
        if not aics_tlog.verify_consistency(before.size, now.size, before.root, now.root, proof):
            raise ValueError("the earlier tree is not the beginning of this one")
    for one in claims["inclusion"]:
        entry = aics_tlog.read_entry(log, one["index"], now.size)
        path = hashes(one["path"])
        if not aics_tlog.verify_leaf_inclusion(entry, one["index"], now.size, path, now.root):
            raise ValueError(f"the proof of entry {one['index']} does not hold")
    return len(claims["inclusion"])


def main(folder: str, origin: str, vkey: str) -> int:
    """Print the verdict; returns 0 if all holds."""
    verdict: dict[str, Any] = {"ok": False, "size": 0, "leaves": 0, "claims": 0}
    try:
        claims = json.load(sys.stdin)
        text = (Path(folder) / "checkpoint").read_text("utf-8")
        now = checkpoint(text, origin, vkey, claims["witnesses"])
        log = aics_tlog.FileSystemTileReader(folder)
        verdict["size"] = now.size
        verdict["leaves"] = leaves(log, now.size, now.root)
        verdict["claims"] = claimed(log, now, vkey, claims)
        verdict["ok"] = True
    except (ValueError, OSError, RuntimeError) as error:
        verdict["error"] = str(error)
    print(json.dumps(verdict))
    return 0 if verdict["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
