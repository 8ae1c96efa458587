"""The invented country is what its truth file says, down to the last broken line."""

import csv
import json
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from service.demo import country, names, population
from service.demo.country import Truth


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A country of 1,500 people, written once."""
    where = tmp_path_factory.mktemp("country")
    country.write(where, people=1_500, seed=7)
    return where


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    """What the generator says about it."""
    return country.read_truth(folder)


def civil_records(folder: Path, truth: Truth) -> list[dict[str, Any]]:
    """Every good line of the civil register, parsed."""
    lines = (folder / country.CIVIL_FILE).read_bytes().splitlines()
    return [
        json.loads(line) for number, line in enumerate(lines, 1) if number not in truth.civil_broken_lines
    ]


def uin(record: dict[str, Any]) -> str:
    """The national identifier of a record."""
    return record["identifier"][0]["identifier_value"]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs with one seed write identical files, and another seed writes others."""
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        country.write(tmp_path / name, people=60, seed=seed)
    for file in (country.CIVIL_FILE, country.TAX_FILE, country.TRUTH_FILE):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b
        assert a != c


def test_the_truth_survives_its_file(tmp_path: Path) -> None:
    """What is read back from truth.json equals what write() returned."""
    assert country.write(tmp_path, people=40) == country.read_truth(tmp_path)


def test_a_country_needs_room_for_its_edge_cases(tmp_path: Path) -> None:
    """Fewer than twenty people is refused before anything is written."""
    with pytest.raises(ValueError, match="20"):
        country.write(tmp_path / "tiny", people=19)
    assert not (tmp_path / "tiny").exists()


def test_lines_add_up(folder: Path, truth: Truth) -> None:
    """People, repeats, second identifiers and broken lines make up exactly the lines of the file."""
    assert truth.people == 1_500
    assert truth.civil_lines == len((folder / country.CIVIL_FILE).read_bytes().splitlines())
    extra = (
        len(truth.civil_repeated_same)
        + len(truth.civil_repeated_changed)
        + len(truth.civil_second_identifiers)
    )
    assert truth.civil_good == truth.people + extra
    assert len({uin(record) for record in civil_records(folder, truth)}) == truth.people + len(
        truth.civil_second_identifiers
    )
    assert truth.living + truth.deceased == truth.people


def test_every_broken_line_is_broken_and_no_other(folder: Path, truth: Truth) -> None:
    """A strict reader stumbles over exactly the lines that the truth names."""
    stumbled = set()
    for number, line in enumerate((folder / country.CIVIL_FILE).read_bytes().splitlines(), 1):
        try:
            record = json.loads(line.decode("utf-8"))
            assert isinstance(record, dict)
            assert isinstance(record["name"], dict)
            written = record["birth_date"]
            date.fromisoformat(written + "-01-01"[len(written) - 4 :] if len(written) < 10 else written)
            uin(record)
        except (ValueError, KeyError, AssertionError, TypeError):
            stumbled.add(number)
    assert stumbled == set(truth.civil_broken_lines)
    assert set(truth.civil_broken) == set(country._BROKEN)


def test_names_have_one_to_four_parts_in_two_scripts(folder: Path, truth: Truth) -> None:
    """Single names, two, three and four parts all occur, in Georgian and in Latin letters, some very long."""
    parts, georgian, longest = set(), 0, 0
    for record in civil_records(folder, truth):
        whole = [
            record["name"][key] for key in ("given_name", "second_name", "surname") if key in record["name"]
        ]
        parts.add(sum(len(part.split("-")) for part in whole))
        georgian += any("ა" <= letter <= "ჰ" for letter in "".join(whole))
        longest = max(longest, len(" ".join(whole)))
    assert {1, 2, 3, 4} <= parts
    assert 0.3 * truth.civil_good < georgian < 0.7 * truth.civil_good
    assert longest > 60


def test_parents_exist_and_are_older(folder: Path, truth: Truth) -> None:
    """Every parent named in a record is in the register and was born at least fifteen years earlier."""
    people = {uin(record): record for record in civil_records(folder, truth)}
    children = 0
    for record in people.values():
        for key in ("parent1_identifier", "parent2_identifier"):
            if key in record:
                parent = people[record[key]["identifier_value"]]
                assert int(parent["birth_date"][:4]) + 15 <= int(record["birth_date"][:4])
                children += 1
    assert children > 300


def test_second_identifiers_are_nearly_the_same_person(folder: Path, truth: Truth) -> None:
    """A second identifier shares birth date and home with the first, and only its name is a letter or two off."""
    people = {uin(record): record for record in civil_records(folder, truth)}
    assert truth.civil_second_identifiers
    for first, second in truth.civil_second_identifiers:
        a, b = people[first], people[second]
        assert a["birth_date"] == b["birth_date"]
        assert a["household_identifier"] == b["household_identifier"]
        assert a["name"] != b["name"]


def test_twins_are_two_people(folder: Path, truth: Truth) -> None:
    """Twins share home and birth date, and differ in their given names."""
    people = {uin(record): record for record in civil_records(folder, truth)}
    assert truth.twins
    for pair in truth.twins:
        full = {json.dumps(people[number]["name"], ensure_ascii=False) for number in pair}
        assert len(full) == len(pair)


def test_tax_rows_add_up_and_point_at_the_living(folder: Path, truth: Truth) -> None:
    """Known, unknown and broken rows make up the file, and each known identifier is a living adult's."""
    people = {uin(record): record for record in civil_records(folder, truth)}
    raw = (folder / country.TAX_FILE).read_bytes().decode("utf-8", "replace")
    rows = list(csv.reader(raw.splitlines()))
    assert tuple(rows[0]) == country.TAX_COLUMNS
    assert (
        truth.tax_rows
        == len(rows) - 1
        == truth.tax_known + len(truth.tax_unknown) + len(truth.tax_broken_rows)
    )
    seen = 0
    for number, row in enumerate(rows[1:], 1):
        if number in truth.tax_broken_rows or row[0] in truth.tax_unknown:
            assert row[1:2] == [] or row[1] not in people
            continue
        person = people[row[1] or truth.tax_without_identifier[row[0]]]
        assert "death_date" not in person
        assert row[8] == "2025"
        assert row[5] in country.BRACKETS
        seen += 1
    assert seen == truth.tax_known


def test_the_people_of_the_demo_have_everything(folder: Path, truth: Truth) -> None:
    """The six people the demo introduces are alive, have a whole birth date and a tax row under their own number."""
    people = {uin(record): record for record in civil_records(folder, truth)}
    tax = (folder / country.TAX_FILE).read_text("utf-8", "replace")
    assert len(truth.showcase) == 6
    for number in truth.showcase:
        assert len(people[number]["birth_date"]) == 10
        assert "death_date" not in people[number]
        assert f",{number}," in tax


def test_check_digits_follow_the_standard() -> None:
    """ISO 7064 Mod 11,10: the standard's own example 0794 has the check digit 5."""
    assert population.check_digit("0794") == "5"


def test_a_slip_always_changes_the_spelling() -> None:
    """Whatever the name and the script, a misspelling differs from it."""
    rng = Random(1)
    for _ in range(2_000):
        community = rng.choice(("georgian", "latin", "highland"))
        name = names.given(rng, community, rng.choice(("female", "male")))
        assert names.slip(rng, name) != name
