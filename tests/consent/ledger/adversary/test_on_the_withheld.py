"""What an operator may try with what the law withholds, through the database, and what the auditor's check says to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.orm import Session

from consent import withholding
from consent.events import Disclosed, WithheldCount
from consent.ledger import entries, fsck, logs, map_roots, proofs, signer, subjects, tree, withheld
from consent.ledger.disclosures import Disclosure
from consent.ledger.tables import (
    checkpoint,
    entry,
    fixed,
    head,
    map_leaf,
    map_node,
    map_state,
    node,
    request,
    subject,
)
from consent.ledger.tables import withheld as due
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record
from tests.consent import secrecy
from tests.consent.country import CITIZEN

LOG = logs.FIRST_WITHHELD
Change = Callable[[Session], object]


@pytest.fixture
def kept(house: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A house in which three reads about a citizen are withheld, and fixed in the open log."""
    secrecy.settle(house)
    secrecy.work(house)
    for _ in range(3):
        secrecy.inquire(house)
    secrecy.an_hour_later(monkeypatch, house)
    assert fsck.check(house) == []
    return house


def finds(database: Database, says: str) -> bool:
    """Tell whether the auditor's check says this."""
    found = [str(one) for one in fsck.check(database)]
    assert any(says in one for one in found), found
    return True


def change(database: Database, table: Table, where: Any, values: dict[str, Any]) -> None:
    """Change rows behind everybody's back."""
    with database.writing() as db:
        assert db.execute(update(table).where(where).values(values)).rowcount  # type: ignore[attr-defined]


def last(database: Database) -> int:
    """Return the place of the newest withheld entry."""
    return int(secrecy.withheld_rows(database)[-1].leaf_index)


def test_an_entry_taken_out_is_found(kept: Database) -> None:
    """The row of a withheld entry is gone: what remembers when it is due says that it was there."""
    place = last(kept)
    with kept.writing() as db:
        db.execute(delete(entry).where(entry.c.log == LOG, entry.c.leaf_index == place))
    assert finds(kept, f"entry {place}: it is said to be withheld, and is not there")


@pytest.mark.parametrize("thorough", [False, True])
def test_the_newest_entry_dropped_with_all_its_traces_is_found(kept: Database, thorough: bool) -> None:
    """The withheld log is made again without its newest entry, flawless in itself: the open log knows of a larger one."""
    place = last(kept)
    with kept.writing() as db:
        db.execute(delete(due).where(due.c.log == LOG, due.c.leaf_index == place))
        if thorough:
            db.execute(delete(fixed).where(fixed.c.size > place))
        _shorten(db, kept, place)
    map_roots.write(kept, _log(kept))
    says = "the checkpoint that it fixes is not kept" if thorough else "the rows do not lead to it"
    found = [str(one) for one in fsck.check(kept)]
    assert found, "nothing was found"
    assert all(says in one or "no open checkpoint of its time" in one for one in found), found


def _log(database: Database) -> logs.Log:
    with database.reading() as db:
        return logs.current(db, logs.WITHHELD)


def _shorten(db: Session, database: Database, size: int) -> None:
    """End the withheld log before a leaf: every row that depends on what comes after is made again."""
    db.execute(delete(entry).where(entry.c.log == LOG, entry.c.leaf_index >= size))
    db.execute(delete(request).where(request.c.log == LOG, request.c.leaf_index >= size))
    for table in (node, checkpoint, map_leaf, map_node, map_state):
        db.execute(delete(table).where(table.c.log == LOG))
    edge = tree.Frontier()
    for leaf in proofs.leaves(db, LOG, 0, size):
        for one in edge.append(tree.leaf_hash(leaf)):
            db.execute(insert(node).values(log=LOG, level=one.level, number=one.index, hash=one.hash))
    grown = {"size": size, "root": edge.root(), "frontier": edge.to_bytes()}
    db.execute(update(head).where(head.c.log == LOG).values(grown))
    top, n = entries.first_head(subjects.label_of(database.parts, CITIZEN)), 0
    rows = select(entry.c.commitment).where(entry.c.log == LOG, entry.c.label.is_not(None))
    for commitment in db.scalars(rows.order_by(entry.c.leaf_index)):
        top, n = entries.next_head(top, commitment or b""), n + 1
    db.execute(update(subject).where(subject.c.log == LOG).values(n=n, head=top))


def test_another_day_is_found(kept: Database) -> None:
    """The row says that an entry is due ten years later: its sealed record says when it really is."""
    change(
        kept,
        due,
        due.c.leaf_index == last(kept),
        {"disclose_after": clock.now() + timedelta(days=3650)},
    )
    assert finds(kept, "its row says")


def test_a_forgotten_entry_is_found(kept: Database) -> None:
    """The row that says when an entry is due is gone, while the entry stands."""
    with kept.writing() as db:
        db.execute(delete(due).where(due.c.leaf_index == last(kept)))
    assert finds(kept, "nothing says when it is due")


def test_what_is_never_revealed_is_found(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry whose day was more than a day ago, and that no history has."""
    secrecy.later(monkeypatch, kept, days=secrecy.DAYS + 2)
    assert finds(kept, "and was never revealed")


def test_what_is_only_said_to_be_revealed_is_found(kept: Database) -> None:
    """An entry is marked as revealed, so that nobody does it, and no history has it."""
    change(kept, due, due.c.leaf_index == last(kept), {"revealed_at": clock.now(), "revealed_by": "x"})
    assert finds(kept, "it is marked as revealed, and no history has it")


def test_content_destroyed_before_its_day_is_found(kept: Database) -> None:
    """The sealed content of an entry is gone before anybody was told it."""
    change(kept, entry, (entry.c.log == LOG) & (entry.c.leaf_index == last(kept)), {"opening": None})
    assert finds(kept, "its content is gone, and nobody was told it")


def test_a_second_label_is_found(kept: Database) -> None:
    """A citizen's withheld entries stand under a label that is not the one of their citizen ID."""
    here = (entry.c.log == LOG) & entry.c.label.is_not(None)
    change(kept, entry, here, {"label": b"!" * 32})
    change(kept, subject, subject.c.log == LOG, {"label": b"!" * 32})
    assert finds(kept, "it is kept under another label")


def test_something_else_than_was_withheld_is_found(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The citizen is told of a read of less than was read."""
    secrecy.later(monkeypatch, kept, days=secrecy.DAYS, minutes=1)
    with kept.writing() as db:
        (one, *_others) = withheld.due(db, clock.now(), most=10)
        event = withholding._revealed(one)
        event.read["data"]["attributes"].pop()
        by = record(db, event, actor=SYSTEM, about=(CITIZEN,))
        withheld.revealed(db, one, by=by, at=clock.now())
    kept.parts.sequencer.drain()
    assert finds(kept, "what was revealed is not what was withheld")


def test_what_was_fixed_too_late_is_found(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hash of the withheld log joined the open one for days after an entry: it might have been made up since."""
    secrecy.settle(house)
    secrecy.inquire(house)
    secrecy.later(monkeypatch, house, days=2)
    secrecy.work(house)
    assert finds(house, "no open checkpoint of its time fixed it")


@pytest.mark.parametrize(
    ("purpose", "days", "says"),
    [
        ("revenue-assessment", 30, "no purpose says that the law withholds it"),
        ("revenue-inquiry", 300, "it is withheld for longer than the 30 days of its purpose"),
    ],
)
def test_what_may_not_be_withheld_is_found(kept: Database, purpose: str, days: int, says: str) -> None:
    """A read goes into the withheld log although its purpose, as published, does not say so, or not for so long."""
    until = clock.now() + timedelta(days=days)
    event = Disclosed(
        agency="revenue",
        client="portal",
        purpose=purpose,
        purpose_version=1,
        basis="law",
        attributes=("given_name",),
        channel="law",
        request_id="r",
        outcome="released",
        disclose_after=until,
    )
    read = Disclosure(event=event, about=[CITIZEN], actor=Actor("client", "portal"), disclose_after=until)
    kept.parts.sequencer.submit(read).wait(5)
    assert finds(kept, says)


def test_too_small_a_count_is_found(kept: Database) -> None:
    """A month's published count says less than there was."""
    month = f"{clock.now():%Y-%m}"
    with kept.writing() as db:
        event = WithheldCount(month=month, least=2, counts={"revenue": 2}, at_most=2)
        withheld.count(db, month, record(db, event, actor=SYSTEM))
    kept.parts.sequencer.drain()
    signer.sign_if_due(kept)
    assert finds(kept, "it says that fewer entries were withheld than there were")


def test_another_hash_is_found(kept: Database) -> None:
    """The checkpoint that is kept for the proof is not the one whose hash the open log holds."""
    with kept.reading() as db:
        number = logs.current(db, logs.WITHHELD).number
        newest = signer.newest(db, number)
    assert newest
    change(kept, fixed, fixed.c.log == LOG, {"note": newest.note + "\n"})
    assert finds(kept, "its hash is not the one that the open log holds")
