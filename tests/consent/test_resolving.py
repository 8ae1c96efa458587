from typing import Any

import pytest

from consent import disclosure, purposes, resolving
from consent.disclosure import ResolveAsk
from consent.errors import AskMalformed, RefusedTooOften
from core import limits
from core.database import Database
from core.events import SYSTEM
from tests.consent import country
from tests.consent.country import CITIZEN, DEAD, LAW, purpose


def ask(**changes: Any) -> ResolveAsk:
    """Return what the revenue portal knows of the citizen."""
    facts = {
        "agency": "revenue",
        "client": "portal",
        "purpose": "revenue-assessment",
        "identifier_type": "UIN",
        "identifier": f"number of {CITIZEN}",
        "case": "A-17",
        "official": "officer-7f",
        "request_id": "r-1",
        "body_sha256": country.digest("body"),
    }
    return ResolveAsk(**{**facts, **changes})


def test_a_law_finds_the_citizen_and_the_citizen_sees_it(open_door: Database) -> None:
    """The citizen ID is given for a purpose by law, and the look-up is in that citizen's history."""
    assert disclosure.resolve(open_door, ask()) == CITIZEN
    said = country.last(open_door)
    assert (said["kind"], said["outcome"], said["law"], said["case"]) == (
        "citizen-resolved", "released", "Tax Code, 72(1)", "A-17",
    )  # fmt: skip
    assert "number of" not in str(country.history(open_door))


NOES: dict[str, dict[str, Any]] = {
    "an identifier nobody has": {"identifier": "no such number"},
    "a purpose by consent": {"purpose": "revenue-sign-in"},
    "another agency's purpose": {"purpose": "health-sign-in"},
    "an unknown purpose": {"purpose": "none"},
    "an unknown agency": {"agency": "nobody"},
    "somebody who has died": {"identifier": f"number of {DEAD}"},
}


@pytest.mark.parametrize("name", NOES)
def test_unknown_and_forbidden_look_alike(open_door: Database, name: str) -> None:
    """Whatever the reason, the answer is the same nothing, after one entry in the ledger."""
    asked = ask(**NOES[name])
    assert disclosure.resolve(open_door, asked) is None
    chain = (
        DEAD
        if DEAD in asked.identifier
        else CITIZEN
        if CITIZEN in asked.identifier
        else f"agency:{asked.agency}"
    )
    said = country.last(open_door, chain)
    assert (said["kind"], said["outcome"]) == ("citizen-resolved", "refused")
    assert said.get("purpose") in (None, "revenue-assessment", "revenue-sign-in")


def test_the_dead_are_found_where_the_purpose_says_so(open_door: Database) -> None:
    """A purpose by law that covers people who have died finds them."""
    with open_door.writing() as db:
        estate = purpose("revenue-estate", basis={**LAW, "deceased": True})
        purposes.publish(db, estate, actor=SYSTEM)
    asked = ask(identifier=f"number of {DEAD}", purpose="revenue-estate")
    assert disclosure.resolve(open_door, asked) == DEAD


def test_a_miss_that_becomes_a_hit_is_an_entry_of_its_own(open_door: Database) -> None:
    """Asked again with the same request ID after the person was registered, the answer has its entry."""
    asked = ask(identifier=f"number of {country.OTHER}")
    assert disclosure.resolve(open_door, asked) is None
    with open_door.writing() as db:
        country.be_born(db, country.OTHER)
    assert disclosure.resolve(open_door, asked) == country.OTHER
    assert [facts["kind"] for facts in country.history(open_door, country.OTHER)] == ["citizen-resolved"]


def test_guessing_is_slowed_down(open_door: Database) -> None:
    """After too many misses a client has to wait, for hits as well."""
    with open_door.writing() as db:
        for _time in range(resolving.MISSED_AN_HOUR):
            limits.hit(db, "resolve.missed", "portal", most=1000, per_seconds=3600)
    with pytest.raises(RefusedTooOften):
        disclosure.resolve(open_door, ask())
    assert disclosure.resolve(open_door, ask(client="other")) == CITIZEN


def test_half_an_ask_is_malformed(open_door: Database) -> None:
    """Without a case or an identifier, or with control characters, nothing is looked up."""
    for changes in (
        {"case": " "},
        {"official": " "},
        {"identifier": ""},
        {"identifier": "1\n2"},
        {"identifier": "1" * 100},
    ):
        with pytest.raises(AskMalformed):
            ask(**changes)


def test_resolving_inside_a_write_transaction_fails_at_once(open_door: Database) -> None:
    """Like every verb of the door."""
    with open_door.writing(), pytest.raises(RuntimeError):
        disclosure.resolve(open_door, ask())
