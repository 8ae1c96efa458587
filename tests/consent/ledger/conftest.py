"""A house with keys, a sealer and an opened ledger, on each engine."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy.orm import Session

from consent.ledger import logs, openings, signer
from consent.ledger.sequencer import Sequencer
from consent.uses import Held
from core.database import Database
from keys.custody import FolderCustody
from keys.ring import Keyring


class Sealer:
    """Seals waiting events as the service does."""

    def seal(self, db: Session, chain: str, plaintext: bytes) -> bytes:
        """Seal under the chain's key of this year."""
        return openings.seal_event(db, chain, plaintext)

    def unseal(self, db: Session, chain: str, sealed: bytes) -> bytes:
        """Undo `seal`."""
        return openings.unseal(db, chain, sealed)


class Grants(dict[tuple[str, int], str]):
    """The state of grants as the sequencer asks for it; unknown ones are over."""

    def relied_on(self, db: Session, pairs: Sequence[tuple[str, int]]) -> Held:
        """Answer for each pair."""
        return Held({pair: self.get(pair, "ended") for pair in pairs})


Furnish = Callable[[Database], Sequencer]


@pytest.fixture
def grants() -> Grants:
    """Grants that a test sets."""
    return Grants({("g1", 1): "ok"})


@pytest.fixture
def furnish(grants: Grants) -> Iterator[Furnish]:
    """Put keys, sealer and a sequencer into a database, as one more process of the service would."""
    made: list[Sequencer] = []

    def put(database: Database) -> Sequencer:
        house = database.parts
        house.keys = Keyring(FolderCustody(house.settings.data_dir / "keys"))
        house.sealer = Sealer()
        house.sequencer = Sequencer(database, check_grants=grants.relied_on)
        made.append(house.sequencer)
        return house.sequencer

    yield put
    for sequencer in made:
        sequencer.stop()


@pytest.fixture
def ledger(database: Database, furnish: Furnish) -> Sequencer:
    """An opened ledger with a sequencer that is not started yet."""
    sequencer = furnish(database)
    with database.writing() as db:
        logs.opened(db)
    return sequencer


@contextmanager
def signing(database: Database) -> Iterator[None]:
    """Sign in the background, as a worker does."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            signer.sign_if_due(database)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def worker(database: Database, ledger: Sequencer) -> Iterator[None]:
    """A worker that signs while the test runs."""
    with signing(database):
        yield
