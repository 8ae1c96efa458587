from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consent.ledger import mirror, note, policy, quorum, signer, tiles
from consent.ledger.mirror import Fetch, Unavailable, Untrue
from consent.ledger.sequencer import Sequencer
from core.database import Database
from tests.consent.ledger.machines import grow
from tests.consent.ledger.witnesses import Log, reader

LOG = Log()


def published(log: Log, folder: Path, old: int, size: int) -> Fetch:
    """Write a log's public files; returns how a mirror reads them."""
    for tile in tiles.needed(old, size):
        if tile.level == tiles.ENTRIES:
            data = tiles.entry_bundle(
                [f"{log.flavour} {at}".encode() for at in range(tile.start, tile.start + tile.width)]
            )
        else:
            data = b"".join(log.read(int(tile.level), tile.start, tile.start + tile.width))
        tiles.replace(folder / tile.path(), data)
    tiles.replace(folder / "checkpoint", log.signed(size).encode())
    return reader(folder)


def test_a_mirror_follows_a_log(tmp_path: Path) -> None:
    """From nothing, by a little and past full tiles, the mirror has exactly the log's files, hash tiles too, and
    can itself be mirrored."""
    old = 0
    for size in (3, 3, 200, 256, 700):
        fetch = published(LOG, tmp_path / "log", old, size)
        assert mirror.update(tmp_path / "copy", LOG.policy(), fetch).edge.root() == LOG.checkpoint(size).root
        old = size
    for tile in tiles.needed(0, 700):
        mine = (tmp_path / "copy" / tile.path()).read_bytes()
        assert mine == (tmp_path / "log" / tile.path()).read_bytes(), tile
    assert mirror.check(tmp_path / "copy", LOG.policy()) == LOG.checkpoint(700)
    again = mirror.update(tmp_path / "second", LOG.policy(), reader(tmp_path / "copy"))
    assert again.edge.size == 700
    assert list(mirror.leaves(tmp_path / "second", 255, 258)) == [b"a 255", b"a 256", b"a 257"]


def test_the_houses_own_log_is_mirrored(database: Database, ledger: Sequencer, tmp_path: Path) -> None:
    """The files that the signer writes are a log that a mirror accepts, size after size."""
    trusted = quorum.Policy(
        policy.log_keys(database.parts, database.parts.settings.ledger_origin), quorum="none"
    )
    for count in (2, 300, 5):
        grow(database, ledger, count)
        signed = signer.sign_if_due(database)
        assert signed is not None
        now = mirror.update(tmp_path / "copy", trusted, reader(signer.folder(database)))
        assert (now.edge.size, now.edge.root()) == (signed.size, signed.root)


def test_what_contradicts_is_kept_as_proof(tmp_path: Path) -> None:
    """Another tree of the same size, of a larger one and of a smaller one are refused and kept as evidence."""
    mirror.update(tmp_path / "copy", LOG.policy(), published(LOG, tmp_path / "log", 0, 300))
    for number, size in enumerate((300, 301, 299), 1):
        fork = published(Log("b"), tmp_path / f"fork{size}", 0, size)
        with pytest.raises(Untrue):
            mirror.update(tmp_path / "copy", LOG.policy(), fork)
        kept = list((tmp_path / "copy").glob("contradicts-*.note"))
        assert len(kept) in (number, number - 1)
    assert mirror.check(tmp_path / "copy", LOG.policy()) == LOG.checkpoint(300)
    signed = [note.open_checkpoint(path.read_text(), LOG.policy().logs)[0] for path in kept]
    assert {one.size for one in signed} >= {300, 299}


def test_an_old_checkpoint_changes_nothing(tmp_path: Path) -> None:
    """A smaller tree that is part of what is here, as from a cache, is no contradiction and no progress."""
    mirror.update(tmp_path / "copy", LOG.policy(), published(LOG, tmp_path / "log", 0, 300))
    stale = published(LOG, tmp_path / "stale", 0, 100)
    assert mirror.update(tmp_path / "copy", LOG.policy(), stale).edge.size == 300
    assert not list((tmp_path / "copy").glob("contradicts-*.note"))


@pytest.mark.parametrize("change", [b"", b"\x00\x01x", b"\x00\x05a 999" * 44])
def test_altered_files_are_not_taken(tmp_path: Path, change: bytes) -> None:
    """A bundle that is cut, malformed or of other entries leaves the mirror as it was; the right one is then taken."""
    mirror.update(tmp_path / "copy", LOG.policy(), published(LOG, tmp_path / "log", 0, 256))
    fetch = published(LOG, tmp_path / "log", 256, 300)
    place = tmp_path / "log" / "tile/entries/001.p/44"
    right = place.read_bytes()
    place.write_bytes(change)
    with pytest.raises(Untrue):
        mirror.update(tmp_path / "copy", LOG.policy(), fetch)
    assert mirror.check(tmp_path / "copy", LOG.policy()) == LOG.checkpoint(256)
    place.write_bytes(right)
    assert mirror.update(tmp_path / "copy", LOG.policy(), fetch).edge.size == 300


def test_a_mirror_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """After an interruption only what is missing is fetched."""
    fetch = published(LOG, tmp_path / "log", 0, 2000)
    asked: list[str] = []

    def breaking(path: str) -> bytes:
        asked.append(path)
        if path.endswith("006"):
            raise Unavailable(path)
        return fetch(path)

    with pytest.raises(Unavailable):
        mirror.update(tmp_path / "copy", LOG.policy(), breaking)
    assert mirror.standing(tmp_path / "copy") is None
    first, asked[:] = set(asked), []

    def noting(path: str) -> bytes:
        asked.append(path)
        return fetch(path)

    assert mirror.update(tmp_path / "copy", LOG.policy(), noting).edge.size == 2000
    assert set(asked) & first <= {"checkpoint", "tile/entries/006"}


def test_strangers_and_missing_witnesses_are_refused(tmp_path: Path) -> None:
    """A log that the policy does not know, one key of two, and a quorum that is not met are refused."""
    fetch = published(LOG, tmp_path / "log", 0, 5)
    stranger = quorum.Policy(logs=[note.Ed25519Signer("x.example", b"x" * 32).key], quorum="none")
    with pytest.raises(Untrue, match="does not know"):
        mirror.update(tmp_path / "copy", stranger, fetch)
    seen = note.CosignatureSigner("w.example", b"w" * 32)
    wanted = LOG.policy()
    wanted.witnesses["w"] = quorum.Witness("w", seen.key)
    wanted.quorum = "w"
    with pytest.raises(Untrue, match="too few witnesses"):
        mirror.update(tmp_path / "copy", wanted, fetch)
    half = (tmp_path / "log" / "checkpoint").read_text().splitlines(keepends=True)
    (tmp_path / "log" / "checkpoint").write_text("".join(half[:-1]))
    with pytest.raises(Untrue, match="not every key"):
        mirror.update(tmp_path / "copy", LOG.policy(), fetch)
    assert not (tmp_path / "copy" / "tile").exists()


def test_a_damaged_mirror_says_so(tmp_path: Path) -> None:
    """A bit that flips in a mirror's files is found when it is checked."""
    mirror.update(tmp_path / "copy", LOG.policy(), published(LOG, tmp_path / "log", 0, 300))
    place = tmp_path / "copy" / "tile/entries/000"
    data = bytearray(place.read_bytes())
    data[100] ^= 1
    place.write_bytes(data)
    with pytest.raises(Untrue):
        mirror.check(tmp_path / "copy", LOG.policy())
    shutil.rmtree(tmp_path / "copy" / "tile")
    with pytest.raises(Untrue, match="missing"):
        mirror.check(tmp_path / "copy", LOG.policy())
