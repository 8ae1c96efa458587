"""Which agencies the histories cover, since when, and saying so to everybody."""

from typing import Any

import pytest

from consent import agencies, declarations
from consent.errors import FileRefused
from core import clock
from core.database import Database
from core.events import SYSTEM
from tests.consent import country


def put(database: Database, name: str, **changes: Any) -> agencies.Agency:
    """Declare an agency."""
    with database.writing() as db:
        return agencies.put(db, country.agency(name, **changes), actor=SYSTEM)


def test_an_agency_is_covered_from_the_day_it_joined(house: Database) -> None:
    """Unless its file says otherwise; the same file again, on another day too, changes nothing."""
    first = put(house, "land")
    assert first.covered_since == clock.now().date().isoformat()
    entries = len(country.history(house, "agency:land"))
    assert put(house, "land") == first
    assert len(country.history(house, "agency:land")) == entries


def test_coverage_can_be_declared(house: Database) -> None:
    """Not yet, since another day, and from now on: each is kept, recorded, and told."""
    assert put(house, "land", covered=False).covered_since is None
    assert "covered_since" not in country.last(house, "agency:land")
    assert put(house, "land", covered_since="2026-03-01").covered_since == "2026-03-01"
    assert country.last(house, "agency:land")["covered_since"] == "2026-03-01"
    assert put(house, "land").covered_since == "2026-03-01"


@pytest.mark.parametrize(
    "changes",
    [
        {"covered": "no"},
        {"covered": False, "covered_since": "2026-03-01"},
        {"covered_since": "March"},
        {"covered_since": 2026},
        {"covered_since": "2026-02-30"},
    ],
)
def test_mistakes_are_named(house: Database, changes: dict[str, Any]) -> None:
    """What is no day, no yes or no, or contradicts itself is refused with its place."""
    with pytest.raises(FileRefused) as refused:
        put(house, "land", **changes)
    assert str(refused.value.mistakes[0]).startswith("agency.covered")


def test_a_date_of_yaml_is_a_day() -> None:
    """YAML makes a date of 2026-03-01 by itself, and that is taken."""
    reader = declarations.Reader(("en",))
    assert reader.day(clock.now().date(), "x") == clock.now().date().isoformat()
    assert reader.day(clock.now(), "x") == ""
    assert len(reader.mistakes) == 1


def test_everybody_can_read_who_is_covered(client: Any, database: Database) -> None:
    """The page needs no sign-in; it names since when each agency is covered, and which are not yet."""
    put(database, "land", covered_since="2026-03-01")
    put(database, "court", covered=False)
    text = client.get("/about/coverage", headers={"accept": "text/html"}).text
    covered, missing = text.split('id="missing"')
    assert "Office of land" in covered
    assert "1 March 2026" in covered
    assert "Office of court" not in covered
    assert "Office of court" in missing
    assert 'href="/about/coverage"' in client.get("/about", headers={"accept": "text/html"}).text
