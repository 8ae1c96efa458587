"""What the citizen's own verifier catches, alone or with a bundle kept from before."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from consent.ledger import entries, erasure, map_store, proofs, signer, subjects
from consent.ledger.sequencer import Sequencer
from consent.ledger.tables import checkpoint, entry, head, map_leaf, map_node, map_state, node, subject
from core.database import Database
from core.events import SYSTEM
from keys.tables import data_key
from tests.consent.ledger.adversary.operator import LOG, Citizen, Operator
from tests.consent.ledger.reading import CITIZEN, OTHER, disclosure

LAST = 6


@pytest.fixture
def operator(database: Database, ledger: Sequencer) -> Operator:
    """A ledger in which a citizen has six entries between those of another, signed, and whoever runs it."""
    ledger.start()
    for _ in range(LAST):
        ledger.submit(disclosure(CITIZEN)).wait()
        ledger.submit(disclosure(OTHER)).wait()
    signer.sign_if_due(database)
    return Operator(database)


@pytest.fixture
def citizen(operator: Operator) -> Citizen:
    """The citizen, whose honest bundle is accepted."""
    mine = Citizen(operator.database, CITIZEN)
    assert mine.verdict(mine.download()) == "VALID-COMPLETE"
    return mine


def test_an_entry_is_dropped(operator: Operator, citizen: Citizen) -> None:
    """An entry that is hidden from its chain, its leaf left in the tree, is MISSING, by its number."""
    operator.change(operator.of(CITIZEN)[2]["leaf_index"], label=None, seq=None)
    assert citizen.verdict(citizen.download()).startswith("MISSING: number 3 is left out")


def test_the_tail_is_cut_off(operator: Operator, citizen: Citizen) -> None:
    """Newest entries that are hidden, with chain and map made to fit, are MISSING by the map that was logged."""
    label = subjects.label_of(operator.database.parts, CITIZEN)
    left = operator.of(CITIZEN)[: LAST - 2]
    top = entries.first_head(label)
    for row in left:
        top = entries.next_head(top, row["commitment"])
    with operator.rows() as db:
        hidden = update(entry).where(entry.c.label == label, entry.c.seq > len(left))
        db.execute(hidden.values(label=None, seq=None))
        db.execute(update(subject).where(subject.c.label == label).values(n=len(left), head=top))
        operator.map_again(db)
    said = citizen.verdict(citizen.download())
    assert said.startswith("MISSING: the map of")
    assert f"at {LAST - 2} entries: later ones are left out" in said


def test_all_of_it_is_denied(operator: Operator, citizen: Citizen) -> None:
    """A citizen told that nothing is recorded about them is told by the map that something is."""
    label = subjects.label_of(operator.database.parts, CITIZEN)
    with operator.rows() as db:
        db.execute(update(entry).where(entry.c.label == label).values(label=None, seq=None))
        db.execute(delete(subject).where(subject.c.label == label))
        operator.map_again(db)
    assert "at 0 entries: later ones are left out" in citizen.verdict(citizen.download())


def test_two_entries_change_places(operator: Operator, citizen: Citizen) -> None:
    """Two entries whose numbers are exchanged in the database are ALTERED: they changed places."""
    second, third = operator.of(CITIZEN)[1:3]
    operator.change(second["leaf_index"], seq=99)
    operator.change(third["leaf_index"], seq=second["seq"])
    operator.change(second["leaf_index"], seq=third["seq"])
    assert citizen.verdict(citizen.download()).startswith("ALTERED: entries have changed places")


def test_an_entry_is_reworded(operator: Operator, citizen: Citizen) -> None:
    """An entry with other words, sealed with the right key, is ALTERED: the tree commits to the old ones."""
    row = operator.of(CITIZEN)[3]
    with operator.rows() as db:
        nonce, record = operator.opened(db, CITIZEN, row)
        other = record.replace(b'"revenue"', b'"harmless"')
        assert other != record
        sealed = operator.sealed(db, CITIZEN, row["leaf_index"], nonce, other)
        db.execute(update(entry).where(entry.c.leaf_index == row["leaf_index"]).values(opening=sealed))
    assert citizen.verdict(citizen.download()).startswith("ALTERED: entry 4: it does not stand at place")


def test_an_entry_is_reworded_with_its_commitment(operator: Operator, citizen: Citizen) -> None:
    """An entry rewritten together with its commitment is ALTERED too: the rows no longer lead to the signed tree."""
    row = operator.of(CITIZEN)[3]
    with operator.rows() as db:
        nonce, record = operator.opened(db, CITIZEN, row)
        other = record.replace(b'"revenue"', b'"harmless"')
        values = {
            "opening": operator.sealed(db, CITIZEN, row["leaf_index"], nonce, other),
            "commitment": entries.commitment(nonce, other),
        }
        db.execute(update(entry).where(entry.c.leaf_index == row["leaf_index"]).values(**values))
    assert citizen.verdict(citizen.download()).startswith("ALTERED: entry 0 of the log: it does not stand")


def test_two_citizens_are_exchanged(operator: Operator, citizen: Citizen) -> None:
    """A citizen given somebody else's history, opened with the right keys, is told that it is not theirs."""
    mine, other = (subjects.label_of(operator.database.parts, one) for one in (CITIZEN, OTHER))
    theirs = operator.of(OTHER)
    with operator.rows() as db:
        opened = [(row, operator.opened(db, OTHER, row)) for row in theirs]
        db.execute(update(entry).where(entry.c.label == mine).values(label=b"?" * 32))
        for row, (nonce, record) in opened:
            sealed = operator.sealed(db, CITIZEN, row["leaf_index"], nonce, record)
            db.execute(
                update(entry)
                .where(entry.c.leaf_index == row["leaf_index"])
                .values(label=mine, opening=sealed)
            )
        db.execute(update(entry).where(entry.c.label == b"?" * 32).values(label=other))
    assert citizen.verdict(citizen.download()) == "ALTERED: entry 1 belongs to somebody else's history"


def test_two_neighbouring_erased_entries_are_exchanged(operator: Operator, citizen: Citizen) -> None:
    """Two entries whose content is gone still have their order: exchanged, they are ALTERED."""
    second, third = operator.of(CITIZEN)[1:3]
    for row in (second, third):
        operator.change(row["leaf_index"], opening=None)
    assert citizen.verdict(citizen.download()) == "VALID-COMPLETE ERASED 2"
    operator.change(second["leaf_index"], seq=99)
    operator.change(third["leaf_index"], seq=second["seq"])
    operator.change(second["leaf_index"], seq=third["seq"])
    assert citizen.verdict(citizen.download()).startswith("ALTERED: entries have changed places")
    operator.change(third["leaf_index"], seq=99, commitment=second["commitment"])
    operator.change(second["leaf_index"], seq=second["seq"], commitment=third["commitment"])
    operator.change(third["leaf_index"], seq=third["seq"])
    assert citizen.verdict(citizen.download()).startswith("ALTERED: entry 0 of the log: it does not stand")


def test_another_content_is_put_where_one_was_erased(operator: Operator, citizen: Citizen) -> None:
    """What was erased cannot be given another content afterwards: it is ALTERED."""
    row = operator.of(CITIZEN)[2]
    with operator.rows() as db:
        nonce, record = operator.opened(db, CITIZEN, row)
    operator.change(row["leaf_index"], opening=None)
    assert citizen.verdict(citizen.download()) == "VALID-COMPLETE ERASED 1"
    with operator.rows() as db:
        facts: dict[str, Any] = json.loads(record)
        other = entries.record(
            facts | {"data": facts["data"] | {"agency": "harmless"}},
            label=subjects.label_of(operator.database.parts, CITIZEN),
            seq=facts["seq"],
            previous=base64.b64decode(facts["prev"]),
        )
        sealed = operator.sealed(db, CITIZEN, row["leaf_index"], nonce, other)
        db.execute(update(entry).where(entry.c.leaf_index == row["leaf_index"]).values(opening=sealed))
    assert citizen.verdict(citizen.download()).startswith("ALTERED: entry 3: it does not stand at place")


def test_what_was_erased_is_put_back(operator: Operator, citizen: Citizen) -> None:
    """An entry erased on the record and brought back from a backup, key and all, is ALTERED: the history itself
    says how many of its entries were erased."""
    row = operator.of(CITIZEN)[2]
    with operator.database.reading() as db:
        keys = [dict(one) for one in db.execute(select(data_key)).mappings()]
    operator.database.parts.sequencer.stop()
    with operator.rows() as db:
        done = erasure.order(
            db,
            CITIZEN,
            int(row["month"][:4]),
            basis=erasure.COURT,
            places=[(LOG, row["leaf_index"])],
            actor=SYSTEM,
        )
    erasure.carry_out(operator.database, done)
    assert operator.database.parts.sequencer.drain()
    signer.sign_if_due(operator.database)
    assert citizen.verdict(citizen.download()) == "VALID-COMPLETE ERASED 1"
    with operator.rows() as db:
        for key in keys:
            db.execute(
                delete(data_key).where(data_key.c.owner == key["owner"], data_key.c.scope == key["scope"])
            )
            db.execute(insert(data_key), key)
        here = entry.c.leaf_index == row["leaf_index"]
        db.execute(update(entry).where(entry.c.log == LOG, here).values(opening=row["opening"]))
    said = citizen.verdict(citizen.download())
    assert said == "ALTERED: 1 entries were erased, as the history says, and 0 are: some were put back"


def test_an_old_map_is_served(operator: Operator, citizen: Citizen, ledger: Sequencer) -> None:
    """The state of before some reads, whole and signed, does not pass for whoever kept a newer bundle: STALE."""
    tables = (entry, node, subject, map_leaf, map_node, map_state, checkpoint, head)
    with operator.database.reading() as db:
        old = {table: [dict(row) for row in db.execute(select(table)).mappings()] for table in tables}
    ledger.submit(disclosure(CITIZEN)).wait()
    signer.sign_if_due(operator.database)
    kept = citizen.download()
    ledger.stop()
    with operator.rows() as db:
        for table in tables:
            db.execute(delete(table))
            if old[table]:
                db.execute(insert(table), old[table])
    served = citizen.download()
    assert citizen.verdict(served) == "VALID-COMPLETE"  # as of a time that the citizen is told
    assert citizen.verdict(served, earlier=kept).startswith("STALE: the earlier bundle's tree is newer")


def test_an_old_map_is_put_under_the_newest_checkpoint(
    operator: Operator, citizen: Citizen, ledger: Sequencer
) -> None:
    """An old map root with its proof, under a checkpoint that went on, is STALE: it is not the last leaf."""
    with operator.database.reading() as db:
        old = [dict(row) for row in db.execute(select(map_leaf)).mappings()]
        nodes = [dict(row) for row in db.execute(select(map_node)).mappings()]
        place = map_store.state(db, LOG).root_index
    ledger.submit(disclosure(CITIZEN)).wait()
    signer.sign_if_due(operator.database)
    made = json.loads(citizen.download())
    with operator.rows() as db:
        for table, rows in ((map_leaf, old), (map_node, nodes)):
            db.execute(delete(table))
            db.execute(insert(table), rows)
        mine = subjects.label_of(operator.database.parts, CITIZEN)
        hidden = update(entry).where(entry.c.label == mine, entry.c.seq > LAST)
        db.execute(hidden.values(label=None, seq=None))
    forged = json.loads(citizen.download())
    with operator.database.reading() as db:
        payload = db.scalar(select(entry.c.payload).where(entry.c.leaf_index == place))
        size = signer.newest(db)
        assert size is not None
        proof = map_proof(operator, place or 0, size.size)
    section = forged["logs"][0]["map"]
    section |= {"index": place, "root": entries.base64_of(payload or b""), "proof": proof}
    served = json.dumps(forged, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert made["checkpoint"] == forged["checkpoint"]
    assert citizen.verdict(served).startswith("STALE: the map of")


def map_proof(operator: Operator, place: int, size: int) -> list[str]:
    """The inclusion proof of a leaf."""
    with operator.database.reading() as db:
        return [entries.base64_of(step) for step in proofs.Tiles(db, LOG, size).inclusion(place)]


def test_another_signer_is_not_believed(operator: Operator, citizen: Citizen) -> None:
    """A checkpoint signed by keys that the citizen's policy does not know is UNKNOWN-KEY."""
    elsewhere = operator.database.parts.settings.model_copy(
        update={"ledger_origin": "ledger.other.example/1"}
    )
    trusted = Citizen(operator.database, CITIZEN).policy
    operator.database.parts.settings = elsewhere
    with operator.rows() as db:
        db.execute(update(head).where(head.c.log == LOG).values(origin="ledger.other.example/1"))
    operator.sign()
    assert citizen.verdict(citizen.download(), trust=trusted).startswith("UNKNOWN-KEY")
