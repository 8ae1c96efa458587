from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.ledger import citizen_map, entries, note, tree
from consent.ledger.citizen_map import NOTHING, CitizenMap, Subtree
from tests.verifier import forging
from tests.verifier.forgeries import POLICY, verdict
from tests.verifier.years import NEXT, WATCHED, two_years, years_rewritten
from verifier import erti_verify

NEXT_POLICY = erti_verify.read_policy(forging.policy(origin=NEXT))


def test_a_history_goes_back_through_the_logs_of_earlier_years() -> None:
    """With the policy of the newest log alone, entries of the years before are proved complete as well."""
    _first, second = two_years()
    history = erti_verify.read_bundle(forging.encode(second.bundle()), NEXT_POLICY)
    assert erti_verify.verdict_of(history) == ["VALID-COMPLETE"]
    assert [entry.number for entry in history.entries] == [*range(1, 21), 1]
    assert [found.origin for found in history.trees] == [NEXT, forging.ORIGIN]


def test_a_year_left_out_is_missed() -> None:
    """A bundle without the log of an earlier year, or with its logs exchanged, is MISSING something."""
    _first, second = two_years()
    bundle = second.bundle()
    bundle["logs"].pop(0)
    assert verdict(bundle, NEXT_POLICY)[0] == "MISSING"
    bundle = second.bundle()
    bundle["logs"].reverse()
    assert verdict(bundle, NEXT_POLICY)[0] == "MISSING"


def test_an_earlier_year_rewritten_is_caught() -> None:
    """A log of an earlier year with another end than the one leaf 0 of the next names does not pass."""
    _first, second = two_years()
    other = forging.twenty()
    other.add(agency="other")
    other.close()
    bundle = second.bundle()
    bundle["logs"][0] = other.section(forging.CITIZEN) | {"checkpoint": other.checkpoint()}
    assert verdict(bundle, NEXT_POLICY)[0] == "ALTERED"


def test_no_year_is_rewritten_when_it_is_over() -> None:
    """Leaf 0 of the next log may name any end of the log before: only the one that witnesses saw is believed."""
    bundles, wanted = years_rewritten()
    policy = erti_verify.read_policy(WATCHED)
    assert erti_verify.read_bundle(forging.encode(bundles.pop(0)), policy).witnesses == ("w0", "w1")
    assert [verdict(bundle, policy)[0] for bundle in bundles] == wanted[1:]


def test_a_log_is_not_the_one_before_itself() -> None:
    """A log that names another of its own origin as the one before it is two logs of one name."""
    first = forging.twenty()
    first.close()
    second = forging.Log(before=first)
    assert verdict(second.bundle())[0] == "ALTERED"


def test_an_old_map_is_stale() -> None:
    """A map root from before newer entries, shown under a newer checkpoint, is an old one."""
    log = forging.Log()
    log.add()
    log.close()
    old = log.section(forging.CITIZEN)["map"]
    place = old["index"]
    log.add()
    bundle = log.bundle()
    section = bundle["logs"][0]
    section["entries"], section["n"] = section["entries"][:1], 1
    section["head"] = note.encode(chain_head(log, 1))
    section["map"] = old | {"proof": log.proof(place)}
    assert verdict(bundle) == (
        "STALE",
        f"the map of {forging.ORIGIN} is an old one: the tree went on after it",
    )


def chain_head(log: forging.Log, count: int) -> bytes:
    """The head of the citizen's chain after so many entries."""
    head = entries.first_head(forging.label_of(forging.CITIZEN))
    for _index, nonce, record in log.chains[forging.CITIZEN][:count]:
        head = entries.next_head(head, entries.commitment(nonce, record))
    return head


def test_an_old_map_logged_anew_leaves_the_history_incomplete_for_others_to_see() -> None:
    """A map root made without a chain, logged last, proves an empty history; with the entries it does not fit."""
    log = forging.twenty()
    log.close(log.map_root(without=forging.CITIZEN))
    assert verdict(log.bundle())[0] == "MISSING"


def test_a_citizen_with_entries_cannot_be_told_that_there_are_none() -> None:
    """Neither an empty place nor somebody else's leaf proves that nothing is there when something is."""
    log = forging.twenty()
    ways: tuple[Any, ...] = (log.way(forging.CITIZEN), log.way("NEIGHBOUR"), {"siblings": [], "other": None})
    for way in ways:
        bundle = log.bundle()
        section = bundle["logs"][0]
        section["entries"], section["n"] = [], 0
        section["head"] = note.encode(entries.first_head(forging.label_of(forging.CITIZEN)))
        section["map"] |= way
        assert verdict(bundle)[0] == "MISSING"
    neighbour = log.way("NOBODY-AT-ALL")
    section["map"] |= {"other": {"label": forging.label_of("NEIGHBOUR").hex(), "value": section["head"]}}
    section["map"]["siblings"] = neighbour["siblings"] or section["map"]["siblings"]
    assert verdict(bundle)[0] in ("MISSING", "ALTERED")


def test_the_log_is_proved_to_extend_an_earlier_tree() -> None:
    """A bundle that names an earlier tree proves that the log extends it; a fork of it does not pass."""
    log = forging.twenty()
    log.close()
    before = log.checkpoint_head()
    earlier = erti_verify.read_bundle(forging.encode(log.bundle()), POLICY)
    for _ in range(5):
        log.add()
    bundle = log.bundle()
    proof = tree.consistency_proof(log.reader(), before.size, len(log.leaves))
    named = {"origin": before.origin, "size": before.size, "proof": [note.encode(step) for step in proof]}
    bundle["earlier"] = named | {"root": note.encode(before.root)}
    history = erti_verify.read_bundle(forging.encode(bundle), POLICY)
    erti_verify.check_earlier(history, earlier)
    assert history.extends
    assert "grew from the tree" in erti_verify.report(history, POLICY)
    bundle["earlier"] = None
    silent = erti_verify.read_bundle(forging.encode(bundle), POLICY)
    erti_verify.check_earlier(silent, earlier)
    assert f"NOT proved (for that, download the new one at /my/history/bundle?earlier={before.size})" in (
        erti_verify.report(silent, POLICY)
    )
    bundle["earlier"] = named | {"root": note.encode(bytes(32))}
    assert verdict(bundle)[0] == "FORK"


def test_a_fork_that_keeps_the_citizens_entries_is_a_fork() -> None:
    """A log that was rewritten elsewhere than in the citizen's own entries is told from the one of before."""
    log, fork = forging.twenty(), forging.Log()
    for number in range(20):
        fork.add("STRANGER" if number % 3 else "agency:revenue")
        fork.add(purpose=f"purpose-{number}", note="Zürich, თბილისი")
    log.close()
    earlier = erti_verify.read_bundle(forging.encode(log.bundle()), POLICY)
    size = len(log.leaves)
    fork.add()
    bundle = fork.bundle()
    edge = tree.Frontier()
    edge.extend(tree.leaf_hash(leaf) for leaf in fork.leaves[:size])
    proof = tree.consistency_proof(fork.reader(), size, len(fork.leaves))
    bundle["earlier"] = {
        "origin": forging.ORIGIN,
        "size": size,
        "root": note.encode(edge.root()),
        "proof": [note.encode(step) for step in proof],
    }
    now = erti_verify.read_bundle(forging.encode(bundle), POLICY)
    with pytest.raises(erti_verify.Rejected, match="FORK"):
        erti_verify.check_earlier(now, earlier)


Labels = st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=40)
# Labels that share long beginnings make deep maps.
Close = st.lists(st.integers(0, 300), unique=True, max_size=30).map(
    lambda found: [bytes(30) + number.to_bytes(2, "big") for number in found]
)


def naive(leaves: list[tuple[bytes, bytes]], depth: int = 0) -> Subtree:
    """The map's root straight from its definition."""
    if len(leaves) <= 1:
        return Subtree(1, leaves[0][1]) if leaves else NOTHING
    halves: tuple[list[tuple[bytes, bytes]], ...] = ([], [])
    for leaf in leaves:
        halves[citizen_map.bit(leaf[0], depth)].append(leaf)
    return citizen_map.join(naive(halves[0], depth + 1), naive(halves[1], depth + 1))


@given(Labels | Close)
def test_the_map_is_what_its_definition_says(labels: list[bytes]) -> None:
    """Page by page or all at once, in any order: the same chains make the root of the definition."""
    whole = CitizenMap()
    for number, label in enumerate(labels):
        whole.put(label, number + 1, label)
        if number % 7 == 0:
            whole.whole()
    leaves = [
        (label, citizen_map.leaf_hash(label, citizen_map.value_hash(number + 1, label)))
        for number, label in enumerate(labels)
    ]
    assert whole.whole() == naive(leaves) == citizen_map.fold(sorted(leaves), 0)
