from collections.abc import Iterator

import pytest

from consent import grants
from consent.ledger import logs
from consent.ledger.sequencer import Sequencer
from core.database import Database
from tests.consent import country


@pytest.fixture
def open_door(database: Database) -> Iterator[Database]:
    """Give a database with the small country, two people in it, an open ledger and a running sequencer."""
    with database.writing() as db:
        logs.opened(db)
        country.found(db)
        country.be_born(db, country.CITIZEN)
        country.be_born(db, country.DEAD, state="deceased")
    database.parts.sequencer = database.parts.sequencer or Sequencer(database, grants.relied_on)
    database.parts.sequencer.start()
    yield database
    database.parts.sequencer.stop()
