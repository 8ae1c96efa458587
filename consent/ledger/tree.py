"""The Merkle tree of RFC 9162 section 2.1: hashes, a frontier that grows, proofs and their verification."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_sha256 = hashlib.sha256
EMPTY_ROOT = hashlib.sha256(b"").digest()

# Reads tile hashes: (level, start, stop) -> hash i of that level for start <= i < stop, where hash i of
# level l is the root over leaves i * 256**l up to (i + 1) * 256**l. Level 0 is the leaf hashes.
Reader = Callable[[int, int, int], Sequence[bytes]]


class BadProof(ValueError):
    """An inclusion or consistency proof that does not hold."""


@dataclass(frozen=True)
class Node:
    """A completed subtree whose root is stored: `index`-th hash of tile level `level` (1 and up)."""

    level: int
    index: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf's data (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """The right edge of a tree: the roots of its complete subtrees, largest first. All that growing needs."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[Node]:
        """Add one leaf hash; returns the 256-wide subtrees this leaf completed, lowest level first."""
        return self._add(leaf, 0)

    def extend(self, leaves: Iterable[bytes]) -> list[Node]:
        """Add leaf hashes in order; returns every 256-wide subtree they completed."""
        every, at, done = list(leaves), 0, list[Node]()
        while at < len(every):
            # The largest complete subtree that may stand here, within a tile, and that there are leaves for.
            free = (self.size & -self.size).bit_length() - 1 if self.size else TILE_HEIGHT
            height = min(free, TILE_HEIGHT, (len(every) - at).bit_length() - 1)
            done += self._add(whole(every[at : at + (1 << height)]), height)
            at += 1 << height
        return done

    def _add(self, node: bytes, height: int) -> list[Node]:
        """Add a complete subtree of 2**height leaves where one may stand."""
        index = self.size >> height
        done = [Node(height // TILE_HEIGHT, index, node)] if height and height % TILE_HEIGHT == 0 else []
        self.size += 1 << height
        while index & 1:
            node = node_hash(self.hashes.pop(), node)
            index >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                done.append(Node(height // TILE_HEIGHT, index, node))
        self.hashes.append(node)
        return done

    def add_tile(self, tile: bytes) -> list[Node]:
        """Add 256 leaves by the hash over them, where such a subtree may stand; returns what `extend` would."""
        if self.size % TILE_WIDTH:
            raise ValueError("a tile begins at a multiple of 256")
        return self._add(tile, TILE_HEIGHT)

    def root(self) -> bytes:
        """Root hash at the present size (RFC 9162 section 2.1.1; the empty tree's is SHA-256 of nothing)."""
        return _fold(self.hashes)

    def to_bytes(self) -> bytes:
        """Size as 8 bytes big-endian, then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read `to_bytes`. Raises ValueError if the number of hashes does not fit the size."""
        size, rest = int.from_bytes(data[:8], "big"), data[8:]
        if len(data) < 8 or len(rest) != size.bit_count() * HASH_BYTES:
            raise ValueError("a frontier's hashes do not fit its size")
        return cls(size, [rest[i : i + HASH_BYTES] for i in range(0, len(rest), HASH_BYTES)])


def _fold(subtrees: Sequence[bytes]) -> bytes:
    """Root over complete subtrees in falling size, joined from the right."""
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def parents(row: Sequence[bytes]) -> list[bytes]:
    """The hashes over each two neighbours of a level; a last one without a neighbour has none."""
    pairs = zip(row[::2], row[1::2], strict=False)
    return [_sha256(b"\x01" + left + right).digest() for left, right in pairs]


def whole(row: Sequence[bytes]) -> bytes:
    """Root of a complete subtree, from all the hashes of one of its levels."""
    level = b"".join(row)  # one piece: two neighbours are one slice of it
    if len(level) != len(row) * HASH_BYTES or len(row) & (len(row) - 1):
        raise ValueError("a complete subtree has a power of two of hashes")
    while len(level) > HASH_BYTES:
        pairs = range(0, len(level), 2 * HASH_BYTES)
        level = b"".join([_sha256(b"\x01" + level[at : at + 64]).digest() for at in pairs])
    return level


def _complete(read: Reader, begin: int, height: int) -> bytes:
    """Root of the complete subtree of 2**height leaves that starts at `begin`."""
    level, within = divmod(height, TILE_HEIGHT)
    start = begin >> level * TILE_HEIGHT
    row = list(read(level, start, start + (1 << within)))
    if len(row) != 1 << within:
        raise LookupError(f"tree hashes missing: level {level} from {start}")
    return whole(row)


def range_root(read: Reader, begin: int, end: int) -> bytes:
    """Root over the leaves begin..end-1, where `begin` is aligned as in any subtree of RFC 9162."""
    subtrees = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        subtrees.append(_complete(read, begin, height))
        begin += 1 << height
    return _fold(subtrees)


def _split(size: int) -> int:
    """The largest power of two smaller than size."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_path(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves, first and after the last, under each step of an inclusion proof. Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    return path[::-1]


def inclusion_proof(read: Reader, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 section 2.1.3.1, from the leaf upwards. Raises ValueError."""
    return [range_root(read, *part) for part in inclusion_path(index, size)]


def consistency_proof(read: Reader, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 9162 section 2.1.4.1. Empty for old = 0 and old = new. Raises ValueError."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not contain one of {old}")
    if old in (0, new):
        return []
    path, begin, end, whole = [], 0, new, True
    while begin + old != end or not whole:
        if begin + old == end:
            path.append((begin, end))
            break
        middle = begin + _split(end - begin)
        if begin + old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            old -= middle - begin
            begin, whole = middle, False
    return [range_root(read, *part) for part in reversed(path)]


def _hashes(*values: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in values):
        raise BadProof("a hash in a proof has 32 bytes")


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root an inclusion proof leads to (RFC 9162 section 2.1.3.2). Raises BadProof if it cannot fit."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of {size}")
    _hashes(leaf, *proof)
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the inclusion proof is too long")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProof("the inclusion proof is too short")
    return root


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is at `index` of the tree (size, root). Raises BadProof."""
    _hashes(root)
    if root_from_inclusion(index, size, leaf, proof) != root:
        raise BadProof("the inclusion proof does not lead to the root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (new, new_root) extends (old, old_root): RFC 9162 section 2.1.4.2. Raises BadProof.

    Nothing is consistent with everything, so old = 0 needs the empty tree's root and an empty proof.
    """
    _hashes(old_root, new_root, *proof)
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} does not contain one of {old}")
    if old in (0, new):
        if proof or (old == 0 and old_root != EMPTY_ROOT) or (old == new and old_root != new_root):
            raise BadProof("two roots for one size, or a proof where none belongs")
        return
    if not proof:
        raise BadProof("the consistency proof is empty")
    if _roots_from_consistency(old, new, old_root, proof) != (old_root, new_root):
        raise BadProof("the consistency proof does not lead to both roots")


def _roots_from_consistency(
    old: int, new: int, old_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The two roots a proof leads to, for 0 < old < new. Raises BadProof if it cannot fit."""
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the consistency proof is too long")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProof("the consistency proof is too short")
    return first, second
