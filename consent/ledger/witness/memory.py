"""What a witness remembers: the newest tree it cosigned of each log, in an SQLite file of its own."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from consent.ledger.tree import EMPTY_ROOT

FILE = "witness.db"
BUSY_SECONDS = 5.0

# The triggers say it once more where no code of ours can forget it: a log does not shrink and does not change.
_TABLES = """
CREATE TABLE IF NOT EXISTS seen (
  origin TEXT PRIMARY KEY,
  size INTEGER NOT NULL CHECK (size >= 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS seen_grows BEFORE UPDATE ON seen
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'a log does not shrink'); END;
CREATE TRIGGER IF NOT EXISTS seen_stays BEFORE DELETE ON seen
BEGIN SELECT RAISE(ABORT, 'a log is not forgotten'); END;
"""
_PUT = """
INSERT INTO seen (origin, size, root, note, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note,
  at = excluded.at
"""


class Forgetful(RuntimeError):
    """Something could not be made durable, so nothing may be cosigned until the witness starts anew."""


@dataclass(frozen=True)
class Seen:
    """The newest tree of a log that was cosigned."""

    size: int = 0
    root: bytes = EMPTY_ROOT


class Memory:
    """The file, open. One writer at a time, in this process and any other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._broken = False
        self._db = sqlite3.connect(
            folder / FILE, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def held(self, origin: str) -> Iterator["Held"]:
        """Hold a log's record: what is `kept` inside is durable after the block, or Forgetful is raised.

        After a write that failed nobody knows what the disk holds, so nothing more is remembered by this
        process: what a later read would show need not be what a restart finds.
        """
        with self._lock:
            if self._broken:
                raise Forgetful("an earlier write failed; start the witness anew")
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise Forgetful(str(error)) from error
            try:
                yield Held(self._db, origin)
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._broken = True
                raise Forgetful(str(error)) from error
            finally:
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")


class Held:
    """One log's record, held by nobody else."""

    def __init__(self, db: sqlite3.Connection, origin: str) -> None:
        self._db = db
        self._origin = origin

    def seen(self) -> Seen:
        """The newest tree cosigned; nothing and its root before the first."""
        row = self._db.execute("SELECT size, root FROM seen WHERE origin = ?", (self._origin,)).fetchone()
        return Seen() if row is None else Seen(*row)

    def keep(self, size: int, root: bytes, note: str, *, at: int) -> None:
        """Remember a tree as the newest."""
        self._db.execute(_PUT, (self._origin, size, root, note, at))
