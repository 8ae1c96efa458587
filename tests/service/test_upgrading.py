"""Upgrading a store that holds data, from before there were several logs."""

import json
from typing import Any

from alembic import command
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
    text,
)

from core import clock
from core.database import Base, Database, Parts
from core.settings import Settings
from service import migrations

BEFORE = "0002"
NUMBERS = {"leaf_index": 0, "size": 2, "level": 0, "number": 0}
LEAF_0 = json.dumps({"origin": "erti.example/ledger"}).encode()


def _store(settings: Settings, database: Database) -> Database:
    """A store of the old version with a row in each of its tables, a ledger with a leaf and a checkpoint among them."""
    with database.engine.connect() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        connection.commit()
    store = Database(Parts(settings))
    command.upgrade(migrations.config(store), BEFORE)
    with store.engine.connect() as connection:
        for table in _tables(connection):
            connection.execute(
                insert(table).values({column.name: _value(column) for column in table.columns})
            )
        connection.commit()
    return store


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name != "alembic_version" and not name.startswith("test_"))
    return found.sorted_tables


def _value(column: Any) -> Any:
    if column.name == "payload" and column.table.name == "ledger_entry":
        return LEAF_0
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer):
        return NUMBERS.get(column.name, 1)
    if isinstance(column.type, LargeBinary):
        return bytes(32)
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, DateTime):
        return clock.now()
    return "a"


def _rows(store: Database) -> dict[str, dict[str, Any]]:
    with store.engine.connect() as connection:
        return {
            table.name: dict(row._mapping)
            for table in _tables(connection)
            for row in connection.execute(select(table)).all()
        }


def test_an_upgrade_keeps_what_is_there(settings: Settings, database: Database) -> None:
    """Every value of a store from before the several logs is the same after all migrations; its ledger is log 1."""
    store = _store(settings, database)
    before = _rows(store)
    migrations.upgrade(store)
    after = _rows(store)
    store.close()

    assert before["ledger_head"].pop("id") == after["ledger_head"]["log"] == 1
    assert after["ledger_head"]["origin"] == "erti.example/ledger"
    assert {after[name]["log"] for name in ("ledger_entry", "ledger_checkpoint", "ledger_request")} == {1}
    assert {name: {key: after[name][key] for key in row} for name, row in before.items()} == before


def test_going_back_keeps_what_was_there(settings: Settings, database: Database) -> None:
    """A store that is upgraded and taken back to the old version holds exactly the rows that it had."""
    store = _store(settings, database)
    before = _rows(store)
    migrations.upgrade(store)
    command.downgrade(migrations.config(store), BEFORE)
    after = _rows(store)
    store.close()

    assert after == before
