"""Processes that do pieces of a check beside each other, all looking at the ledger as it stood at one moment."""

import contextlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final, Protocol, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from consent.ledger.fsck_pieces import Hands, Piece
from consent.ledger.tables import head
from core.database import Database, Parts
from core.errors import Problem
from core.settings import Settings
from keys.custody import Custody
from keys.ring import Keyring

AHEAD: Final = (
    3  # pieces for each process that are under way or wait to be taken in: so much is held in memory
)
STOP_SECONDS: Final = 10
_LOOK = select(head.c.log).limit(1)


class Ended(RuntimeError):
    """A process of the check ended before its work was done."""


@dataclass(frozen=True)
class _House:
    """What a process needs to open the same house. It goes through a pipe, and nowhere else."""

    settings: Settings
    url: str
    custody: Callable[[], Custody]


_Piece = TypeVar("_Piece", bound=Piece)


class Workers(Protocol):
    """Whoever does pieces."""

    def each(self, pieces: Iterable[_Piece]) -> Iterator[tuple[_Piece, Any]]:
        """Do pieces; give each with its result, in their order."""


class Here:
    """This process, one piece after the other."""

    def __init__(self, db: Session) -> None:
        self._hands = Hands(db)

    def each(self, pieces: Iterable[_Piece]) -> Iterator[tuple[_Piece, Any]]:
        """Do pieces; give each with its result, in their order."""
        return ((piece, piece.do(self._hands)) for piece in pieces)


class Beside:
    """Processes of their own. They are started anew rather than forked: neither threads, SQLite's locks nor a token's
    session live through a fork."""

    def __init__(self, lines: Sequence[Connection]) -> None:
        self._lines = lines

    def each(self, pieces: Iterable[_Piece]) -> Iterator[tuple[_Piece, Any]]:
        """Do pieces; give each with its result, in their order. Raises what a piece raises, and Ended."""
        left = enumerate(pieces)
        idle = deque([*self._lines] * 2)  # two for each, so that it need not wait for the next one
        under_way: dict[Any, deque[int]] = {line: deque() for line in self._lines}
        given: deque[tuple[int, _Piece]] = deque()
        results: dict[int, Any] = {}
        while True:
            room = AHEAD * len(self._lines) - len(given)
            for number, piece in itertools.islice(left, max(0, min(room, len(idle)))):
                line = idle.popleft()
                _send(line, piece)
                under_way[line].append(number)
                given.append((number, piece))
            if not given:
                return
            if given[0][0] in results:
                number, piece = given.popleft()
                yield piece, results.pop(number)
                continue
            busy: list[Any] = [line for line, numbers in under_way.items() if numbers]
            for ready in cast(list[Connection], wait(busy)):
                results[under_way[ready].popleft()] = _receive(ready)
                idle.append(ready)


@contextlib.contextmanager
def started(database: Database, count: int) -> Iterator[tuple[Session, Workers]]:
    """Give a session, and so many processes that see the very same state; one of them: this one.

    They are ended with the block, however it ends.
    """
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(_process()) for _ in range(count)] if count > 1 else []
        house = _House(database.parts.settings, database.url, database.parts.keys.custody.elsewhere())
        for line in lines:
            _send(line, house)
        for line in lines:
            _receive(line)
        # PostgreSQL names a state and lets others look at it. On SQLite they begin while nobody can write.
        with database.writing() if lines and database.is_sqlite else contextlib.nullcontext():
            db = stack.enter_context(database.snapshot())
            db.execute(_LOOK)
            state = database.share(db) if lines else None
            for line in lines:
                _send(line, state)
            for line in lines:
                _receive(line)
        yield db, Beside(lines) if lines else Here(db)


@contextlib.contextmanager
def _process() -> Iterator[Connection]:
    ours, theirs = Pipe()
    command = [sys.executable, "-m", __name__, str(theirs.fileno())]
    search = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(  # noqa: S603  (this interpreter, a module of ours)
        command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | search
    )
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _send(line: Connection, what: Any) -> None:
    said = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    try:
        line.send_bytes(said)
    except OSError:
        while True:  # what it did before it ended, then why it ended, which raises
            _receive(line)


def _receive(line: Connection) -> Any:
    try:
        kind, what = pickle.loads(line.recv_bytes())  # noqa: S301  (from a process of ours)
    except (EOFError, OSError) as error:
        raise Ended("a process of the check ended") from error
    if kind == "refused":
        problem, detail = what
        raise problem(detail=detail)
    if kind == "raised":
        raise what
    return what


# ------------------------------------------------------------------------------------ in the process itself


def main() -> None:
    """Do the pieces that come down the line whose number is the one argument, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches whoever started us, who ends us
    line = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            _work(line)
        except Problem as error:
            line.send_bytes(pickle.dumps(("refused", (type(error), error.detail))))
        except DBAPIError as error:
            line.send_bytes(pickle.dumps(("raised", error)))


def _work(line: Connection) -> None:
    house: _House = pickle.loads(line.recv_bytes())  # noqa: S301  (from a process of ours)
    database = Database(Parts(house.settings, keys=Keyring(house.custody())), url=house.url)
    with database.engine.connect():  # so that nobody waits for it while nothing can be written
        pass
    line.send_bytes(pickle.dumps(("done", None)))
    state = pickle.loads(line.recv_bytes())  # noqa: S301  (from a process of ours)
    with database.snapshot(of=state) as db:
        db.execute(_LOOK)
        line.send_bytes(pickle.dumps(("done", None)))
        hands = Hands(db)
        while True:
            piece: Piece = pickle.loads(line.recv_bytes())  # noqa: S301  (from a process of ours)
            line.send_bytes(pickle.dumps(("done", piece.do(hands)), pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    main()
