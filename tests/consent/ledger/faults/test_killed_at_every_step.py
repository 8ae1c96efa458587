"""kill -9 at every call by which a process changes anything, while it reads, decides, signs and publishes."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.consent.ledger.faults.scene import Scene, sample

MOST_OF_A_KIND = int(os.environ.get("ERTI_STEPS", "4"))  # all there are with a large number


@pytest.mark.slow
@pytest.mark.needs("strace")
def test_killed_at_every_step(staged: Scene) -> None:
    """Wherever a process dies, each of its answers has exactly one entry, there is no gap and no second
    checkpoint of one size, and the next process goes on by itself."""
    assert staged.round() == 0
    counted = staged.calls()
    staged.judge.holds()
    began, ended = time.monotonic(), []
    print(f"\n{sum(counted.values())} calls: {dict(counted)}")
    for call in sample(counted, MOST_OF_A_KIND):
        ended.append(staged.round(call, fault="signal=SIGKILL"))
        staged.judge.holds()
    print(f"{len(ended)} kills in {time.monotonic() - began:.0f} s, {staged.judge.answered} answers held")
    assert ended.count(-signal.SIGKILL) > len(ended) * 0.9
    assert staged.round() == 0
    staged.judge.holds()
    staged.judge.closes()
