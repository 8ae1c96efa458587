"""Recomputes the whole ledger from its rows and says everything that does not add up."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from consent.ledger import (
    entries,
    erased,
    logs,
    map_store,
    note,
    policy,
    subjects,
    tree,
    withheld,
    withheld_check,
)
from consent.ledger import (
    openings as sealed,
)
from consent.ledger.citizen_map import CitizenMap
from consent.ledger.logs import Log
from consent.ledger.note import BadNote
from consent.ledger.subjects import Labels
from consent.ledger.tables import checkpoint, cosigned, entry, map_leaf, node, request, subject
from consent.ledger.withheld_check import Seen
from core.database import Database, parts
from keys import sealing
from keys.errors import BadSeal, Shredded

CHUNK = 5000
_NAMES = [
    "leaf_index",
    "leaf_type",
    "commitment",
    "payload",
    "label",
    "seq",
    "event_id",
    "kind",
    "month",
    "opening",
]
# As text, so that the driver's own values come through: there are millions of them.
_ROWS = {
    openings: text(
        f"SELECT {', '.join(_NAMES[:-1])}, {'opening' if openings else 'NULL'} FROM ledger_entry "  # noqa: S608
        f"WHERE log = :log AND leaf_index >= :start ORDER BY leaf_index LIMIT {CHUNK}"
    )
    for openings in (True, False)
}
# What a leaf of each type is hashed behind (RFC 9162 section 2.1.1).
_TYPES = {
    kind: b"\x00" + entries.leaf(kind, b"") for kind in (entries.COMMITMENT, entries.MAP_ROOT, entries.PUBLIC)
}
_sha256 = hashlib.sha256
_TOLD = {withheld.REVEALED, withheld.FIXED, withheld_check.PUBLISHED}
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


class _Record(msgspec.Struct):
    """What of a record must agree with its place and its row."""

    chain: str
    seq: int
    prev: str
    kind: str
    event: str
    at: str


_record = msgspec.json.Decoder(_Record)


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
    chains: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    changed: set[bytes] = field(default_factory=set)
    leaves: list[bytes] = field(default_factory=list)
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
    *,
    openings: bool = True,
) -> list[Finding]:
    """Check every row of the ledger against every other; an empty list means that everything adds up.

    Recomputed, log by log: indexes 0 to n-1, commitments from openings, each chain's numbers, heads and
    label, the tree's stored nodes, frontier and root, every root of the citizen map, every signed checkpoint,
    that each year's log names the one before as it ended, every claimed request, and that what the law withholds
    may be withheld, was fixed at the time, and is revealed when due (`withheld_check`). `progress` is told
    how many entries are done and how many there are. `known` says which of some citizen IDs belong to
    somebody: with it, a chain under a name that is nobody's is found too. Without `openings` nothing is
    opened and no label computed anew: that shows that nothing was taken out, altered or put elsewhere, and no more.
    """
    findings: list[Finding] = []
    with database.snapshot() as db:
        size = db.scalar(select(func.count()).select_from(entry)) or 0
        labels, seen, done = Labels(parts(db)), Seen(), 0
        for log in logs.every(db):
            run = _Run(db, log, labels, findings, map_store.state(db, log.number), seen)
            _load(run)
            for rows in _rows(run, openings=openings):
                _check_rows(run, rows)
                done += len(rows)
                if progress:
                    progress(done, size)
            _grow(run)
            _check_chains(run, labels=openings)
            if known:
                _check_names(run, known)
            _check_map(run)
            _check_tree(run)
            _check_first_leaf(run)
        if openings:
            findings += [Finding(where, says) for where, says in withheld_check.findings(db, seen)]
        findings += [
            Finding(f"request {lost.request_id} of {lost.client}", "its entry is not there")
            for lost in db.execute(_REQUESTS)
        ]
        findings += [Finding(where, says) for where, says in erased.unaccounted(db)]
    return findings


def _rows(run: _Run, *, openings: bool) -> Iterator[Sequence[Any]]:
    start = 0
    while rows := run.db.execute(_ROWS[openings], {"log": run.log.number, "start": start}).all():
        yield rows
        start = rows[-1][0] + 1


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


def _check_rows(run: _Run, rows: Sequence[Any]) -> None:
    """Check rows in their order. There are millions of them: what is rare is looked at elsewhere."""
    _have_keys(run, rows)
    hidden = run.log.kind == logs.WITHHELD
    for row in rows:
        index, leaf_type, commitment, payload, label, _seq, _event, kind, _month, _opening = row
        size = run.frontier.size + len(run.leaves)
        if index != size:
            run.says(f"entry {index}", f"entry {size} is missing")
        if run.state.applied == index:
            run.mapped = dict(run.chains)
        content = commitment if leaf_type == entries.COMMITMENT else payload
        if content is None or leaf_type not in _TYPES:
            run.says(f"entry {index}", "it has no leaf")
            content = b""
        run.leaves.append(_sha256(_TYPES.get(leaf_type, b"") + content).digest())
        if leaf_type == entries.MAP_ROOT:
            _check_map_root(run, content, f"entry {index}")
        if size + 1 in run.checkpoints or hidden:
            _check_root(run)
        if hidden or kind in _TOLD:
            run.seen.leaf(run.log, dict(zip(_NAMES, row, strict=True)), run.frontier)
        if leaf_type == entries.COMMITMENT and label is not None:
            _check_link(run, row)


def _check_root(run: _Run) -> None:
    _grow(run)
    if run.checkpoints.pop(run.frontier.size, None) not in (None, run.frontier.root()):
        run.says(f"checkpoint {run.frontier.size}", "the rows lead to another root")


def _check_link(run: _Run, row: Any) -> None:
    index, _type, commitment, _payload, label, seq, _event, _kind, _month, opening = row
    if label not in run.names:
        run.says(f"entry {index}", "its chain is unknown")
        return
    before = n, head = run.chains.get(label) or (0, entries.first_head(label))
    if seq != n + 1:
        run.says(f"entry {index}", f"it is number {seq} of its chain, after {n}")
    if opening is not None:
        _check_opening(run, row, before)
    run.chains[label] = seq, _sha256(entries.CHAIN + head + commitment).digest()
    run.changed.add(label)


def _have_keys(run: _Run, rows: Sequence[Any]) -> None:
    """Load the keys of openings with few queries."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        if row[-1] is not None and (name := run.names.get(row[4])):
            with contextlib.suppress(BadSeal):
                wanted.setdefault(sealed.split(row[-1])[0], set()).add(name)
    for scope, names in wanted.items():
        sealing.fetch(run.db, names, scope)


def _grow(run: _Run) -> None:
    """Let the tree grow by the leaves that wait."""
    for made in run.frontier.extend(run.leaves):
        run.nodes[made.level, made.index] = made.hash
    run.leaves.clear()


def _check_map_root(run: _Run, payload: bytes, where: str) -> None:
    for label in run.changed:
        run.citizens.put(label, *run.chains[label])
    run.changed.clear()
    whole = run.citizens.whole()
    if payload[:-8] != entries.map_root(whole.hash, whole.count, 0)[:-8]:
        run.says(where, "it is not the root of the citizen map at that place")


def _check_opening(run: _Run, row: Any, before: tuple[int, bytes]) -> None:
    index, _type, commitment, _payload, label, _seq, event_id, kind, month, opening = row
    where = f"entry {index}"
    try:
        nonce, record = subjects.open_opening(run.db, run.names[label], (run.log.number, index), opening)
    except Shredded:
        run.says(where, "its key is gone, and no erasure says so")
        return
    except BadSeal:
        run.says(where, "its opening was altered")
        return
    commit = entries.commitment if run.log.kind == logs.OPEN else entries.split_commitment
    if commit(nonce, record) != commitment:
        run.says(where, "its record is not what the tree commits to")
        return
    said = _record.decode(record)
    n, head = before
    if (said.chain, said.seq, said.prev) != (label.hex(), n + 1, entries.base64_of(head)):
        run.says(where, "its record names another place in another chain")
    if (said.kind, said.event, said.at[:7]) != (kind, event_id, month):
        run.says(where, "its clear columns say something else than its record")
    if run.log.kind == logs.WITHHELD or kind == withheld.REVEALED:
        run.seen.opened(run.log, dict(zip(_NAMES, row, strict=True)), json.loads(record))


def _check_chains(run: _Run, *, labels: bool) -> None:
    for row in run.db.execute(_SUBJECTS, {"log": run.log.number}):
        label = run.labels.of(row.chain) if labels else row.label
        where = f"chain {label.hex()[:16]}"
        if label != row.label:
            run.says(where, f"it is kept under another label, {row.label.hex()[:16]}")
        chain = run.chains.get(row.label)
        if chain != (row.n, row.head):
            run.says(where, f"its head says {row.n} entries, the rows lead to {chain[0] if chain else 0}")


def _check_names(run: _Run, known: Callable[[Session, Sequence[str]], set[str]]) -> None:
    """A chain is a citizen's who exists, or an agency's, source's or office's, whose name has a colon."""
    people = {name: label for label, name in run.names.items() if ":" not in name}
    for name in sorted(people.keys() - known(run.db, list(people))):
        run.says(f"chain {people[name].hex()[:16]}", "it is of nobody who is known")


def _check_map(run: _Run) -> None:
    """The map in the tables is that of the entries before the leaf up to which it says it is."""
    if run.state.applied == run.frontier.size:
        run.mapped = dict(run.chains)
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
