"""The migrations make exactly the tables that the code speaks of."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.database import Base, Database, Parts
from core.settings import Settings
from service import migrations


def _empty(database: Database) -> None:
    with database.engine.connect() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        connection.commit()


def test_migrating_an_empty_store_gives_the_models_tables(settings: Settings, database: Database) -> None:
    """After all migrations nothing is left to generate: models and tables agree on both engines."""
    _empty(database)
    store = Database(Parts(settings))
    migrations.upgrade(store)

    with store.engine.connect() as connection:
        ours = set(Base.metadata.tables) - {name for name in Base.metadata.tables if name.startswith("test_")}
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _parents: kind != "table" or name in ours}
        )
        differences = [
            found
            for found in compare_metadata(context, Base.metadata)
            if not str(getattr(found[1], "name", "")).startswith("test_")
        ]
    store.close()
    assert differences == []


def test_migrating_twice_does_nothing(settings: Settings, database: Database) -> None:
    """A store at the newest revision stays as it is, and says where it stands."""
    _empty(database)
    store = Database(Parts(settings))
    migrations.upgrade(store)
    migrations.upgrade(store)

    assert migrations.current(store) == migrations.newest() is not None
    store.close()


def test_migrations_can_be_undone(settings: Settings, database: Database) -> None:
    """Going down to nothing leaves none of our tables."""
    _empty(database)
    store = Database(Parts(settings))
    migrations.upgrade(store)
    command.downgrade(migrations.config(store), "base")

    assert migrations.current(store) is None
    store.close()


def test_the_numbers_say_the_order(database: Database) -> None:
    """Migrations are one chain, and each has the number after that of the one it builds on, as its file has."""
    script = ScriptDirectory.from_config(migrations.config(database))
    chain = list(script.walk_revisions())[::-1]

    assert [one.revision for one in chain] == [f"{number:04}" for number in range(1, len(chain) + 1)]
    assert [one.revision for one in chain] == sorted(Path(one.path).name[:4] for one in chain)
    assert [one.down_revision for one in chain] == [None, *(one.revision for one in chain[:-1])]
