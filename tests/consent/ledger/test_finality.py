"""Erased for good: what a tool with every key and every file that is left can and cannot read."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import select

from consent.events import StaffLooked
from consent.ledger import bundle, erasure, fsck, journal, logs, policy, signer, subjects
from consent.ledger.tables import entry
from core.database import Database
from core.events import SYSTEM, Actor, record
from keys import epochs
from tests.consent.ledger import forensics
from tests.consent.ledger.conftest import signing
from tests.engines import Postgres
from verifier import erti_verify

CITIZEN, OTHER = "K7QD2M9XWT4BC", "4RZ8N1PV6HJ3E"
MARKER, KEPT = b"the-reason-nobody-may-know", b"a-reason-that-stays"
CLERK = Actor("staff", "00000001")


@dataclass
class Store:
    """A house with its files as they lie on the disk, and a backup of its database."""

    database: Database
    live: tuple[Path, ...]
    backup: Path

    @property
    def keys(self) -> Path:
        """The custody's folder."""
        return self.database.parts.settings.data_dir / "keys"

    def settle(self) -> None:
        """Bring what the database holds in memory onto the disk."""
        if not self.database.is_sqlite:
            address = self.database.url.replace("postgresql+psycopg", "postgresql")
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("CHECKPOINT")

    def back_up(self) -> None:
        """Copy the database's files as they are, logs included, as an operator's nightly copy would."""
        self.settle()
        self.backup.mkdir()
        for number, path in enumerate(self.live):
            if path.is_dir():
                shutil.copytree(path, self.backup / f"{number}", ignore_dangling_symlinks=True)
            elif path.exists():
                shutil.copy(path, self.backup / path.name)

    def journal(self) -> Path:
        """The journal of rows, its files opened with the house's own key, as the tool may do as well."""
        opened = self.backup.parent / "opened-journal"
        opened.mkdir(exist_ok=True)
        with self.database.reading() as db:
            every = logs.every(db)
        for log in every:
            frames = journal.read(self.database.parts, log.number, log.origin)
            for number, frame in enumerate(frames):
                content = msgspec.msgpack.encode(vars(frame))
                (opened / f"{log.number}-{number}").write_bytes(content)
        return opened

    def finds(self, marker: bytes, *where: Path, known: frozenset[bytes] = frozenset()) -> bool:
        """Tell whether the tool reads a marker out of some files."""
        self.settle()
        return forensics.recovered(where, self.keys, [CITIZEN, OTHER], marker, known)[0]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of its own, in whose log nobody else writes."""
    with tempfile.TemporaryDirectory(prefix="erti-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder) / "data")
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of a fresh database, on PostgreSQL in the server of its own."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite").fresh(tmp_path / "erti.db")
    else:
        with request.getfixturevalue("server").fresh() as url:
            yield url


@pytest.fixture
def store(house: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    """Some entries of two citizens, one of them with the marker; tiles and a checkpoint; and a backup of all of it."""
    for number in range(6):
        look(house, CITIZEN, f"{KEPT.decode()} {number}")
        look(house, OTHER, f"{KEPT.decode()} of another {number}")
    look(house, CITIZEN, MARKER.decode())
    look(house, CITIZEN, KEPT.decode())
    assert house.parts.sequencer.drain(timeout=30)
    signer.sign_if_due(house)
    live: tuple[Path, ...]
    if house.is_sqlite:
        live = tuple(tmp_path / name for name in ("erti.db", "erti.db-wal", "erti.db-shm"))
    else:
        live = request.getfixturevalue("server").files(house.url)
    found = Store(house, (*live, tmp_path / "ledger"), tmp_path / "backup")
    found.back_up()
    return found


def look(database: Database, citizen: str, reason: str) -> None:
    """Record that staff looked at somebody."""
    seen = StaffLooked(
        staff="00000001",
        office="north",
        reason=reason,
        attributes=("name",),
        request_id="r",
        outcome="released",
    )
    with database.writing() as db:
        record(db, seen, actor=CLERK, about=[citizen])


def data_key(database: Database) -> bytes:
    """The raw bytes of the citizen's data key of this year, as an attacker might have noted them."""
    with database.reading() as db:
        row = db.connection().exec_driver_sql(
            f"SELECT scope, epoch, wrapped FROM data_key WHERE owner = '{CITIZEN}' AND scope < 'm' AND scope > 'ledger'"
        )
        scope, epoch, wrapped = row.one()
    custody = database.parts.keys.custody
    return custody.unwrap(epoch, bytes(wrapped), epochs.key_context(CITIZEN, scope))


def year_and_place(database: Database) -> tuple[int, tuple[int, int]]:
    """The year and place of the entry with the marker."""
    with database.reading() as db:
        for found in subjects.chain(db, CITIZEN):
            if found.facts and found.facts["data"].get("reason") == MARKER.decode():
                row = db.execute(select(entry).where(entry.c.leaf_index == found.index)).one()
                return int(row.month[:4]), (row.log, row.leaf_index)
    raise AssertionError("no marker")


def erase(database: Database, *, single: bool) -> None:
    """Erase the entry with the marker, alone or with its whole year."""
    year, place = year_and_place(database)
    with database.writing() as db:
        ordered = erasure.order(
            db, CITIZEN, year, basis="court", actor=CLERK, places=[place] if single else [],
            reference="3/1234-26", reason="ordered",
        )  # fmt: skip
    erasure.carry_out(database, ordered)


def leave_the_epoch(database: Database) -> None:
    """Begin an epoch, move every key to it, and destroy the one before."""
    with database.writing() as db:
        number = epochs.begin(db, actor=SYSTEM)
    epochs.rewrap_all(database)
    with database.writing() as db:
        epochs.destroy(db, number - 1, actor=SYSTEM)


@pytest.mark.slow
@pytest.mark.parametrize("single", [False, True], ids=["year", "entry"])
def test_after_finality_nothing_opens_what_was_erased(
    store: Store, single: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before finality the tool reads the erased entry out of the backup with the keys that are left; afterwards it reads it
    out of nothing, though with the destroyed key it would; and what was not erased it reads all the time."""
    assert store.finds(MARKER, *store.live)
    raw = data_key(store.database)
    old = store.database.parts.settings.data_dir / "stolen"
    shutil.copytree(store.keys, old)

    erase(store.database, single=single)
    assert store.finds(MARKER, store.backup)
    assert store.finds(MARKER, store.journal())
    if not store.database.is_sqlite:
        assert store.finds(MARKER, *store.live), "dead rows and the log still hold key and entry"

    leave_the_epoch(store.database)

    everything = (store.backup, store.journal(), *store.live)
    assert not store.finds(MARKER, *everything)
    assert store.finds(b"of another", *everything)
    assert store.finds(KEPT, *everything)
    assert forensics.recovered(everything, old, [CITIZEN], MARKER)[0], (
        "the tool would see it with the old key"
    )
    assert store.finds(MARKER, *everything, known=frozenset([raw]))
    everywhere = (*everything, store.keys, store.database.parts.settings.data_dir)
    for file, content in forensics.contents(everywhere):
        if old not in file.parents:
            assert MARKER not in content, file
            assert raw not in content, file
    logged = "".join(capfd.readouterr())
    assert MARKER.decode() not in logged
    assert raw.hex() not in logged
    assert fsck.check(store.database) == []


def test_the_bundle_verifies_with_what_was_erased(store: Store) -> None:
    """After final erasure the citizen's verifier says how many entries are erased, and that all the others are right."""
    erase(store.database, single=False)
    leave_the_epoch(store.database)
    with signing(store.database):
        content = bundle.make(store.database, CITIZEN)
    assert MARKER not in content
    assert KEPT not in content
    trust = policy.text(store.database.parts, store.database.parts.settings.ledger_origin)
    history = erti_verify.read_bundle(content, erti_verify.read_policy(trust.encode()))
    assert erti_verify.verdict_of(history) == ["VALID-COMPLETE", "ERASED 8"]
    assert [one.record["kind"] for one in history.entries if one.record] == ["history-erased"]
