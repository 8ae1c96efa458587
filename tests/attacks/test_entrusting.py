"""Attempts to get the right to act for somebody from who may not give it, or in the name of who did not."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from consent import decisions, desk, entrusting, mandates, purposes
from consent.errors import DecidesOtherwise, MandateOver, TooYoung
from consent.mandates import Mandate
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record
from idp.events import Disavowed
from idp.login import activation, locks
from idp.tables import outbox
from registry_sync import people
from tests.at_counter import SEEN
from tests.consent import country
from tests.consent.ages import born, years_ago
from tests.consent.conftest import open_door
from tests.consent.family import CHILD, family, say, stated
from tests.idp.login.person import Person

__all__ = ["family", "open_door"]
STAFF = Actor("staff", "S-1")


@pytest.fixture
def friend(database: Database, nino: Person) -> str:
    """Give another grown-up, in a country with agencies, and nothing that waits to be mailed."""
    with database.writing() as db:
        country.found(db)
        db.execute(outbox.delete())
    return grown_up(database)


def grown_up(database: Database) -> str:
    """Let somebody be known to the registers."""
    found = people.new_citizen_id()
    with database.writing() as db:
        country.be_born(db, found)
    return found


def offer(database: Database, giver: str, holder: str) -> Mandate:
    """Offer the right to act at the revenue agency."""
    with database.writing() as db:
        return entrusting.offer(
            db, giver=giver, holder=holder, agencies=["revenue"], purposes=[],
            until=clock.now() + timedelta(days=900), actor=Actor("citizen", giver),
        )  # fmt: skip


def accept(database: Database, offered: Mandate) -> Mandate:
    """Let the other accept it."""
    with database.writing() as db:
        return entrusting.accept(
            db, offered.id, holder=offered.holder, actor=Actor("citizen", offered.holder)
        )


def acts(database: Database, holder: str) -> bool:
    """Tell whether somebody acts for another at the revenue agency now."""
    with database.reading() as db:
        return bool(mandates.represented(db, holder, agency="revenue", purpose="revenue-sign-in"))


def told(database: Database, citizen: str) -> list[str]:
    """Return what waits to be mailed to somebody about mandates."""
    with database.reading() as db:
        found = db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == citizen)).all()
    return [one for one in found if one.startswith("mandate")]


def test_attempt_to_be_entrusted_by_a_child(family: Database) -> None:
    """A child gives nobody the right to decide for it, takes no such right, and decides nothing under one that is there."""
    say(family, stated())
    stranger = grown_up(family)
    with pytest.raises(TooYoung):
        offer(family, CHILD, stranger)
    with pytest.raises(TooYoung):
        accept(family, offer(family, stranger, CHILD))
    born(family, CHILD, years_ago(40))
    mandate = accept(family, offer(family, CHILD, stranger))
    born(family, CHILD, years_ago(9))
    with family.writing() as db, pytest.raises(TooYoung):
        decisions.decide(
            db, citizen=CHILD, client_id="portal", purpose="revenue-sign-in", allowed={"given_name"},
            lang="en", actor=Actor("citizen", stranger), behalf=mandate,
        )  # fmt: skip


def test_attempt_to_be_entrusted_by_a_ward(family: Database) -> None:
    """Whom somebody trusted before a court named a guardian acts no longer, and afterwards nobody is entrusted anew."""
    born(family, CHILD, years_ago(80))
    stranger = grown_up(family)
    accept(family, offer(family, CHILD, stranger))
    waits = offer(family, CHILD, grown_up(family))
    say(family, stated("guardian", scope="decisions"))
    assert not acts(family, stranger)
    with pytest.raises(MandateOver):
        accept(family, waits)
    with pytest.raises(DecidesOtherwise):
        offer(family, CHILD, stranger)
    with pytest.raises(DecidesOtherwise):
        accept(family, offer(family, stranger, CHILD))


def test_attempt_to_let_a_child_agree_at_a_desk(family: Database) -> None:
    """Who is too young to decide agrees to no look that rests on consent, with the right code from the clerk's screen."""
    with family.writing() as db:
        purpose = purposes.current(db, "revenue-sign-in")
        made = desk.begin(
            db, clerk="S-1", office="Hall", citizen=CHILD, reference="", actor=SYSTEM, purpose=purpose
        )
    with family.writing() as db, pytest.raises(TooYoung):
        desk.confirm(
            db, made.id, citizen=CHILD, given_code=desk.code(db, made), chosen={"given_name"},
            purpose=purpose, acr=country.HIGH, actor=Actor("citizen", CHILD),
        )  # fmt: skip


def test_attempt_to_be_entrusted_without_a_word(nino: Person, friend: str, database: Database) -> None:
    """The owner hears of an offer made in their account, with a link to say that it was not them, of its acceptance and of its end."""
    offered = offer(database, nino.citizen_id, friend)
    assert (told(database, nino.citizen_id), told(database, friend)) == (
        ["mandate-offered"],
        ["mandate-offer"],
    )
    accept(database, offered)
    assert told(database, nino.citizen_id) == ["mandate-offered", "mandate-given"]
    with database.writing() as db:
        mandates.end(db, offered.id, citizen=friend, actor=Actor("citizen", friend))
    assert told(database, nino.citizen_id)[2:] == ["mandate-ended"]


@pytest.mark.parametrize("way", ["letter", "suspended", "disavowed"])
def test_attempt_to_accept_what_a_stranger_offered(
    nino: Person, person: Any, friend: str, database: Database, way: str
) -> None:
    """What was offered in somebody's name is over once they begin anew, are suspended, or say that it was not them."""
    began = clock.now()
    taken = accept(database, offer(database, nino.citizen_id, grown_up(database)))
    offered = offer(database, nino.citizen_id, friend)
    with database.writing() as db:
        if way == "letter":
            code = activation.make_code(db, nino.citizen_id, seen=SEEN, actor=SYSTEM)
        elif way == "suspended":
            locks.suspend(db, nino.citizen_id, why="A stranger was in.", actor=STAFF)
        else:
            said = Disavowed(citizen=nino.citizen_id, what="passkey-added", sids=("s",), began=began)
            record(db, said, actor=SYSTEM, about=[nino.citizen_id])
    if way == "letter":
        person("203.0.113.10").activate_with_passkey(nino.citizen_id, code)
    with pytest.raises(MandateOver):
        accept(database, offered)
    assert acts(database, taken.holder) == (way == "letter")


def test_attempt_to_act_for_a_suspended_account(nino: Person, friend: str, database: Database) -> None:
    """While an account is suspended nobody acts for its owner on the owner's word; afterwards they do again."""
    accept(database, offer(database, nino.citizen_id, friend))
    with database.writing() as db:
        locks.suspend(db, nino.citizen_id, why="A stranger gave mandates.", actor=STAFF)
    assert not acts(database, friend)
    with database.writing() as db:
        locks.reinstate(db, nino.citizen_id, why="It was nobody.", actor=STAFF)
    assert acts(database, friend)
