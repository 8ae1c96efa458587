"""What Alembic runs to reach the store that `service.migrations` was given."""

from alembic import context

import service.app  # noqa: F401  (brings every table into the metadata)
from core.database import Base, Database

database: Database = context.config.attributes["database"]

with database.engine.connect() as connection:
    if database.is_sqlite:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
