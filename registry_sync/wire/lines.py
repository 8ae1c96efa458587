"""A register's file cut into records, so that no byte of it is lost and each knows its place."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

LINE_LIMIT = 1 << 20
ROW_LINES = 20  # a row of CSV may go over this many lines, since a quoted field may hold line breaks


@dataclass(frozen=True, slots=True)
class Piece:
    """One record as bytes: the line it begins on (from 1), where it ends in the file, and whether it is whole.

    A line longer than LINE_LIMIT bytes comes in pieces that are not whole.
    """

    line: int
    end: int
    content: bytes
    whole: bool = True


def plain(file: BinaryIO, *, line: int = 1) -> Iterator[Piece]:
    """Give each line from the file's present position on, `line` being its number."""
    end, whole = file.tell(), True
    while content := file.readline(LINE_LIMIT):
        end += len(content)
        ended = content.endswith(b"\n") or len(content) < LINE_LIMIT
        yield Piece(line, end, content, whole and ended)
        line += content.endswith(b"\n")
        whole = ended


def quoted(
    file: BinaryIO, *, line: int = 1, is_row: Callable[[bytes], bool] = lambda _row: True
) -> Iterator[Piece]:
    """Give each row of CSV. Lines are joined while a quotation mark is open, if that makes a row.

    A stray quotation mark therefore costs its own line only, not the rest of the file.
    """
    source = plain(file, line=line)
    ahead: deque[Piece] = deque()
    while first := _next(source, ahead):
        if not first.whole or first.content.count(b'"') % 2 == 0:
            yield first
            continue
        taken, open_quote = [first], True
        while open_quote and len(taken) < ROW_LINES and (more := _next(source, ahead)):
            taken.append(more)
            open_quote = more.content.count(b'"') % 2 == 0
        joined = b"".join(piece.content for piece in taken)
        if open_quote or not all(piece.whole for piece in taken) or not is_row(joined):
            ahead.extendleft(reversed(taken[1:]))
            yield first
        else:
            yield Piece(first.line, taken[-1].end, joined)


def _next(source: Iterator[Piece], ahead: deque[Piece]) -> Piece | None:
    return ahead.popleft() if ahead else next(source, None)
