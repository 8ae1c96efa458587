"""Notes and verifier keys against the examples of C2SP signed-note and golang.org/x/mod/sumdb/note.

The C2SP example stands in signed-note.md; the PeterNeumann and EnochRoot keys, texts and signatures in
sumdb/note (BSD-3-Clause, Copyright The Go Authors). Ed25519 is deterministic, so we must write their bytes.
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent.ledger import note

C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
ORIGIN = "ledger.example.gov/2026"
CHECKPOINT = note.Checkpoint(ORIGIN, 1234, bytes(range(32)))
SIGNERS: list[note.Signer] = [note.Ed25519Signer(ORIGIN, b"e" * 32), note.Mldsa44Signer(ORIGIN, b"m" * 32)]
KEYS = [signer.key for signer in SIGNERS]


@pytest.mark.parametrize("text", [C2SP_KEY, PETER_KEY, ENOCH_KEY])
def test_published_verifier_keys(text: str) -> None:
    """Published vkeys are read, and written back byte for byte."""
    assert note.VerifierKey.parse(text).text() == text


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (C2SP_NOTE, C2SP_KEY),
        (TEXT + "\n" + PETER_LINE, PETER_KEY),
        (TEXT + "\n" + PETER_LINE + ENOCH_LINE, ENOCH_KEY),
    ],
)
def test_published_notes_verify(written: str, key: str) -> None:
    """Published notes verify with their own key and with no other text."""
    verifier = note.VerifierKey.parse(key)
    text, signatures = note.split(written)
    mine = next(s for s in signatures if s.key_id == verifier.key_id)
    note.verify(text, verifier, mine)
    with pytest.raises(note.BadNote):
        note.verify(text.upper(), verifier, mine)
    assert text + "\n" + "".join(s.line() for s in signatures) == written


def test_a_vkey_is_refused_when_any_part_is_changed() -> None:
    """No substring of a vkey and no vkey with one character changed is a vkey."""
    for begin in range(len(PETER_KEY)):
        for end in range(begin, len(PETER_KEY)):
            with pytest.raises(note.BadNote):
                note.VerifierKey.parse(PETER_KEY[begin:end])
    for place in range(len(PETER_KEY)):
        changed = PETER_KEY[:place] + chr(ord(PETER_KEY[place]) ^ 1) + PETER_KEY[place + 1 :]
        with pytest.raises(note.BadNote):
            note.VerifierKey.parse(changed)


def test_a_checkpoint_is_signed_by_both_keys() -> None:
    """A checkpoint signed with Ed25519 and ML-DSA-44 opens with either key and says when."""
    signed = note.sign(CHECKPOINT, SIGNERS, at=1_700_000_000)
    checkpoint, when = note.open_checkpoint(signed, KEYS)
    assert checkpoint == CHECKPOINT
    assert when == {KEYS[0]: None, KEYS[1]: 1_700_000_000}
    assert note.open_checkpoint(signed, KEYS[1:])[1] == {KEYS[1]: 1_700_000_000}


def test_the_mldsa_message_is_the_specified_one() -> None:
    """The bytes ML-DSA-44 signs are laid out as tlog-cosignature's cosigned_message."""
    assert note._cosigned("w.example", note.Checkpoint("log.example", 258, b"\xaa" * 32), 5) == (
        b"subtree/v1\n\x00"
        b"\x09w.example"
        b"\x00\x00\x00\x00\x00\x00\x00\x05"
        b"\x0blog.example"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\x01\x02" + b"\xaa" * 32
    )


def test_every_changed_byte_of_a_checkpoint_is_noticed() -> None:
    """With any one byte of a signed checkpoint changed, not both keys vouch for it any more."""
    signed = note.sign(CHECKPOINT, SIGNERS, at=1_700_000_000).encode()
    for place in range(len(signed)):
        changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        try:
            _, when = note.open_checkpoint(changed.decode(), KEYS)
        except (UnicodeDecodeError, note.BadNote):
            continue
        assert len(when) < 2


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "\n",
        TEXT,
        TEXT + PETER_LINE,
        TEXT + "\n" + PETER_LINE[:-1],
        TEXT + "\n" + PETER_LINE.replace("—", "-"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Peter+Neumann"),
        TEXT + "\n" + PETER_LINE.replace("=", ""),
        TEXT + "\n— PeterNeumann x08gow==\n",
        TEXT + "\n— PeterNeumann x08go/==\n",
        TEXT.replace(" ", "\t") + "\n" + PETER_LINE,
        TEXT + "\n" + PETER_LINE * 65,
    ],
)
def test_malformed_notes_are_refused(broken: str) -> None:
    """A note without its empty line, its dash, its newline, or with odd base64, is refused."""
    with pytest.raises(note.BadNote):
        note.open_checkpoint(broken, [note.VerifierKey.parse(PETER_KEY)])


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n",
        "o\n01\nAAAA\n",
        "o\n-1\n" + note.encode(bytes(32)) + "\n",
        "\n1\n" + note.encode(bytes(32)) + "\n",
        "o\n1\n" + note.encode(bytes(31)) + "\n",
        "o\n1\n" + note.encode(bytes(32)) + "\nextension\n",
        "o\n1\n" + note.encode(bytes(32)),
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    """Leading zeroes, missing lines, short hashes and extension lines are refused."""
    with pytest.raises(note.BadNote):
        note.Checkpoint.parse(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("— \n+=aA0/é"), max_size=60))
@example(C2SP_NOTE)
def test_any_text_is_a_note_or_refused(text: str) -> None:
    """Whatever is given, it is split into exactly what it was made of, or refused with BadNote."""
    try:
        body, signatures = note.split(text)
    except note.BadNote:
        return
    assert body + "\n" + "".join(s.line() for s in signatures) == text


COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""


def test_the_published_cosigned_checkpoint() -> None:
    """C2SP's example (whose keys are not published) is read as it describes it: 72 bytes, the time first; and signs as it says."""
    text, (log, witness) = note.split(COSIGNED)
    assert note.Checkpoint.parse(text).size == 20852163
    assert (log.name, len(log.blob)) == ("example.com/behind-the-sofa", 64)
    assert (witness.name, len(witness.blob)) == ("witness.example.com/w1", 72)
    assert int.from_bytes(witness.blob[:8], "big") == 1679315147
    assert note._timed(text, 1679315147).decode() == f"cosignature/v1\ntime 1679315147\n{text}"
    with pytest.raises(note.BadNote):
        note.open_checkpoint(COSIGNED, KEYS)
