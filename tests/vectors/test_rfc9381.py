"""The VRF against the vectors of RFC 9381 appendix B.3 (Examples 16 to 18)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import vrf

# (secret, public key, alpha, proof, output), as printed in the RFC.
EXAMPLES = {
    16: (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97"
            "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805"
        ),
        (
            "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff"
            "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae"
        ),
    ),
    17: (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465"
            "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02"
        ),
        (
            "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb"
            "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031"
        ),
    ),
    18: (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0"
            "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e"
        ),
        (
            "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45"
            "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f"
        ),
    ),
}


@pytest.mark.parametrize("number", EXAMPLES)
def test_rfc_9381_example(number: int) -> None:
    """Public key, proof and output are the RFC's, byte for byte, and the proof verifies."""
    secret, public, alpha, proof, output = (bytes.fromhex(text) for text in EXAMPLES[number])
    assert vrf.public(secret) == public
    assert vrf.prove(secret, alpha) == proof
    assert vrf.output(proof) == output
    assert vrf.evaluate(secret, alpha) == output
    assert vrf.verify(public, proof, alpha) == output


def test_every_bit_of_a_proof_counts() -> None:
    """A proof with any one bit changed is refused."""
    _, public, alpha, proof, _ = (bytes.fromhex(text) for text in EXAMPLES[18])
    for bit in range(len(proof) * 8):
        changed = bytearray(proof)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(vrf.BadProof):
            vrf.verify(public, bytes(changed), alpha)


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        b"\x01" + bytes(31),
        b"\xff" * 32,
        (2**255 - 19 + 1).to_bytes(32, "little"),
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        b"",
    ],
)
def test_small_or_malformed_keys_are_refused(key: bytes) -> None:
    """Keys of small order, keys written in a second way and short keys never verify anything."""
    with pytest.raises(vrf.BadProof):
        vrf.verify(key, bytes.fromhex(EXAMPLES[16][3]), b"")


@pytest.mark.parametrize("length", [0, 79, 81])
def test_a_proof_has_eighty_bytes(length: int) -> None:
    """A proof of any other length is refused."""
    with pytest.raises(vrf.BadProof):
        vrf.verify(bytes.fromhex(EXAMPLES[16][1]), bytes(length), b"")


def test_response_has_one_encoding() -> None:
    """A response s + q, which a careless verifier would take for s, is refused."""
    _, public, alpha, proof, _ = (bytes.fromhex(text) for text in EXAMPLES[16])
    order = 2**252 + 27742317777372353535851937790883648493
    other = (int.from_bytes(proof[48:], "little") + order).to_bytes(32, "little")
    with pytest.raises(vrf.BadProof):
        vrf.verify(public, proof[:48] + other, alpha)


@settings(max_examples=15, deadline=None)
@given(secret=st.binary(min_size=32, max_size=32), alpha=st.binary(max_size=80), other=st.binary(max_size=80))
def test_proofs_hold_for_their_own_input_only(secret: bytes, alpha: bytes, other: bytes) -> None:
    """Any secret proves any input; the same proof never holds for a different input."""
    proof = vrf.prove(secret, alpha)
    assert vrf.verify(vrf.public(secret), proof, alpha) == vrf.evaluate(secret, alpha)
    if other != alpha:
        with pytest.raises(vrf.BadProof):
            vrf.verify(vrf.public(secret), proof, other)
