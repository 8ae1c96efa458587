"""What is quick is the same as what is slow."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from keys.quick import Mac, Randomness


@given(key=st.binary(max_size=200), messages=st.lists(st.binary(max_size=300), max_size=4))
def test_a_prepared_mac_is_hmac_sha256(key: bytes, messages: list[bytes]) -> None:
    """For any key and messages it gives what the standard library's HMAC gives, one after another."""
    mac = Mac(key)
    assert [mac.digest(one) for one in messages] == [hmac.digest(key, one, "sha256") for one in messages]


@given(st.lists(st.integers(min_value=0, max_value=20_000), max_size=20))
def test_randomness_is_given_once_and_in_the_length_asked_for(counts: list[int]) -> None:
    """Every taking has its length, and no eight bytes in a row come twice."""
    drawn = Randomness()
    taken = [drawn.take(count) for count in counts]
    assert [len(one) for one in taken] == counts
    heads = [one[:8] for one in taken if len(one) >= 8]
    assert len(set(heads)) == len(heads)
