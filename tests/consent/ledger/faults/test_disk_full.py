"""Files that cannot grow any more, at every size that a round would have needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.database import Database
from tests.consent.ledger.faults.scene import Scene

STEPS = 8


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_disk_that_is_full(staged: Scene, founded: Database) -> None:
    """When files can grow no more, whoever asks is told, nothing is half released or half signed, and once there is
    room again all goes on by itself."""
    log = Path(founded.url.removeprefix("sqlite:///") + "-wal")
    assert staged.round() == 0
    staged.judge.holds()
    size = log.stat().st_size
    for step in range(STEPS):
        staged.round(room=4096 + size * step // STEPS)
        staged.judge.holds()
        assert staged.round() == 0
        staged.judge.holds()
    print(set(staged.judge.failed))
    assert any("OperationalError" in error for error in staged.judge.failed)
    assert any("LedgerBusy" in error for error in staged.judge.failed)
    staged.judge.closes()
