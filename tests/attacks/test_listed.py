"""docs/attacks.md has a row for each attack of the list, and names only tests that exist."""

import re
from pathlib import Path

from tests import named

PAGE = (named.TESTS.parent / "docs" / "attacks.md").read_text("utf-8")
LISTED = (Path(__file__).parent / "listed.txt").read_text("utf-8").splitlines()
ROW = re.compile(r"^\| (?!---|attack \||parser \|)(.+) \|$", re.MULTILINE)
PARSERS = ("redirect", "parameter", "JOSE headers", "claims", "authorization_details", "Basic credentials")


def test_every_attack_has_a_row() -> None:
    """Each attack of the list is the first cell of one row, in its order, and no row stands for another."""
    attacks, _mark, _parsers = PAGE.partition("## Anything at all")
    assert [row.split(" | ")[0] for row in ROW.findall(attacks)] == LISTED
    assert len(set(LISTED)) == len(LISTED) > 60


def test_every_row_names_tests_that_exist() -> None:
    """Each row ends with tests, each of them the function of exactly one file."""
    rows = ROW.findall(PAGE)
    assert not [row for row in rows if not named.NAME.search(row.rsplit("|", 1)[1])]
    assert not named.missing(named.NAME.findall(PAGE))


def test_every_attempt_stands_on_the_page() -> None:
    """No test that tries an attack is left off the page."""
    tried = {name for path in Path(__file__).parent.glob("test_*.py") for name in named.functions(path)}
    shown = {function for _file, function in named.NAME.findall(PAGE)}
    assert {name for name in tried if name.startswith(("test_attempt", "test_any"))} <= shown


def test_every_parser_is_tried_with_anything() -> None:
    """The page names a property test for each parser that is to have one."""
    _attacks, _mark, parsers = PAGE.partition("## Anything at all")
    assert all(any(word in row for row in ROW.findall(parsers)) for word in PARSERS)
