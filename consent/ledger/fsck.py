"""Recomputes the whole ledger from its rows and says everything that does not add up."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from consent.ledger import entries, erased, logs, map_store, note, policy, subjects, tree, withheld_check
from consent.ledger.citizen_map import CitizenMap
from consent.ledger.logs import Log
from consent.ledger.note import BadNote
from consent.ledger.subjects import Chain, Labels
from consent.ledger.tables import checkpoint, cosigned, entry, map_leaf, node, request, subject
from consent.ledger.withheld_check import Seen
from core.database import Database, parts
from keys.errors import BadSeal, Shredded

CHUNK = 2000
_ROWS = (
    select(entry)
    .where(entry.c.log == bindparam("log"), entry.c.leaf_index >= bindparam("start"))
    .order_by(entry.c.leaf_index)
    .limit(CHUNK)
)
_SUBJECTS = select(subject).where(subject.c.log == bindparam("log"))
_CHECKPOINTS = select(checkpoint).where(checkpoint.c.log == bindparam("log"))
_COSIGNED = select(cosigned).where(cosigned.c.log == bindparam("log"))
_NODES = select(node).where(node.c.log == bindparam("log"))
_MAPPED = select(map_leaf.c.label, map_leaf.c.n, map_leaf.c.head).where(map_leaf.c.log == bindparam("log"))
_REQUESTS = (
    select(request.c.client, request.c.request_id)
    .outerjoin(
        entry,
        (entry.c.log == request.c.log)
        & (entry.c.leaf_index == request.c.leaf_index)
        & (entry.c.event_id == request.c.event_id),
    )
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
    """What the check of one log carries from row to row."""

    db: Session
    log: Log
    labels: Labels
    findings: list[Finding]
    state: map_store.State
    seen: Seen
    frontier: tree.Frontier = field(default_factory=tree.Frontier)
    names: dict[bytes, str] = field(default_factory=dict)
    chains: dict[bytes, Chain] = field(default_factory=dict)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    checkpoints: dict[int, Any] = field(default_factory=dict)
    citizens: CitizenMap = field(default_factory=CitizenMap)
    mapped: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    def says(self, where: str, what: str) -> None:
        """Add a finding; of logs after the first, say of which."""
        place = where if self.log.number == logs.FIRST else f"log {self.log.number}, {where}"
        self.findings.append(Finding(place, what))


def check(
    database: Database,
    progress: Callable[[int, int], None] | None = None,
    known: Callable[[Session, Sequence[str]], set[str]] | None = None,
) -> list[Finding]:
    """Check every row of the ledger against every other; an empty list means that everything adds up.

    Recomputed, log by log: indexes 0 to n-1, commitments from openings, each chain's numbers, heads and
    label, the tree's stored nodes, frontier and root, every root of the citizen map, every signed checkpoint,
    that each year's log names the one before as it ended, every claimed request, and that what the law withholds
    may be withheld, was fixed at the time, and is revealed when due (`withheld_check`). `progress` is told
    how many entries are done and how many there are. `known` says which of some citizen IDs belong to
    somebody: with it, a chain under a name that is nobody's is found too.
    """
    findings: list[Finding] = []
    with database.snapshot() as db:
        size = db.scalar(select(func.count()).select_from(entry)) or 0
        labels, seen, done = Labels(parts(db)), Seen(), 0
        for log in logs.every(db):
            run = _Run(db, log, labels, findings, map_store.state(db, log.number), seen)
            _load(run)
            for row in _rows(run):
                _check_entry(run, row)
                done += 1
                if progress and done % CHUNK == 0:
                    progress(done, size)
            _check_chains(run)
            if known:
                _check_names(run, known)
            _check_map(run)
            _check_tree(run)
            _check_first_leaf(run)
        findings += [Finding(where, says) for where, says in withheld_check.findings(db, seen)]
        findings += [
            Finding(f"request {lost.request_id} of {lost.client}", "its entry is not there")
            for lost in db.execute(_REQUESTS)
        ]
        findings += [Finding(where, says) for where, says in erased.unaccounted(db)]
    return findings


def _rows(run: _Run) -> Iterator[Mapping[Any, Any]]:
    start = 0
    while rows := run.db.execute(_ROWS, {"log": run.log.number, "start": start}).mappings().all():
        yield from rows
        start = rows[-1]["leaf_index"] + 1


def _load(run: _Run) -> None:
    keys = policy.log_keys(parts(run.db), run.log.origin)
    of = {"log": run.log.number}
    run.names = {row.label: row.chain for row in run.db.execute(_SUBJECTS, of)}
    for row in run.db.execute(_CHECKPOINTS, of):
        run.checkpoints[row.size] = row.root
        _check_note(run, row, keys, "checkpoint")
    for row in run.db.execute(_COSIGNED, of):
        _check_note(run, row, keys, "cosigned checkpoint")
        if run.checkpoints.get(row.size) != row.root:
            run.says(f"cosigned checkpoint {row.size}", "no checkpoint of that size and root is here")


def _check_note(run: _Run, row: Any, keys: list[note.VerifierKey], what: str) -> None:
    try:
        signed, by = note.open_checkpoint(row.note, keys)
    except BadNote as error:
        run.says(f"{what} {row.size}", str(error))
        return
    if (signed.size, signed.root) != (row.size, row.root) or len(by) != len(keys):
        run.says(f"{what} {row.size}", "its note is of another tree, or not signed by every log key")


def _check_entry(run: _Run, row: Mapping[Any, Any]) -> None:
    index = row["leaf_index"]
    where = f"entry {index}"
    if index != run.frontier.size:
        run.says(where, f"entry {run.frontier.size} is missing")
    if run.state.applied == index:
        run.mapped = {label: (chain.n, chain.head) for label, chain in run.chains.items()}
    if row["leaf_type"] == entries.MAP_ROOT:
        _check_map_root(run, row["payload"] or b"", where)
    content = row["commitment"] if row["leaf_type"] == entries.COMMITMENT else row["payload"]
    if content is None or row["leaf_type"] not in (entries.PUBLIC, entries.COMMITMENT, entries.MAP_ROOT):
        run.says(where, "it has no leaf")
        content = b""
    for made in run.frontier.append(tree.leaf_hash(entries.leaf(row["leaf_type"], content))):
        run.nodes[made.level, made.index] = made.hash
    if run.checkpoints.pop(run.frontier.size, None) not in (None, run.frontier.root()):
        run.says(f"checkpoint {run.frontier.size}", "the rows lead to another root")
    run.seen.leaf(run.log, row, run.frontier)
    if row["leaf_type"] == entries.COMMITMENT and row["label"] is not None:
        _check_link(run, row, where)


def _check_map_root(run: _Run, payload: bytes, where: str) -> None:
    whole = run.citizens.whole()
    if payload[:-8] != entries.map_root(whole.hash, whole.count, 0)[:-8]:
        run.says(where, "it is not the root of the citizen map at that place")


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
    run.citizens.put(label, chain.n, chain.head)


def _check_opening(run: _Run, row: Mapping[Any, Any], chain: Chain, where: str) -> None:
    place = row["log"], row["leaf_index"]
    try:
        nonce, record = subjects.open_opening(run.db, chain.name, place, row["opening"])
    except Shredded:
        run.says(where, "its key is gone, and no erasure says so")
        return
    except BadSeal:
        run.says(where, "its opening was altered")
        return
    commit = entries.commitment if run.log.kind == logs.OPEN else entries.split_commitment
    if commit(nonce, record) != row["commitment"]:
        run.says(where, "its record is not what the tree commits to")
        return
    said = json.loads(record)
    link = (chain.label.hex(), chain.n + 1, entries.base64_of(chain.head))
    if (said["chain"], said["seq"], said["prev"]) != link:
        run.says(where, "its record names another place in another chain")
    if (said["kind"], said["event"], said["at"][:7]) != (row["kind"], row["event_id"], row["month"]):
        run.says(where, "its clear columns say something else than its record")
    run.seen.opened(run.log, row, said)


def _check_chains(run: _Run) -> None:
    for row in run.db.execute(_SUBJECTS, {"log": run.log.number}):
        where = f"chain {run.labels.of(row.chain).hex()[:16]}"
        if run.labels.of(row.chain) != row.label:
            run.says(where, f"it is kept under another label, {row.label.hex()[:16]}")
        chain = run.chains.get(row.label)
        if chain is None or (chain.n, chain.head) != (row.n, row.head):
            run.says(where, f"its head says {row.n} entries, the rows lead to {chain.n if chain else 0}")


def _check_names(run: _Run, known: Callable[[Session, Sequence[str]], set[str]]) -> None:
    """A chain is a citizen's who exists, or an agency's, source's or office's, whose name has a colon."""
    people = {name: label for label, name in run.names.items() if ":" not in name}
    for name in sorted(people.keys() - known(run.db, list(people))):
        run.says(f"chain {people[name].hex()[:16]}", "it is of nobody who is known")


def _check_map(run: _Run) -> None:
    """The map in the tables is that of the entries before the leaf up to which it says it is."""
    if run.state.applied == run.frontier.size:
        run.mapped = {label: (chain.n, chain.head) for label, chain in run.chains.items()}
    stored = {row.label: (row.n, row.head) for row in run.db.execute(_MAPPED, {"log": run.log.number})}
    if stored != run.mapped:
        run.says("citizen map", f"it is not that of the {run.state.applied} entries it says it holds")


def _check_tree(run: _Run) -> None:
    edge, log = run.frontier, run.log
    if (log.size, log.root, log.frontier) != (edge.size, edge.root(), edge.to_bytes()):
        run.says("head", f"size, root or frontier differ from those of the {edge.size} rows")
    rows = run.db.execute(_NODES, {"log": log.number})
    stored = {(row.level, row.number): row.hash for row in rows}
    for level, number in sorted(stored.keys() | run.nodes.keys()):
        if stored.get((level, number)) != run.nodes.get((level, number)):
            run.says(f"node {level}/{number}", "it is not the root of the entries below it")
    for size in run.checkpoints:
        run.says(f"checkpoint {size}", f"the ledger has only {edge.size} entries")


def _check_first_leaf(run: _Run) -> None:
    """Leaf 0 of a log that follows another names that one as it ended."""
    before = [log for log in logs.listing(run.db, run.log.kind) if log.number < run.log.number]
    if not before:
        return
    last = before[-1]
    ended = {"origin": last.origin, "size": last.size, "root": entries.base64_of(last.root)}
    if not last.frozen or logs.leaf0(run.db, run.log.number).get("previous") != ended:
        run.says("entry 0", f"it does not name {last.origin} as that log ended")
