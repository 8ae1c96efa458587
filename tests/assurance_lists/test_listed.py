"""The lists of what ASVS and NIST ask are whole, name what is there, and are the pages that `docs` shows."""

import re

import pytest

from tests.assurance_lists import listed
from tests.assurance_lists.listed import Standard

EACH = pytest.mark.parametrize("standard", listed.standards(), ids=lambda standard: standard.page.stem)
# How many requirements each chapter of ASVS 5.0.0 has.
ASVS = (30, 13, 31, 16, 13, 47, 19, 13, 7, 36, 24, 12, 21, 13, 21, 17, 12)


@EACH
def test_every_line_names_what_is_there(standard: Standard) -> None:
    """Each line says how a requirement is met, what is missing or why it does not apply; what it names is there."""
    assert not [mistake for one in standard.requirements for mistake in one.mistakes]


@EACH
def test_every_requirement_is_of_a_level(standard: Standard) -> None:
    """Each requirement stands once and is of one of the levels that the page counts."""
    assert {one.level for one in standard.requirements} <= set(standard.levels)
    ids = [one.id for one in standard.requirements]
    assert len(ids) == len(set(ids)) > 50


@EACH
def test_the_page_is_current(standard: Standard) -> None:
    """The page says what the list says."""
    assert standard.page.read_text("utf-8") == standard.text(), "run: python -m tests.assurance_lists.listed"


def test_nothing_of_asvs_is_left_out() -> None:
    """Every section of ASVS is numbered through from one, and each chapter has as many requirements as it should."""
    asvs, _nist = listed.standards()
    assert tuple(len(chapter) for chapter in asvs.chapters.values()) == ASVS
    sections: dict[str, list[int]] = {}
    for one in asvs.requirements:
        section, number = re.fullmatch(r"V(\d+\.\d+)\.(\d+)", one.id).groups()
        sections.setdefault(section, []).append(int(number))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sections.values())


def test_a_name_that_leads_nowhere_is_noticed() -> None:
    """A module, a function, a file or a test that is not there is a mistake of the line that names it."""
    line = listed.Requirement(
        "V0.0.0",
        "1",
        "",
        how="so",
        code=("core.web.Edges", "core.nothing", "docs/no.md"),
        tests=("test_edge::test_no",),
    )
    assert len(line.mistakes) == 4
    assert listed.there("core.web.Edge")
