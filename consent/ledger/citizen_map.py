"""The citizen map's hashes: a Merkle trie from each chain's label to its length and head, and proofs from it."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A subtree without chains is EMPTY, one with a single chain is that chain's leaf, however high it stands, and
# every other is the hash of its two halves. So the same chains make the same root in whatever order they came.
EMPTY = bytes(32)
PAGE_BITS = 16
STEP_BITS = 8
STEP = 1 << STEP_BITS
_LEAF, _INNER = b"erti/map/v1\x00", b"erti/map/v1\x01"


@dataclass(frozen=True, slots=True)
class Subtree:
    """What a part of the map comes to: how many chains are in it, and its hash."""

    count: int
    hash: bytes


NOTHING = Subtree(0, EMPTY)


@dataclass(frozen=True)
class Proof:
    """What the map says of a label: the siblings on its way from the root down, and who stands at its end.

    `other` is the label and value hash of the chain found there in the label's stead, if it is not its own.
    """

    siblings: tuple[bytes, ...]
    other: tuple[bytes, bytes] | None = None


def value_hash(n: int, head: bytes) -> bytes:
    """The hash of what the map holds for a chain: how many entries, and the head after them."""
    return hashlib.sha256(n.to_bytes(8, "big") + head).digest()


def leaf_hash(label: bytes, value: bytes) -> bytes:
    """The hash of one chain's place."""
    return hashlib.sha256(_LEAF + label + value).digest()


def join(left: Subtree, right: Subtree) -> Subtree:
    """Two halves as one subtree."""
    count = left.count + right.count
    if count <= 1:
        return left if left.count else right
    return Subtree(count, hashlib.sha256(_INNER + left.hash + right.hash).digest())


def bit(label: bytes, depth: int) -> int:
    """The bit by which a label goes left (0) or right (1) at a depth."""
    return label[depth >> 3] >> (7 - (depth & 7)) & 1


def page_of(label: bytes) -> int:
    """The page a label is kept on: its first 16 bits."""
    return int.from_bytes(label[: PAGE_BITS // 8], "big")


def fold(leaves: Sequence[tuple[bytes, bytes]], depth: int = PAGE_BITS) -> Subtree:
    """The subtree at `depth` over chains that share their first `depth` bits: (label, leaf hash), sorted."""
    if len(leaves) <= 1:
        return Subtree(1, leaves[0][1]) if leaves else NOTHING
    middle = _middle(leaves, depth)
    return join(fold(leaves[:middle], depth + 1), fold(leaves[middle:], depth + 1))


def fold_step(children: Mapping[int, Subtree]) -> Subtree:
    """The subtree over 256 neighbours, eight levels below it; those that are missing are empty."""
    row = children
    for _level in range(STEP_BITS):
        higher: dict[int, Subtree] = {}
        for number, node in row.items():
            if not number & 1:
                higher[number >> 1] = join(node, row.get(number + 1, NOTHING))
            elif number - 1 not in row:
                higher[number >> 1] = join(NOTHING, node)
        row = higher
    return row.get(0, NOTHING)


class Step:
    """Eight levels of the map: 256 subtrees and all that stands above them, of which a change moves only its way up."""

    def __init__(self, children: Mapping[int, Subtree]) -> None:
        self._nodes = [NOTHING] * STEP + [children.get(number, NOTHING) for number in range(STEP)]
        for place in range(STEP - 1, 0, -1):
            self._nodes[place] = join(self._nodes[2 * place], self._nodes[2 * place + 1])

    @property
    def whole(self) -> Subtree:
        """The subtree over all of them; the same as `fold_step` gives."""
        return self._nodes[1]

    def changed(self, children: Mapping[int, Subtree]) -> Step:
        """The same with other subtrees in these places; this one stays as it is."""
        step = object.__new__(Step)
        step._nodes = nodes = self._nodes.copy()
        above = {STEP + number for number in children}
        for number, node in children.items():
            nodes[STEP + number] = node
        while above := {place >> 1 for place in above if place > 1}:
            for place in above:
                nodes[place] = join(nodes[2 * place], nodes[2 * place + 1])
        return step


class CitizenMap:
    """A map in memory, grown chain by chain, for whoever recomputes every root that was logged."""

    def __init__(self) -> None:
        self._leaves: dict[int, dict[bytes, bytes]] = {}
        self._pages: dict[int, dict[int, Subtree]] = {}
        self._middle: dict[int, Subtree] = {}
        self._changed: set[int] = set()

    def put(self, label: bytes, n: int, head: bytes) -> None:
        """Let a chain stand at `n` entries with this head."""
        page = page_of(label)
        self._leaves.setdefault(page, {})[label] = leaf_hash(label, value_hash(n, head))
        self._changed.add(page)

    def whole(self) -> Subtree:
        """The map as it stands."""
        for page in self._changed:
            below = self._pages.setdefault(page >> STEP_BITS, {})
            below[page & (STEP - 1)] = fold(sorted(self._leaves[page].items()))
        for number in {page >> STEP_BITS for page in self._changed}:
            self._middle[number] = fold_step(self._pages[number])
        self._changed.clear()
        return fold_step(self._middle)


def way_in_step(children: Mapping[int, Subtree], number: int) -> list[tuple[Subtree, Subtree]]:
    """From the top down eight levels to `number`: at each level the subtree entered, and its sibling."""
    row, way = [children.get(i, NOTHING) for i in range(STEP)], []
    for _level in range(STEP_BITS):
        way.append((row[number], row[number ^ 1]))
        row, number = [join(row[i], row[i + 1]) for i in range(0, len(row), 2)], number >> 1
    return way[::-1]


def way_in_page(leaves: Sequence[tuple[bytes, bytes]], label: bytes) -> list[bytes]:
    """Siblings from a page's top down to where a label stands alone, or would stand."""
    siblings, depth = [], PAGE_BITS
    while len(leaves) > 1:
        middle = _middle(leaves, depth)
        halves = leaves[:middle], leaves[middle:]
        side = bit(label, depth)
        siblings.append(fold(halves[1 - side], depth + 1).hash)
        leaves, depth = halves[side], depth + 1
    return siblings


def _middle(leaves: Sequence[tuple[bytes, bytes]], depth: int) -> int:
    """Where the labels that go right at `depth` begin."""
    first = leaves[0][0]
    turn = bytearray(first[: (depth >> 3) + 1])
    turn[-1] = (turn[-1] & ~((1 << (8 - (depth & 7))) - 1)) | (1 << (7 - (depth & 7)))
    return bisect_left(leaves, bytes(turn), key=lambda leaf: leaf[0])
