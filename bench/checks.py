"""Measure what reads the ledger: bundles and their check, fsck, proofs in a large tree, roots of the citizen map."""

import json
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.orm import Session

from bench.figures import percentile, show
from bench.town import PURPOSE
from consent.ledger import bundle, entries, fsck, logs, map_store, proofs, signer, tree
from consent.ledger.tables import entry, node
from consent.tables import grant
from core.database import Database
from registry_sync import people
from verifier import erti_verify

LEAVES = 10_000_000
TILES_ASKED = 40
PROOFS_OF_EACH = 5
SCRATCH = 1000  # the number of a log that no other process looks at
CHAINS = 50_000
CHANGED = (100, 1000, 10_000)
SCRIPT = Path(__file__).parent.parent / "core/static/history-verify.js"


class _Undo(Exception):
    """Ends a write transaction of which nothing is kept."""


def show_bundle(database: Database) -> None:
    """Print how long the bundle of the citizen with the longest history takes, to make and to check."""
    signer.sign_if_due(database)
    with database.reading() as db:
        citizen = db.scalar(
            grant.select().with_only_columns(grant.c.citizen).where(grant.c.purpose == PURPOSE)
        )
        policy = signer.policy_text(db).encode()
    begun = time.perf_counter()
    made = bundle.make(database, str(citizen))
    took = time.perf_counter() - begun
    count = len(json.loads(made)["logs"][0]["entries"])
    show(f"bundle of {count:,} entries, {len(made) / 1e6:.1f} MB: make", f"{took:,.2f} s")
    trusted = erti_verify.read_policy(policy)
    show("  check it, erti-verify", f"{_best(lambda: erti_verify.read_bundle(made, trusted)):,.2f} s", "1 s")
    if node_program := shutil.which("node"):
        took = _in_browser(node_program, made, policy)
        show("  check it, as in the browser (Node)", f"{took:,.2f} s", "1 s")


def _in_browser(program: str, made: bytes, policy: bytes) -> float:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy(SCRIPT, folder / "verify.mjs")
        (folder / "bundle").write_bytes(made)
        (folder / "policy").write_bytes(policy)
        judge = Path(__file__).with_name("judge.mjs")
        command: list[str | Path] = [
            program,
            judge,
            folder / "verify.mjs",
            folder / "bundle",
            folder / "policy",
        ]
        done = subprocess.run(command, capture_output=True, check=True)
    return float(min(json.loads(done.stdout))) / 1000


def show_fsck(database: Database) -> None:
    """Print how many entries a second the auditor's check goes through, with the openings and without."""
    with database.reading() as db:
        count = sum(log.size for log in logs.every(db))
    for name, openings in (
        ("fsck, everything, openings too", True),
        ("fsck --hashes: tree, chains, map, checkpoints", False),
    ):
        begun = time.perf_counter()
        findings = fsck.check(database, known=people.known, openings=openings)
        took = time.perf_counter() - begun
        show(name, f"{count / took:,.0f} entries a second", "300,000")
        for finding in findings[:3]:
            print(f"    {finding}")


def show_proofs(database: Database) -> None:
    """Print how long an inclusion proof takes in a tree of ten million, read from the store."""
    with scratch(database) as db:
        root, asked = _large_tree(db)
        took = []
        for index, leaf in asked:
            begun = time.perf_counter()
            proof = proofs.Tiles(db, SCRATCH, LEAVES).inclusion(index)
            took.append(1000 * (time.perf_counter() - begun))
            tree.verify_inclusion(index, LEAVES, leaf, proof, root)
        tiles = proofs.Tiles(db, SCRATCH, LEAVES)
        begun = time.perf_counter()
        for index, _leaf in asked:
            tiles.inclusion(index)
        many = 1000 * (time.perf_counter() - begun) / len(asked)
    value = f"p50 {statistics.median(took):.2f} ms, p99 {percentile(took, 0.99):.2f} ms"
    show(f"proof in a tree of {LEAVES:,}", value)
    show("  one of many, as in a bundle", f"{many:.2f} ms")


def _large_tree(db: Session) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Write the nodes of a tree of ten million, and the rows of a few tiles; return its root and leaves to prove.

    The roots of the other tiles are made up: nobody could tell, and their rows are not needed.
    """
    width, whole = tree.TILE_WIDTH, LEAVES // tree.TILE_WIDTH
    edge = tree.Frontier()
    level = [secrets.token_bytes(32) for _ in range(whole)]
    asked = []
    for number in sorted({*(whole * n // TILES_ASKED for n in range(TILES_ASKED)), whole}):
        commitments = [secrets.token_bytes(32) for _ in range(min(width, LEAVES - number * width))]
        leaves = [tree.leaf_hash(entries.leaf(entries.COMMITMENT, one)) for one in commitments]
        _put_rows(db, number * width, commitments)
        if number < whole:
            level[number] = _root(leaves)
        else:
            edge.extend(leaves)
        places = range(0, len(leaves), len(leaves) // PROOFS_OF_EACH)
        asked += [(number * width + place, leaves[place]) for place in places]
    return _put_nodes(db, level, edge), asked


def _put_nodes(db: Session, level: list[bytes], edge: tree.Frontier) -> bytes:
    """Write every level above the leaves; returns the root, with the leaves of the last tile beside the whole ones."""
    subtrees: list[bytes] = []
    height = 1
    while level:
        rows = [{"log": SCRATCH, "level": height, "number": n, "hash": one} for n, one in enumerate(level)]
        for first in range(0, len(rows), 5000):
            db.execute(insert(node), rows[first : first + 5000])
        rest = tree.Frontier()
        rest.extend(level[len(level) - len(level) % tree.TILE_WIDTH :])
        subtrees = rest.hashes + subtrees
        level = [
            _root(level[first : first + tree.TILE_WIDTH])
            for first in range(0, len(level) - tree.TILE_WIDTH + 1, tree.TILE_WIDTH)
        ]
        height += 1
    return tree.Frontier(LEAVES, subtrees + edge.hashes).root()


def _root(leaves: list[bytes]) -> bytes:
    edge = tree.Frontier()
    edge.extend(leaves)
    return edge.root()


def _put_rows(db: Session, first: int, commitments: list[bytes]) -> None:
    rows = [
        {"log": SCRATCH, "leaf_index": first + place, "leaf_type": entries.COMMITMENT, "commitment": one}
        for place, one in enumerate(commitments)
    ]
    db.execute(insert(entry), rows)


def show_map(database: Database) -> None:
    """Print how long the root of the citizen map takes after so many chains changed, in a map of many."""
    with scratch(database) as db:
        labels = [secrets.token_bytes(32) for _ in range(CHAINS)]
        done = _put_links(db, 0, labels)
        map_store.apply(db, SCRATCH, done)
        took = []
        for changed in CHANGED:
            done = _put_links(db, done, labels[:changed])
            begun = time.perf_counter()
            map_store.apply(db, SCRATCH, done)
            took.append(f"{changed:,}: {1000 * (time.perf_counter() - begun):,.0f} ms")
    show(f"root of a map of {CHAINS:,}, so many chains changed", "; ".join(took))


def _put_links(db: Session, first: int, labels: list[bytes]) -> int:
    rows = [
        {
            "log": SCRATCH,
            "leaf_index": first + place,
            "leaf_type": entries.COMMITMENT,
            "commitment": secrets.token_bytes(32),
            "label": label,
            "seq": None,
        }
        for place, label in enumerate(labels)
    ]
    for start in range(0, len(rows), 5000):
        db.execute(insert(entry), rows[start : start + 5000])
    return first + len(rows)


@contextmanager
def scratch(database: Database) -> Iterator[Session]:
    """A transaction of which nothing is kept, with the planner told what it holds where there is one to tell."""
    try:
        with database.writing() as db:
            yield db
            raise _Undo
    except _Undo:
        pass


def _best(do: Callable[[], object]) -> float:
    took = []
    for _run in range(3):
        begun = time.perf_counter()
        do()
        took.append(time.perf_counter() - begun)
    return min(took)
