"""What is consistent in itself, signed with the right keys, and caught by somebody who remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent.ledger import fsck, note, policy, quorum, signer
from consent.ledger.errors import SignerRefused
from consent.ledger.sequencer import Sequencer
from consent.ledger.witness.core import Cosigned, NotConsistent, OtherSize, Witness
from core.database import Database
from tests.consent.ledger.adversary.operator import Citizen, Operator, Row
from tests.consent.ledger.reading import CITIZEN, OTHER, disclosure
from tests.consent.ledger.witnesses import witness as make_witness
from verifier import erti_verify


@pytest.fixture
def witness(database: Database, tmp_path: Path) -> Witness:
    """A witness of another institution, which follows this log."""
    origin = database.parts.settings.ledger_origin
    followed = quorum.Policy(logs=policy.log_keys(database.parts, origin), quorum=quorum.NONE)
    folder = tmp_path / "witness"
    folder.mkdir()
    return make_witness(folder, "audit.example", followed)


@pytest.fixture
def operator(database: Database, ledger: Sequencer, witness: Witness) -> Operator:
    """A ledger with six entries of a citizen between those of another, signed, cosigned and published."""
    ledger.start()
    for _ in range(6):
        ledger.submit(disclosure(CITIZEN)).wait()
        ledger.submit(disclosure(OTHER)).wait()
    signer.sign_if_due(database)
    ledger.stop()
    found = Operator(database)
    lines = found.ask(witness, 0)
    assert isinstance(lines, Cosigned)
    found.publish(lines)
    return found


@pytest.fixture
def citizen(operator: Operator) -> Citizen:
    """The citizen to whom the bundle of now is to be shown."""
    return Citizen(operator.database, CITIZEN)


def wants(citizen: Citizen, witness: Witness) -> erti_verify.Policy:
    """The citizen's policy, when it wants that witness."""
    key = next(signer.key for signer in witness.key.signers if signer.key.kind != note.MLDSA44)
    text = policy.text(citizen.database.parts, citizen.database.parts.settings.ledger_origin)
    lines = f"witness audit {key.text()}\nquorum audit\n"
    return erti_verify.read_policy(text.replace("quorum none\n", lines).encode())


def known(witness: Witness, operator: Operator) -> int:
    """The size the witness cosigned last."""
    with witness.memory.held(operator.database.parts.settings.ledger_origin) as held:
        return held.seen().size


def test_an_honest_checkpoint_counts_its_witness(
    operator: Operator, citizen: Citizen, witness: Witness
) -> None:
    """What was cosigned is complete with one witness, under a policy that wants it."""
    history = erti_verify.read_bundle(citizen.download(), wants(citizen, witness))
    assert history.witnesses == ("audit",)
    assert erti_verify.verdict_of(history)[0].startswith("VALID-COMPLETE")


def reworded(told: list[Row]) -> list[Row]:
    """The same story with another agency in the citizen's third entry."""
    third = [one for one in told if one.get("chain") == CITIZEN][2]
    third["record"] = third["record"].replace(b'"revenue"', b'"harmless"')
    return told


def without_third(told: list[Row]) -> list[Row]:
    """The same story without the citizen's third entry."""
    third = [one for one in told if one.get("chain") == CITIZEN][2]
    return [one for one in told if one is not third]


def without_last(told: list[Row]) -> list[Row]:
    """The same story without the newest entry."""
    return told[:-1]


def other_order(told: list[Row]) -> list[Row]:
    """The same story with two neighbouring entries exchanged."""
    told[4], told[6] = told[6], told[4]
    return told


@pytest.mark.parametrize("story", [reworded, without_third, without_last, other_order])
def test_a_rewritten_log_is_flawless_in_itself(operator: Operator, citizen: Citizen, story: object) -> None:
    """With all keys a log can be rewritten so that neither fsck nor a verifier without memory finds anything: the
    tests below are passed for their own reason."""
    assert callable(story)
    operator.rewrite(story)
    operator.sign()
    assert fsck.check(operator.database) == []
    assert citizen.verdict(citizen.download()) == "VALID-COMPLETE"


def test_a_forked_checkpoint_is_refused_by_the_witness(
    operator: Operator, citizen: Citizen, witness: Witness
) -> None:
    """Another tree of the size that was cosigned gets no cosignature, and without it no citizen takes it."""
    size = known(witness, operator)
    operator.rewrite(reworded)
    assert operator.sign().size == size
    assert operator.ask(witness, size) == OtherSize(size)
    assert citizen.verdict(citizen.download(), trust=wants(citizen, witness)).startswith("UNWITNESSED")


def test_a_forked_checkpoint_is_a_fork_for_whoever_kept_a_bundle(
    operator: Operator, citizen: Citizen
) -> None:
    """Two trees of one size are a FORK for a citizen with an earlier bundle, no witness needed."""
    kept = citizen.download()
    operator.rewrite(reworded)
    operator.sign()
    said = citizen.verdict(citizen.download(), earlier=kept)
    assert said == "FORK: the earlier bundle's tree is another one of the same size"


def test_a_smaller_tree_signed_anew_is_refused_by_the_witness(
    operator: Operator, citizen: Citizen, witness: Witness
) -> None:
    """A tree without what was cosigned gets no cosignature: the witness names the size it knows."""
    size = known(witness, operator)
    operator.rewrite(without_last)
    assert operator.sign().size == size - 1
    assert operator.ask(witness, size) == OtherSize(size)
    assert citizen.verdict(citizen.download(), trust=wants(citizen, witness)).startswith("UNWITNESSED")


def test_a_smaller_tree_signed_anew_is_stale_for_whoever_kept_a_bundle(
    operator: Operator, citizen: Citizen
) -> None:
    """A citizen with an earlier bundle is told that the tree was larger: STALE."""
    kept = citizen.download()
    operator.rewrite(without_last)
    operator.sign()
    assert citizen.verdict(citizen.download(), earlier=kept).startswith("STALE: the earlier bundle's tree")


def test_a_dropped_entry_under_a_larger_tree_is_refused_by_the_witness(
    operator: Operator, citizen: Citizen, witness: Witness, ledger: Sequencer
) -> None:
    """A log rewritten without an entry that then grows past the old size has no proof for the witness."""
    size = known(witness, operator)
    operator.rewrite(without_third)
    operator.sign()
    ledger.start()
    for _ in range(3):
        ledger.submit(disclosure(OTHER)).wait()
    ledger.stop()
    signed = signer.sign_if_due(operator.database)
    assert signed is not None
    assert signed.size > size
    assert operator.ask(witness, size) == NotConsistent()
    assert citizen.verdict(citizen.download(), trust=wants(citizen, witness)).startswith("UNWITNESSED")


def test_a_dropped_entry_is_a_fork_for_whoever_kept_a_bundle(
    operator: Operator, citizen: Citizen, ledger: Sequencer
) -> None:
    """A citizen with an earlier bundle finds another entry in the place of the one that was dropped: FORK."""
    kept = citizen.download()
    operator.rewrite(without_third)
    operator.sign()
    ledger.start()
    for _ in range(3):
        ledger.submit(disclosure(CITIZEN)).wait()
    ledger.stop()
    signer.sign_if_due(operator.database)
    said = citizen.verdict(citizen.download(), earlier=kept)
    assert said == "FORK: entry 3 is not the one the earlier bundle showed"


def test_the_signer_itself_refuses_a_rewritten_log(operator: Operator) -> None:
    """Whoever can change the database but not the signer's guard file cannot even get it signed."""
    operator.rewrite(reworded)
    with pytest.raises(SignerRefused):
        signer.sign_if_due(operator.database)
