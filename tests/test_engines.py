"""The engines under test are what they claim to be."""

import pytest
from sqlalchemy import text

from core.database import Database


def test_a_fresh_database_answers(database: Database) -> None:
    """Each engine opens a transaction in a database of its own."""
    with database.reading() as db:
        assert db.execute(text("select 1")).scalar() == 1


@pytest.mark.parametrize("again", range(10))
def test_a_fresh_database_is_empty(database: Database, again: int) -> None:
    """No test sees what another has written."""
    with database.writing() as db:
        db.execute(text("create table mark (n integer)"))
