from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select, update

from consent.ledger import bundle, erasure, fsck, journal, mirror, policy, quorum, recovery, signer, subjects
from consent.ledger.errors import NotRecoverable, SignerRefused
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import entry, head
from core import clock, events
from core.database import Database
from core.events import SYSTEM, waiting
from keys.ring import Keyring
from tests.consent.ledger.backups import backup
from tests.consent.ledger.conftest import Furnish
from tests.consent.ledger.machines import grow
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved, Proclaimed, disclosure
from tests.consent.ledger.witnesses import reader
from verifier import erti_verify

NEWCOMER = "9WXT4BC2MK7QD"


def trust(database: Database) -> erti_verify.Policy:
    """The trust policy, as the verifier reads it."""
    text = policy.text(database.parts, database.parts.settings.ledger_origin)
    return erti_verify.read_policy(text.encode())


def mirrored(database: Database, folder: Path) -> Path:
    """Bring a second institution's mirror up to date."""
    trusted = quorum.read(policy.text(database.parts, database.parts.settings.ledger_origin).encode())
    mirror.update(folder, trusted, reader(signer.folder(database)))
    return folder


def happened(database: Database, ledger: Sequencer) -> None:
    """Reads and events about three citizens, one of them new, and a public record; signed."""
    with database.writing() as db:
        events.record(db, Moved(number=1), actor=SYSTEM, about=(CITIZEN, NEWCOMER))
        events.record(db, Proclaimed(text="x"), actor=SYSTEM)
    for number in range(5):
        ledger.submit(disclosure(CITIZEN, request_id=f"after-{number}")).wait()
        ledger.submit(disclosure(OTHER)).wait()
    grow(database, ledger, 300)
    assert signer.sign_if_due(database)


def process_anew(database: Database, furnish: Furnish) -> Sequencer:
    """Start as after a restore: nothing is remembered from before."""
    database.parts.sequencer.stop()
    database.parts.keys = Keyring(database.parts.keys.custody)
    sequencer = furnish(database)
    sequencer.start()
    return sequencer


def kinds(database: Database, citizen: str) -> list[str]:
    """The kinds of a citizen's entries, as their bundle proves them."""
    history = erti_verify.read_bundle(bundle.make(database, citizen), trust(database))
    assert erti_verify.verdict_of(history)[0].startswith("VALID-COMPLETE")
    return [e.record["kind"] for e in history.entries if e.record]


def test_the_restore_drill(database: Database, ledger: Sequencer, furnish: Furnish, tmp_path: Path) -> None:
    """An older backup is put back: the signer refuses, in words that say what to do. After the recovery from
    mirror and journal the check of the whole ledger is clean, signing goes on, nothing of what was signed is lost,
    what was recorded in between is there once, and bundles from before still hold."""
    ledger.start()
    grow(database, ledger, 20)
    signer.sign_if_due(database)
    with database.writing() as db:  # waits in the backup, and was integrated after it
        events.record(db, Moved(number=99), actor=SYSTEM, about=(OTHER,))
        ledger_waits = db.scalar(select(waiting.c.event_id))
    database.parts.sequencer.stop()
    put_back = backup(database, tmp_path)
    sequencer = furnish(database)
    sequencer.start()
    happened(database, sequencer)
    copy = mirrored(database, tmp_path / "mirror")
    happened(database, sequencer)  # the mirror is behind by that
    before = {name: bundle.make(database, name) for name in (CITIZEN, OTHER, NEWCOMER)}
    shown = {name: kinds(database, name) for name in before}
    with database.reading() as db:
        size = db.scalar(select(head.c.size).where(head.c.log == 1))

    sequencer.stop()
    put_back()
    sequencer = process_anew(database, furnish)
    with pytest.raises(SignerRefused, match="an older copy; `erti ledger recover`"):
        signer.sign_if_due(database)
    sequencer.submit(disclosure(CITIZEN, request_id="between")).wait()  # nobody noticed yet
    with database.writing() as db:
        events.record(db, Moved(number=7), actor=SYSTEM, about=(NEWCOMER,))
    assert sequencer.drain(timeout=20)
    with pytest.raises(SignerRefused):
        signer.sign_if_due(database)

    sequencer.stop()
    [done, _withheld] = recovery.recover(database, copy)
    assert done.size == size
    assert done.kinds["moved"] > 600
    assert done.again == 2
    assert fsck.check(database) == []
    with database.reading() as db:
        assert db.scalar(select(waiting.c.event_id).where(waiting.c.event_id == ledger_waits)) is None

    sequencer = process_anew(database, furnish)
    assert signer.sign_if_due(database)
    for name, old in before.items():
        now = erti_verify.read_bundle(bundle.make(database, name, earlier=size or 0), trust(database))
        erti_verify.check_earlier(now, erti_verify.read_bundle(old, trust(database)))
        assert kinds(database, name)[: len(shown[name])] == shown[name]
    assert kinds(database, CITIZEN) == [*shown[CITIZEN], "read"]
    assert kinds(database, NEWCOMER) == [*shown[NEWCOMER], "moved"]
    again = sequencer.submit(disclosure(CITIZEN, request_id="after-1")).wait()
    assert not hasattr(again, "rule")
    grow(database, sequencer, 3)
    assert signer.sign_if_due(database)
    mirrored(database, copy)  # the second institution sees a log that only grew
    assert fsck.check(database) == []


def test_what_was_erased_since_the_backup_stays_erased(
    database: Database, ledger: Sequencer, furnish: Furnish, tmp_path: Path
) -> None:
    """A backup brings back what was erased after it; the recovery erases it again, keys and words, and leaves the
    rest of those citizens' histories readable."""
    ledger.start()
    for name in (CITIZEN, OTHER):
        for _ in range(4):
            ledger.submit(disclosure(name)).wait()
    signer.sign_if_due(database)
    put_back = backup(database, tmp_path)
    year = clock.now().year
    with database.reading() as db:
        label = subjects.label_of(database.parts, CITIZEN)
        places = [(1, at) for at in db.scalars(select(entry.c.leaf_index).where(entry.c.label == label))][1:3]
    court = {"basis": erasure.COURT, "actor": SYSTEM, "reference": "1/26", "reason": "a mistake"}
    with database.writing() as db:
        orders = [
            erasure.order(db, CITIZEN, year, places=places, **court),  # type: ignore[arg-type]
            erasure.order(db, OTHER, year, **court),  # type: ignore[arg-type]
        ]
    for one in orders:
        erasure.carry_out(database, one)
    assert ledger.drain(timeout=20)
    ledger.submit(disclosure(CITIZEN)).wait()
    signer.sign_if_due(database)
    copy = mirrored(database, tmp_path / "mirror")
    before = {name: states(database, name) for name in (CITIZEN, OTHER)}
    assert before[CITIZEN].count(None) == 2
    assert before[OTHER].count(None) == 4
    ledger.stop()
    put_back()
    process_anew(database, furnish).stop()
    assert states(database, OTHER)[:4] == ["read"] * 4  # the backup knows of no erasure
    recovery.recover(database, copy)
    assert fsck.check(database) == []
    sequencer = process_anew(database, furnish)
    assert signer.sign_if_due(database)
    assert {name: states(database, name) for name in before} == before
    sequencer.submit(disclosure(OTHER)).wait()
    signer.sign_if_due(database)
    assert states(database, OTHER) == [*before[OTHER], "read"]
    assert fsck.check(database) == []


def states(database: Database, citizen: str) -> list[str | None]:
    """The kinds of a citizen's entries as they can be read; None for each that is erased."""
    with database.reading() as db:
        found = subjects.chain(db, citizen, log=1)
        return [None if one.facts is None else one.facts["kind"] for one in found]


def test_without_its_journal_a_mirror_is_not_enough(
    database: Database, ledger: Sequencer, furnish: Furnish, tmp_path: Path
) -> None:
    """A mirror alone proves what was there and not whose it was: the recovery says so, and changes nothing."""
    ledger.start()
    grow(database, ledger, 3)
    signer.sign_if_due(database)
    put_back = backup(database, tmp_path)
    happened(database, ledger)
    copy = mirrored(database, tmp_path / "mirror")
    ledger.stop()
    put_back()
    shutil.rmtree(journal.folder(database.parts, 1))
    with database.reading() as db:
        before = db.scalar(select(head.c.root).where(head.c.log == 1))
    with pytest.raises(NotRecoverable, match="cannot say whose they were"):
        recovery.recover(database, copy)
    with database.reading() as db:
        assert db.scalar(select(head.c.root).where(head.c.log == 1)) == before


def test_a_journal_that_was_altered_is_not_believed(
    database: Database, ledger: Sequencer, furnish: Furnish, tmp_path: Path
) -> None:
    """One changed byte of the journal, or a mirror of another tree, stops the recovery."""
    ledger.start()
    grow(database, ledger, 3)
    signer.sign_if_due(database)
    put_back = backup(database, tmp_path)
    happened(database, ledger)
    copy = mirrored(database, tmp_path / "mirror")
    ledger.stop()
    put_back()
    [path] = list(journal.folder(database.parts, 1).glob("*.rows"))
    right = path.read_bytes()
    path.write_bytes(right[:-5] + bytes([right[-5] ^ 1]) + right[-4:])
    with pytest.raises(NotRecoverable, match="other keys"):
        recovery.recover(database, copy)
    path.write_bytes(right)
    note = (copy / "checkpoint").read_text()
    (copy / "checkpoint").write_text(note.replace("\n", "\n1", 1))
    with pytest.raises(NotRecoverable, match="does not hold"):
        recovery.recover(database, copy)
    (copy / "checkpoint").write_text(note)
    recovery.recover(database, copy)
    assert fsck.check(database) == []


def test_rows_that_were_altered_before_the_tail_come_right(
    database: Database, ledger: Sequencer, tmp_path: Path
) -> None:
    """A row altered in the database is put back as it was signed, with everything after it."""
    ledger.start()
    grow(database, ledger, 30)
    signer.sign_if_due(database)
    copy = mirrored(database, tmp_path / "mirror")
    with database.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == 7).values(commitment=bytes(32)))
    assert fsck.check(database)
    ledger.stop()
    [done, _withheld] = recovery.recover(database, copy)
    assert done.start == 7
    assert fsck.check(database) == []


def test_the_journal_says_nothing_to_who_lacks_the_keys(
    database: Database, ledger: Sequencer, tmp_path: Path
) -> None:
    """No name, kind, agency or identifier stands in the journal's files in clear, and others cannot read them."""
    ledger.start()
    ledger.submit(disclosure(CITIZEN)).wait()
    signer.sign_if_due(database)
    [path] = list(journal.folder(database.parts, 1).glob("*.rows"))
    data = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    for word in (CITIZEN, "revenue", "income-check", "read", "leaf_index"):
        assert word.encode() not in data
    frames = list(journal.read(database.parts, 1, database.parts.settings.ledger_origin))
    assert "revenue" in json.dumps([row["agency"] for frame in frames for row in frame.entries])


def test_a_frame_that_was_cut_is_written_again(database: Database, ledger: Sequencer) -> None:
    """After a crash in the middle of a frame the journal goes on with whole ones, and has every signed row."""
    ledger.start()
    for turn in range(3):
        grow(database, ledger, 4)
        signed = signer.sign_if_due(database)
        [path] = list(journal.folder(database.parts, 1).glob("*.rows"))
        if turn == 1:
            path.write_bytes(path.read_bytes()[:-9])
    assert signed is not None
    frames = journal.read(database.parts, 1, database.parts.settings.ledger_origin)
    assert {row["leaf_index"] for frame in frames for row in frame.entries} == set(range(signed.size))
