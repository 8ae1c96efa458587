"""Sign-in names that people choose."""

from hypothesis import given
from hypothesis import strategies as st

from idp import names
from idp.errors import NameUnfit

NEARLY_MAIL = st.from_regex(r"[\w.\s]{1,9}@[\w.\s\x00-\x1f]{1,12}")


@given(st.one_of(st.text(max_size=80), NEARLY_MAIL))
def test_any_text_is_a_name_or_a_refusal(typed: str) -> None:
    """Whatever is typed is refused, or a name of printable characters without blanks that stays as it is: no line of a letter's head."""
    try:
        name = names.fit(typed)
    except NameUnfit:
        return
    assert name.isprintable()
    assert not any(char.isspace() for char in name)
    assert names.fit(name) == name
