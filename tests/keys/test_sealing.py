"""Sealed values open for their owner alone, and not at all once the key is gone."""

import pytest
from sqlalchemy import delete

from core.database import Database
from keys import blind, sealing
from keys.custody import FolderCustody
from keys.errors import BadSeal, CustodyBroken, Shredded
from keys.ring import Keyring
from keys.tables import data_key


def test_sealed_values_come_back(database: Database) -> None:
    """What was sealed in one transaction opens in the next."""
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "attributes", b"hello", aad=b"row 1")

    with database.reading() as db:
        assert sealing.unseal(db, "C1", "attributes", sealed, aad=b"row 1") == b"hello"


@pytest.mark.parametrize(
    ("owner", "scope", "aad"),
    [("C2", "attributes", b"row 1"), ("C1", "account", b"row 1"), ("C1", "attributes", b"")],
)
def test_a_sealed_value_opens_only_where_it_belongs(
    database: Database, owner: str, scope: str, aad: bytes
) -> None:
    """A value moved to another owner, scope or row does not open."""
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "attributes", b"hello", aad=b"row 1")
        sealing.ready(db, [owner], scope)

    with database.reading() as db, pytest.raises(BadSeal):
        sealing.unseal(db, owner, scope, sealed, aad=aad)


def test_every_flipped_bit_is_noticed(database: Database) -> None:
    """A sealed value with any byte changed does not open."""
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "attributes", b"hello")

    with database.reading() as db:
        for place in range(len(sealed)):
            altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
            with pytest.raises(BadSeal):
                sealing.unseal(db, "C1", "attributes", altered)


def test_shredding_a_key_closes_its_values_for_good(database: Database) -> None:
    """After shredding an owner's keys nothing of theirs opens, and others' values still do."""
    with database.writing() as db:
        mine = sealing.seal(db, "C1", "attributes", b"hello")
        yours = sealing.seal(db, "C2", "attributes", b"hello")
    with database.writing() as db:
        assert sealing.shred(db, "C1") == 1

    with database.reading() as db:
        with pytest.raises(Shredded):
            sealing.unseal(db, "C1", "attributes", mine)
        assert sealing.unseal(db, "C2", "attributes", yours) == b"hello"


def test_a_key_of_an_undone_transaction_is_not_used(database: Database) -> None:
    """A data key made in a transaction that was rolled back never seals anything that stays."""
    with pytest.raises(RuntimeError, match="undo"), database.writing() as db:
        sealing.seal(db, "C1", "attributes", b"first")
        raise RuntimeError("undo")
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "attributes", b"second")

    database.parts.keys = Keyring(database.parts.keys.custody)
    with database.reading() as db:
        assert sealing.unseal(db, "C1", "attributes", sealed) == b"second"


def test_bulk_keys_are_one_for_each_owner(database: Database) -> None:
    """Making keys for many owners at once leaves each with one key that opens what it sealed."""
    owners = [f"C{n}" for n in range(900)]
    with database.writing() as db:
        sealing.ready(db, owners, "attributes")
        sealed = {owner: sealing.seal(db, owner, "attributes", owner.encode()) for owner in owners}

    with database.reading() as db:
        assert all(
            sealing.unseal(db, owner, "attributes", sealed[owner]) == owner.encode() for owner in owners
        )


def test_blind_indexes_differ_by_column_and_value(database: Database) -> None:
    """The same value has the same index in one column, and nothing in common with another column's."""
    with database.reading() as db:
        first = blind.index(db, "idp.username", "nino")
        assert first == blind.index(db, "idp.username", "nino")
        assert first != blind.index(db, "idp.email", "nino")
        assert first != blind.index(db, "idp.username", "Nino")
        assert first[0] == blind.VERSION


def test_custody_keeps_its_secrets_between_starts(database: Database) -> None:
    """A second start derives the same secrets and opens the same keys; key files are the owner's alone."""
    folder = database.parts.settings.data_dir / "keys"
    again = FolderCustody(folder)

    assert again.secret("x") == database.parts.keys.secret("x")
    assert again.secret("x") != again.secret("y")
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_custody_without_its_epoch_says_so(database: Database) -> None:
    """A missing key-encryption key is named as such, not taken for an altered value."""
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "attributes", b"hello")
    folder = database.parts.settings.data_dir / "keys"
    (folder / "epoch-1.key").rename(folder / "epoch-2.key")

    database.parts.keys = Keyring(FolderCustody(folder))
    with database.reading() as db, pytest.raises(CustodyBroken):
        sealing.unseal(db, "C1", "attributes", sealed)


def test_destroying_one_key_leaves_no_trace_of_another_that_was_undone(database: Database) -> None:
    """A key made in a transaction that is undone is in no cache, although a key of another scope was destroyed in
    between: what is sealed next opens in a fresh process."""
    with pytest.raises(ZeroDivisionError), database.writing() as db:
        sealing.seal(db, "C1", "ledger", b"hello")
        sealing.shred(db, "C1", "attributes")
        sealing.seal(db, "C1", "ledger", b"hello")
        raise ZeroDivisionError
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "ledger", b"again")

    database.parts.keys = Keyring(database.parts.keys.custody)
    with database.reading() as db:
        assert sealing.unseal(db, "C1", "ledger", sealed) == b"again"


def test_erasing_the_row_is_enough(database: Database) -> None:
    """Once the key row is gone a fresh process cannot open the value."""
    with database.writing() as db:
        sealed = sealing.seal(db, "C1", "attributes", b"hello")
        db.execute(delete(data_key))

    database.parts.keys = Keyring(database.parts.keys.custody)
    with database.reading() as db, pytest.raises(Shredded):
        sealing.unseal(db, "C1", "attributes", sealed)
