"""The database: its column types, and the only two ways to open a transaction."""

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Integer,
    MetaData,
    String,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from core.settings import Settings

if TYPE_CHECKING:
    from core.events import Handlers, Sealer

SQLITE_BUSY_MILLISECONDS = 10_000
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
PROGRAM_LIMIT = "54"  # class of what is too large or too complex (PostgreSQL, appendix A)


class Base(DeclarativeBase):
    """The one set of tables, with names for every constraint so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 so that both engines order and compare alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn a datetime into microseconds; a naive one is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn microseconds into an aware datetime in UTC."""
        if value is None:
            return None
        return EPOCH + value * MICROSECOND


class Document(JSON):
    """A JSON column in which None is NULL, not the text null: it costs nothing to write, and queries find it."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)


# SQLite numbers rows itself only for INTEGER primary keys.
BigKey = BigInteger().with_variant(Integer(), "sqlite")


@dataclass
class Parts:
    """What `service.app` puts together once and every transaction can reach through `parts(db)`."""

    settings: Settings
    keys: Any = None
    sealer: "Sealer | None" = None
    handlers: "Handlers" = field(default_factory=dict)
    sequencer: Any = None


class _FairLock:
    """A lock that serves waiting threads in the order they came, so that no writer starves."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def release(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class _Transaction(Session):
    """A session that hands each statement to its connection: we have tables and no mapped classes, which is all it could look for."""

    def __init__(self, connection: Connection, parts: Parts) -> None:
        super().__init__(bind=connection, info={"parts": parts})
        self._direct = connection
        self.execute = connection.execute  # type: ignore[method-assign,assignment]
        self.scalar = connection.scalar  # type: ignore[method-assign,assignment]
        self.scalars = connection.scalars  # type: ignore[method-assign,assignment]

    def connection(self, *_how: Any, **_options: Any) -> Connection:
        """Return the connection."""
        return self._direct

    def get_bind(self, *_what: Any, **_options: Any) -> Connection:
        """Return the connection."""
        return self._direct


class Database:
    """One engine and two verbs: `reading()` and `writing()`."""

    def __init__(self, parts: Parts, *, url: str | None = None) -> None:
        self.parts = parts
        self.url = url or parts.settings.store
        self.engine = _engine(self.url, parts.settings.database_pool)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._write_lock = _FairLock() if self.is_sqlite else None
        self._open = threading.local()
        self._before: Callable[[Session], None] | None = None

    def apart(self) -> "Database":
        """Return the same store for one request, which `only_if` can bind without binding others."""
        one = object.__new__(Database)
        one.__dict__.update(self.__dict__)  # `copy` does the same, five times as slowly
        return one

    def only_if(self, before: Callable[[Session], None]) -> None:
        """Call this first in every write transaction that is opened here from now on: what it raises undoes that."""
        self._before = before

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that keeps nothing: whatever happens, it is rolled back at the end."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield _Transaction(connection, self.parts)
            finally:
                connection.rollback()

    @contextmanager
    def snapshot(self, of: str | None = None) -> Iterator[Session]:
        """Open a `reading()` in which every statement sees the same state, however long it takes.

        `of` is what `share` gave in another process, on PostgreSQL: then it is the state that is seen there.
        """
        with self.reading() as session:
            if not self.is_sqlite:
                connection = session.connection()
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                if of is not None:
                    connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{of}'")
            yield session

    def share(self, session: Session) -> str | None:
        """Name the state that a `snapshot()` sees, for others while it is open; None on SQLite, which has no names."""
        if self.is_sqlite:
            return None
        return str(session.connection().exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that commits when the block ends and is undone when it raises.

        On SQLite writers of this process take turns in the order they came, then BEGIN IMMEDIATE
        takes the file's lock against other processes. Opening one inside another raises RuntimeError.
        """
        if self.in_writing():
            raise RuntimeError("a write transaction is already open in this thread")
        self._open.writing = True
        if self._write_lock:
            self._write_lock.acquire()
        try:
            with self.engine.connect() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    db = _Transaction(connection, self.parts)
                    if self._before:
                        self._before(db)
                    yield db
                    connection.commit()
                finally:
                    connection.rollback()
        finally:
            if self._write_lock:
                self._write_lock.release()
            self._open.writing = False

    def in_writing(self) -> bool:
        """Tell whether this thread has a write transaction open."""
        return bool(getattr(self._open, "writing", False))

    def create_all(self) -> None:
        """Create every table from the models; for tests. Real stores are migrated."""
        with self.engine.connect() as connection:
            Base.metadata.create_all(connection)
            connection.commit()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def among(column: ColumnElement[str], name: str) -> dict[str, ColumnElement[bool]]:
    """For each engine the condition that a column is one of many texts, which come as one parameter of that name.

    A list that is expanded is put into the statement anew each time, which costs more than the look-up itself
    where hundreds are looked up at once. Give the texts as `texts(db, ...)`.
    """
    listed = func.json_each(bindparam(name)).table_valued("value")
    return {
        "sqlite": column.in_(select(listed.c.value)),
        "postgresql": column == any_(bindparam(name, type_=postgresql.ARRAY(String))),
    }


def texts(db: Session, values: Iterable[str]) -> str | list[str]:
    """Return many texts as the one parameter that `among` wants."""
    listed = list(values)
    return json.dumps(listed) if db.get_bind().dialect.name == "sqlite" else listed


def is_away(error: Exception) -> bool:
    """Tell whether an error means that the database does not answer, or can take nothing now.

    A statement or a value that it will never take is a mistake of ours, and not over in a minute.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolExhausted)
    if isinstance(error.orig, sqlite3.Error):  # which calls a wrong statement by the name of a full disk
        code = getattr(error.orig, "sqlite_errorcode", None)
        return isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR
    limit = (getattr(error.orig, "sqlstate", None) or "").startswith(PROGRAM_LIMIT)
    return error.connection_invalidated or (
        isinstance(error, OperationalError | InterfaceError) and not limit
    )


def parts(db: Session) -> Parts:
    """Return what the service was put together from; raises KeyError for a session nobody put together."""
    found: Parts = db.info["parts"]
    return found


def _engine(url: str, pool: int) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(
            url,
            pool_size=pool,
            max_overflow=pool,
            hide_parameters=True,
            connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_MILLISECONDS / 1000},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    # Parameters are hidden from errors, because errors reach the log. JIT compiles look-ups that take microseconds (DESIGN 7).
    return create_engine(
        url,
        pool_size=pool,
        max_overflow=pool,
        hide_parameters=True,
        connect_args={"options": "-c jit=off", "client_encoding": "utf8"},
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # With the driver's own BEGIN two threads that both read "unused" could both write (DESIGN 7).
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_BUSY_MILLISECONDS}",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
