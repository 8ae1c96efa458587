"""The tree against published roots and proofs, and against a naive reading of RFC 9162.

LEAVES, ROOTS, INCLUSION and CONSISTENCY are the values of the RFC 6962 reference tree as carried by
github.com/transparency-dev/merkle (proof/verify_test.go, testonly/constants.go; Apache-2.0, Copyright
Google LLC); the ways of corrupting a proof below follow the cases listed there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.ledger import tree

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
NODES = {
    name: bytes.fromhex(text)
    for name, text in {
        "0": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "1": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "2-3": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "4-7": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        "4": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "6-7": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "0-3": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "0-1": "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "4-5": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "6": "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    }.items()
}
INCLUSION = [
    (0, 1, []),
    (0, 8, ["1", "2-3", "4-7"]),
    (5, 8, ["4", "6-7", "0-3"]),
    (2, 3, ["0-1"]),
    (1, 5, ["0", "2-3", "4"]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["1", "2-3", "4-7"]),
    (6, 8, ["4-5", "6-7", "0-3"]),
    (2, 5, ["2-3", "4"]),
    (6, 7, ["4-5", "6", "0-3"]),
]
SOME = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")

Inclusion = tuple[int, int, bytes, Sequence[bytes], bytes]
Consistency = tuple[int, int, bytes, bytes, Sequence[bytes]]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n]), written as RFC 9162 section 2.1.1 writes it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


class Stored:
    """A tree kept as the ledger keeps it: leaf hashes, and the roots of completed 256-wide subtrees."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.frontier = tree.Frontier()
        self.leaves = [tree.leaf_hash(leaf) for leaf in leaves]
        self.nodes = {(n.level, n.index): n.hash for n in self.frontier.extend(self.leaves)}

    def read(self, level: int, start: int, stop: int) -> list[bytes]:
        """Tile hashes, as tree.Reader asks for them."""
        if level == 0:
            return self.leaves[start:stop]
        return [self.nodes[level, i] for i in range(start, stop)]


def test_reference_roots() -> None:
    """The roots of the reference tree with 0 to 8 leaves are the published ones."""
    frontier = tree.Frontier()
    for size, root in enumerate(ROOTS):
        assert frontier.root() == root == naive_root(LEAVES[:size])
        if size < len(LEAVES):
            frontier.append(tree.leaf_hash(LEAVES[size]))


@pytest.mark.parametrize(("index", "size", "names"), INCLUSION)
def test_reference_inclusion_proofs(index: int, size: int, names: list[str]) -> None:
    """Published inclusion proofs are the ones we make, they hold, and no corrupted one does."""
    proof = [NODES[name] for name in names]
    leaf, root = tree.leaf_hash(LEAVES[index]), ROOTS[size]
    assert tree.inclusion_proof(Stored(LEAVES).read, index, size) == proof
    tree.verify_inclusion(index, size, leaf, proof, root)
    for case in corrupted_inclusions(index, size, leaf, proof, root):
        with pytest.raises(tree.BadProof):
            tree.verify_inclusion(*case)


def corrupted_inclusions(i: int, n: int, leaf: bytes, proof: list[bytes], root: bytes) -> Iterator[Inclusion]:
    """What verify_inclusion must refuse, given what it accepts."""
    for index in (i - 1, i + 1, i ^ 2):
        yield index, n, leaf, proof, root
    for size in (n * 2, n // 2, n + 1 if i < n // 2 and n & (n - 1) == 0 else 0):
        yield i, size, leaf, proof, root
    for wrong in (b"WrongLeaf", b"", leaf[:-1], leaf + b"\0"):
        yield i, n, wrong, proof, root
    for wrong in (ROOTS[0], SOME, b"", root[:-1]):
        yield i, n, leaf, proof, wrong
    for extra in (b"", root, SOME):
        yield i, n, leaf, [*proof, extra], root
        yield i, n, leaf, [extra, *proof], root
    for place in range(len(proof)):
        flipped = bytes([proof[place][0] ^ 8]) + proof[place][1:]
        yield i, n, leaf, [*proof[:place], flipped, *proof[place + 1 :]], root
        yield i, n, leaf, [*proof[:place], *proof[place + 1 :]], root
        yield i, n, leaf, [*proof[:place], SOME, *proof[place:]], root


@pytest.mark.parametrize(("old", "new", "names"), CONSISTENCY)
def test_reference_consistency_proofs(old: int, new: int, names: list[str]) -> None:
    """Published consistency proofs are the ones we make, they hold, and no corrupted one does."""
    proof = [NODES[name] for name in names]
    assert tree.consistency_proof(Stored(LEAVES).read, old, new) == proof
    tree.verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)
    if proof:
        for case in corrupted_consistencies(old, new, ROOTS[old], ROOTS[new], proof):
            with pytest.raises(tree.BadProof):
                tree.verify_consistency(*case)


def corrupted_consistencies(
    old: int, new: int, root1: bytes, root2: bytes, proof: list[bytes]
) -> Iterator[Consistency]:
    """What verify_consistency must refuse, given what it accepts."""
    for wrong in (old - 1, old + 1, old ^ 2):
        yield wrong, new, root1, root2, proof
    for wrong in (new * 2, new // 2):
        yield old, wrong, root1, root2, proof
    yield old, new, b"WrongRoot", root2, proof
    yield old, new, root1, b"WrongRoot", proof
    yield old, new, root2, root1, proof
    yield old, new, root1, root2, []
    for extra in (b"", root1, root2, proof[0]):
        yield old, new, root1, root2, [*proof, extra]
        yield old, new, root1, root2, [extra, *proof]
    yield old, new, root1, root2, proof[:-1]
    for place in range(len(proof)):
        flipped = bytes([proof[place][0] ^ 16]) + proof[place][1:]
        yield old, new, root1, root2, [*proof[:place], flipped, *proof[place + 1 :]]


@pytest.mark.parametrize(
    ("sizes", "root1", "root2", "proof", "holds"),
    [
        ((0, 0), tree.EMPTY_ROOT, tree.EMPTY_ROOT, [], True),
        ((0, 1), tree.EMPTY_ROOT, SOME, [], True),
        ((0, 1), SOME, SOME, [], False),
        ((0, 0), tree.EMPTY_ROOT, SOME, [], False),
        ((0, 1), tree.EMPTY_ROOT, SOME, [SOME], False),
        ((1, 1), SOME, SOME, [], True),
        ((1, 1), SOME, ROOTS[2], [], False),
        ((1, 1), SOME, SOME, [SOME], False),
        ((1, 1), SOME[:31], SOME[:31], [], False),
        ((1, 0), SOME, ROOTS[2], [], False),
        ((2, 1), SOME, ROOTS[2], [], False),
        ((1, 2), SOME, ROOTS[2], [], False),
        ((-1, 2), SOME, ROOTS[2], [], False),
    ],
)
def test_consistency_at_the_edges(
    sizes: tuple[int, int], root1: bytes, root2: bytes, proof: list[bytes], holds: bool
) -> None:
    """Size 0, equal sizes, falling sizes and short roots are each decided, not left to chance."""
    if holds:
        tree.verify_consistency(*sizes, root1, root2, proof)
    else:
        with pytest.raises(tree.BadProof):
            tree.verify_consistency(*sizes, root1, root2, proof)


@pytest.mark.parametrize(("leaf", "root"), [(b"", b""), (b"", SOME), (SOME, b""), (SOME, ROOTS[1])])
def test_single_leaf_tree_needs_equal_full_hashes(leaf: bytes, root: bytes) -> None:
    """An empty leaf hash under an empty root proves nothing."""
    with pytest.raises(tree.BadProof):
        tree.verify_inclusion(0, 1, leaf, [], root)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 90), min_size=1, max_size=12), data=st.data())
def test_growing_agrees_with_the_naive_tree(sizes: list[int], data: st.DataObject) -> None:
    """Batches of any size, with the frontier stored between them, give the naive root and valid proofs."""
    leaves: list[bytes] = []
    stored = tree.Frontier()
    history = [(0, tree.EMPTY_ROOT)]
    for size in sizes:
        batch = [len(leaves).to_bytes(4, "big") + bytes([i]) for i in range(size)]
        leaves += batch
        stored = tree.Frontier.from_bytes(stored.to_bytes())
        stored.extend(tree.leaf_hash(leaf) for leaf in batch)
        assert stored.root() == naive_root(leaves)
        history.append((len(leaves), stored.root()))
    kept, size, root = Stored(leaves), len(leaves), stored.root()
    assert tree.range_root(kept.read, 0, size) == root
    for old, old_root in history:
        tree.verify_consistency(old, size, old_root, root, tree.consistency_proof(kept.read, old, size))
    if not leaves:
        return
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(kept.read, index, size)
    tree.verify_inclusion(index, size, kept.leaves[index], proof, root)
    other = data.draw(st.integers(-1, size))
    if other != index:
        with pytest.raises(tree.BadProof):
            tree.verify_inclusion(other, size, kept.leaves[index], proof, root)
    if proof:
        bit = data.draw(st.integers(0, len(proof) * 256 - 1))
        changed = bytearray(b"".join(proof))
        changed[bit // 8] ^= 1 << bit % 8
        parts = [bytes(changed[i : i + 32]) for i in range(0, len(changed), 32)]
        with pytest.raises(tree.BadProof):
            tree.verify_inclusion(index, size, kept.leaves[index], parts, root)


def test_tall_trees_use_stored_subtrees() -> None:
    """Over 65,536 leaves, proofs from stored 256-wide subtrees hold, and the completed ones are reported once."""
    leaves = [number.to_bytes(4, "big") for number in range(66_000)]
    kept = Stored(leaves)
    assert len(kept.nodes) == 66_000 // 256 + 1
    root = kept.frontier.root()
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        proof = tree.inclusion_proof(kept.read, index, 66_000)
        tree.verify_inclusion(index, 66_000, kept.leaves[index], proof, root)
    for old in (1, 256, 65_536, 65_537, 65_999):
        old_root = tree.range_root(kept.read, 0, old)
        tree.verify_consistency(old, 66_000, old_root, root, tree.consistency_proof(kept.read, old, 66_000))


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\0" * 8 + b"x", (3).to_bytes(8, "big") + b"x" * 32])
def test_a_broken_frontier_is_refused(data: bytes) -> None:
    """A frontier with too few or too many hashes for its size is not read."""
    with pytest.raises(ValueError, match="frontier"):
        tree.Frontier.from_bytes(data)
