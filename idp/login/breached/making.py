"""How a list of breached passwords is made from any file of passwords or of SHA-1 hashes, however long."""

import os
import re
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final

from idp.errors import BreachedListWrong
from idp.login.breached import listed
from idp.login.breached.listed import BUCKETS, HEAD, MAGIC, MOST, OFFSETS, TAIL_BYTES

KEPT: Final = 1 + TAIL_BYTES[-1]  # bytes of a hash, after the one that names its part, until all are counted
PARTS: Final = 256
SPOOLED: Final = 65_536  # bytes of a part that stay in memory
# One good password in so many may be taken for a listed one.
MISTAKEN: Final = 500_000
LONGEST_LINE: Final = 4096
_HASH = re.compile(rb"([0-9A-Fa-f]{40})(?::[0-9]+)?")


@dataclass
class Read:
    """What was read. `short` lines are shorter than any password may be, `skipped` ones are no text or no hash."""

    lines: int = 0
    short: int = 0
    skipped: int = 0
    kept: int = 0


def are_hashes(first: bytes) -> bool:
    """Tell from the first line of a file whether its lines are SHA-1 hashes, with a count behind (Have I Been Pwned) or not."""
    return _HASH.fullmatch(first.strip(b"\r\n ")) is not None


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file without their ends, the rest of an endless one left out."""
    whole = True
    while line := file.readline(LONGEST_LINE):
        if whole:
            yield line.rstrip(b"\r\n")
        whole = line.endswith(b"\n")


def of_line(line: bytes, read: Read, *, hashes: bool, shortest: int) -> bytes | None:
    """Return the hash to keep of one line, or None; counts which of them it was."""
    read.lines += 1
    if hashes:
        found = _HASH.fullmatch(line.strip())
        if found is None:
            read.skipped += 1
        return bytes.fromhex(found[1].decode()) if found else None
    try:
        password = listed.folded(line.decode("utf-8"))
    except UnicodeDecodeError:
        read.skipped += 1
        return None
    if len(password) < shortest:
        read.short += 1
        return None
    return listed.digest(password.encode())


def build(
    given: Iterable[bytes],
    target: Path,
    *,
    hashes: bool,
    shortest: int,
    progress: Callable[[int], None] = lambda _lines: None,
) -> Read:
    """Write the list of all lines to a file, which appears when it is whole; tells `progress` how many lines were read.

    Hashes are sorted in 256 files beside the target, seven bytes for each, so a thousand million need memory for four. Raises BreachedListWrong if there is nothing to list, or too much for the format.
    """
    read = Read()
    with ExitStack() as open_files:
        parts = [
            open_files.enter_context(tempfile.SpooledTemporaryFile(SPOOLED, dir=str(target.parent)))
            for _part in range(PARTS)
        ]
        for line in given:
            digest = of_line(line, read, hashes=hashes, shortest=shortest)
            if digest is not None:
                parts[digest[0]].write(digest[1 : 1 + KEPT])
            if read.lines % 50_000 == 0:
                progress(read.lines)
        read.kept = sum(_sort(part) for part in parts)
        progress(read.lines)
        if not 0 < read.kept <= MOST:
            raise BreachedListWrong(detail=f"{read.kept} passwords to list")
        read.kept = _write(parts, target, read.kept)
    return read


def _sort(part: IO[bytes]) -> int:
    """Bring the hashes of one part into order, each once; return how many there are."""
    part.seek(0)
    content = part.read()
    ordered = sorted({content[start : start + KEPT] for start in range(0, len(content), KEPT)})
    part.seek(0)
    part.truncate()
    part.write(b"".join(ordered))
    return len(ordered)


def _write(parts: Sequence[IO[bytes]], target: Path, count: int) -> int:
    width = next((one for one in TAIL_BYTES if count * MISTAKEN <= 2 ** (16 + 8 * one)), TAIL_BYTES[-1])
    offsets = array("I", bytes(4 * (BUCKETS + 1)))
    half = target.with_name(f"{target.name}.part")
    try:
        with half.open("wb") as file:
            file.write(bytes(HEAD.size + OFFSETS.size))
            done = 0
            for number, part in enumerate(parts):
                part.seek(0)
                done = _write_part(file, part.read(), number, done, width=width, offsets=offsets)
            file.seek(0)
            file.write(HEAD.pack(MAGIC, done, width))
            file.write(OFFSETS.pack(*offsets))
            file.flush()
            os.fsync(file.fileno())
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return done


def _write_part(
    file: BinaryIO, content: bytes, number: int, done: int, *, width: int, offsets: "array[int]"
) -> int:
    """Write the tails of all hashes that begin with one byte; return how many are written by then."""
    tails: list[bytes] = []
    second, last = 0, (-1, b"")
    for start in range(0, len(content), KEPT):
        bucket, tail = content[start], content[start + 1 : start + 1 + width]
        if (bucket, tail) == last:  # two that are the same as far as they are kept
            continue
        last = (bucket, tail)
        while second <= bucket:
            offsets[256 * number + second] = done + len(tails)
            second += 1
        tails.append(tail)
    for rest in range(second, 257 if number == PARTS - 1 else 256):
        offsets[256 * number + rest] = done + len(tails)
    file.write(b"".join(tails))
    return done + len(tails)
