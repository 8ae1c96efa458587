"""Calls to the system that fail, once or from then on: sync, write, link, rename, open."""

from __future__ import annotations

import os

import pytest

from tests.consent.ledger.faults.scene import Call, Scene, sample

ERRORS = {"fsync": "EIO", "fdatasync": "EIO"} | dict.fromkeys(
    ("write", "pwrite64", "openat", "link", "rename", "mkdir"), "ENOSPC"
)
DEAD_DISK = ("fdatasync", "fsync", "pwrite64")
MOST_OF_A_KIND = int(os.environ.get("ERTI_STEPS", "2"))


@pytest.mark.slow
@pytest.mark.needs("strace")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_calls_that_fail(staged: Scene) -> None:
    """When a call fails, once or from then on, what is not known to be durable is neither answered nor signed; the next
    process goes on, and what was said stands."""
    assert staged.round() == 0
    counted = staged.calls()
    staged.judge.holds()
    found = [call for call in sample(counted, MOST_OF_A_KIND) if call.name in ERRORS]
    ever = [Call(call.thread, call.name, f"{call.nth}+") for call in found if call.name in DEAD_DISK]
    struck = 0
    for call in found + ever[::3]:
        before = len(staged.judge.failed)
        staged.round(call, fault=f"error={ERRORS[call.name]}")
        staged.judge.holds()
        struck += len(staged.judge.failed) > before
    print(f"{len(found + ever[::3])} rounds, {struck} in which something failed: {set(staged.judge.failed)}")
    assert struck > 5
    assert staged.round() == 0
    staged.judge.holds()
    staged.judge.closes()
