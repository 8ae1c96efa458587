"""Recomputes the whole ledger from its rows and says everything that does not add up."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from consent.ledger import entries, note, policy, subjects, tree
from consent.ledger.note import BadNote
from consent.ledger.subjects import Chain, Labels
from consent.ledger.tables import checkpoint, entry, head, node, request, subject
from core.database import Database, parts
from keys.errors import BadSeal, Shredded

CHUNK = 2000
_ROWS = (
    select(entry).where(entry.c.leaf_index >= bindparam("start")).order_by(entry.c.leaf_index).limit(CHUNK)
)
_REQUESTS = (
    select(request.c.client, request.c.request_id)
    .outerjoin(entry, (entry.c.leaf_index == request.c.leaf_index) & (entry.c.event_id == request.c.event_id))
    .where(entry.c.leaf_index.is_(None))
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, and what."""

    where: str
    says: str

    def __str__(self) -> str:
        return f"{self.where}: {self.says}"


@dataclass
class _Run:
    """What one check carries from row to row."""

    db: Session
    labels: Labels
    findings: list[Finding] = field(default_factory=list)
    frontier: tree.Frontier = field(default_factory=tree.Frontier)
    names: dict[bytes, str] = field(default_factory=dict)
    chains: dict[bytes, Chain] = field(default_factory=dict)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    checkpoints: dict[int, Any] = field(default_factory=dict)

    def says(self, where: str, what: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(where, what))


def check(database: Database, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Check every row of the ledger against every other; an empty list means that everything adds up.

    Recomputed: indexes 0 to n-1, commitments from openings, each chain's numbers, heads and label, the
    tree's stored nodes, frontier and root, every signed checkpoint, and every claimed request.
    `progress` is told how many entries are done and how many there are.
    """
    with database.reading() as db:
        if not database.is_sqlite:
            db.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        run = _Run(db, Labels(parts(db)))
        size = db.scalar(select(func.count()).select_from(entry)) or 0
        _load(run)
        for row in _rows(db):
            _check_entry(run, row)
            if progress and run.frontier.size % CHUNK == 0:
                progress(run.frontier.size, size)
        _check_chains(run)
        _check_tree(run)
        for lost in db.execute(_REQUESTS):
            run.says(f"request {lost.request_id} of {lost.client}", "its entry is not there")
        return run.findings


def _rows(db: Session) -> Iterator[Mapping[Any, Any]]:
    start = 0
    while rows := db.execute(_ROWS, {"start": start}).mappings().all():
        yield from rows
        start = rows[-1]["leaf_index"] + 1


def _load(run: _Run) -> None:
    keys = policy.log_keys(parts(run.db))
    run.names = {row.label: row.chain for row in run.db.execute(select(subject))}
    for row in run.db.execute(select(checkpoint)):
        run.checkpoints[row.size] = row.root
        try:
            signed, by = note.open_checkpoint(row.note, keys)
        except BadNote as error:
            run.says(f"checkpoint {row.size}", str(error))
            continue
        if (signed.size, signed.root) != (row.size, row.root) or len(by) != len(keys):
            run.says(f"checkpoint {row.size}", "its note is of another tree, or not signed by every log key")


def _check_entry(run: _Run, row: Mapping[Any, Any]) -> None:
    index = row["leaf_index"]
    where = f"entry {index}"
    if index != run.frontier.size:
        run.says(where, f"entry {run.frontier.size} is missing")
    content = row["payload"] if row["leaf_type"] == entries.PUBLIC else row["commitment"]
    if content is None or row["leaf_type"] not in (entries.PUBLIC, entries.COMMITMENT):
        run.says(where, "it has no leaf")
        content = b""
    for made in run.frontier.append(tree.leaf_hash(entries.leaf(row["leaf_type"], content))):
        run.nodes[made.level, made.index] = made.hash
    if run.checkpoints.pop(run.frontier.size, None) not in (None, run.frontier.root()):
        run.says(f"checkpoint {run.frontier.size}", "the rows lead to another root")
    if row["leaf_type"] == entries.COMMITMENT and row["label"] is not None:
        _check_link(run, row, where)


def _check_link(run: _Run, row: Mapping[Any, Any], where: str) -> None:
    label = row["label"]
    name = run.names.get(label)
    if name is None:
        run.says(where, "its chain is unknown")
        return
    chain = run.chains.setdefault(label, Chain(name, label, 0, entries.first_head(label)))
    if row["seq"] != chain.n + 1:
        run.says(where, f"it is number {row['seq']} of its chain, after {chain.n}")
    if row["opening"] is not None:
        _check_opening(run, row, chain, where)
    chain.n, chain.head = row["seq"], entries.next_head(chain.head, row["commitment"])


def _check_opening(run: _Run, row: Mapping[Any, Any], chain: Chain, where: str) -> None:
    try:
        nonce, record = subjects.open_opening(run.db, chain.name, row["leaf_index"], row["opening"])
    except Shredded:
        return
    except BadSeal:
        run.says(where, "its opening was altered")
        return
    if entries.commitment(nonce, record) != row["commitment"]:
        run.says(where, "its record is not what the tree commits to")
        return
    said = json.loads(record)
    place = (chain.label.hex(), chain.n + 1, entries.base64_of(chain.head))
    if (said["chain"], said["seq"], said["prev"]) != place:
        run.says(where, "its record names another place in another chain")
    if (said["kind"], said["event"], said["at"][:7]) != (row["kind"], row["event_id"], row["month"]):
        run.says(where, "its clear columns say something else than its record")


def _check_chains(run: _Run) -> None:
    for row in run.db.execute(select(subject)):
        where = f"chain {run.labels.of(row.chain).hex()[:16]}"
        if run.labels.of(row.chain) != row.label:
            run.says(where, f"it is kept under another label, {row.label.hex()[:16]}")
        chain = run.chains.get(row.label)
        if chain is None or (chain.n, chain.head) != (row.n, row.head):
            run.says(where, f"its head says {row.n} entries, the rows lead to {chain.n if chain else 0}")


def _check_tree(run: _Run) -> None:
    edge = run.frontier
    row = run.db.execute(select(head)).first()
    found = None if row is None else (row.size, row.root, row.frontier)
    if found != (edge.size, edge.root(), edge.to_bytes()):
        run.says("head", f"size, root or frontier differ from those of the {edge.size} rows")
    stored = {(row.level, row.number): row.hash for row in run.db.execute(select(node))}
    for level, number in sorted(stored.keys() | run.nodes.keys()):
        if stored.get((level, number)) != run.nodes.get((level, number)):
            run.says(f"node {level}/{number}", "it is not the root of the entries below it")
    for size in run.checkpoints:
        run.says(f"checkpoint {size}", f"the ledger has only {edge.size} entries")
