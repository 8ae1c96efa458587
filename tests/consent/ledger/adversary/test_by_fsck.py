"""What no citizen can see, and the auditor's recomputation of everything finds."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import insert, update

from consent.ledger import entries, fsck, signer, subjects
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import entry, subject
from core.database import Database
from registry_sync import people
from tests.consent.ledger.adversary.operator import LOG, Citizen, Operator
from tests.consent.ledger.reading import CITIZEN, OTHER, disclosure

SHADOW = "7H2M9XWT4BCK7"


@pytest.fixture
def operator(database: Database, ledger: Sequencer) -> Operator:
    """A ledger with entries of two citizens, and whoever runs it."""
    ledger.start()
    for _ in range(4):
        ledger.submit(disclosure(CITIZEN)).wait()
        ledger.submit(disclosure(OTHER)).wait()
    return Operator(database)


def test_a_second_label_is_found(operator: Operator) -> None:
    """A citizen's later entries in a chain with a label of the operator's own making: the citizen's bundle is
    complete as far as they can see, and fsck finds that the label is not the VRF's."""
    label = hashlib.sha256(b"shadow").digest()
    moved = operator.of(CITIZEN)[2:]
    with operator.rows() as db:
        top = entries.first_head(label)
        for seq, row in enumerate(moved, 1):
            here = entry.c.leaf_index == row["leaf_index"]
            db.execute(update(entry).where(here).values(label=label, seq=seq, opening=None))
            top = entries.next_head(top, row["commitment"])
        shadow = {"log": LOG, "chain": "shadow", "label": label, "n": len(moved), "head": top}
        db.execute(insert(subject), shadow)
        mine = entries.first_head(subjects.label_of(operator.database.parts, CITIZEN))
        for row in operator.of(CITIZEN)[:2]:
            mine = entries.next_head(mine, row["commitment"])
        db.execute(update(subject).where(subject.c.chain == CITIZEN).values(n=2, head=mine))
    signer.sign_if_due(operator.database)
    citizen = Citizen(operator.database, CITIZEN)
    assert citizen.verdict(citizen.download()) == "VALID-COMPLETE"
    found = [str(one) for one in fsck.check(operator.database)]
    assert any("it is kept under another label" in one for one in found), found


def test_a_chain_of_nobody_is_found(operator: Operator, ledger: Sequencer) -> None:
    """A citizen's later entries in a chain named after somebody who does not exist, flawless in all else: fsck
    that is told who there is finds the chain that is nobody's."""
    ledger.submit(disclosure(SHADOW)).wait()
    signer.sign_if_due(operator.database)
    assert fsck.check(operator.database) == []
    everybody = {CITIZEN, OTHER}
    found = [str(one) for one in fsck.check(operator.database, known=lambda _db, names: everybody & {*names})]
    assert len(found) == 1
    assert found[0].endswith("it is of nobody who is known")


def test_the_register_says_who_there_is(database: Database, ledger: Sequencer) -> None:
    """The auditor's command asks the copy of the registers, where an invented citizen ID is nobody's."""
    ledger.start()
    ledger.submit(disclosure(people.new_citizen_id(), "agency:revenue")).wait()
    found = [str(one) for one in fsck.check(database, known=people.known)]
    assert len(found) == 1
