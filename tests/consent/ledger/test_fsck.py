from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Table, delete, select, update

from consent.ledger import fsck, signer
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import checkpoint, entry, head, map_leaf, map_state, node, request, subject
from core import events
from core.database import Database
from core.events import Actor
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
