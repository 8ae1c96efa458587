"""Acting by birth or law: begun by a register's word, ended by a birthday, a register, a death; by nobody else."""

import calendar
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as example
from hypothesis import strategies as st

from consent import disclosure, entrusting, guardians, mandates
from consent.disclosure import NotReleased, Released
from consent.errors import MandateByLaw
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record
from registry_sync.events import (
    AttributesChanged,
    CitizenDied,
    DeathReversed,
    RepresentativeEnded,
)
from tests.consent import country
from tests.consent.ages import born, years_ago
from tests.consent.country import ask, last
from tests.consent.family import CHILD, CIVIL, MOTHER, family, say, stated

__all__ = ["family"]


def read(database: Database) -> Released | NotReleased:
    """Let the portal read about the child for its mother."""
    return disclosure.release(database, ask(citizen=CHILD, channel="behalf", representative=MOTHER))


def acts(database: Database) -> bool:
    """Tell whether the mother acts for the child now."""
    with database.reading() as db:
        return bool(mandates.represented(db, MOTHER, agency="revenue", purpose="revenue-sign-in"))


def test_a_parent_acts_because_the_register_says_so(family: Database) -> None:
    """A parent reads for a child with the register's word alone, in both histories, with source and day."""
    assert isinstance(read(family), NotReleased)
    say(family, stated())
    assert isinstance(read(family), Released)
    for chain in (CHILD, MOTHER):
        given = next(one["data"] for one in country.history(family, chain) if one["kind"] == "mandate-given")
        assert (given["ground"], given["source"], given["as_of"]) == ("parent", "civil", "2024-05-01")
        assert (last(family, chain)["citizen"], last(family, chain)["representative"]) == (CHILD, MOTHER)


def test_it_ends_by_itself_on_the_birthday(family: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first moment of the birthday the parent's right is over, whether anybody noted it or not."""
    say(family, stated())
    with family.reading() as db:
        (one,) = mandates.held_by(db, MOTHER)
        settings = family.parts.settings
    assert one.expires_at == guardians._birthday(years_ago(9), settings.age_of_consent, settings.time_zone)
    now = clock.now
    late = one.expires_at - now()
    monkeypatch.setattr(clock, "now", lambda: now() + late)
    assert not acts(family)
    refused = read(family)
    assert isinstance(refused, NotReleased)
    assert refused.rule == "mandate-missing"


@pytest.mark.parametrize("how", ["register", "child dies", "parent dies", "birth date"])
def test_it_ends_when_a_register_says_so(family: Database, how: str) -> None:
    """A court's decision, a death of either and another date of birth end it in their own transaction."""
    say(family, stated())
    assert acts(family)
    events: dict[str, Any] = {
        "register": RepresentativeEnded(
            citizen=CHILD, source="civil", representative=MOTHER, relation="parent", as_of="2026-01-01"
        ),
        "child dies": CitizenDied(citizen=CHILD, source="civil"),
        "parent dies": CitizenDied(citizen=MOTHER, source="civil"),
        "birth date": AttributesChanged(
            citizen=CHILD, source="civil", attributes=("birthdate",), cause="correction"
        ),
    }
    if how == "birth date":
        born(family, CHILD, years_ago(30))
    say(family, events[how])
    assert not acts(family)
    assert isinstance(read(family), NotReleased)


def test_a_later_birthday_moves_the_end(family: Database) -> None:
    """A corrected date of birth moves the end, and leaves one right, not two."""
    say(family, stated())
    born(family, CHILD, years_ago(5))
    changed = AttributesChanged(citizen=CHILD, source="civil", attributes=("birthdate",), cause="correction")
    say(family, changed)
    say(family, changed)
    with family.reading() as db:
        live = [one for one in mandates.held_by(db, MOTHER) if one.is_live]
        assert [one.expires_at for one in live] == [guardians.comes_of_age(db, CHILD)]
        assert len(mandates.held_by(db, MOTHER)) == 2


@pytest.mark.parametrize("relation", ["parent", "guardian"])
def test_the_same_word_twice_is_one_right(family: Database, relation: str) -> None:
    """A register may say the same again, also without an end; nothing begins anew."""
    say(family, stated(relation))
    say(family, stated(relation))
    with family.reading() as db:
        assert len(mandates.held_by(db, MOTHER)) == 1


def test_nobody_gets_a_right_over_an_adult_by_birth(family: Database) -> None:
    """A parent named for somebody who decides themselves, or whose age is not known, acts for nobody."""
    for day in (years_ago(16), "1990-02-03", ""):
        born(family, CHILD, day)
        say(family, stated())
        assert not acts(family)


def test_a_ward_acts_for_nobody(family: Database) -> None:
    """Who gets a guardian no longer acts for others; the guardian acts until the day that was named."""
    born(family, CHILD, years_ago(40))
    with family.writing() as db:
        offered = entrusting.offer(
            db,
            giver=MOTHER,
            holder=CHILD,
            agencies=["revenue"],
            purposes=[],
            until=clock.now() + timedelta(days=30),
            actor=SYSTEM,
        )
        entrusting.accept(db, offered.id, holder=CHILD, actor=SYSTEM)
    until = (clock.now() + timedelta(days=90)).date()
    say(family, stated("guardian", until=until.isoformat()))
    with family.reading() as db:
        old = mandates.find(db, offered.id)
        (guardian,) = mandates.held_by(db, MOTHER)
        assert old is not None
        assert old.state == "ended"
        assert until < guardian.expires_at.date() + timedelta(days=1) <= until + timedelta(days=2)


def test_a_death_that_was_none_gives_back_who_acts(family: Database) -> None:
    """Who acted by birth or law until a death was told of does so again when it was a mistake, and once only."""
    say(family, stated())
    for what in (CitizenDied, DeathReversed, DeathReversed):
        with family.writing() as db:
            record(db, what(citizen=MOTHER, source="civil"), actor=CIVIL, about=[MOTHER])
        assert acts(family) == (what is DeathReversed)
    with family.reading() as db:
        assert [one.state for one in mandates.held_by(db, MOTHER)].count("given") == 1


def test_neither_of_the_two_can_end_it(family: Database) -> None:
    """A child cannot dismiss its parent here, nor the parent the child."""
    say(family, stated())
    with family.reading() as db:
        (one,) = mandates.held_by(db, MOTHER)
    for citizen in (CHILD, MOTHER):
        with family.writing() as db, pytest.raises(MandateByLaw):
            mandates.end(db, one.id, citizen=citizen, actor=Actor("citizen", citizen))
    assert acts(family)


@example(st.dates(date(1850, 1, 1), date(2100, 1, 1)), st.sampled_from([10, 7, 4]), st.integers(0, 25))
def test_every_date_of_birth_has_a_birthday(day: date, written: int, age: int) -> None:
    """The birthday comes so many years later, of a partial date as early as it may be; on 1 March for want of 29 February."""
    text = day.isoformat()[:written]
    local = guardians._birthday(text, age, "Asia/Tbilisi").astimezone(ZoneInfo("Asia/Tbilisi"))
    assert (local.year, local.hour, local.minute) == (day.year + age, 0, 0)
    earliest = (day.month if written > 4 else 1, day.day if written > 7 else 1)
    leap = earliest == (2, 29) and not calendar.isleap(local.year)
    assert (local.month, local.day) == ((3, 1) if leap else earliest)
