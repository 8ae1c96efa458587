"""Backups of a test's database, and putting them back: the file itself on SQLite, every row on PostgreSQL."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import delete, insert, select, text

from core.database import Base, Database


def backup(database: Database, folder: Path) -> Callable[[], None]:
    """Take a backup now; calling what this returns puts it back."""
    return _file(database, folder) if database.is_sqlite else _rows(database)


def _file(database: Database, folder: Path) -> Callable[[], None]:
    place = Path(str(database.engine.url.database))
    kept = folder / "backup.db"
    with sqlite3.connect(place) as source:
        source.execute("VACUUM INTO ?", (str(kept),))

    def put_back() -> None:
        database.engine.dispose()
        for name in (place, Path(f"{place}-wal"), Path(f"{place}-shm")):
            name.unlink(missing_ok=True)
        shutil.copy(kept, place)

    return put_back


def _rows(database: Database) -> Callable[[], None]:
    with database.reading() as db:
        there = {row[0] for row in db.execute(text("SELECT tablename FROM pg_tables"))}
        tables = [table for table in Base.metadata.sorted_tables if table.name in there]
        kept = {table: [dict(row) for row in db.execute(select(table)).mappings()] for table in tables}

    def put_back() -> None:
        with database.writing() as db:
            for table in reversed(tables):
                db.execute(delete(table))
            for table in tables:
                if kept[table]:
                    db.execute(insert(table), kept[table])

    return put_back
