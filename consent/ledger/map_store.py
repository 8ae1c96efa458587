"""The citizen map in the database: brought up to date from the entries, and proofs read from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger import citizen_map, entries
from consent.ledger.citizen_map import PAGE_BITS, STEP_BITS, Proof, Subtree
from consent.ledger.errors import LedgerBusy
from consent.ledger.rows import Writer
from consent.ledger.tables import entry, map_leaf, map_node, map_state
from core.database import Database

ROWS_AT_ONCE = 2000
# What is left for whoever holds the head lock: few enough to be no burden on those who wait for it.
FEW = 200
MANY = 16
# The chains of one page: how long each is, and its head.
Page = dict[bytes, tuple[int, bytes]]
_MIDDLE, _PAGE = STEP_BITS, PAGE_BITS

_STATE = select(map_state).where(map_state.c.log == bindparam("log"))
_LINKS = (
    select(entry.c.label, entry.c.seq, entry.c.commitment)
    .where(
        entry.c.log == bindparam("log"),
        entry.c.leaf_index >= bindparam("start"),
        entry.c.leaf_index < bindparam("stop"),
        entry.c.label.is_not(None),
    )
    .order_by(entry.c.leaf_index)
)
_LEAVES = select(map_leaf.c.page, map_leaf.c.label, map_leaf.c.n, map_leaf.c.head).where(
    map_leaf.c.log == bindparam("log")
)
_ON_PAGES = _LEAVES.where(map_leaf.c.page.in_(bindparam("pages", expanding=True)))
_BETWEEN = _LEAVES.where(map_leaf.c.page.between(bindparam("first"), bindparam("last")))
_NODES = select(map_node.c.number, map_node.c.chains, map_node.c.hash).where(
    map_node.c.log == bindparam("log"),
    map_node.c.depth == bindparam("depth"),
    map_node.c.number.between(bindparam("first"), bindparam("last")),
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


def follow(database: Database, log: int, size: int) -> None:
    """Bring a log's map near to `size` leaves in steps of their own, so that the last one has little to do."""
    while True:
        with database.reading() as db:
            start = state(db, log).applied
        if size - start <= FEW:
            return
        with database.writing() as db:
            apply(db, log, min(start + ROWS_AT_ONCE, size))


def apply(db: Session, log: int, stop: int) -> Subtree:
    """Take the entries before leaf `stop` into a log's map; returns the whole of it.

    Safe against another process doing the same: who comes second raises LedgerBusy and undoes its part.
    """
    dialect = db.get_bind().dialect.name
    db.execute(_BEGIN[dialect], {"log": log, "applied": 0})
    start = state(db, log).applied
    if stop > start:
        moved = db.execute(_SET_APPLIED, {"of": log, "start": start, "stop": stop})
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise LedgerBusy(overload=True, detail="the map is brought up to date by another process")
        if pages := _take(db, log, start, stop):
            _hash(db, log, pages)
    return citizen_map.fold_step(_children(db, log, _MIDDLE, 0))


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


def _take(db: Session, log: int, start: int, stop: int) -> Mapping[int, Page]:
    """Let chains go on to where the entries start..stop-1 lead them; returns the pages that changed, whole."""
    links = db.execute(_LINKS, {"log": log, "start": start, "stop": stop}).all()
    pages: dict[int, Page] = {citizen_map.page_of(label): {} for label, _seq, _commitment in links}
    for page, label, n, head in _on_pages(db, log, sorted(pages)):
        pages[page][label] = n, head
    changed = set()
    for label, _seq, commitment in links:
        page = pages[citizen_map.page_of(label)]
        n, head = page.get(label) or (0, entries.first_head(label))
        page[label] = n + 1, entries.next_head(head, commitment)
        changed.add(label)
    rows = []
    for label in sorted(changed):
        number = citizen_map.page_of(label)
        n, head = pages[number][label]
        rows.append({"log": log, "page": number, "label": label, "n": n, "head": head})
    _PUT_LEAF.put(db, rows)
    return pages


def _hash(db: Session, log: int, pages: Mapping[int, Page]) -> None:
    """Hash these pages and what stands above them anew."""
    folded = {
        page: citizen_map.fold(_hashed([(label, *held[label]) for label in sorted(held)]))
        for page, held in pages.items()
    }
    middle = {page >> STEP_BITS for page in pages}
    below = _below_middle(db, log, sorted(middle))
    for page, found in folded.items():
        below[page >> STEP_BITS][page & (citizen_map.STEP - 1)] = found
    _put_nodes(db, log, _PAGE, folded)
    _put_nodes(
        db, log, _MIDDLE, {number: citizen_map.fold_step(children) for number, children in below.items()}
    )


def _on_pages(db: Session, log: int, pages: Sequence[int]) -> Iterator[Row[*tuple[Any, ...]]]:
    for first in range(0, len(pages), ROWS_AT_ONCE):
        yield from db.execute(_ON_PAGES, {"log": log, "pages": pages[first : first + ROWS_AT_ONCE]})


def _put_nodes(db: Session, log: int, depth: int, nodes: Mapping[int, Subtree]) -> None:
    rows = [
        {"log": log, "depth": depth, "number": number, "chains": node.count, "hash": node.hash}
        for number, node in nodes.items()
    ]
    _PUT_NODE.put(db, rows)


def _children(db: Session, log: int, depth: int, number: int) -> dict[int, Subtree]:
    """The up to 256 subtrees at `depth` below the one with this number eight levels higher."""
    first = number << STEP_BITS
    span = {"log": log, "depth": depth, "first": first, "last": first + citizen_map.STEP - 1}
    return {place - first: Subtree(chains, found) for place, chains, found in db.execute(_NODES, span)}


def _below_middle(db: Session, log: int, numbers: Sequence[int]) -> dict[int, dict[int, Subtree]]:
    """The pages below each of these, read at once where they are many."""
    if len(numbers) < MANY:
        return {number: _children(db, log, _PAGE, number) for number in numbers}
    below: dict[int, dict[int, Subtree]] = {number: {} for number in numbers}
    span = {"first": numbers[0] << STEP_BITS, "last": (numbers[-1] + 1 << STEP_BITS) - 1}
    for place, chains, found in db.execute(_NODES, {"log": log, "depth": _PAGE, **span}):
        if (children := below.get(place >> STEP_BITS)) is not None:
            children[place & (citizen_map.STEP - 1)] = Subtree(chains, found)
    return below


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
