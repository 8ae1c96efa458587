"""The citizen map in the database: brought up to date from the entries, and proofs read from it."""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger import citizen_map, entries
from consent.ledger.citizen_map import NOTHING, PAGE_BITS, STEP_BITS, Proof, Step, Subtree
from consent.ledger.errors import LedgerBusy
from consent.ledger.rows import Query, Writer
from consent.ledger.tables import head, map_leaf, map_node, map_state
from core.database import Database

# How many entries one transaction takes in: on SQLite all others wait for it.
ROWS_AT_ONCE = 1000
# What is left for whoever holds the head lock: few enough to be no burden on those who wait for it. More come while
# these are taken in, each time fewer; if they come too fast, the chase ends anyway.
FEW = 16
MOST_CHASED: Final = 12
# A log's map has 256 of them, of 64 KB each once it is full; the open log and that of what is withheld grow.
STEPS_KEPT: Final = 600
# The chains of one page: how long each is, and its head.
Page = dict[bytes, tuple[int, bytes]]
_MIDDLE, _PAGE = STEP_BITS, PAGE_BITS
# What stands below a subtree, by that subtree. Its hash is that of all of it and a label is in the hash of its chain, so
# what is found here is never out of date nor another log's, whatever became of the tables and whatever was undone.
_STEPS: Final[OrderedDict[Subtree, Step]] = OrderedDict()

_STATE = select(map_state).where(map_state.c.log == bindparam("log"))
_LINKS: Final = Query(
    "SELECT label, commitment FROM ledger_entry WHERE log = :log AND leaf_index >= :start AND leaf_index < :stop "
    "AND label IS NOT NULL ORDER BY leaf_index"
)
_ON_PAGES: Final = {
    "sqlite": Query(
        "SELECT page, label, n, head FROM ledger_map_leaf "
        "WHERE log = :log AND page IN (SELECT value FROM json_each(:pages))"
    ),
    "postgresql": Query(
        "SELECT page, label, n, head FROM ledger_map_leaf "
        "WHERE log = :log AND page = ANY(CAST(:pages AS integer[]))"
    ),
}
_SIZE = select(head.c.size).where(head.c.log == bindparam("log"))
_LEAVES = select(map_leaf.c.page, map_leaf.c.label, map_leaf.c.n, map_leaf.c.head).where(
    map_leaf.c.log == bindparam("log")
)
_BETWEEN = _LEAVES.where(map_leaf.c.page.between(bindparam("first"), bindparam("last")))
_NODES: Final = Query(
    "SELECT number, chains, hash FROM ledger_map_node "
    "WHERE log = :log AND depth = :depth AND number BETWEEN :first AND :last"
)
_BEGIN = {
    "sqlite": sqlite.insert(map_state).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(map_state).on_conflict_do_nothing(),
}
_PUT_LEAF = Writer(map_leaf, [*map_leaf.c], replaced=("n", "head"))
_PUT_NODE = Writer(map_node, [*map_node.c], replaced=("chains", "hash"))
_SET_APPLIED = (
    update(map_state)
    .where(map_state.c.log == bindparam("of"), map_state.c.applied == bindparam("start"))
    .values(applied=bindparam("stop"))
)
_SET_ROOT = (
    update(map_state)
    .where(map_state.c.log == bindparam("of"))
    .values(applied=bindparam("place"), root_index=bindparam("place"), tree_root=bindparam("grown"))
)


@dataclass(frozen=True)
class State:
    """How far the map is: entries before leaf `applied` are in it, and its newest root is leaf `root_index`.

    `tree_root` is the root of the log at the size that ends with that leaf.
    """

    applied: int
    root_index: int | None
    tree_root: bytes | None

    @property
    def settled(self) -> bool:
        """True while the map in the tables is exactly the one whose root was logged last."""
        return self.root_index is not None and self.applied == self.root_index


def state(db: Session, log: int) -> State:
    """How far a log's map is."""
    row = db.execute(_STATE, {"log": log}).first()
    return State(row.applied, row.root_index, row.tree_root) if row else State(0, None, None)


@dataclass(frozen=True)
class Change:
    """What the entries start..stop-1 make of a log's map: chains, pages and what stands above them, the whole of it."""

    log: int
    start: int
    stop: int
    leaves: Sequence[Mapping[str, Any]]
    pages: Mapping[int, Subtree]
    middle: Mapping[int, Subtree]
    whole: Subtree


def follow(database: Database, log: int) -> None:
    """Bring a log's map near to the log's end, so that little is left to do for whoever locks the log.

    Nobody waits while the map is worked out, and what comes meanwhile is taken in too, until few are left. If this
    ends half way, the tables hold the map of fewer entries, and the next one goes on from there.
    Raises LedgerBusy if another process does the same.
    """
    goal = chased = 0
    while chased < MOST_CHASED:
        with database.snapshot() as db:
            start = state(db, log).applied
            if start >= goal:
                goal, chased = db.execute(_SIZE, {"log": log}).scalar_one(), chased + 1
                if goal - start <= FEW:
                    return
            change = _change(db, log, start, min(start + ROWS_AT_ONCE, goal))
        with database.writing() as db:
            _write(db, change)


def apply(db: Session, log: int, stop: int) -> Subtree:
    """Take the entries before leaf `stop` into a log's map; returns the whole of it.

    Safe against another process doing the same: who comes second raises LedgerBusy and undoes its part.
    """
    start = state(db, log).applied
    change = _change(db, log, start, max(start, stop))
    _write(db, change)
    return change.whole


def _write(db: Session, change: Change) -> None:
    """Put a change into the tables. Raises LedgerBusy if the map is no longer the one that it was worked out from.

    Entries never change their chain or place, so how many are in the map says which map it is.
    """
    log = change.log
    db.execute(_BEGIN[db.get_bind().dialect.name], {"log": log, "applied": 0})
    if change.stop == change.start:
        return
    moved = db.execute(_SET_APPLIED, {"of": log, "start": change.start, "stop": change.stop})
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise LedgerBusy(overload=True, detail="the map is brought up to date by another process")
    _PUT_LEAF.put(db, change.leaves)
    _put_nodes(db, log, _PAGE, change.pages)
    _put_nodes(db, log, _MIDDLE, change.middle)


def logged(db: Session, log: int, place: int, tree_root: bytes) -> None:
    """Remember that the map as it stands was logged as leaf `place`, which made the log's root `tree_root`."""
    db.execute(_SET_ROOT, {"of": log, "place": place, "grown": tree_root})


def proof(db: Session, log: int, label: bytes) -> tuple[Proof, tuple[int, bytes] | None]:
    """What the map says of a label: the proof, and the chain's length and head; None if it has no entries.

    For a transaction that sees one state throughout (`Database.snapshot`).
    """
    siblings: list[bytes] = []
    page = citizen_map.page_of(label)
    top = _children(db, log, _MIDDLE, 0)
    node = citizen_map.fold_step(top)
    depth = 0
    for children, number in ((top, page >> STEP_BITS), (None, page & (citizen_map.STEP - 1))):
        if node.count <= 1:
            break
        row = _children(db, log, _PAGE, page >> STEP_BITS) if children is None else children
        for entered, sibling in citizen_map.way_in_step(row, number):
            siblings.append(sibling.hash)
            node, depth = entered, depth + 1
            if node.count <= 1:
                break
    found = _below(db, log, label, depth) if node.count else []
    if len(found) > 1:
        siblings += citizen_map.way_in_page(_hashed(found), label)
        depth = len(siblings)
        found = [leaf for leaf in found if _shares(leaf[0], label, depth)]
    return _ending(siblings, found, label)


def _ending(
    siblings: list[bytes], found: Sequence[tuple[bytes, int, bytes]], label: bytes
) -> tuple[Proof, tuple[int, bytes] | None]:
    if not found:
        return Proof(tuple(siblings)), None
    there, n, head = found[0]
    if there == label:
        return Proof(tuple(siblings)), (n, head)
    return Proof(tuple(siblings), (there, citizen_map.value_hash(n, head))), None


def _change(db: Session, log: int, start: int, stop: int) -> Change:
    """Let chains go on to where the entries start..stop-1 lead them, and hash what that changes; writes nothing.

    What another process writes meanwhile may be mixed in where the transaction is no snapshot: `_write` refuses that.
    """
    links = _LINKS.all(db, log=log, start=start, stop=stop)
    pages = _on_pages(db, log, sorted({citizen_map.page_of(label) for label, _commitment in links}))
    changed = set()
    for label, commitment in links:
        page = pages[citizen_map.page_of(label)]
        n, last = page.get(label) or (0, entries.first_head(label))
        page[label] = n + 1, entries.next_head(last, commitment)
        changed.add(label)
    rows = []
    for label in sorted(changed):
        number = citizen_map.page_of(label)
        n, last = pages[number][label]
        rows.append({"log": log, "page": number, "label": label, "n": n, "head": last})
    folded = {
        page: citizen_map.fold(_hashed([(label, *held[label]) for label in sorted(held)]))
        for page, held in pages.items()
    }
    top = _children(db, log, _MIDDLE, 0)
    middle = _middle_of(db, log, folded, top)
    return Change(log, start, stop, rows, folded, middle, citizen_map.fold_step(top | middle))


def _middle_of(
    db: Session, log: int, folded: Mapping[int, Subtree], top: Mapping[int, Subtree]
) -> dict[int, Subtree]:
    """What stands eight levels above changed pages, with each step's new state kept in the place of the old."""
    below: dict[int, dict[int, Subtree]] = {}
    for page, node in folded.items():
        below.setdefault(page >> STEP_BITS, {})[page & (citizen_map.STEP - 1)] = node
    found = {}
    for number, children in below.items():
        before = top.get(number, NOTHING)
        step = _STEPS.pop(before, None) or Step(_children(db, log, _PAGE, number))
        after = step.changed(children)
        found[number] = after.whole
        _STEPS[after.whole] = after
    while len(_STEPS) > STEPS_KEPT:
        _STEPS.popitem(last=False)
    return found


def _on_pages(db: Session, log: int, numbers: Sequence[int]) -> dict[int, Page]:
    """These pages, whole."""
    pages: dict[int, Page] = {number: {} for number in numbers}
    if pages:
        engine = db.get_bind().dialect.name
        wanted = json.dumps(numbers) if engine == "sqlite" else numbers
        for number, label, n, last in _ON_PAGES[engine].all(db, log=log, pages=wanted):
            pages[number][label] = n, last
    return pages


def _put_nodes(db: Session, log: int, depth: int, nodes: Mapping[int, Subtree]) -> None:
    rows = [
        {"log": log, "depth": depth, "number": number, "chains": node.count, "hash": node.hash}
        for number, node in nodes.items()
    ]
    _PUT_NODE.put(db, rows)


def _children(db: Session, log: int, depth: int, number: int) -> dict[int, Subtree]:
    """The up to 256 subtrees at `depth` below the one with this number eight levels higher."""
    first = number << STEP_BITS
    found = _NODES.all(db, log=log, depth=depth, first=first, last=first + citizen_map.STEP - 1)
    return {place - first: Subtree(chains, made) for place, chains, made in found}


def _below(db: Session, log: int, label: bytes, depth: int) -> list[tuple[bytes, int, bytes]]:
    """The chains whose labels share the first `depth` (at most 16) bits with this one, sorted."""
    free = PAGE_BITS - depth
    first = citizen_map.page_of(label) >> free << free
    rows = db.execute(_BETWEEN, {"log": log, "first": first, "last": first + (1 << free) - 1})
    return sorted((row.label, row.n, row.head) for row in rows)


def _hashed(found: Sequence[tuple[bytes, int, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (label, citizen_map.leaf_hash(label, citizen_map.value_hash(n, head))) for label, n, head in found
    ]


def _shares(one: bytes, other: bytes, depth: int) -> bool:
    return all(citizen_map.bit(one, at) == citizen_map.bit(other, at) for at in range(depth))
