"""Events are sealed into the transaction of the change they announce."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import Database
from core.events import Actor, Event, record, waiting


@dataclass(frozen=True, kw_only=True)
class Painted(Event):
    """A wall was painted."""

    kind: ClassVar[str] = "painted"
    agency: str
    colour: str


def test_an_event_waits_sealed(database: Database) -> None:
    """A recorded event stands in the database with its clear columns, and its other fields only sealed."""
    with database.writing() as db:
        record(
            db,
            Painted(agency="works", colour="ultramarine"),
            actor=Actor("staff", "s1"),
            about=["agency:works"],
        )

    with database.reading() as db:
        row = db.execute(select(waiting)).one()
    assert (row.kind, row.chain, row.agency) == ("painted", "agency:works", "works")
    assert b"ultramarine" not in row.sealed


def test_a_chain_that_is_named_twice_gets_the_event_once(database: Database) -> None:
    """Whoever is both of two people in an event has it once: two of one kind would stop the ledger."""
    with database.writing() as db:
        about = ["agency:works", "agency:roads", "agency:works"]
        record(db, Painted(agency="works", colour="red"), actor=Actor("staff", "s1"), about=about)
    with database.reading() as db:
        assert list(db.scalars(select(waiting.c.chain).order_by(waiting.c.id))) == about[:2]


def test_an_event_goes_when_its_change_is_undone(database: Database) -> None:
    """An event of a transaction that was rolled back was never there."""
    with pytest.raises(RuntimeError, match="stop"), database.writing() as db:
        record(db, Painted(agency="works", colour="red"), actor=Actor("staff", "s1"))
        raise RuntimeError("stop")

    with database.reading() as db:
        assert db.execute(select(waiting)).first() is None


def test_handlers_run_in_the_same_transaction(database: Database) -> None:
    """A handler sees the event and its failure undoes the change as well."""
    seen: list[str] = []

    def fails(_db: Session, event: Painted, actor: Actor) -> None:
        seen.append(f"{event.colour} by {actor.id}")
        raise RuntimeError("handler")

    database.parts.handlers = {Painted: [fails]}
    with pytest.raises(RuntimeError, match="handler"), database.writing() as db:
        record(db, Painted(agency="works", colour="red"), actor=Actor("staff", "s1"))

    assert seen == ["red by s1"]
    with database.reading() as db:
        assert db.execute(select(waiting)).first() is None


def test_without_a_sealer_nothing_is_recorded(database: Database) -> None:
    """An event is refused rather than written in clear."""
    database.parts.sealer = None
    with pytest.raises(RuntimeError, match="sealer"), database.writing() as db:
        record(db, Painted(agency="works", colour="red"), actor=Actor("staff", "s1"))


def test_an_event_about_two_people_waits_in_both_chains(database: Database) -> None:
    """One event about two chains is one row in each, under one event ID."""
    with database.writing() as db:
        event_id = record(db, Painted(agency="w", colour="red"), actor=Actor("staff", "s1"), about=["A", "B"])

    with database.reading() as db:
        rows = db.execute(select(waiting).order_by(waiting.c.id)).all()
    assert [(row.chain, row.event_id) for row in rows] == [("A", event_id), ("B", event_id)]
