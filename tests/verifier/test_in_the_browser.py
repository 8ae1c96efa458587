from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from consent.ledger import note
from tests.verifier import forging
from tests.verifier.both import agree, expected, judged
from tests.verifier.forgeries import FORGERIES, rewrite_head
from tests.verifier.years import NEXT, WATCHED, two_years, years_rewritten
from verifier import erti_verify

pytestmark = pytest.mark.needs("node")


def test_both_programs_accept_the_same(tmp_path: Path) -> None:
    """Honest bundles, with and without entries, erased ones and those of two years, are accepted alike."""
    log = forging.twenty()
    made = [log.bundle(), log.bundle("NOBODY"), log.bundle(erased=(3, 4, 20))]
    assert (
        agree([forging.encode(one).decode() for one in made], forging.policy(), tmp_path)
        == ["VALID-COMPLETE"] * 3
    )
    _first, second = two_years()
    bundle = forging.encode(second.bundle()).decode()
    assert agree([bundle], forging.policy(origin=NEXT), tmp_path) == ["VALID-COMPLETE"]


def test_both_programs_reject_forgeries_with_the_same_word(tmp_path: Path) -> None:
    """Each way of forging a bundle, each dropped entry and each exchange gets the same verdict from both."""
    log = forging.twenty()
    made: list[forging.Bundle] = []
    for forge, _said, _reason in FORGERIES:
        bundle = log.bundle()
        forge(log, bundle)
        made.append(bundle)
    for number in range(20):
        dropped = log.bundle()
        del dropped["logs"][0]["entries"][number]
        fitted = json.loads(json.dumps(dropped))
        fitted["logs"][0]["n"] = 19
        rewrite_head(fitted)
        swapped = log.bundle(erased=(5, 6))
        listed = swapped["logs"][0]["entries"]
        listed[number - 1], listed[number] = listed[number], listed[number - 1]
        made += [dropped, fitted, swapped]
    back = forging.Log()
    for _ in range(3):
        back.add()
    back.add(kind="history-erased", entries=2, year=2026)
    made.append(back.bundle(erased=(2,)))
    words = agree([forging.encode(one).decode() for one in made], forging.policy(), tmp_path)
    assert "VALID-COMPLETE" not in words
    assert {"MISSING", "ALTERED", "UNKNOWN-KEY"} <= set(words)


def test_both_programs_notice_changed_bytes(tmp_path: Path) -> None:
    """Bytes changed here and there, outside the signature that no browser can check, are rejected by both."""
    data = forging.encode(forging.twenty().bundle(erased=(7,))).decode()
    begin = data.index("ledger.test.example/1 ", data.index("\N{EM DASH}") + 40)
    end = data.index('\\n"', begin)
    places = random.Random(7)
    made: list[str] = []
    while len(made) < 150:
        place = places.randrange(len(data))
        if not begin <= place < end:
            made.append(data[:place] + chr(ord(data[place]) ^ 1) + data[place + 1 :])
    said = judged(made, forging.policy(), tmp_path)
    assert all(found[0] != "VALID-COMPLETE" for found in said)
    assert all(expected(bundle, forging.policy())[0] != "VALID-COMPLETE" for bundle in made)


def test_witnesses_count_in_the_browser(tmp_path: Path) -> None:
    """A policy's quorum is counted alike: met with the cosignatures, UNWITNESSED without."""
    log = forging.twenty()
    bundle = log.bundle()
    witnesses = [note.CosignatureSigner(f"w{n}.example", bytes([n + 1]) * 32) for n in range(3)]
    lines = "".join(f"witness w{n} {one.key.text()}\n" for n, one in enumerate(witnesses))
    policy = forging.policy().replace(b"quorum none\n", f"{lines}group two 2 w0 w1 w2\nquorum two\n".encode())
    head = log.checkpoint_head()
    made = [bundle]
    for count in (1, 2, 3):
        signed = [one.sign(head, at=forging.NOW + n).line() for n, one in enumerate(witnesses[:count])]
        made.append(bundle | {"checkpoint": bundle["checkpoint"] + "".join(signed)})
    words = agree([forging.encode(one).decode() for one in made], policy, tmp_path)
    assert words == ["UNWITNESSED", "UNWITNESSED", "VALID-COMPLETE", "VALID-COMPLETE"]


def test_a_quorum_that_no_browser_can_check_is_not_called_unmet(tmp_path: Path) -> None:
    """Witnesses that sign with ML-DSA-44 alone are not called missing in the browser: it says that it cannot check them,
    accepts without them where enough others signed, and names them."""
    log = forging.twenty()
    bundle, head = log.bundle(), log.checkpoint_head()
    signers: list[note.Signer] = [note.Mldsa44Signer("old.example", bytes([9]) * 32)]
    signers += [note.CosignatureSigner(f"w{n}.example", bytes([n + 1]) * 32) for n in range(2)]
    lines = "".join(f"witness w{n} {one.key.text()}\n" for n, one in enumerate(signers))
    policy = forging.policy().replace(b"quorum none\n", f"{lines}group two 2 w0 w1 w2\nquorum two\n".encode())
    signed = [one.sign(head, at=forging.NOW + n).line() for n, one in enumerate(signers)]
    made = [
        forging.encode(bundle | {"checkpoint": bundle["checkpoint"] + "".join(lines)}).decode()
        for lines in (signed[:1], signed[:2], signed)
    ]

    assert [expected(one, policy)[0] for one in made] == ["UNWITNESSED", "VALID-COMPLETE", "VALID-COMPLETE"]
    few, unsure, enough = judged(made, policy, tmp_path)
    assert few[0] == "UNWITNESSED"
    assert unsure[0] == "UNUSABLE"
    assert "no browser can check: w0" in unsure[1]
    assert enough[0] == "VALID-COMPLETE"
    assert enough[4:] == [["w1", "w2"], ["w0"]]


def test_both_programs_want_every_year_watched(tmp_path: Path) -> None:
    """A year that was rewritten when it was over is rejected by both, under the same word."""
    bundles, wanted = years_rewritten()
    assert agree([forging.encode(one).decode() for one in bundles], WATCHED, tmp_path) == wanted


@pytest.mark.parametrize(
    "policy",
    [b"", b"# Erti trust policy 2\n", forging.policy()[:-1], forging.policy() + b"quorum none\n",
     forging.policy().replace(b"+A", b"+B"), forging.policy() + b"group g 2 nobody\n"],
)  # fmt: skip
def test_a_policy_is_understood_by_both_or_by_none(policy: bytes, tmp_path: Path) -> None:
    """What the one file does not take for a policy, the browser's check does not take either."""
    with pytest.raises(erti_verify.Unusable):
        erti_verify.read_policy(policy)
    assert judged(["{}"], policy, tmp_path)[0][0] == "UNUSABLE"
