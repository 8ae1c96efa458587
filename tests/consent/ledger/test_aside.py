"""One event or read that cannot be written holds nobody else up, is not lost, and the history says that it is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from consent.ledger import aside, erasure, fsck, logs, openings, subjects
from consent.ledger.errors import LedgerBusy
from consent.ledger.sequencer import Integrated, Sequencer
from consent.ledger.tables import aside as table
from consent.ledger.tables import head
from core import clock, events
from core.database import Database
from core.events import OFFICE, SYSTEM, waiting
from keys.tables import data_key
from tests.consent.ledger.conftest import Grants
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved, Proclaimed, disclosure

Row = Mapping[Any, Any]
Poison = Callable[[Database, Row], dict[str, Any]]


def history(database: Database, name: str = CITIZEN) -> list[dict[str, Any]]:
    """The facts of every entry of a chain."""
    with database.reading() as db:
        return [found.facts or {} for found in subjects.chain(db, name)]


def numbers(database: Database, name: str = CITIZEN) -> list[int]:
    """The numbers of the moves in a chain."""
    return [facts["data"]["number"] for facts in history(database, name) if facts.get("kind") == "moved"]


def missing(database: Database, name: str = CITIZEN) -> list[tuple[str, str]]:
    """Kind and event ID of what a chain says is missing."""
    told = [facts["data"] for facts in history(database, name) if facts.get("kind") == "event-set-aside"]
    return [(data["what"], data["missing"]) for data in told]


def record(database: Database, *happened: events.Event, about: str = CITIZEN) -> list[Row]:
    """Record events in one transaction; returns the rows that wait."""
    with database.writing() as db:
        ids = [events.record(db, one, actor=SYSTEM, about=[about]) for one in happened]
        rows = db.execute(select(waiting).order_by(waiting.c.id)).mappings().all()
    return [dict(row) for row in rows if row["event_id"] in ids]


def change(database: Database, row: Row, values: dict[str, Any]) -> None:
    """Change a row that waits."""
    with database.writing() as db:
        db.execute(update(waiting).where(waiting.c.id == row["id"]).values(values))


def altered(_database: Database, _row: Row) -> dict[str, Any]:
    """Bytes that no key opens."""
    return {"sealed": b"\x01nonsense" * 4}


def no_record(database: Database, _row: Row) -> dict[str, Any]:
    """Content that is no event, as a fault of ours might write it."""
    with database.writing() as db:
        return {"sealed": openings.seal_event(db, CITIZEN, b'{"v":1}')}


def taken_id(database: Database, _row: Row) -> dict[str, Any]:
    """The ID of another event of the same chain: the database refuses it."""
    return {"event_id": history(database)[0]["event"]}


@pytest.mark.parametrize("poison", [altered, no_record, taken_id])
def test_a_poisoned_event_is_set_aside_alone(database: Database, ledger: Sequencer, poison: Poison) -> None:
    """Of many events one cannot be written: it is kept as it was, the history names it, and the others are in it."""
    record(database, Moved(number=0))
    assert ledger.drain()
    rows = record(database, *(Moved(number=number) for number in range(1, 8)))
    poisoned = dict(rows[3]) | poison(database, rows[3])
    change(database, rows[3], {name: poisoned[name] for name in ("sealed", "event_id")})
    assert ledger.drain()
    assert numbers(database) == [0, 1, 2, 3, 5, 6, 7]
    assert missing(database) == [("moved", poisoned["event_id"])]
    with database.reading() as db:
        kept = dict(db.execute(select(table)).mappings().one())
        assert db.execute(select(waiting)).all() == []
        assert aside.count(db) == 1
    assert {name: kept[name] for name in poisoned if name != "id"} == {
        name: value for name, value in poisoned.items() if name != "id"
    }
    assert kept["reason"] in {"BadSeal", "KeyError", "IntegrityError"}
    assert fsck.check(database) == []


def test_what_was_set_aside_is_taken_in_when_it_can_be(database: Database, ledger: Sequencer) -> None:
    """Tried again in vain it stays; once the cause is gone it gets its own entry, with its own ID and time."""
    row = record(database, Moved(number=1))[0]
    change(database, row, altered(database, row))
    assert ledger.drain()
    done, left = ledger.try_again()
    assert (done, [one.reason for one in left]) == (0, ["BadSeal"])
    with database.writing() as db:
        db.execute(update(table).values(sealed=row["sealed"]))
    assert ledger.try_again() == (1, [])
    assert [facts["kind"] for facts in history(database)] == ["event-set-aside", "moved"]
    assert history(database)[1]["event"] == row["event_id"]
    assert history(database)[1]["at"] == clock.wire(row["at"])
    assert fsck.check(database) == []


def test_an_event_that_stands_in_the_ledger_already_is_not_missing(
    database: Database, ledger: Sequencer
) -> None:
    """A row of the outbox that comes back after its entry was made is dropped, and nothing is said to be missing."""
    row = record(database, Moved(number=1))[0]
    assert ledger.drain()
    with database.writing() as db:
        db.execute(insert(waiting).values({name: value for name, value in row.items() if name != "id"}))
    record(database, Moved(number=2))
    assert ledger.drain()
    assert (numbers(database), missing(database)) == ([1, 2], [])
    with database.reading() as db:
        assert aside.count(db) == 0


def test_a_poisoned_public_event_is_told_in_the_offices_chain(database: Database, ledger: Sequencer) -> None:
    """A public event that is no JSON is set aside; the office's chain says so, and the next one is public."""
    row = record(database, Proclaimed(text="a"))[0]
    change(database, row, {"sealed": b"{"})
    record(database, Proclaimed(text="b"), Moved(number=1))
    assert ledger.drain()
    assert missing(database, OFFICE) == [("proclaimed", row["event_id"])]
    assert numbers(database) == [1]
    assert fsck.check(database) == []


def test_a_chain_that_takes_nothing_is_told_of_in_the_offices(database: Database, ledger: Sequencer) -> None:
    """If a citizen's own key is damaged, what is missing stands in the office's chain, and others are not held up."""
    row = record(database, Moved(number=1))[0]
    record(database, Moved(number=2), about=OTHER)
    with database.writing() as db:
        db.execute(update(data_key).where(data_key.c.owner == CITIZEN).values(wrapped=b"x" * 60))
    database.parts.keys.forget_data_keys(CITIZEN)
    assert ledger.drain()
    assert numbers(database, OTHER) == [2]
    assert missing(database, OFFICE) == [("moved", row["event_id"])]


def test_nothing_is_set_aside_when_nothing_can_be_written(database: Database, ledger: Sequencer) -> None:
    """If it is not one event that fails but the ledger itself, every event waits until that is repaired."""
    record(database, Moved(number=1), Moved(number=2))
    with database.writing() as db:
        frontier = db.scalar(select(head.c.frontier).where(head.c.log == logs.FIRST))
        db.execute(update(head).where(head.c.log == logs.FIRST).values(frontier=b"damaged"))
    with pytest.raises(ValueError, match="frontier"):
        ledger.take_waiting()
    with database.writing() as db:
        assert aside.count(db) == 0
        db.execute(update(head).where(head.c.log == logs.FIRST).values(frontier=frontier))
    assert ledger.drain()
    assert numbers(database) == [1, 2]


def test_a_read_is_not_held_up_by_what_waits_about_its_citizen(database: Database, ledger: Sequencer) -> None:
    """Reads about a citizen of whom a poisoned event waits are released, after the entry that says what is missing."""
    row = record(database, Moved(number=1))[0]
    change(database, row, no_record(database, row))
    tickets = [ledger.submit(disclosure()) for _ in range(3)]
    ledger.start()
    assert all(isinstance(ticket.wait(), Integrated) for ticket in tickets)
    assert [facts["kind"] for facts in history(database)] == ["event-set-aside", "read", "read", "read"]


def test_a_read_that_cannot_be_written_is_refused_alone(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twenty reads in one batch the one that meets a fault of ours gets a 503, the others their entries."""

    def relied_on(db: Session, pairs: Any) -> Any:
        if ("bad", 1) in pairs:
            raise ZeroDivisionError
        return Grants({("g1", 1): "ok"}).relied_on(db, pairs)

    faulty = Sequencer(database, check_grants=relied_on)
    tickets = [faulty.submit(disclosure(grant="bad" if n == 13 else "g1")) for n in range(20)]
    faulty.start()
    try:
        for number, ticket in enumerate(tickets):
            if number == 13:
                with pytest.raises(LedgerBusy):
                    ticket.wait(5)
            else:
                assert isinstance(ticket.wait(5), Integrated)
    finally:
        faulty.stop()
    assert len(history(database)) == 19
    assert fsck.check(database) == []


def test_the_sequencer_outlives_what_nobody_foresaw(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every turn of the thread ends in a fault of ours, it takes the next one all the same, and stops when told to."""

    def broken() -> None:
        raise ArithmeticError

    monkeypatch.setattr(database.parts.keys, "sweep", broken)
    record(database, Moved(number=1))
    ledger.start()
    for _turn in range(3):
        assert isinstance(ledger.submit(disclosure(OTHER)).wait(), Integrated)
    assert ledger.running
    assert ledger.drain()
    assert numbers(database) == [1]
    ledger.stop()
    with pytest.raises(LedgerBusy):
        ledger.submit(disclosure(OTHER))


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_set_aside_shares_the_fate_of_its_year(
    database: Database, ledger: Sequencer, whole: bool
) -> None:
    """A year that is erased takes with it what is set aside of it; if single entries are erased, it can still be opened."""
    record(database, Moved(number=1))
    assert ledger.drain()
    row = record(database, Moved(number=2))[0]
    change(database, row, {"event_id": history(database)[0]["event"]})
    assert ledger.drain()
    places = () if whole else ((logs.FIRST, 1),)
    with database.writing() as db:
        found = erasure.order(
            db, CITIZEN, clock.now().year, basis=erasure.COURT, actor=SYSTEM, places=places, reference="r"
        )
    erasure.carry_out(database, found)
    with database.reading() as db:
        assert aside.count(db) == (0 if whole else 1)
    # The entry that had the ID of the one set aside was erased, and its ID with it.
    assert ledger.try_again() == (0 if whole else 1, [])
    assert numbers(database) == ([] if whole else [2])
