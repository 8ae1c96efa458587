"""A founded house with two citizens, on each engine, whose sequencer runs in other processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from service.app import begin
from tests.consent import country
from tests.consent.ledger.faults import child, scene


@pytest.fixture
def founded(database: Database) -> Database:
    """A house that has begun, with the small country and two people in it."""
    begin(database)
    with database.writing() as db:
        country.found(db)
        for citizen in child.CITIZENS:
            country.be_born(db, citizen)
            country.allow(db, "given_name", citizen=citizen)
    return database


@pytest.fixture
def staged(founded: Database, tmp_path: Path) -> Iterator[scene.Scene]:
    """A process that makes others, which a test lets die."""
    with scene.staged(founded, tmp_path) as made:
        yield made
