from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.ledger import note, quorum
from consent.ledger.quorum import BadPolicy
from verifier import erti_verify

SIGNERS = [note.CosignatureSigner(f"w{n}.example", bytes([n]) * 32) for n in range(6)]
PLAIN = note.Ed25519Signer("log.example", b"l" * 32)
X1, X2, X3, Y1, Y2, Y3 = (signer.key.text() for signer in SIGNERS)
# The example of C2SP tlog-policy, with keys put in.
EXAMPLE = f"""log {PLAIN.key.text()}

witness X1 {X1}
witness X2 {X2}
witness X3 {X3}
group X-witnesses 2 X1 X2 X3

witness Y1 {Y1}
witness Y2 {Y2}
witness Y3 {Y3}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
HEAD = f"# Erti trust policy 1\nlog {PLAIN.key.text()}\nvrf {erti_verify.SUITE} {note.encode(bytes(31) + b'1')}\n"


def both(text: str) -> tuple[quorum.Policy, erti_verify.Policy]:
    """A policy's witnesses, as the server and as the verifier read them."""
    mine = quorum.read(text.encode())
    return mine, erti_verify.read_policy((HEAD + mine.lines()).encode())


def test_the_specifications_example_counts_as_it_says() -> None:
    """Two of the X and one of the Y make the quorum, for all 64 sets of witnesses, here and in the verifier."""
    mine, verifier = both(EXAMPLE)
    for chosen in itertools.product([False, True], repeat=6):
        wanted = sum(chosen[:3]) >= 2 and sum(chosen[3:]) >= 1
        keys = [signer.key for signer, is_in in zip(SIGNERS, chosen, strict=True) if is_in]
        names = {name for name, is_in in zip(mine.witnesses, chosen, strict=True) if is_in}
        assert mine.met(keys) is verifier.met(names) is wanted


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("quorum none\n", []),
        (f"\n# note\n\t # note\n\twitness \t w1  {X1}   https://w1.example/  \n\n  quorum\tw1", [0]),
        (f"witness all {X1}\nwitness any {X2}\ngroup group 2 all any\nquorum group\n", [0, 1]),
        (f"witness Ké {X1}\nquorum Ké\n", [0]),
    ],
)
def test_unusual_policies_are_read(text: str, enough: list[int]) -> None:
    """No witnesses, odd white space, names that are words of the format, and names that are not ASCII."""
    policy = quorum.read(text.encode())
    assert policy.met([SIGNERS[number].key for number in enough])
    assert both(text)[1].quorum == policy.quorum
    assert policy.met([]) is not policy.required
    assert quorum.read(policy.lines(urls=True).encode()) == policy
    if policy.witnesses and (first := next(iter(policy.witnesses.values()))).url:
        assert first.url == "https://w1.example"
        assert "https" not in policy.lines()


@pytest.mark.parametrize(
    "text",
    [
        "quorum none\n\x01",
        "quorum none\r\n",
        "quibble w1\nquorum none\n",
        f"witness w1 {X1} https://w1.example/ # comment\nquorum w1\n",
        "log\nquorum none\n",
        "log garbage\nquorum none\n",
        f"log {X1}\nquorum none\n",
        f"log {PLAIN.key.text()}\nlog {PLAIN.key.text()} https://log.example/\nquorum none\n",
        "witness w1\nquorum none\n",
        f"witness w1 {PLAIN.key.text()}\nquorum w1\n",
        f"witness none {X1}\nquorum none\n",
        f"witness w1 {X1}\nwitness w1 {X2}\nquorum w1\n",
        f"witness w1 {X1}\nwitness w2 {X1}\nquorum w1\n",
        f"witness w1 {X1}\ngroup w1 any w1\nquorum w1\n",
        f"witness w1 {X1}\ngroup g1 1\nquorum w1\n",
        f"witness w1 {X1}\ngroup none any w1\nquorum none\n",
        f"witness w1 {X1}\ngroup g1 0 w1\nquorum g1\n",
        f"witness w1 {X1}\ngroup g1 -1 w1\nquorum g1\n",
        f"witness w1 {X1}\ngroup g1 2 w1\nquorum g1\n",
        f"witness w1 {X1}\ngroup g1 any w2\nquorum g1\n",
        f"group g1 any w1\nwitness w1 {X1}\nquorum g1\n",
        f"witness w1 {X1}\ngroup g1 any none w1\nquorum g1\n",
        f"witness w1 {X1}\ngroup g1 all w1 w1\nquorum g1\n",
        f"witness w1 {X1}\nwitness w2 {X2}\ngroup g1 any w1 w2\ngroup g2 any w1\nquorum g1\n",
        f"witness w1 {X1}\n",
        f"witness w1 {X1}\nquorum w1\nquorum w1\n",
        "quorum unknown\n",
        f"quorum w1\nwitness w1 {X1}\n",
        "quorum\n",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    """Each mistake that tlog-policy names is refused, by the server and by the verifier."""
    with pytest.raises(BadPolicy):
        quorum.read(text.encode())
    with pytest.raises((erti_verify.Unusable, erti_verify.Rejected)):
        erti_verify.read_policy((HEAD + text).encode())


def test_an_address_changes_nothing_that_letters_vouch_for() -> None:
    """A witness that moves leaves the policy's fingerprint and the rule's digest as they are."""
    here = quorum.read(f"witness w1 {X1} https://a.example\nquorum w1\n".encode())
    there = quorum.read(f"witness w1 {X1} https://b.example\nquorum w1\n".encode())
    other = quorum.read(f"witness w1 {X2} https://a.example\nquorum w1\n".encode())
    assert here.lines() == there.lines()
    assert here.digest() == there.digest() != other.digest()


def test_a_setting_that_names_no_file_is_an_error(tmp_path: Path) -> None:
    """A witness policy that cannot be read is an error, never "no witnesses needed"."""
    assert quorum.of(None).required is False
    with pytest.raises(BadPolicy, match="cannot be read"):
        quorum.of(tmp_path / "missing")


WORDS = st.sampled_from(
    [
        "log",
        "witness",
        "group",
        "quorum",
        "vrf",
        "none",
        "all",
        "any",
        "w1",
        "g1",
        "1",
        "#",
        "\n",
        "\n",
        X1,
        X2,
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(WORDS, max_size=24).map(lambda w: " ".join(w).encode())))
def test_any_file_is_a_policy_or_refused(data: bytes) -> None:
    """Whatever the file holds, it is read and reads the same when written again, or is refused with BadPolicy;
    the verifier answers with its own error or reads the same witnesses."""
    try:
        policy = quorum.read(data)
    except BadPolicy:
        pass
    else:
        assert (
            quorum.read(("".join(f"log {k.text()}\n" for k in policy.logs) + policy.lines()).encode())
            == policy
        )
    with contextlib.suppress(erti_verify.Unusable):
        erti_verify.read_policy(HEAD.encode() + data)
