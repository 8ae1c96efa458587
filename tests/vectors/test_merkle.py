"""All 196 inclusion and consistency cases of transparency-dev/merkle, most of which must be refused.

Its cases of subtrees (a proof within a part of a tree that starts anywhere) have no counterpart here.
Where we decide otherwise than its Go code, it stands in STRICTER.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from consent.ledger import tree
from tests.consent import receipt_reader
from verifier import erti_verify

VECTORS = json.loads((Path(__file__).parent / "data" / "merkle.json").read_text())
HASHES = [bytes.fromhex(text) for text in VECTORS["hashes"]]
# A root is a SHA-256 and has 32 bytes, also where the sizes are equal and nothing is computed from it.
STRICTER = {"additional: sizes are equal (one) and proof is empty"}
LEAVES = [b"data", *map(bytes.fromhex, ("", "00", "10", "2021", "3031", "40414243", "5051525354555657"))]
DATA_OF = {hashlib.sha256(b"\x00" + leaf).digest(): leaf for leaf in LEAVES}


def hashes(places: list[int]) -> list[bytes]:
    """Return the hashes at these places of the list."""
    return [HASHES[place] for place in places]


def test_no_case_is_missing() -> None:
    """There are 98 cases of each kind, each under its own name, and 6 and 6 of them hold."""
    for kind in ("inclusion", "consistency"):
        assert len({case[0] for case in VECTORS[kind]}) == len(VECTORS[kind]) == 98
        assert sum(case[-1] for case in VECTORS[kind]) == 6


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: str(case[0]))
def test_inclusion(case: list[Any]) -> None:
    """A published inclusion proof holds where it should, and every other one is refused."""
    _name, index, size, leaf, root, proof, holds = case
    if holds:
        tree.verify_inclusion(index, size, HASHES[leaf], hashes(proof), HASHES[root])
    else:
        with pytest.raises(tree.BadProof):
            tree.verify_inclusion(index, size, HASHES[leaf], hashes(proof), HASHES[root])


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: str(case[0]))
def test_consistency(case: list[Any]) -> None:
    """A published consistency proof holds where it should, and every other one is refused."""
    name, old, new, old_root, new_root, proof, holds = case
    if holds and name not in STRICTER:
        tree.verify_consistency(old, new, HASHES[old_root], HASHES[new_root], hashes(proof))
    else:
        with pytest.raises(tree.BadProof):
            tree.verify_consistency(old, new, HASHES[old_root], HASHES[new_root], hashes(proof))


@pytest.mark.parametrize(
    "case",
    [case for case in VECTORS["inclusion"] if HASHES[case[3]] in DATA_OF],
    ids=lambda case: str(case[0]),
)
def test_inclusion_for_the_offline_verifier(case: list[Any]) -> None:
    """The citizen's verifier, which is given the leaf itself, decides each case in the same way."""
    _name, index, size, leaf, root, proof, holds = case
    steps = [base64.b64encode(step).decode() for step in hashes(proof)]
    signed = erti_verify.Tree("log.example", size, HASHES[root])
    if holds:
        erti_verify.check_place(index, DATA_OF[HASHES[leaf]], steps, signed, "this case")
    else:
        with pytest.raises(erti_verify.Rejected):
            erti_verify.check_place(index, DATA_OF[HASHES[leaf]], steps, signed, "this case")


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: str(case[0]))
def test_consistency_for_the_offline_verifier(case: list[Any]) -> None:
    """The citizen's verifier finds that a tree grew in no case but those that hold; what has no 32 bytes it never asks."""
    name, old, new, old_root, new_root, proof, holds = case
    full = all(len(one) == 32 for one in (HASHES[old_root], HASHES[new_root], *hashes(proof)))
    asked = full and 0 < old <= new  # a bundle that names anything else is refused before
    before, now = (
        erti_verify.Tree("log.example", size, HASHES[root])
        for size, root in ((old, old_root), (new, new_root))
    )
    assert (asked and erti_verify.grew(before, now, hashes(proof))) is (holds and name not in STRICTER)


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: str(case[0]))
def test_inclusion_for_the_tests_own_reader(case: list[Any]) -> None:
    """The reader by which the tests check receipts finds the root of none but the cases that hold."""
    _name, index, size, leaf, root, proof, holds = case
    full = all(len(one) == 32 for one in (HASHES[leaf], HASHES[root], *hashes(proof)))
    try:
        found = receipt_reader.root_of(HASHES[leaf], index, size, hashes(proof))
    except ValueError:
        assert not holds
        return
    assert (found == HASHES[root] and full) is holds
