from collections.abc import Iterator
from typing import Any

import pytest

from consent import evidence
from consent.ledger import logs
from consent.ledger.sequencer import Sequencer
from core import sessions
from core.database import Database
from tests.consent import country
from tests.consent.country import CITIZEN


@pytest.fixture
def open_door(database: Database) -> Iterator[Database]:
    """Give a database with the small country, two people in it, an open ledger and a running sequencer."""
    with database.writing() as db:
        logs.opened(db)
        country.found(db)
        country.be_born(db, country.CITIZEN)
        country.be_born(db, country.DEAD, state="deceased")
    database.parts.sequencer = database.parts.sequencer or Sequencer(database, evidence.stands)
    database.parts.sequencer.start()
    yield database
    database.parts.sequencer.stop()


@pytest.fixture
def at_home(client: Any, database: Database) -> Any:
    """Give a browser in which the citizen is signed in."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    return signed_in(client, database, CITIZEN)


def signed_in(client: Any, database: Database, citizen: str) -> Any:
    """Sign somebody in."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject=citizen, kind="citizen", acr=country.HIGH, amr=["hwk"], user_agent="", network=""
        )
    client.cookies.set("__Host-erti_session", token)
    client.headers["accept"] = "text/html"
    return client
