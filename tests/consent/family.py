"""A child of nine and its mother, and the civil registry that says so."""

from typing import Any

import pytest

from core.database import Database
from core.events import Actor, record
from registry_sync.events import RepresentativeStated
from tests.consent import country
from tests.consent.ages import born, years_ago
from tests.idp.oidc.provider import CITIZEN, OTHER

CHILD, MOTHER = CITIZEN, OTHER
CIVIL = Actor("registry", "civil")


def say(database: Database, event: Any) -> None:
    """Let the civil registry say something."""
    with database.writing() as db:
        record(db, event, actor=CIVIL, about=[CHILD])


def stated(relation: str = "parent", **changes: Any) -> RepresentativeStated:
    """Return the word of the civil registry that the mother acts for the child."""
    facts = {"citizen": CHILD, "source": "civil", "representative": MOTHER, "as_of": "2024-05-01"}
    return RepresentativeStated(**{**facts, "relation": relation, **changes})


@pytest.fixture
def family(open_door: Database) -> Database:
    """Give a country with a child of nine years, who allowed a purpose, and its mother."""
    with open_door.writing() as db:
        for citizen in (CHILD, MOTHER):
            country.be_born(db, citizen)
        country.allow(db, "given_name", citizen=CHILD)
    born(open_door, CHILD, years_ago(9))
    return open_door
