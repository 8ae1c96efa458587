"""What Alembic runs to reach the store that `service.migrations` was given."""

from alembic import context

import service.app  # noqa: F401  (brings every table into the metadata)
from core.database import Base, Database

database: Database = context.config.attributes["database"]

with database.engine.connect() as connection:
    if database.is_sqlite:
        # SQLite changes a table by making it anew; with foreign keys on, dropping the old one deletes
        # the rows of every table that refers to it. The pragma does nothing within a transaction.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    try:
        with context.begin_transaction():
            context.run_migrations()
        if database.is_sqlite and (torn := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
            raise RuntimeError(f"a row of {torn[0]} refers to a row of {torn[2]} that is not there")
        connection.commit()
    finally:
        connection.rollback()
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")
