"""Attempts to stay in somebody's account after its owner said that it was not them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.events import Actor
from idp.login import card, pin, printing
from idp.login.printing import Issue, Printed
from idp.tables import card as cards
from tests.idp.login.cardholder import COUNTER, PIN
from tests.idp.login.disavowing import link_for
from tests.idp.login.person import Person

HOME = Issue(printing.SELF)


def print_card(database: Database, nino: Person, how: Issue = HOME) -> Printed:
    """Print a card as a session of the account does, or a counter."""
    verifier = pin.prepare(database.parts, PIN)
    with database.writing() as db:
        actor = Actor("citizen", nino.citizen_id)
        return printing.issue(db, nino.citizen_id, how, verifier=verifier, actor=actor)


def say(owner: Person, path: str) -> None:
    """Follow the link of a letter, and press the button."""
    owner.open(path)
    assert owner.send(path).status_code == 200


def signs_in(somebody: Person, printed: Printed) -> bool:
    """Try the first code of a card."""
    somebody.open("/login/card")
    fields = {"card__number": printed.number, "card__code": printed.codes[0], "pin": PIN}
    return bool(somebody.send("/login/card", return_to="/my", **fields).status_code == 303)


@pytest.mark.parametrize(
    ("what", "how"), [("card-issued", HOME), ("new-device", HOME), ("card-issued", COUNTER)]
)
def test_attempt_to_come_back_with_a_card_printed_meanwhile(
    nino: Person, person: Any, database: Database, what: str, how: Issue
) -> None:
    """The card that the letter is about, or that was printed at home after it, is blocked; its owner hears why."""
    early = link_for(database, nino.citizen_id, "new-device")
    printed = print_card(database, nino, how)
    path = link_for(database, nino.citizen_id, what) if what == "card-issued" else early
    say(person("198.51.100.30"), path)
    assert not signs_in(person("203.0.113.9"), printed)
    with database.reading() as db:
        assert card.of(db, nino.citizen_id).blocked_at


@pytest.mark.parametrize(("how", "age"), [(HOME, timedelta(hours=1)), (COUNTER, timedelta(0))])
def test_attempt_to_block_a_card_by_an_old_letter(
    nino: Person, person: Any, database: Database, how: Issue, age: timedelta
) -> None:
    """Neither a card from before the letter is blocked, nor one that a clerk handed over after it; the list names both."""
    path = link_for(database, nino.citizen_id, "new-device")
    printed = print_card(database, nino, how)
    with database.writing() as db:
        db.execute(update(cards).values(issued_at=cards.c.issued_at if not age else clock.now() - age))
    say(person("203.0.113.9"), path)
    assert signs_in(nino, printed)
    page = nino.open("/my/sessions/secure").text
    assert f"It ends in {printed.number[-4:]}" in page
    with database.reading() as db:
        assert db.scalar(select(cards.c.blocked_at)) is None
