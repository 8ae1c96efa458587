"""Reading what registers write: no bytes make it fail, and nothing is lost between the lines."""

import io
import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry_sync import holding
from registry_sync.wire import civil, lines, tax
from registry_sync.wire.shapes import REASONS, Bad, Record, Unreadable, partial_date
from tests.registry_sync.conftest import somebody

HEADER = (
    "taxpayer_number", "national_identifier", "family_name", "given_name", "birth_date", "income_bracket",
    "tax_residency", "employer", "tax_year",
)  # fmt: skip
ROW = 'T1,38072135168,Beridze,Nino,1988-04-17,"20,000–30,000",resident,"Bakery ""Tone""",2025'

texts = st.text(max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(sorted(civil.FIELDS))
spoiled = st.dictionaries(fields, json_values, max_size=4).map(lambda extra: {**somebody("1"), **extra})


def readable(result: Record | Bad) -> bool:
    """Tell whether a result is a record, after checking that a refusal has words and names no value."""
    if isinstance(result, Bad):
        assert str(REASONS[result.reason])
        assert len(result.spot) <= 64
        return False
    assert result.key
    assert result.identity.given or result.identity.family
    json.dumps(result.values, ensure_ascii=False).encode("utf-8")
    return True


@given(st.binary(max_size=300))
@example(b'{"identifier":[{"identifier_type":"UIN","identifier_value":"\\ud800"}]}')
@example(b"[" * 100_000)
@example(b'{"a":' * 5_000)
@example(b"\xef\xbb\xbf{}")
def test_no_bytes_break_the_civil_reader(content: bytes) -> None:
    """Any bytes are a record or a reason."""
    readable(civil.read(content))


@given(spoiled)
def test_no_json_breaks_the_civil_reader(record: dict[str, Any]) -> None:
    """Any JSON in any field of a person record is a record or a reason."""
    readable(civil.read(json.dumps(record).encode()))


@given(st.binary(max_size=300))
@example(b'"')
@example(b"a\x00b,c")
@example(b'"' + b"x" * 200_000 + b'"')
def test_no_bytes_break_the_tax_reader(content: bytes) -> None:
    """Any bytes are a record or a reason, and any first line is a header or none."""
    readable(tax.read(content, HEADER))
    tax.header(content)


@given(st.lists(st.text(max_size=12), min_size=9, max_size=9))
def test_no_fields_break_the_tax_reader(cells: list[str]) -> None:
    """Any nine fields are a record or a reason."""
    readable(tax.read(",".join(cells).encode("utf-8", "surrogatepass"), HEADER))


@given(st.binary(max_size=400) | st.text(alphabet='"\n,a', max_size=60).map(str.encode))
def test_no_byte_of_a_file_is_lost(content: bytes) -> None:
    """The pieces of a file put together are the file, whichever way it is cut, and each knows where it ends."""
    for cut in (lines.plain, lines.quoted):
        pieces = list(cut(io.BytesIO(content)))
        assert b"".join(piece.content for piece in pieces) == content
        ends = [0, *(piece.end for piece in pieces)]
        assert [after - before for before, after in itertools.pairwise(ends)] == [
            len(piece.content) for piece in pieces
        ]
        for piece in pieces:
            assert piece.line == content[: piece.end - len(piece.content)].count(b"\n") + 1


def test_a_line_too_long_comes_in_parts() -> None:
    """A line over the limit is cut into pieces that say they are not whole, and the next line is well."""
    content = b"x" * (lines.LINE_LIMIT + 5) + b"\n{}\n"
    pieces = list(lines.plain(io.BytesIO(content)))
    assert [(piece.line, piece.whole) for piece in pieces] == [(1, False), (1, False), (2, True)]
    assert b"".join(piece.content for piece in pieces) == content


def test_a_stray_quotation_mark_costs_one_row() -> None:
    """Rows after an unclosed quotation mark are read, and a field with a line break stays one row."""
    content = b'one,"two\nthree,four\n"five\nstill five",six\nseven,eight\n'

    def is_row(content: bytes) -> bool:
        return len(tax.cells(content) or ()) == 2

    pieces = [piece.content for piece in lines.quoted(io.BytesIO(content), is_row=is_row)]
    assert pieces == [b'one,"two\n', b"three,four\n", b'"five\nstill five",six\n', b"seven,eight\n"]


def test_a_whole_person_record() -> None:
    """Every field of the DCI shape that the catalogue knows becomes an attribute."""
    record = somebody(
        " 380 721 ",
        name={"given_name": "Luka", "second_name": "Gela", "surname": "Nushiani", "suffix": "Jr."},
        address=[
            {"address_line1": "Oak 7", "locality": "Kvisheti", "postal_code": "1101", "country_code": "XV"}
        ],
        household_size=3,
        phone_number=["+999 5"],
        email=["luka@mail.example"],
        marital_status="single",
    )
    found = civil.read(json.dumps(record).encode())
    assert isinstance(found, Record)
    assert found.values == {
        "national_identifier": "380721", "given_name": "Luka", "middle_name": "Gela", "family_name": "Nushiani",
        "name": "Luka Gela Nushiani Jr.", "birthdate": "1988-04-17", "gender": "female", "birth_place": "Kvisheti",
        "address": {
            "formatted": "Oak 7\n1101 Kvisheti\nXV", "street_address": "Oak 7", "locality": "Kvisheti",
            "postal_code": "1101", "country": "XV",
        },
        "household_size": 3, "phone_number": "+999 5", "email": "luka@mail.example", "marital_status": "single",
    }  # fmt: skip
    assert (found.as_of, found.died) == ("2024-01-01", "")


@pytest.mark.parametrize("name", [{"given_name": "Suralta"}, {"surname": "Odrik"}])
def test_one_name_is_enough(name: dict[str, str]) -> None:
    """A person with a single name, given or family, is a person."""
    assert isinstance(civil.read(json.dumps(somebody("1", name=name)).encode()), Record)


@pytest.mark.parametrize("born", ["1953", "1953-07", "1953-07-21", "2024-02-29"])
def test_partial_dates_stay_as_written(born: str) -> None:
    """A year, a month or a day is kept as the register has it."""
    assert partial_date(born, "birth_date") == born


@pytest.mark.parametrize(
    "born",
    ["53", "1953-7", "1953-13", "2023-02-29", "1953-07-21T00:00", "0000", "1800-01-01", "9999", "١٩٥٣"],
)
def test_impossible_dates_are_refused(born: str) -> None:
    """What is no date, or lies in another age, is refused."""
    with pytest.raises(Unreadable):
        partial_date(born, "birth_date")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"identifier": None}, "missing-identifier"),
        ({"identifier": [{"identifier_type": "BRN", "identifier_value": "B-1"}]}, "missing-identifier"),
        ({"identifier": [{"identifier_type": "UIN", "identifier_value": " "}]}, "missing-identifier"),
        ({"name": None}, "missing-name"),
        ({"name": {"given_name": " "}}, "missing-name"),
        ({"name": {"given_name": "a\u202eb"}}, "bad-text"),
        ({"name": {"given_name": "a\x00b"}}, "bad-text"),
        ({"name": {"given_name": "a" * 201}}, "bad-text"),
        ({"birth_date": "1988-02-30"}, "bad-date"),
        ({"birth_date": 1988}, "wrong-shape"),
        ({"death_date": "1988-04-16"}, "death-before-birth"),
        ({"household_size": -1}, "wrong-shape"),
    ],
)
def test_each_fault_has_its_reason(change: dict[str, Any], reason: str) -> None:
    """What is wrong with a record is said by a reason of its own."""
    bad = civil.read(json.dumps(somebody("1", **change)).encode())
    assert isinstance(bad, Bad)
    assert bad.reason == reason


def test_a_name_may_hold_joiners() -> None:
    """The invisible joiners that some scripts need do not spoil a name."""
    assert isinstance(civil.read(json.dumps(somebody("1", given="نو\u200cشین")).encode()), Record)


def test_a_tax_row_with_commas_and_quotation_marks() -> None:
    """Quoted fields are read as RFC 4180 says, and the year says what the values are as of."""
    found = tax.read(ROW.encode(), HEADER)
    assert isinstance(found, Record)
    assert found.values == {
        "income_bracket": "20,000–30,000",
        "tax_residency": "resident",
        "employer": 'Bakery "Tone"',
        "tax_year": "2025",
    }
    assert found.as_of == "2025-12-31"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("T1", ""), "missing-identifier"),
        (ROW.replace("2025", "20x5"), "bad-year"),
        (ROW.replace("1988-04-17", "1988-13-45"), "bad-date"),
        (ROW + ",more", "wrong-columns"),
        (ROW.replace('""Tone""', '"Tone'), "not-a-row"),
        (ROW.replace("Nino", "\udcff"), "not-utf8"),
    ],
)
def test_each_fault_of_a_row_has_its_reason(row: str, reason: str) -> None:
    """What is wrong with a tax row is said by a reason of its own."""
    assert isinstance(bad := tax.read(row.encode("utf-8", "surrogateescape"), HEADER), Bad)
    assert bad.reason == reason


def test_the_columns_may_come_in_any_order_and_number() -> None:
    """A header is known by its names: shuffled, with more columns, with a byte order mark; but none may lack."""
    assert tax.header(("\ufeff" + ",".join(reversed(HEADER)) + ",extra\r\n").encode()) is not None
    assert tax.header(",".join(HEADER).replace("family_name", "surname").encode()) == list(HEADER)
    assert tax.header(",".join(HEADER[1:]).encode()) is None
    assert tax.header(",".join((*HEADER, HEADER[0])).encode()) is None


@given(spoiled)
def test_a_masked_record_shows_its_form_only(record: dict[str, Any]) -> None:
    """Masking covers every letter and digit save the names of fields."""
    written = json.dumps(record, ensure_ascii=True).encode()
    masked = holding.masked(written, civil.FIELDS)
    shown = set(re.findall(r"[^\W•]+", masked))
    assert shown <= civil.FIELDS
    assert '"given_name"' in masked or "name" in record
