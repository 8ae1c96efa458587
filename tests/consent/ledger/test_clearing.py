from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from consent.ledger import clearing, fsck, logs, signer
from consent.ledger.errors import RequestReused
from consent.ledger.sequencer import Integrated, Repeated, Sequencer
from consent.ledger.tables import checkpoint, request
from core import clock
from core.database import Database
from service import worker
from tests.consent.ledger.reading import disclosure


def sizes(database: Database) -> list[int]:
    """The sizes of all checkpoints of the open log that are kept."""
    with database.reading() as db:
        mine = select(checkpoint.c.size).where(checkpoint.c.log == logs.FIRST)
        return list(db.scalars(mine.order_by(checkpoint.c.size)))


def test_old_claims_are_deleted_and_young_ones_stay(database: Database, ledger: Sequencer) -> None:
    """A worker forgets a request ID after thirty days and not before; the entry it led to stays."""
    ledger.start()
    first = ledger.submit(disclosure(request_id="old")).wait()
    ledger.submit(disclosure(request_id="young")).wait()
    for name, days in (("old", clearing.REQUEST_DAYS + 1), ("young", clearing.REQUEST_DAYS - 1)):
        at = clock.now() - timedelta(days=days)
        with database.writing() as db:
            db.execute(update(request).where(request.c.request_id == name).values(at=at))
    worker._purge(database)
    with pytest.raises(RequestReused):  # still known, though too old for a retry
        ledger.submit(disclosure(request_id="young")).wait()
    again = ledger.submit(disclosure(request_id="old")).wait()
    assert type(again) is Integrated
    assert isinstance(first, Integrated)
    assert again.index == first.index + 2
    assert fsck.check(database) == []


def test_what_was_asked_is_kept_under_a_key(database: Database, ledger: Sequencer) -> None:
    """The claim of a request holds nothing of its body's hash, equal bodies do not look equal, and a repeat with
    the same body is still told from one with another."""
    ledger.start()
    for name in ("r1", "r2"):
        ledger.submit(disclosure(request_id=name)).wait()
    with database.reading() as db:
        kept = list(db.scalars(select(request.c.body_hmac)))
    assert len(set(kept)) == 2
    assert b"b" * 32 not in kept
    assert {len(one) for one in kept} == {32}
    assert isinstance(ledger.submit(disclosure(request_id="r1")).wait(), Repeated)
    with pytest.raises(RequestReused):
        ledger.submit(disclosure(request_id="r1", body=b"c" * 32)).wait()


def test_old_checkpoints_are_thinned_to_one_a_day(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest checkpoints stay, and of the older ones the last of each day; thinning again changes nothing."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    rows = [
        {
            "log": 1,
            "size": 10 * day + hour,
            "root": b"r",
            "at": noon + timedelta(days=day, hours=hour),
            "note": "n",
        }
        for day in range(1, 5)
        for hour in range(1, 6)
    ]
    with database.writing() as db:
        db.execute(insert(checkpoint), rows)
    monkeypatch.setattr(clearing, "CHECKPOINTS_KEPT", 7)
    monkeypatch.setattr(clearing, "ROWS_AT_ONCE", 4)
    for _ in range(2):
        with database.writing() as db:
            clearing.purge(db)
        assert sizes(database) == [15, 25, 33, 34, 35, 41, 42, 43, 44, 45]


def test_few_checkpoints_all_stay(database: Database, ledger: Sequencer) -> None:
    """Where fewer checkpoints exist than are kept in any case, none is deleted."""
    signed = signer.sign_if_due(database)
    assert signed is not None
    with database.writing() as db:
        clearing.purge(db)
    assert sizes(database) == [signed.size]
