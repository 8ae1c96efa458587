"""JCS against RFC 8785 and the files of its author: the library that writes records, and the verifier that reads them.

The samples are those of RFC 8785 (3.2.2, 3.2.3, 3.2.4, appendix B) and of github.com/cyberphone/json-canonicalization
(testdata; Apache-2.0, Copyright Anders Rundgren). Records hold no fractions, so the verifier refuses them.
"""

import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from verifier import erti_verify

VALUES = r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
VALUES_BYTES = bytes.fromhex(
    "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e33333333333333"
    "2c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c5c222f"
    "227d"
)
SORTED = r"""{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}"""
IN_ORDER = [
    "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
    "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
]  # fmt: skip
FRENCH = (
    '{"peach": "This sorting order", "péché": "is wrong according to French",'
    ' "pêche": "but canonicalization MUST", "sin": "ingnore locale"}'
)
WEIRD = (
    r'{"\u20ac": "Euro Sign", "1": "One", "\u0080": "Control\u007f", "\ud83d\ude02": "Smiley",'
    r' "\u00f6": "Latin Small Letter O With Diaeresis", "\ufb33": "Hebrew Letter Dalet With Dagesh",'
    r' "</script>": "Browser Challenge"}'
)
WEIRD_OUT = (
    '{"1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f",'
    '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\U0001f602":"Smiley",'
    '"\ufb33":"Hebrew Letter Dalet With Dagesh"}'
)
FILES = {
    "arrays": ('[56, {"d": true, "10": null, "1": []}]', '[56,{"1":[],"10":null,"d":true}]'),
    "french": (FRENCH, FRENCH.replace('": "', '":"').replace(', "', ',"')),
    "structures": (
        r'{"1": {"f": {"f": "hi","F": 5} ,"\n": 56}, "10": { }, "": "empty", "a": { }, "111": [ { } ], "A": { }}',
        r'{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}',
    ),
    "unicode": (r'{"Unnormalized Unicode":"\u1e0d\u0307"}', '{"Unnormalized Unicode":"\u1e0d\u0307"}'),
    "weird": (WEIRD, WEIRD_OUT),
}
NUMBERS = {
    "0000000000000000": "0", "8000000000000000": "0", "0000000000000001": "5e-324", "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308", "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992", "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000", "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23", "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000", "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21", "3eb0c6f7a0b5ed8c": "9.999999999999997e-7", "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332", "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333", "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343", "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}  # fmt: skip


def test_the_sample_of_the_standard_byte_for_byte() -> None:
    """The sample of 3.2.2 becomes the bytes of 3.2.4; the verifier refuses it for its fractions alone."""
    assert rfc8785.dumps(json.loads(VALUES)) == VALUES_BYTES
    with pytest.raises(erti_verify.Rejected):
        erti_verify.canonical(VALUES_BYTES, "the sample")
    whole = VALUES_BYTES.replace(b"333333333.3333333,1e+30,4.5,0.002,1e-27", b"333333333,-1")
    assert whole != VALUES_BYTES
    erti_verify.canonical(whole, "the sample")


def test_members_are_sorted_by_utf16() -> None:
    """The sample of 3.2.3 comes out in the order that it states, and in no other for the verifier."""
    written = rfc8785.dumps(json.loads(SORTED))
    assert list(json.loads(written).values()) == IN_ORDER
    assert list(erti_verify.canonical(written, "the sample").values()) == IN_ORDER
    other = json.dumps(dict(reversed(json.loads(written).items())), ensure_ascii=False, separators=(",", ":"))
    with pytest.raises(erti_verify.Rejected):
        erti_verify.canonical(other.encode(), "the sample")


@pytest.mark.parametrize("name", FILES)
def test_the_authors_files(name: str) -> None:
    """Each input becomes its output, which the verifier takes; the input, spelled otherwise, it refuses."""
    given_text, wanted = FILES[name]
    assert rfc8785.dumps(json.loads(given_text)) == wanted.encode()
    assert erti_verify.canonical(wanted.encode(), name) == json.loads(given_text)
    if given_text != wanted:
        with pytest.raises(erti_verify.Rejected):
            erti_verify.canonical(given_text.encode(), name)


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers_of_appendix_b(bits: str, text: str) -> None:
    """Each double of appendix B is written as stated; the verifier takes those of them that are safe integers."""
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert rfc8785.dumps(value) == text.encode()
    if not text.isdecimal() or abs(int(text)) > 2**53 - 1:
        with pytest.raises(erti_verify.Rejected):
            erti_verify.canonical(b'{"n":%s}' % text.encode(), "a number")
    else:
        erti_verify.canonical(b'{"n":%s}' % text.encode(), "a number")


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_what_is_no_number_is_refused(bits: str) -> None:
    """NaN and the infinities have no spelling (appendix B)."""
    with pytest.raises(rfc8785.CanonicalizationError):
        rfc8785.dumps(struct.unpack(">d", bytes.fromhex(bits))[0])


@pytest.mark.parametrize("wrong", [2**53, -(2**53), "\ud800", {"\udfff": 1}])
def test_what_would_not_come_back_is_refused(wrong: Any) -> None:
    """Integers beyond what a double holds, and lone surrogates, are never written into a record."""
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        rfc8785.dumps({"n": wrong})


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":01}', '{"a":-0}', '{"a":1.0}', '{"a":1e2}', '{"a":NaN}', r'{"a":"\u0041"}', r'{"a":"\/"}',
     '{"a": 1}', '{"a":1}\n', '\ufeff{"a":1}', '{"b":1,"a":2}', '{"a":9007199254740992}', r'{"a":"\ud800"}', "{", ""],
)  # fmt: skip
def test_other_spellings_are_refused(text: str) -> None:
    """Repeated members, other spellings of one value, and what is no JSON are no canonical text for the verifier."""
    with pytest.raises(erti_verify.Rejected):
        erti_verify.canonical(text.encode(), "a text")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5))
def test_what_one_writes_the_other_reads(value: dict[str, Any]) -> None:
    """Whatever a record holds, the library's spelling of it is the one that the verifier takes."""
    assert erti_verify.canonical(rfc8785.dumps(value), "a record") == value
