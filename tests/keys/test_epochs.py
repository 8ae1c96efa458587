"""Epochs of key-encryption keys: every key moves on, and the old key's end is final and loses nothing."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import clock
from core.database import Database, Parts
from core.events import SYSTEM
from keys import epochs, rotation, sealing, signing
from keys.custody import FolderCustody
from keys.errors import CustodyBroken, EpochInUse, EpochUnknown, KeysBusy, Shredded
from keys.ring import DATA_KEY_SECONDS, Keyring
from keys.tables import data_key


def another(database: Database) -> Database:
    """One more process on the same store and the same keys."""
    house = database.parts
    folder = house.settings.data_dir / "keys"
    return Database(
        Parts(house.settings, keys=Keyring(FolderCustody(folder)), sealer=house.sealer), url=database.url
    )


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """Give another process."""
    found = another(database)
    yield found
    found.close()


def seal(database: Database, owner: str) -> bytes:
    """Seal a value of an owner."""
    with database.writing() as db:
        return sealing.seal(db, owner, "attributes", owner.encode())


def opens(database: Database, owner: str, sealed: bytes) -> bool:
    """Tell whether a value opens."""
    with database.reading() as db:
        return sealing.unseal(db, owner, "attributes", sealed) == owner.encode()


def begin(database: Database) -> int:
    """Begin an epoch."""
    with database.writing() as db:
        return epochs.begin(db, actor=SYSTEM)


def destroy(database: Database, number: int) -> None:
    """Destroy an epoch."""
    with database.writing() as db:
        epochs.destroy(db, number, actor=SYSTEM)


def state(database: Database) -> dict[int, tuple[str, int]]:
    """How each epoch stands, and how many keys it wraps."""
    with database.reading() as db:
        return {epoch.number: (epoch.state, epoch.wrapped) for epoch in epochs.listing(db)}


def test_a_new_epoch_wraps_what_is_made_from_then_on(database: Database) -> None:
    """After a new epoch began, old keys stay wrapped by the old one and open; new keys are wrapped by the new one."""
    old = seal(database, "C1")
    assert begin(database) == 2
    new = seal(database, "C2")

    assert state(database)[1][0] == epochs.CLOSED
    with database.reading() as db:
        by = {row.owner: row.epoch for row in db.execute(select(data_key))}
    assert (by["C1"], by["C2"]) == (1, 2)
    assert opens(another(database), "C1", old)
    assert opens(another(database), "C2", new)


def test_every_key_moves_in_bounded_batches_and_opens_what_it_opened(database: Database) -> None:
    """Keys move to the newest epoch a few at a time; afterwards the old one wraps none, and all values open."""
    with database.writing() as db:
        rotation.ensure(db)
    sealed = {f"C{n}": seal(database, f"C{n}") for n in range(25)}
    begin(database)
    with database.writing() as db:
        assert epochs.rewrap(db, most=10) == 10 + len(rotation.ALGORITHMS)
    assert state(database)[1] == (epochs.CLOSED, 15)
    told: list[tuple[int, int]] = []
    assert epochs.rewrap_all(database, lambda done, of: told.append((done, of))) == 15
    assert told[0] == (15, 15)

    assert state(database)[1] == (epochs.CLOSED, 0)
    destroy(database, 1)
    fresh = another(database)
    assert all(opens(fresh, owner, value) for owner, value in sealed.items())
    with fresh.writing() as db:
        token = signing.sign(db, {"iss": "x"}, typ="t")
    assert token.count(".") == 2
    fresh.close()


def test_a_move_that_was_undone_is_done_again(database: Database) -> None:
    """A crash in the middle of moving keys leaves them where they were, and the worker goes on with it."""
    sealed = seal(database, "C1")
    begin(database)
    with pytest.raises(ZeroDivisionError), database.writing() as db:
        assert epochs.rewrap(db) == 1
        raise ZeroDivisionError
    assert state(database)[1] == (epochs.CLOSED, 1)
    assert epochs.tend(database) == 1
    assert epochs.tend(database) == 0
    destroy(database, 1)
    assert opens(another(database), "C1", sealed)


def test_what_is_in_use_is_not_destroyed(database: Database) -> None:
    """The epoch that wraps, one that still wraps a key, and one that never was are refused; their keys stay."""
    sealed = seal(database, "C1")
    with pytest.raises(EpochInUse):
        destroy(database, 1)
    begin(database)
    with pytest.raises(EpochInUse):
        destroy(database, 1)
    with pytest.raises(EpochInUse):
        destroy(database, 2)
    with pytest.raises(EpochUnknown):
        destroy(database, 3)
    assert database.parts.keys.custody.epochs() == [1, 2]
    assert opens(another(database), "C1", sealed)


def test_what_a_destroyed_epoch_wrapped_stays_shut(database: Database, other: Database) -> None:
    """A key row from a backup does not open once its epoch is destroyed: not in a fresh process, and not in one
    that had the epoch's key at hand."""
    seal(database, "C1")
    with database.reading() as db:
        row = db.execute(select(data_key).where(data_key.c.owner == "C1")).one()
    context = epochs.key_context("C1", "attributes")
    assert len(other.parts.keys.custody.unwrap(1, row.wrapped, context)) == 32
    begin(database)
    epochs.rewrap_all(database)
    destroy(database, 1)

    for custody in (other.parts.keys.custody, another(database).parts.keys.custody):
        with pytest.raises(CustodyBroken):
            custody.unwrap(1, row.wrapped, context)
        with pytest.raises(CustodyBroken):
            custody.wrap(1, bytes(32), context)
    assert not list((database.parts.settings.data_dir / "keys").glob("*1.key*"))


def test_destroying_twice_changes_nothing(database: Database) -> None:
    """A destruction that is asked for again leaves its time as it was."""
    begin(database)
    epochs.rewrap_all(database)
    destroy(database, 1)
    with database.reading() as db:
        first = epochs.listing(db)[-1].destroyed_at
    destroy(database, 1)
    with database.reading() as db:
        assert epochs.listing(db)[-1].destroyed_at == first is not None


def test_no_process_wraps_with_an_epoch_that_was_closed(database: Database, other: Database) -> None:
    """A transaction that wrapped with the old epoch and has not committed is waited for, so that its key moves on too."""
    begun, sealed = threading.Event(), []

    def work() -> None:
        with other.writing() as db:
            sealed.append(sealing.seal(db, "C9", "attributes", b"C9"))
            begun.set()
            threading.Event().wait(0.5)

    seal(database, "C1")
    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    begin(database)
    epochs.rewrap_all(database)
    destroy(database, 1)
    thread.join()

    assert opens(another(database), "C9", sealed[0])


def test_finality_counts_after_every_process_forgot(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an epoch wrapped is beyond recovery once it and all before it are destroyed and 30 seconds have passed."""
    seal(database, "C1")
    begin(database)
    begin(database)
    epochs.rewrap_all(database)
    destroy(database, 2)
    later = clock.now() + timedelta(seconds=DATA_KEY_SECONDS + 1)
    with monkeypatch.context() as patch, database.reading() as db:
        patch.setattr(clock, "now", lambda: later)
        assert epochs.gone_since(db, 2) is None
    destroy(database, 1)
    with database.reading() as db:
        assert epochs.gone_since(db, 2) is None
    later += timedelta(seconds=DATA_KEY_SECONDS)
    monkeypatch.setattr(clock, "now", lambda: later)
    with database.reading() as db:
        since = epochs.gone_since(db, 2)
        assert since is not None
        assert since < later
        assert epochs.gone_since(db, 3) is None


def test_an_idle_process_forgets_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data keys whose time is up leave the cache without anybody asking for them."""
    monkeypatch.setattr("keys.ring.DATA_KEY_SECONDS", 0.01)
    ring = database.parts.keys
    sealed = seal(database, "C1")
    assert opens(database, "C1", sealed)
    assert len(ring._data) == 1
    threading.Event().wait(0.02)
    ring.sweep()
    assert len(ring._data) == 0


def test_a_key_that_is_held_is_not_destroyed(database: Database, other: Database) -> None:
    """While a transaction relies on a data key another one that would destroy it is told so, or waits its turn."""
    holding, go = threading.Event(), threading.Event()

    def work() -> None:
        with other.writing() as db:
            assert sealing.hold(db, "C1", "year") == "year"
            holding.set()
            go.wait(10)

    with database.writing() as db:
        sealing.ready(db, ["C1"], "year")
    thread = threading.Thread(target=work)
    thread.start()
    assert holding.wait(10)
    if database.is_sqlite:
        go.set()
    else:
        with pytest.raises(KeysBusy), database.writing() as db:
            sealing.lock(db, "C1", "year")
        go.set()
    thread.join()
    with database.writing() as db:
        assert sealing.lock(db, "C1", "year") == ["year"]


def test_the_newest_key_of_a_family_is_held(database: Database) -> None:
    """Of several keys of one family the last one counts, ten after nine; another family's are not among them."""
    with database.writing() as db:
        for scope in ("year", "year:9", "year:10", "yearly", "yearly:11"):
            sealing.ready(db, ["C1"], scope)
        assert sealing.lock(db, "C1", "year") == ["year", "year:9", "year:10"]
        assert sealing.hold(db, "C1", "year") == "year:10"
        sealing.shred(db, "C1", "year:10")
        assert sealing.hold(db, "C1", "year") == "year:9"
        sealed = sealing.seal(db, "C1", "year:9", b"x")
        sealing.shred(db, "C1", "year:9")
    with database.reading() as db, pytest.raises(Shredded):
        sealing.unseal(db, "C1", "year:9", sealed)
