"""The log as files: writes what a checkpoint needs before it is signed, and finds it again for readers."""

import contextlib
from pathlib import Path

from sqlalchemy.orm import Session

from consent.ledger import proofs, tiles, tree
from consent.ledger.tiles import Tile


def write(db: Session, folder: Path, log: int, old: int, new: int) -> int:
    """Write the tiles a log of `new` entries has beyond one of `old`; returns how many files were new.

    Doing it again is harmless. A partial tile goes once its full one is there (C2SP tlog-tiles).
    """
    written = 0
    for tile in tiles.needed(old, new):
        written += tiles.write_once(folder / tile.path(), contents(db, log, tile))
        if tile.width == tree.TILE_WIDTH:
            _drop_partials(folder / tile.path())
    return written


def contents(db: Session, log: int, tile: Tile) -> bytes:
    """A tile's bytes, made from the rows. Raises LookupError if the ledger is not that large."""
    start, stop = tile.start, tile.start + tile.width
    if tile.level == tiles.ENTRIES:
        return tiles.entry_bundle(proofs.leaves(db, log, start, stop))
    return b"".join(proofs.hashes(db, log, int(tile.level), start, stop))


def read(db: Session, folder: Path, log: int, tile: Tile, *, signed: int) -> bytes | None:
    """A tile for a reader: its file, or made from the rows; None beyond the `signed` size.

    A partial tile is given as long as it is part of the signed tree, as clients may ask late.
    """
    level = 0 if tile.level == tiles.ENTRIES else int(tile.level)
    if tile.start + tile.width > signed >> level * tree.TILE_HEIGHT:
        return None
    with contextlib.suppress(OSError):
        return (folder / tile.path()).read_bytes()
    return contents(db, log, tile)


def _drop_partials(full: Path) -> None:
    partials = full.with_name(full.name + ".p")
    if partials.is_dir():
        for file in partials.iterdir():
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            partials.rmdir()
