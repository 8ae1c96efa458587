"""How a store's tables come to be what this version needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.database import Database

FOLDER = Path(__file__).parent


class UnknownTables(RuntimeError):
    """A store whose tables another version of Erti made; the argument is their revision."""


def config(database: Database) -> Config:
    """Return Alembic's configuration for a store."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.attributes["database"] = database
    return made


def upgrade(database: Database) -> None:
    """Bring a store to the newest revision; does nothing to one that is there already.

    Raises UnknownTables for a store of a version that is not known here, such as a newer one.
    """
    now = current(database)
    if now is not None and now not in {found.revision for found in _scripts().walk_revisions()}:
        raise UnknownTables(now)
    command.upgrade(config(database), "head")


def current(database: Database) -> str | None:
    """Return a store's revision, or None for one without tables."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def encoding(database: Database) -> str:
    """Return in which encoding a store keeps text."""
    if database.is_sqlite:
        return "UTF8"
    with database.engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())


def newest() -> str | None:
    """Return the newest revision that this version knows."""
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    found = Config()
    found.set_main_option("script_location", str(FOLDER))
    return ScriptDirectory.from_config(found)
