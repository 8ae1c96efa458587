from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from sqlalchemy import Table, delete, select, update

from consent.ledger import fsck, fsck_processes, signer
from consent.ledger.fsck_pieces import Entries
from consent.ledger.fsck_range import Range
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import checkpoint, entry, head, map_leaf, map_state, node, request, subject
from core import events
from core.database import Database
from core.events import Actor
from keys.errors import CustodyBroken
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved, disclosure


@pytest.fixture
def grown(database: Database, ledger: Sequencer) -> Database:
    """A ledger with 300 entries in two chains, signed twice."""
    with database.writing() as db:
        for number in range(298):
            about = (CITIZEN, OTHER)[number % 2]
            events.record(db, Moved(number=number), actor=Actor("system", "erti"), about=(about,))
    assert ledger.drain(timeout=30)
    signer.sign_if_due(database)
    ledger.start()
    ledger.submit(disclosure(request_id="r1")).wait(5)
    signer.sign_if_due(database)
    return database


def test_a_ledger_as_it_should_be(grown: Database) -> None:
    """Nothing is found in a ledger nobody touched, and every entry was looked at."""
    seen: list[tuple[int, int]] = []
    assert fsck.check(grown, lambda done, of: seen.append((done, of))) == []


@pytest.mark.parametrize(
    ("table", "where", "values", "says"),
    [
        (entry, entry.c.leaf_index == 9, {"commitment": bytes(32)}, "not what the tree commits to"),
        (entry, entry.c.leaf_index == 9, {"opening": None}, "its content is gone, and no erasure says so"),
        (entry, entry.c.leaf_index == 9, {"opening": b"2026" + b"\1" * 60}, "its opening was altered"),
        (entry, entry.c.leaf_index == 9, {"seq": 900}, "number 900 of its chain"),
        (entry, entry.c.leaf_index == 9, {"kind": "harmless"}, "clear columns say something else"),
        (entry, entry.c.leaf_index == 9, {"event_id": "x"}, "clear columns say something else"),
        (entry, entry.c.leaf_index == 9, {"label": b"?" * 32}, "its chain is unknown"),
        (
            entry,
            (entry.c.leaf_index == 0) & (entry.c.log == 1),
            {"payload": b"{}"},
            "head: size, root or frontier differ",
        ),
        (entry, entry.c.leaf_index == 301, {"leaf_index": 400}, "entry 301 is missing"),
        (
            entry,
            entry.c.leaf_index == 299,
            {"payload": bytes(48)},
            "entry 299: it is not the root of the citizen map",
        ),
        (head, head.c.log == 1, {"root": bytes(32)}, "head: size, root or frontier differ"),
        (head, head.c.log == 1, {"size": 301}, "head: size, root or frontier differ"),
        (node, node.c.level == 1, {"hash": bytes(32)}, "node 1/0"),
        (subject, subject.c.chain == CITIZEN, {"head": bytes(32)}, "its head says"),
        (subject, subject.c.chain == CITIZEN, {"n": 1}, "its head says 1 entries"),
        (subject, subject.c.chain == CITIZEN, {"label": b"!" * 32}, "under another label"),
        (checkpoint, checkpoint.c.size == 302, {"root": bytes(32)}, "checkpoint 302"),
        (checkpoint, checkpoint.c.size == 300, {"note": "x"}, "checkpoint 300: a note is a text"),
        (map_leaf, map_leaf.c.n == 149, {"n": 148}, "citizen map: it is not that of the 301 entries"),
        (map_state, map_state.c.log == 1, {"applied": 200}, "citizen map: it is not that of the 200 entries"),
        (request, request.c.request_id == "r1", {"leaf_index": 5}, "request r1 of revenue-portal"),
    ],
)
def test_every_change_is_found(
    grown: Database, table: Table, where: Any, values: dict[str, Any], says: str
) -> None:
    """Any row changed behind the sequencer's back is found, and the finding says where."""
    with grown.writing() as db:
        assert db.execute(update(table).where(where).values(values)).rowcount == 1  # type: ignore[attr-defined]
    found = [str(finding) for finding in fsck.check(grown)]
    assert any(says in finding for finding in found), found


@pytest.mark.parametrize(("table", "where"), [(entry, entry.c.leaf_index == 150), (subject, subject.c.n > 0)])
def test_every_missing_row_is_found(grown: Database, table: Table, where: Any) -> None:
    """A row taken out is found."""
    with grown.writing() as db:
        db.execute(delete(table).where(where))
    assert fsck.check(grown)


def test_what_was_put_back_smaller_is_found(grown: Database) -> None:
    """A checkpoint of more entries than there are is found."""
    with grown.writing() as db:
        db.execute(delete(entry).where(entry.c.leaf_index == 301))
        assert db.scalar(select(checkpoint.c.size).order_by(checkpoint.c.size.desc())) == 302
    assert any("checkpoint 302: the ledger has only 301 entries" in str(f) for f in fsck.check(grown))


def test_hashes_alone_show_what_is_gone_or_changed(grown: Database) -> None:
    """Without openings a good ledger is good, a commitment that was altered is found, and what an opening says is not read."""
    assert fsck.check(grown, openings=False) == []
    with grown.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == 9).values(kind="harmless"))
    assert fsck.check(grown, openings=False) == []
    with grown.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == 9).values(commitment=bytes(32)))
    found = [str(finding) for finding in fsck.check(grown, openings=False)]
    assert any("its head says" in says for says in found)
    assert any(says.startswith("node 1/0") for says in found)


DAMAGE: list[tuple[Table, Any, dict[str, Any]]] = [
    (entry, entry.c.leaf_index == 9, {"commitment": bytes(32)}),
    (entry, entry.c.leaf_index == 40, {"seq": 900}),
    (entry, entry.c.leaf_index == 77, {"opening": b"2026" + b"\1" * 60}),
    (entry, entry.c.leaf_index == 120, {"kind": "harmless"}),
    (entry, entry.c.leaf_index == 121, {"label": b"?" * 32}),
    (entry, entry.c.leaf_index == 130, {"opening": None}),
    (entry, (entry.c.leaf_index == 299) & (entry.c.log == 1), {"payload": bytes(48)}),
    (entry, entry.c.leaf_index == 301, {"leaf_index": 400}),
    (checkpoint, checkpoint.c.size == 302, {"note": "x"}),
    (subject, subject.c.chain == OTHER, {"label": b"!" * 32}),
    (request, request.c.request_id == "r1", {"leaf_index": 5}),
]


def test_it_is_the_same_however_it_is_divided(grown: Database) -> None:
    """Many small ranges, in this process or in three of their own, find nothing in a ledger nobody touched, and in one
    that was damaged in many places the very same as one range does, in the same order."""
    assert fsck.check(grown, jobs=3, rows=64) == []
    with grown.writing() as db:
        for table, where, values in DAMAGE:
            assert db.execute(update(table).where(where).values(values)).rowcount == 1  # type: ignore[attr-defined]
    whole = fsck.check(grown, jobs=1)
    assert len({finding.says for finding in whole}) > len(DAMAGE)
    assert fsck.check(grown, jobs=1, rows=7) == whole
    assert fsck.check(grown, jobs=3, rows=64) == whole


def test_what_is_added_meanwhile_does_not_count(grown: Database, ledger: Sequencer) -> None:
    """Processes that check look at the ledger as it stood when they began: entries and checkpoints that come meanwhile
    are nothing wrong."""
    told: list[tuple[int, int]] = []

    def add(done: int, of: int) -> None:
        told.append((done, of))
        ledger.submit(disclosure()).wait(5)
        signer.sign_if_due(grown)

    assert fsck.check(grown, add, jobs=2, rows=64) == []
    assert told[-1][0] == told[-1][1]
    assert fsck.check(grown) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_leaves_nothing_running(grown: Database) -> None:
    """Whoever stops a check stops its processes too, and what one of them cannot do is said as if it were done here."""

    before = set(psutil.Process().children())  # a browser of another test may be among them

    def interrupted(_done: int, _of: int) -> None:
        assert len(set(psutil.Process().children()) - before) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fsck.check(grown, interrupted, jobs=2, rows=64)
    assert set(psutil.Process().children()) <= before

    grown.parts.keys.custody.begin_epoch()
    grown.parts.keys.custody.destroy_epoch(1)
    with pytest.raises(CustodyBroken, match="no key for epoch 1"):
        fsck.check(grown, jobs=2, rows=64)
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_why_a_process_ended_is_said_whenever_that_is_seen(grown: Database) -> None:
    """What a process could not do is said even if it had ended before the next piece was handed to it."""
    grown.parts.keys.custody.begin_epoch()
    grown.parts.keys.custody.destroy_epoch(1)

    def pieces() -> Iterator[Entries]:
        yield Entries(Range(1, "open", 0, 64, True))
        while all(child.status() != psutil.STATUS_ZOMBIE for child in psutil.Process().children()):
            time.sleep(0.01)
        yield from [Entries(Range(1, "open", 0, 64, True))] * 3

    with fsck_processes.started(grown, 2) as (_db, workers), pytest.raises(CustodyBroken, match="epoch 1"):
        list(workers.each(pieces()))
