"""The log as static files (C2SP tlog-tiles): names, contents, and writing each file once."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from consent.ledger import tree
from core import clock

ENTRIES = "entries"
TEMPORARY = ".new-"
LEFT_SECONDS = 3600
_LONGEST_ENTRY = 0xFFFF


class Changed(RuntimeError):
    """A file that never changes would have been written with other contents."""


@dataclass(frozen=True)
class Tile:
    """One tile: its level (or ENTRIES), its number in the level, and how many of its 256 places are filled."""

    level: int | str
    number: int
    width: int = tree.TILE_WIDTH

    @property
    def start(self) -> int:
        """The first hash or entry in it, counted within its level."""
        return self.number * tree.TILE_WIDTH

    def path(self) -> str:
        """Path below the log's prefix, for example tile/0/x001/234.p/5 (C2SP tlog-tiles, Merkle Tree)."""
        if not 0 < self.width <= tree.TILE_WIDTH or self.number < 0:
            raise ValueError("a tile has 1 to 256 places and a number from 0")
        groups, rest = [f"{self.number % 1000:03}"], self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        partial = f".p/{self.width}" if self.width < tree.TILE_WIDTH else ""
        return f"tile/{self.level}/{'/'.join(groups)}{partial}"


def parse(path: str) -> Tile:
    """The tile a path names. Raises ValueError for any path `Tile.path` would not write."""
    name, _, width = path.partition(".p/")
    kind, level, *groups = [*name.split("/"), ""]
    digits = "".join(group.removeprefix("x") for group in groups)
    if kind != "tile" or not digits.isdecimal() or not (level == ENTRIES or level.isdecimal()):
        raise ValueError("not the path of a tile")
    if len(digits) > 18 or len(level) > 7 or len(width) > 3 or (width and not width.isdecimal()):
        raise ValueError("not the path of a tile")
    tile = Tile(level if level == ENTRIES else int(level), int(digits), int(width or tree.TILE_WIDTH))
    if tile.path() != path or (isinstance(tile.level, int) and tile.level > 63):
        raise ValueError("not the path of a tile")
    return tile


def needed(old: int, new: int) -> Iterator[Tile]:
    """The tiles a tree of `new` leaves has beyond one of `old`: entry bundles first, then level by level."""
    yield from _row(ENTRIES, old, new)
    level = 0
    while new:
        yield from _row(level, old, new)
        old, new, level = old // tree.TILE_WIDTH, new // tree.TILE_WIDTH, level + 1


def _row(level: int | str, old: int, new: int) -> Iterator[Tile]:
    for number in range(old // tree.TILE_WIDTH, new // tree.TILE_WIDTH):
        yield Tile(level, number)
    if new % tree.TILE_WIDTH and new > old:
        yield Tile(level, new // tree.TILE_WIDTH, new % tree.TILE_WIDTH)


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Leaf data, each with its length in two bytes big-endian (C2SP tlog-tiles, Log entries)."""
    if any(len(entry) > _LONGEST_ENTRY for entry in entries):
        raise ValueError("a log entry has at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def split_bundle(data: bytes) -> list[bytes]:
    """Read `entry_bundle`. Raises ValueError."""
    entries, place = [], 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 2], "big")
        entry = data[place + 2 : place + 2 + length]
        if place + 2 > len(data) or len(entry) != length:
            raise ValueError("an entry bundle that ends in the middle of an entry")
        entries.append(entry)
        place += 2 + length
    return entries


def write_once(path: Path, data: bytes) -> bool:
    """Put a file that never changes in place, durably; True if it was new.

    Written beside its place, synced and linked, so it is there whole or not at all. Writing the same
    again is fine; raises Changed if the file holds anything else, or holds it no longer whole.
    """
    if path.exists():
        if path.read_bytes() != data:
            raise Changed(f"{path.name} holds something else")
        return False
    temporary = _temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        if path.read_bytes() != data:
            raise Changed(f"{path.name} holds something else") from None
    finally:
        temporary.unlink()
    _sync_folder(path.parent)
    return True


def replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file durably and in one step (the checkpoint, the signer's guard)."""
    temporary = _temporary(path, data, mode)
    temporary.replace(path)
    _sync_folder(path.parent)


def clear_leftovers(place: Path) -> int:
    """Remove the half-written files that a killed process left below a folder; returns how many.

    Only those nobody has touched for an hour: a younger one may be another process's, which is about to move it.
    """
    count, old = 0, clock.now().timestamp() - LEFT_SECONDS
    for found in place.rglob(f"{TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):  # another worker was faster
            facts = found.lstat()
            if stat.S_ISREG(facts.st_mode) and facts.st_mtime < old:
                found.unlink()
                count += 1
    return count


def _temporary(path: Path, data: bytes, mode: int = 0o644) -> Path:
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync_folder(folder.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
