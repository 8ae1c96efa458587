"""The retention policy: how long entries are kept, and that nothing but a policy is taken for one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.ledger import openings, retention
from consent.ledger.errors import PolicyWrong
from core.settings import Settings
from keys.errors import BadSeal
from service.app import begin, open_house

FILE = b"""
[default]
keep_years = 2
erase_after_years = 5

[[rule]]
kind = "disclosed"
basis = "law"
keep_years = 10
erase_after_years = 0

[[rule]]
basis = "law"
keep_years = 4
erase_after_years = 4
"""


def test_the_first_rule_that_fits_counts() -> None:
    """An entry is kept as the first rule says that fits its kind and basis, and else as the default says."""
    policy = retention.parse(FILE)
    assert policy.of("disclosed", "law").keep_years == 10
    assert policy.of("citizen-resolved", "law").keep_years == 4
    assert policy.of("disclosed", "consent").keep_years == 2
    assert policy.of(None, None).keep_years == 2


def test_years_are_counted_from_the_end_of_the_year() -> None:
    """What happened in 2020 and is kept for two years is free when 2023 begins; the longest of several counts."""
    policy = retention.parse(FILE)
    assert policy.free_from(2020, [("disclosed", "consent")]) == datetime(2023, 1, 1, tzinfo=UTC)
    several = [("disclosed", "consent"), ("citizen-resolved", "law")]
    assert policy.free_from(2020, several) == datetime(2025, 1, 1, tzinfo=UTC)


def test_zero_is_never() -> None:
    """A rule that erases after 0 years erases nothing by itself, and a policy without any other has no last due year."""
    policy, late = retention.parse(FILE), datetime(2099, 1, 1, tzinfo=UTC)
    assert not policy.due(2020, "disclosed", "law", late)
    assert policy.due(2020, "citizen-resolved", "law", datetime(2025, 1, 1, tzinfo=UTC))
    assert not policy.due(2020, "citizen-resolved", "law", datetime(2024, 12, 31, tzinfo=UTC))
    assert policy.last_due_year(datetime(2025, 1, 1, tzinfo=UTC)) == 2020
    never = retention.parse(b"[default]\nkeep_years = 0\nerase_after_years = 0")
    assert never.last_due_year(late) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"\[default\]"),
        (b"\xff", "not TOML"),
        (b"[default", "not TOML"),
        (b"a = " + b"[" * 5000, "not TOML"),
        (b"x = 1\n" + FILE, "unknown: x"),
        (b"rule = 3\n[default]\nkeep_years=1\nerase_after_years=1", "rule"),
        (b"default = 3", r"\[default\]"),
        (
            FILE.replace(b"keep_years = 10", b"keep_years = -1"),
            "rule 1: keep_years is a number of years, 0 to 200",
        ),
        (FILE.replace(b"keep_years = 10", b"keep_years = true"), "rule 1: keep_years"),
        (FILE.replace(b"keep_years = 10", b"keep_years = 201"), "rule 1: keep_years"),
        (FILE.replace(b"keep_years = 10\n", b""), "rule 1: keep_years"),
        (FILE.replace(b"keep_years = 4", b"keep_years = 5"), "rule 2: it would erase before"),
        (FILE.replace(b'basis = "law"\nkeep_years = 4', b"keep_years = 4"), "rule 2: it names neither"),
        (FILE.replace(b'"disclosed"', b"7"), "rule 1: kind and basis are texts"),
        (FILE.replace(b"kind =", b"kinds ="), "rule 1: unknown kinds"),
        (FILE.replace(b"[default]", b'[default]\nkind = "x"'), "default: it is for every kind"),
    ],
)
def test_a_wrong_policy_is_named(content: bytes, says: str) -> None:
    """What is wrong with a policy is said with its place, and it is never half believed."""
    with pytest.raises(PolicyWrong, match=says):
        retention.parse(content)


@given(
    st.binary(max_size=300)
    | st.text(alphabet='[]rule=default"keepyars_\n 0123', max_size=200).map(str.encode)
)
def test_no_file_breaks_the_parser(content: bytes) -> None:
    """Whatever a file holds, it is a policy or refused as one."""
    try:
        found = retention.parse(content)
    except PolicyWrong:
        return
    assert found.of("x", "y") is found.rules[-1] or found.rules


def test_a_house_with_a_wrong_policy_does_not_start(settings: Settings, tmp_path: Path) -> None:
    """A policy that is missing or wrong is refused at the start, and one that is changed counts from then on."""
    file = tmp_path / "retention.toml"
    given_file = settings.model_copy(update={"retention_file": file})
    database = open_house(given_file)
    with pytest.raises(PolicyWrong, match="No such file"):
        begin(database)
    file.write_bytes(b"[default]")
    with pytest.raises(PolicyWrong, match="default: keep_years"):
        begin(database)
    file.write_bytes(FILE)
    begin(database)
    assert retention.policy(given_file).of("", "").keep_years == 2
    database.close()


@given(st.binary(max_size=40) | st.from_regex(rb"w?20\d\d(:\d{1,12}:)?.{0,4}", fullmatch=True))
def test_no_front_breaks_the_reader(sealed: bytes) -> None:
    """Whatever stands in front of something sealed, it names a key or is refused as altered."""
    try:
        key, rest = openings.split(sealed)
    except BadSeal:
        return
    kind, year, *number = key.split(":")
    assert kind in ("ledger", "withheld")
    front = ("w" if kind == "withheld" else "") + year + (f":{number[0]}:" if number else "")
    assert sealed == front.encode() + rest
