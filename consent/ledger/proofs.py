"""Tree hashes read back from the database's rows, and the proofs made of them."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from consent.ledger import entries, tree
from consent.ledger.tables import entry, node

_RANGE = (
    select(entry.c.leaf_index, entry.c.leaf_type, entry.c.commitment, entry.c.payload)
    .where(
        entry.c.log == bindparam("log"),
        entry.c.leaf_index >= bindparam("start"),
        entry.c.leaf_index < bindparam("stop"),
    )
    .order_by(entry.c.leaf_index)
)
_NODES = (
    select(node.c.hash)
    .where(
        node.c.log == bindparam("log"),
        node.c.level == bindparam("level"),
        node.c.number >= bindparam("start"),
        node.c.number < bindparam("stop"),
    )
    .order_by(node.c.number)
)


def leaves(db: Session, log: int, start: int, stop: int) -> list[bytes]:
    """Leaf data of a log, start..stop-1. Raises LookupError if a row is missing."""
    rows = db.execute(_RANGE, {"log": log, "start": start, "stop": stop}).all()
    if [row[0] for row in rows] != list(range(start, stop)):
        raise LookupError(f"entries are missing between {start} and {stop}")
    return [
        entries.leaf(leaf_type, commitment if leaf_type == entries.COMMITMENT else payload)
        for _index, leaf_type, commitment, payload in rows
    ]


def hashes(db: Session, log: int, level: int, start: int, stop: int) -> list[bytes]:
    """Tile hashes of a log, as tree.Reader wants them. Raises LookupError if one is missing."""
    if level == 0:
        return [tree.leaf_hash(data) for data in leaves(db, log, start, stop)]
    found = list(db.scalars(_NODES, {"log": log, "level": level, "start": start, "stop": stop}))
    if len(found) != stop - start:
        raise LookupError(f"tree nodes are missing at level {level} between {start} and {stop}")
    return found


class Tiles:
    """Reads tile hashes a tile at a time and keeps them: a history's proofs share most of theirs."""

    def __init__(self, db: Session, log: int, size: int) -> None:
        self._db = db
        self._log = log
        self.size = size
        self._kept: dict[tuple[int, int], list[bytes]] = {}
        self._steps: dict[tuple[int, int], bytes] = {}
        self._above: dict[tuple[int, int], list[Sequence[bytes]]] = {}

    def read(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """The hashes start..stop-1 of a level; they never cross a tile. See tree.Reader."""
        number, first = start // tree.TILE_WIDTH, start - start % tree.TILE_WIDTH
        return self._tile(level, number)[start - first : stop - first]

    def _tile(self, level: int, number: int) -> Sequence[bytes]:
        if (level, number) not in self._kept:
            first = number * tree.TILE_WIDTH
            end = min(first + tree.TILE_WIDTH, self.size >> level * tree.TILE_HEIGHT)
            self._kept[level, number] = hashes(self._db, self._log, level, first, end)
        return self._kept[level, number]

    def inclusion(self, index: int) -> list[bytes]:
        """Inclusion proof of a leaf in the tree of this size."""
        return [self._step(part) for part in tree.inclusion_path(index, self.size)]

    def _step(self, part: tuple[int, int]) -> bytes:
        if part not in self._steps:
            begin, end = part
            width = end - begin
            whole = not width & (width - 1)  # all but those at the right edge are
            self._steps[part] = self._subtree(*part) if whole else tree.range_root(self.read, *part)
        return self._steps[part]

    def _subtree(self, begin: int, end: int) -> bytes:
        """The root of a complete subtree; the hashes between those that are stored are made once for a tile."""
        level, within = divmod((end - begin).bit_length() - 1, tree.TILE_HEIGHT)
        number, place = divmod(begin >> level * tree.TILE_HEIGHT, tree.TILE_WIDTH)
        above = self._above.setdefault((level, number), [self._tile(level, number)])
        while len(above) <= within:
            above.append(tree.parents(above[-1]))
        return above[within][place >> within]


def consistency(db: Session, log: int, old: int, new: int) -> list[bytes]:
    """Consistency proof between two sizes of a log."""
    return tree.consistency_proof(Tiles(db, log, new).read, old, new)
