"""The canonical form of records is RFC 8785's."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from consent.ledger import jcs

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | TEXT
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda held: st.lists(held) | st.dictionaries(TEXT, held),
)


@given(VALUES)
def test_it_is_what_the_reference_writes(value: Any) -> None:
    """Every JSON value is written as the `rfc8785` package writes it, byte for byte."""
    assert jcs.dumps(value) == rfc8785.dumps(value)


def test_names_are_sorted_by_utf_16() -> None:
    """A name beyond the Basic Multilingual Plane stands before one at its end, as RFC 8785 section 3.2.3 wants."""
    assert jcs.dumps({"\ue000": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ue000":1}'.encode()


@pytest.mark.parametrize(
    "value", ["\ud800", ["\udfff"], {"a": "\ud800"}, 2**53, -(2**53), float("nan"), {1: 2}, {"a": {2}}, b""]
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """A lone surrogate, a number that not every program holds, or no JSON at all raises ValueError."""
    with pytest.raises(ValueError):
        jcs.dumps(value)
