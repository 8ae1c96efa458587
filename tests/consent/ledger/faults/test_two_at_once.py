"""Two processes that both release and both sign, on one database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.database import Database
from tests.consent.ledger.faults import scene

ROUNDS = 5


@pytest.mark.slow
def test_two_sequencers_and_two_signers_at_once(founded: Database, tmp_path: Path) -> None:
    """There is no gap, no second entry for an answer, and no second checkpoint of one size."""
    with scene.staged(founded, tmp_path / "one") as one, scene.staged(founded, tmp_path / "two") as two:
        two.number = 1000
        two.judge.roots = one.judge.roots
        ended: list[int] = []

        def work(which: scene.Scene) -> None:
            codes = [which.round() for _ in range(ROUNDS)]
            ended.extend(codes)

        threads = [threading.Thread(target=work, args=[which]) for which in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ended == [0] * 2 * ROUNDS
        for which in (one, two):
            which.judge.holds()
            assert which.judge.answered > 2 * ROUNDS
        one.judge.closes()
