"""Custody on a real PKCS#11 token (SoftHSM) does what the folder does, and its keys cannot be read out."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass
from sqlalchemy import update

from consent import evidence
from consent.ledger import fsck, logs
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import entry
from core import events
from core.database import Database, Parts
from core.settings import Settings
from keys.errors import BadSeal, CustodyBroken
from keys.ring import Keyring
from keys.token import TokenCustody
from service.app import EventSealer
from tests import machine
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved

MODULE = machine.softhsm()
PIN = "1234"
pytestmark = [pytest.mark.needs("softhsm")]


@pytest.fixture(scope="module")
def label(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a token in a folder of its own."""
    folder = tmp_path_factory.mktemp("token")
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "erti", "--pin", PIN, "--so-pin", "4321"],
        check=True,
        capture_output=True,
    )
    yield "erti"
    del os.environ["SOFTHSM2_CONF"]


@pytest.fixture(scope="module")
def custody(label: str) -> TokenCustody:
    """Open custody on the token."""
    assert MODULE is not None
    return TokenCustody(Path(MODULE), label, PIN)


def test_the_token_wraps_and_unwraps(custody: TokenCustody) -> None:
    """A key wrapped on the token comes back for the same context, and for no other."""
    wrapped = custody.wrap(custody.epoch(), b"k" * 32, b"here")

    assert custody.unwrap(custody.epoch(), wrapped, b"here") == b"k" * 32
    with pytest.raises(BadSeal):
        custody.unwrap(custody.epoch(), wrapped, b"there")


def test_secrets_are_stable_and_apart(custody: TokenCustody) -> None:
    """The same label derives the same secret, another label another."""
    assert custody.secret("x") == custody.secret("x")
    assert custody.secret("x") != custody.secret("y")
    assert len(custody.secret("x")) == 32


def test_a_new_epoch_leaves_the_old_one_readable(custody: TokenCustody) -> None:
    """What an older epoch wrapped still opens after a new epoch began."""
    before = custody.epoch()
    wrapped = custody.wrap(before, b"k" * 32, b"")

    after = custody.begin_epoch()

    assert custody.epoch() == after == before + 1
    assert custody.unwrap(before, wrapped, b"") == b"k" * 32


def test_a_destroyed_epoch_is_gone_from_the_token(custody: TokenCustody, label: str) -> None:
    """After an epoch's key is destroyed nothing that it wrapped opens, in this process or in another one."""
    assert MODULE is not None
    old = custody.begin_epoch()
    wrapped = custody.wrap(old, b"k" * 32, b"")
    new = custody.begin_epoch(above=old + 5)
    assert new == old + 6

    custody.destroy_epoch(old)

    assert old not in custody.epochs()
    assert new in custody.epochs()
    for act in (lambda: custody.unwrap(old, wrapped, b""), lambda: custody.wrap(old, b"k" * 32, b"")):
        with pytest.raises(CustodyBroken):
            act()
    custody.destroy_epoch(old)


def test_keys_cannot_be_read_out(custody: TokenCustody) -> None:
    """The token refuses to give the value of any key that it holds for us."""
    session = custody._session
    for key in session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}):
        with pytest.raises((pkcs11.AttributeSensitive, pkcs11.exceptions.AttributeSensitive)):
            key[Attribute.VALUE]


def test_a_missing_token_is_named(label: str) -> None:
    """A label that no token has is said in words."""
    assert MODULE is not None
    with pytest.raises(CustodyBroken):
        TokenCustody(Path(MODULE), f"not-{label}", PIN)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_processes_of_a_check_open_the_token_each_for_itself(
    custody: TokenCustody, settings: Settings, database_url: str
) -> None:
    """The ledger's check in processes of their own opens what is sealed under keys that only the token unwraps."""
    house = Parts(settings, keys=Keyring(custody), sealer=EventSealer())
    database = Database(house, url=database_url)
    house.sequencer = Sequencer(database, check_grants=evidence.stands)
    with database.writing() as db:
        logs.opened(db)
        for number in range(8):
            events.record(
                db, Moved(number=number), actor=events.SYSTEM, about=((CITIZEN, OTHER)[number % 2],)
            )
    assert house.sequencer.drain(timeout=30)

    assert fsck.check(database, jobs=2, rows=4) == []
    with database.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == 3, entry.c.log == 1).values(kind="harmless"))
    found = [str(finding) for finding in fsck.check(database, jobs=2, rows=4)]
    assert found == ["entry 3: its clear columns say something else than its record"]
    database.close()
