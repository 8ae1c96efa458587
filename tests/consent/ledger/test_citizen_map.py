"""The citizen map in the tables: the same root as the map made at once, whatever came in which steps."""

import secrets
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from consent.ledger import citizen_map, entries, erasure, freezing, fsck, logs, map_roots, map_store, signer
from consent.ledger.batch import Batch
from consent.ledger.citizen_map import CitizenMap, Step, Subtree
from consent.ledger.errors import LedgerBusy
from consent.ledger.sequencer import Sequencer
from consent.ledger.subjects import Labels
from consent.ledger.tables import entry, map_leaf, map_node
from core import clock
from core.database import Database
from core.events import SYSTEM
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
    inner = map_store._change

    def watched(db: Any, log: int, start: int, stop: int) -> Any:
        if log == LOG:
            worked.append(stop - start)
            if len(worked) == 1:
                thread = threading.Thread(target=grow, args=(ledger, 50))
                thread.start()
                thread.join()
        return inner(db, log, start, stop)

    monkeypatch.setattr(map_store, "_change", watched)
    with database.reading() as db:
        log = next(one for one in logs.every(db) if one.number == LOG)
    map_roots.write(database, log)
    assert sum(worked) > 100
    assert worked[-1] <= 20


def dies(_database: Database) -> None:
    """The process ends, and the next one remembers nothing."""
    map_store._STEPS.clear()
    raise ZeroDivisionError


def frozen(database: Database) -> None:
    """The year's log is closed by another process."""
    freezing.freeze(database, origin="ledger.erti.example/2027")


def signed(database: Database) -> None:
    """The root is logged by another process, and more comes after it."""
    with database.writing() as db:
        map_roots.end(Batch.begin(db, Labels(database.parts)))
    database.parts.sequencer.submit(disclosure("somebody-new")).wait(20)


def erased(database: Database) -> None:
    """Somebody's history is erased."""
    with database.writing() as db:
        year = clock.now().year
        ordered = erasure.order(
            db, "somebody-7", year, basis=erasure.COURT, actor=SYSTEM, reference="1", reason="ordered"
        )
    erasure.carry_out(database, ordered)


@pytest.mark.parametrize("meanwhile", [dies, frozen, signed, erased])
def test_what_happens_before_the_log_is_locked_does_no_harm(
    database: Database,
    ledger: Sequencer,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Database], None],
) -> None:
    """Whatever becomes of the log between the map's work and the lock, every root that is logged is that of the entries."""
    ledger.start()
    grow(ledger, 30)
    inner = map_store.follow

    def followed(database: Database, log: int) -> None:
        inner(database, log)
        if log == LOG and not done:
            done.append(log)
            meanwhile(database)

    done: list[int] = []
    monkeypatch.setattr(map_store, "follow", followed)
    if meanwhile is dies:
        with pytest.raises(ZeroDivisionError):
            signer.sign_if_due(database)
        with database.reading() as db:
            assert not map_store.state(db, LOG).settled
    for _time in range(2):
        signer.sign_if_due(database)
        grow(ledger, 3)
    signer.sign_if_due(database)
    assert done
    assert fsck.check(database) == []


def test_a_change_of_an_older_map_is_refused(database: Database, ledger: Sequencer) -> None:
    """Of two processes that worked out the same entries the second writes nothing, be its change longer or shorter."""
    ledger.start()
    grow(ledger, 9)
    with database.snapshot() as db:
        size = logs.current(db).size
        first, longer = (map_store._change(db, LOG, 0, stop) for stop in (size - 2, size))
    with database.writing() as db:
        map_store._write(db, first)
    for late in (longer, first):
        with pytest.raises(LedgerBusy), database.writing() as db:
            map_store._write(db, late)
    with database.reading() as db:
        assert map_store.state(db, LOG).applied == first.stop
        assert {row.label for row in db.execute(select(map_leaf.c.label))} == {
            one["label"] for one in first.leaves
        }
    signer.sign_if_due(database)
    assert fsck.check(database) == []
