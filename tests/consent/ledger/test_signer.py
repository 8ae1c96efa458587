from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from consent.ledger import entries, logs, note, policy, proofs, publish, signer, tiles, tree
from consent.ledger.errors import SignerRefused
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import checkpoint, entry, head, lease, subject
from core import clock
from core.database import Database
from core.settings import Settings
from tests.consent.ledger.machines import elsewhere, forget_head, grow


def test_growth_is_signed_and_standing_still_is_not(database: Database, ledger: Sequencer) -> None:
    """A checkpoint is signed after growth, by both keys, and once only while nothing grows."""
    first = signer.sign_if_due(database)
    assert first is not None
    assert first.size == 2
    assert signer.sign_if_due(database) is None
    grow(database, ledger, 3)
    second = signer.sign_if_due(database)
    assert second is not None
    keys = policy.log_keys(database.parts, database.parts.settings.ledger_origin)
    signed, by = note.open_checkpoint(second.note, keys)
    assert list(by) == keys
    with database.reading() as db:
        assert signer.newest(db) == second
        proof = proofs.consistency(db, 1, 2, 6)
    tree.verify_consistency(2, 6, first.root, signed.root, proof)


def test_an_old_checkpoint_is_signed_again(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint a minute old is signed again with a new time, so that readers see the log is alive."""
    first = signer.sign_if_due(database)
    monkeypatch.setattr(signer, "RENEW_SECONDS", 0)
    again = signer.sign_if_due(database)
    assert first is not None
    assert again is not None
    assert (again.size, again.root) == (first.size, first.root)
    assert again.at > first.at


def test_a_smaller_tree_is_refused(database: Database, ledger: Sequencer) -> None:
    """After a restore from a backup the signer refuses: it knows what it signed."""
    grow(database, ledger, 5)
    assert signer.sign_if_due(database)
    forget_head(database, 2)
    with pytest.raises(SignerRefused, match="has 5 entries, 7 were signed"):
        signer.sign_if_due(database)


def test_a_different_tree_is_refused(database: Database, ledger: Sequencer) -> None:
    """A ledger that lost entries and grew others in their place is refused."""
    grow(database, ledger, 5)
    assert signer.sign_if_due(database)
    forget_head(database, 2)
    with database.writing() as db:
        db.execute(delete(subject))
        db.execute(update(entry).values(label=None))
    grow(database, ledger, 4)
    with pytest.raises(SignerRefused, match="do not lead to the root they had"):
        signer.sign_if_due(database)


def test_a_changed_row_is_noticed_before_signing(database: Database, ledger: Sequencer) -> None:
    """The rows are hashed again before they are signed: one flipped bit stops the signer."""
    grow(database, ledger, 5)
    with database.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == 3).values(commitment=bytes(32)))
    with pytest.raises(SignerRefused, match="do not lead"):
        signer.sign_if_due(database)


def test_a_missing_row_is_noticed_before_signing(database: Database, ledger: Sequencer) -> None:
    """A gap in the indexes stops the signer."""
    grow(database, ledger, 5)
    with database.writing() as db:
        db.execute(delete(entry).where(entry.c.leaf_index == 3))
    with pytest.raises(LookupError, match="entries are missing"):
        signer.sign_if_due(database)


def test_another_machine_signs_only_after_adopting(
    database: Database, ledger: Sequencer, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A machine without the guard file refuses; adopting moves the signer, and the old one refuses then."""
    grow(database, ledger, 3)
    assert signer.sign_if_due(database)
    other = elsewhere(settings, tmp_path_factory.mktemp("other"), database)
    grow(database, ledger, 1)
    with pytest.raises(SignerRefused, match="adopt"):
        signer.sign_if_due(other)
    assert signer.adopt(other)
    assert signer.sign_if_due(other) is None  # the lease is still the first one's
    with database.writing() as db:
        db.execute(update(lease).values(until=clock.now() - timedelta(seconds=1)))
    assert signer.sign_if_due(other)
    grow(database, ledger, 1)
    assert signer.sign_if_due(database) is None
    with database.writing() as db:
        db.execute(update(lease).values(until=clock.now() - timedelta(seconds=1)))
    with pytest.raises(SignerRefused, match="a checkpoint of 7 exists, this signer's last is 5"):
        signer.sign_if_due(database)
    other.close()


def test_a_damaged_guard_stops_the_signer(database: Database, ledger: Sequencer) -> None:
    """A guard file that is not whole is not taken for an empty one."""
    assert signer.sign_if_due(database)
    grow(database, ledger, 1)
    path = signer.guard_path(database)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SignerRefused, match="damaged"):
        signer.sign_if_due(database)


def test_many_signers_at_once_sign_one_history(database: Database, ledger: Sequencer) -> None:
    """Threads that all sign while the ledger grows leave consistent checkpoints, one root for a size."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        while not stop.is_set():
            try:
                signer.sign_if_due(database)
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        grow(database, ledger, 7)
    stop.set()
    for thread in threads:
        thread.join()
    signer.sign_if_due(database)
    assert failed == []
    with database.reading() as db:
        rows = db.execute(
            select(checkpoint).where(checkpoint.c.log == logs.FIRST).order_by(checkpoint.c.size)
        ).all()
        mine = (entry.c.log == logs.FIRST, entry.c.leaf_type != entries.MAP_ROOT)
        grown = db.scalar(select(func.count()).select_from(entry).where(*mine))
        assert grown == 85
        last = rows[-1].size
        assert last == db.scalar(select(head.c.size).where(head.c.log == logs.FIRST))
        for row in rows:
            proof = proofs.consistency(db, 1, row.size, last)
            tree.verify_consistency(row.size, last, row.root, rows[-1].root, proof)


def test_who_comes_after_another_signer_does_not_take_the_ledger_for_an_older_copy(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that saw that signing is due, but signs only after another has signed more, refuses nothing."""
    grow(database, ledger, 3)
    inner, overtaken = signer._only_one_here, list[int]()

    @contextmanager
    def overtaking(place: Path) -> Iterator[bool]:
        if not overtaken:
            overtaken.append(1)
            grow(database, ledger, 5)
            assert signer.sign_if_due(database)
        with inner(place) as alone:
            yield alone

    monkeypatch.setattr(signer, "_only_one_here", overtaking)
    signer.sign_if_due(database)
    assert overtaken
    with database.reading() as db:
        signed = signer.newest(db)
        assert signed is not None
        assert signed.size == logs.current(db).size


def test_the_files_alone_lead_to_the_checkpoint(database: Database, ledger: Sequencer) -> None:
    """From the published files, without the database, anybody recomputes the signed root."""
    for count in (3, 200, 400):
        grow(database, ledger, count)
        assert signer.sign_if_due(database)
    folder = signer.folder(database)
    signed, _ = note.open_checkpoint(
        (folder / "checkpoint").read_text(),
        policy.log_keys(database.parts, database.parts.settings.ledger_origin),
    )
    assert signed.size == 607
    edge, data = tree.Frontier(), []
    for tile in tiles.needed(0, signed.size):
        contents = (folder / tile.path()).read_bytes()
        if tile.level == tiles.ENTRIES:
            data += tiles.split_bundle(contents)
        elif tile.level == 0:
            hashes = [contents[i : i + 32] for i in range(0, len(contents), 32)]
            assert hashes == [tree.leaf_hash(leaf) for leaf in data[tile.start : tile.start + tile.width]]
            edge.extend(hashes)
        elif tile.level == 1:
            assert contents == b"".join(edge.hashes[:1]) or len(contents) == 64
    assert (edge.size, edge.root()) == (signed.size, signed.root)
    assert data[0].startswith(bytes([entries.PUBLIC]))
    partials = [path.parent.name for path in folder.rglob("*.p/*")]
    assert set(partials) == {"002.p", "000.p"}  # level 0 and entries end in tile 2; level 1 has its first


def test_files_are_made_again_when_they_are_lost(database: Database, ledger: Sequencer) -> None:
    """Tiles are derived: without the files readers get the same bytes from the rows."""
    grow(database, ledger, 300)
    signed = signer.sign_if_due(database)
    assert signed is not None
    folder = signer.folder(database)
    with database.reading() as db:
        before = {
            tile: publish.read(db, folder, 1, tile, signed=signed.size)
            for tile in tiles.needed(0, signed.size)
        }
        shutil.rmtree(folder / "tile")
        for tile, contents in before.items():
            assert publish.read(db, folder, 1, tile, signed=signed.size) == contents
        assert publish.read(db, folder, 1, tiles.Tile(0, 1, 47), signed=signed.size) is None
