"""Writes and reads very many rows through the driver itself: to name each value anew costs more than to store it."""

import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.database import Moment

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


class Writer:
    """Inserts rows with these columns of a table; where the key is there already, puts `replaced` into its row."""

    def __init__(self, table: Table, columns: Sequence[Column[Any]], *, replaced: Sequence[str] = ()) -> None:
        self._names = [column.name for column in columns]
        self._pick = itemgetter(*self._names)
        self._moments = [
            (at, column.type) for at, column in enumerate(columns) if isinstance(column.type, Moment)
        ]
        names = ", ".join(self._names)
        marks = ", ".join("?" * len(columns))
        # One array for each column: so many values in one statement, and in the driver's binary form.
        arrays = ", ".join(f"%b::{column.type.compile(_POSTGRESQL)}[]" for column in columns)
        key = ", ".join(column.name for column in table.primary_key)
        changes = ", ".join(f"{name} = excluded.{name}" for name in replaced)
        over = f" ON CONFLICT ({key}) DO UPDATE SET {changes}" if replaced else ""
        into = f"INSERT INTO {table.name} ({names})"
        self._sqlite = f"{into} VALUES ({marks}){over}"
        self._postgresql = f"{into} SELECT * FROM unnest({arrays}){over}"  # noqa: S608  (names of our own tables)

    def put(self, db: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows; each has every column. Raises what SQLAlchemy raises."""
        if not rows:
            return
        connection = db.connection()
        sqlite, picked = connection.dialect.name == "sqlite", list(map(self._pick, rows))
        if sqlite and not self._moments:
            connection.exec_driver_sql(self._sqlite, picked)
            return
        columns = [list(column) for column in zip(*picked, strict=True)]
        for at, moment in self._moments:
            columns[at] = [moment.process_bind_param(value, _POSTGRESQL) for value in columns[at]]
        if sqlite:
            connection.exec_driver_sql(self._sqlite, list(zip(*columns, strict=True)))
        else:
            connection.exec_driver_sql(self._postgresql, tuple(columns))


class Query:
    """A SELECT with `:names` whose rows come as the driver makes them, from PostgreSQL in binary form."""

    def __init__(self, text: str) -> None:
        self._sqlite = text
        self._postgresql = re.sub(r":(\w+)", r"%(\1)s", text)

    def all(self, db: Session, **values: Any) -> list[Any]:
        """Return every row as a plain tuple. Raises what SQLAlchemy raises."""
        connection = db.connection()
        driver: Any = connection.connection.driver_connection
        try:
            if connection.dialect.name == "sqlite":
                return list(driver.execute(self._sqlite, values))
            with driver.cursor(binary=True) as cursor:
                return list(cursor.execute(self._postgresql, values).fetchall())
        except connection.dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(
                self._sqlite, None, error, connection.dialect.loaded_dbapi.Error, hide_parameters=True
            ) from error
