"""The worker goes on, whatever one of its duties meets."""

from sqlalchemy import delete

from consent.ledger import signer
from consent.ledger.tables import entry
from core.database import Database
from core.events import SYSTEM, record
from service import worker
from tests.consent.ledger.reading import CITIZEN, Moved


def test_a_row_that_is_missing_does_not_end_the_worker(house: Database) -> None:
    """A ledger with a hole is not signed, and the worker lives to do its other duties."""
    with house.writing() as db:
        record(db, Moved(number=1), actor=SYSTEM, about=(CITIZEN,))
    assert house.parts.sequencer.drain()
    with house.writing() as db:
        db.execute(delete(entry).where(entry.c.log == 1, entry.c.leaf_index == 1))
    duty = worker.Duty("checkpoint", 0.5, signer.sign_if_due)
    worker._do(duty, house)
    assert duty.due > 0
    with house.reading() as db:
        assert signer.newest(db, 1) is None
