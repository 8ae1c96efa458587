"""Whom a verifier trusts: the log's keys, the label key, and the trust policy made of them."""

import base64
import hashlib
from collections.abc import Sequence

from consent.ledger import note, quorum
from core.database import Parts
from keys import vrf

_VRF = "ledger vrf"


def signers(house: Parts, origin: str) -> Sequence[note.Signer]:
    """A log's two signers, Ed25519 and ML-DSA-44, of keys of its own that are named by its origin."""
    return (
        note.Ed25519Signer(origin, house.keys.secret(f"ledger log ed25519 {origin}")),
        note.Mldsa44Signer(origin, house.keys.secret(f"ledger log ml-dsa-44 {origin}")),
    )


def log_keys(house: Parts, origin: str) -> list[note.VerifierKey]:
    """A log's public keys, in the order of the policy."""
    return [signer.key for signer in signers(house, origin)]


def vrf_secret(house: Parts) -> bytes:
    """The secret from which every chain's label is made."""
    secret: bytes = house.keys.secret(_VRF)
    return secret


def text(house: Parts, origin: str) -> str:
    """The trust policy file that `erti-verify` reads, for the log of this origin."""
    logs = "".join(f"log {key.text()}\n" for key in log_keys(house, origin))
    label_key = note.encode(vrf.public(vrf_secret(house)))
    witnesses = quorum.of(house.settings.witness_policy).lines()
    return f"# Erti trust policy 1\n{logs}vrf {vrf.SUITE} {label_key}\n{witnesses}"


def for_witnesses(house: Parts, origins: Sequence[str]) -> str:
    """A trust policy for who cosigns: the keys of these logs. It asks for no other witnesses."""
    lines = "".join(f"log {key.text()}\n" for origin in origins for key in log_keys(house, origin))
    return f"# The logs of one Erti ledger, for its witnesses\n{lines}quorum {quorum.NONE}\n"


def fingerprint(policy: str) -> str:
    """The first 160 bits of the policy's SHA-256 in base32, as eight groups of four."""
    digits = base64.b32encode(hashlib.sha256(policy.encode()).digest()[:20]).decode("ascii")
    return "-".join(digits[place : place + 4] for place in range(0, len(digits), 4))
