from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.ledger import tiles, tree


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (tiles.Tile(0, 0), "tile/0/000"),
        (tiles.Tile(0, 1234067), "tile/0/x001/x234/067"),
        (tiles.Tile(1, 999), "tile/1/999"),
        (tiles.Tile(63, 1000), "tile/63/x001/000"),
        (tiles.Tile(0, 273, 112), "tile/0/273.p/112"),
        (tiles.Tile("entries", 5, 1), "tile/entries/005.p/1"),
    ],
)
def test_paths_are_those_of_the_specification(tile: tiles.Tile, path: str) -> None:
    """A tile's path is written as C2SP tlog-tiles writes it, and read back as the same tile."""
    assert tile.path() == path
    assert tiles.parse(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/1000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/../000",
        "tile/0/000/",
        "tile/data/000",
        "tile/0/٠٠٠",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    """A path that no tile has is refused, so that nothing but tiles is served."""
    with pytest.raises(ValueError, match=r"tile|invalid"):
        tiles.parse(path)


@given(st.text(alphabet="tile/0123456789x.pentris", max_size=40))
def test_any_path_is_a_tile_or_refused(path: str) -> None:
    """Whatever path is asked for, it is the one path of a tile, or refused with ValueError."""
    try:
        tile = tiles.parse(path)
    except ValueError:
        return
    assert tile.path() == path


def test_tiles_of_seventy_thousand() -> None:
    """A tree of 70,000 leaves has the tiles the specification counts."""
    found = list(tiles.needed(0, 70_000))
    hashes = [t for t in found if t.level != tiles.ENTRIES]
    assert sum(t.level == 0 and t.width == 256 for t in hashes) == 273
    assert [t for t in hashes if t.width < 256] == [
        tiles.Tile(0, 273, 112),
        tiles.Tile(1, 1, 17),
        tiles.Tile(2, 0, 1),
    ]
    assert list(tiles.needed(70_000, 70_000)) == []


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=4).map(sorted))
def test_growing_writes_every_tile(sizes: list[int]) -> None:
    """Whatever sizes a checkpoint was signed at, the tiles of the last are all written by then."""
    written: set[tiles.Tile] = set()
    for old, new in zip([0, *sizes], sizes, strict=False):
        written.update(tiles.needed(old, new))
    assert set(tiles.needed(0, sizes[-1])) <= written


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_entry_bundles_are_read_back(entries: list[bytes]) -> None:
    """An entry bundle holds exactly the entries put into it."""
    assert tiles.split_bundle(tiles.entry_bundle(entries)) == entries


def test_a_cut_entry_bundle_is_refused() -> None:
    """A bundle cut off at any byte inside an entry is refused."""
    data = tiles.entry_bundle([b"one", b"two"])
    for length in (1, 2, 4, 6, 9):
        with pytest.raises(ValueError, match="middle"):
            tiles.split_bundle(data[:length])


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """The same contents may be written again; other contents never replace a file."""
    path = tmp_path / "tile" / "0" / "000"
    assert tiles.write_once(path, b"a" * tree.HASH_BYTES)
    assert not tiles.write_once(path, b"a" * tree.HASH_BYTES)
    with pytest.raises(tiles.Changed):
        tiles.write_once(path, b"b" * tree.HASH_BYTES)
    assert path.read_bytes() == b"a" * tree.HASH_BYTES
    assert [file.name for file in path.parent.iterdir()] == ["000"]
    tiles.replace(path, b"c")
    assert path.read_bytes() == b"c"
