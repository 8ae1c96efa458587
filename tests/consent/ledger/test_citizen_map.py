"""The citizen map in the tables: the same root as the map made at once, whatever came in which steps."""

import secrets
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from consent.ledger import citizen_map, entries, logs, map_roots, map_store, signer
from consent.ledger.citizen_map import CitizenMap, Step, Subtree
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import entry, map_node
from core.database import Database
from tests.consent.ledger.reading import disclosure

LOG = 1
SUBTREES = st.builds(Subtree, st.integers(1, 9), st.binary(min_size=32, max_size=32))
PLACES = st.dictionaries(st.integers(0, 255), SUBTREES, max_size=40)


@given(PLACES, PLACES)
def test_a_changed_step_is_that_of_what_it_now_holds(
    before: dict[int, Subtree], changes: dict[int, Subtree]
) -> None:
    """Eight levels of which some places changed come to what all its places come to, and the old ones stay."""
    step = Step(before)
    assert step.changed(changes).whole == citizen_map.fold_step(before | changes)
    assert step.whole == citizen_map.fold_step(before)


def by_itself(database: Database) -> CitizenMap:
    """The map made at once, in memory, from the entries."""
    query = select(entry.c.label, entry.c.commitment).where(entry.c.log == LOG).order_by(entry.c.leaf_index)
    made, chains = CitizenMap(), dict[bytes, tuple[int, bytes]]()
    with database.reading() as db:
        for label, commitment in db.execute(query.where(entry.c.label.is_not(None))):
            n, last = chains.get(label) or (0, entries.first_head(label))
            chains[label] = n + 1, entries.next_head(last, commitment)
    for label, (n, last) in chains.items():
        made.put(label, n, last)
    return made


def logged(database: Database) -> bytes:
    """The root of the map as the newest leaf that has one says."""
    with database.reading() as db:
        place = map_store.state(db, LOG).root_index
        payload = db.scalar(select(entry.c.payload).where(entry.c.log == LOG, entry.c.leaf_index == place))
    return bytes(payload or b"")


def grow(ledger: Sequencer, chains: int) -> None:
    """Add an entry to each of so many chains, new ones or not."""
    people = [f"somebody-{number}" for number in range(chains)]
    for ticket in [ledger.submit(disclosure(one)) for one in people]:
        ticket.wait(20)


def test_its_root_is_that_of_the_entries_however_it_grew(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed after more and fewer entries, in short steps, by a process that knows the map and by one that does not,
    or after a transaction that was undone, the root that is logged is that of all the entries before it."""
    monkeypatch.setattr(map_store, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(map_store, "FEW", 3)
    ledger.start()
    for chains, forget in ((1, False), (40, False), (5, True), (30, False), (2, True)):
        grow(ledger, chains)
        if forget:
            map_store._STEPS.clear()
        with pytest.raises(ZeroDivisionError), database.writing() as db:
            map_store.apply(db, LOG, map_store.state(db, LOG).applied + chains)
            raise ZeroDivisionError
        signer.sign_if_due(database)
        whole = by_itself(database).whole()
        assert logged(database).startswith(entries.map_root(whole.hash, whole.count, 0)[:-8])


def test_nodes_that_were_altered_are_not_remembered(database: Database, ledger: Sequencer) -> None:
    """What is remembered of the map goes by its hash: nodes that do not belong to it are never taken for its own."""
    ledger.start()
    grow(ledger, 20)
    signer.sign_if_due(database)
    map_store._STEPS.clear()
    with database.writing() as db:
        db.execute(update(map_node).where(map_node.c.depth == 16).values(hash=secrets.token_bytes(32)))
        before = set(db.scalars(select(map_node.c.hash).where(map_node.c.depth == 8)))
    grow(ledger, 20)
    signer.sign_if_due(database)
    assert not before & {subtree.hash for subtree in map_store._STEPS}
    for subtree, step in map_store._STEPS.items():
        assert step.whole == subtree


def test_whoever_signs_does_little_under_the_head_lock(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that come while the map is brought up to date are taken in before the log is locked, save a few."""
    ledger.start()
    grow(ledger, 60)
    worked: list[int] = []
    inner = map_store._worked_out

    def watched(db: Any, log: int, start: int, stop: int) -> Any:
        if log == LOG:
            worked.append(stop - start)
            if len(worked) == 1:
                thread = threading.Thread(target=grow, args=(ledger, 50))
                thread.start()
                thread.join()
        return inner(db, log, start, stop)

    monkeypatch.setattr(map_store, "_worked_out", watched)
    with database.reading() as db:
        log = next(one for one in logs.every(db) if one.number == LOG)
    map_roots.write(database, log)
    assert sum(worked) > 100
    assert worked[-1] <= 20
