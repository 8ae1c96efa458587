"""The clock of a machine is set back, or was ahead and is right again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from consent.ledger import signer
from consent.ledger.errors import ClockBehind, LedgerBusy, RequestReused, SignerRefused
from consent.ledger.guard import Guard
from consent.ledger.sequencer import Integrated, Sequencer
from consent.ledger.tables import checkpoint
from core import clock
from core.database import Database
from tests.consent.ledger.faults import scene
from tests.consent.ledger.reading import disclosure


def shift(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock so many seconds ahead of what it is, or back."""
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(seconds=seconds))


def in_order(database: Database) -> bool:
    """Whether larger checkpoints have later times."""
    with database.reading() as db:
        times = list(
            db.scalars(select(checkpoint.c.at).where(checkpoint.c.log == 1).order_by(checkpoint.c.size))
        )
    return times == sorted(times)


@pytest.mark.slow
@pytest.mark.needs("faketime")
def test_a_process_whose_clock_is_set_back(founded: Database, tmp_path: Path) -> None:
    """A process whose clock is five minutes behind adds entries in their order and signs nothing; eleven minutes
    behind, it releases nothing either; and when the clock was ahead, an operator's word lets the signer go on."""
    assert signer.sign_if_due(founded)
    for back, answers, deadline in (("-5m", True, 3), ("-11m", False, 1)):
        place = tmp_path / back
        with scene.staged(founded, place, "faketime", "-f", back, deadline=deadline) as staged:
            assert staged.round() == 0
            staged.judge.holds()
            assert bool(staged.judge.answered) is answers
            assert any("ClockBehind" in error for error in staged.judge.failed)
            assert any("LedgerBusy" in error for error in staged.judge.failed) is not answers
            assert in_order(founded)
            staged.judge.closes()
    with scene.staged(founded, tmp_path / "ahead", "faketime", "-f", "+5m") as staged:
        assert staged.round() == 0
        assert any("size" in said for said in staged.judge.hear())
    with pytest.raises(ClockBehind, match="--clock-was-ahead"):
        signer.sign_if_due(founded)
    assert signer.adopt(founded, clock_was_ahead=True)
    signed = signer.sign_if_due(founded)
    assert signed is not None
    assert abs(signed.at - clock.now()) < timedelta(minutes=1)


def test_no_checkpoint_is_earlier_than_the_one_before(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the clock is behind the newest checkpoint nothing is signed, not even for a signer who lost the row, and
    afterwards it goes on by itself."""
    first = signer.sign_if_due(database)
    assert first is not None
    ledger.start()
    ledger.submit(disclosure()).wait()
    with monkeypatch.context() as patch:
        shift(patch, -30)
        with pytest.raises(ClockBehind, match="a checkpoint was signed at"):
            signer.sign_if_due(database)
    second = signer.sign_if_due(database)
    assert second is not None
    assert second.at > first.at
    with monkeypatch.context() as patch:
        shift(patch, -30)
        with pytest.raises(ClockBehind):  # it did not grow, and the clock is wrong all the same
            signer.sign_if_due(database)


def test_a_clock_far_behind_releases_nothing(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock set back further than a checkpoint may be old does not make the last one fresh for ever."""
    assert signer.sign_if_due(database)
    shift(monkeypatch, -database.parts.settings.checkpoint_stale_seconds - 5)
    ledger.start()
    with pytest.raises(LedgerBusy):
        ledger.submit(disclosure()).wait()


def test_a_clock_set_back_makes_no_later_read_a_retry(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request ID is spent five minutes after its read, and a clock that is set back does not bring it back."""
    ledger.start()
    first = ledger.submit(disclosure(request_id="r1")).wait()
    assert isinstance(first, Integrated)
    shift(monkeypatch, -400)
    with pytest.raises(RequestReused):
        ledger.submit(disclosure(request_id="r1")).wait()


@pytest.mark.parametrize("at", ["soon", "2026-01-01T00:00:00", 5])
def test_a_guard_with_a_time_that_is_none_is_damaged(
    database: Database, ledger: Sequencer, at: object
) -> None:
    """A guard file with a time that cannot be read is not taken for one without."""
    assert signer.sign_if_due(database)
    text = signer.guard_path(database).read_text()
    guard = Guard.from_bytes(text.encode())
    assert guard.at is not None
    with pytest.raises(SignerRefused):
        Guard.from_bytes(text.replace(f'"{guard.at.isoformat()}"', repr(at).replace("'", '"')).encode())
