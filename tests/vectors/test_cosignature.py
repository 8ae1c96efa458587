"""Cosignatures of the public witness network over a checkpoint of a public log (C2SP tlog-cosignature v1).

The log is Google's arche2025h1 (staging); the witnesses' keys stand on their own pages.
"""

from __future__ import annotations

import pytest

from consent.ledger import note

CHECKPOINT = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""
LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
WITNESSES = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
]


def test_the_public_networks_cosignatures_verify() -> None:
    """The log's Ed25519 signature and four witnesses' cosignatures verify, and the witnesses name one time."""
    keys = [note.VerifierKey.parse(text) for text in (LOG, *WITNESSES)]
    assert [key.text() for key in keys] == [LOG, *WITNESSES]
    checkpoint, signed = note.open_checkpoint(CHECKPOINT, keys)
    assert checkpoint.size == 1_432_088_532
    assert list(signed.values()) == [None, *[0x6A122120] * 4]


@pytest.mark.parametrize("witness", WITNESSES)
def test_another_size_root_or_time_does_not(witness: str) -> None:
    """With another size, another root or another time the same cosignature does not verify."""
    key = note.VerifierKey.parse(witness)
    text, lines = note.split(CHECKPOINT)
    line = next(line for line in lines if line.key_id == key.key_id)
    assert note.verify(text, key, line) == 0x6A122120
    later = note.Signature(line.name, line.key_id, bytes([*line.blob[:7], line.blob[7] ^ 1]) + line.blob[8:])
    for other, signature in [
        (text.replace("32\n", "33\n"), line),
        (text.replace("U7", "U8"), line),
        (text, later),
        (text, note.Signature(line.name, line.key_id, line.blob[:8])),
        (text, note.Signature(line.name, line.key_id, b"1")),
    ]:
        with pytest.raises(note.BadNote):
            note.verify(other, key, signature)


def test_a_cosignature_is_written_as_it_is_read() -> None:
    """What our witness writes is laid out as theirs: time in eight bytes, then an Ed25519 signature."""
    signer = note.CosignatureSigner("w.example/1", b"s" * 32)
    checkpoint = note.Checkpoint.parse(note.split(CHECKPOINT)[0])
    signed = signer.sign(checkpoint, at=1_700_000_000)
    assert signed.blob[:8] == (1_700_000_000).to_bytes(8, "big")
    assert len(signed.blob) == len(note.split(CHECKPOINT)[1][-1].blob)
    assert note.verify(checkpoint.text(), signer.key, signed) == 1_700_000_000
    with pytest.raises(note.BadNote):
        signer.sign(checkpoint, at=-1)
