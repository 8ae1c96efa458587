"""Attempts by a clerk, an operator, or a stranger in a mailbox, to use the letter of a counter against its owner."""

import re
from typing import Any

import pytest
from sqlalchemy import update

from consent import words
from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp import accounts
from idp.login import activation, assurance, methods
from tests.admin.conftest import Colleague, colleague
from tests.consent import country
from tests.idp.login.conftest import postbox
from tests.idp.login.person import Person
from tests.idp.login.repairs import DAY, MAIL, Time, nino, run, settings, time
from tests.postbox import Postbox

__all__ = ["colleague", "nino", "postbox", "settings", "time"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CODE = re.compile(r'id="letter-code"[^>]*>([0-9A-Z-]{19})<')
LINK = re.compile(r"/not-me/(\S+)")
OFFICE = "Hall Vashliani, counter 4"


def make(clerk: Colleague, citizen: str) -> tuple[str, str]:
    """Let a clerk make a letter, whoever is there; give its code and the page on which it was asked for."""
    fields = {"citizen": citizen, "document": "passport", "office": OFFICE}
    begun = clerk.post("/desk/letters", fields, on=clerk.get("/desk/letters"))
    page = clerk.get(begun.location)
    printed = clerk.post(f"{begun.location}/print", {"compared": "yes"}, on=page)
    found = CODE.search(printed.text)
    assert found, printed.text
    return found[1], page.text


def link(database: Database, postbox: Postbox) -> str:
    """Return the link of the newest e-mail about a letter."""
    run(database)
    told = [one for one in postbox.to(MAIL) if str(one["Subject"]) in LETTERS]
    found = LINK.search(told[-1].get_content())
    assert found
    assert OFFICE in told[-1].get_content()
    return f"/not-me/{found[1]}"


LETTERS = (
    "A letter that opens your Erti account was printed",
    "A letter that is to open your Erti account was printed",
)


def test_attempt_by_a_clerk_to_make_a_letter_for_who_is_not_there(
    nino: Any, person: Any, colleague: Any, database: Database, postbox: Postbox
) -> None:
    """The owner is told where and ends it by the link; clerk, office and document stand in the history; the account was never open."""
    clerk = colleague("clerk")
    code, _page = make(clerk, nino.citizen_id)
    assert person().begin_activation(nino.citizen_id, code).status_code == 400, (
        "it waits, so that the owner can"
    )
    reader = person("192.0.2.1")
    path = link(database, postbox)
    reader.open(path)
    assert "the code of that letter stops working" in reader.page
    assert 'id="letter-disowned"' in reader.send(path).text
    assert person().begin_activation(nino.citizen_id, code).status_code == 400
    assert nino.open("/my/account").status_code in (200, 303)
    assert nino.use_passkey().status_code == 200, "every way in is as it was"
    (made,) = [
        one["data"]
        for one in country.history(database, nino.citizen_id)
        if one["kind"] == "activation-code-made" and one["data"]["clerk"] == clerk.id
    ]
    assert (made["office"], made["document"]) == (OFFICE, "passport")
    run(database)
    assert "A letter for your Erti account no longer works" in [
        str(one["Subject"]) for one in postbox.to(MAIL)
    ]


def test_attempt_from_the_mailbox_to_keep_the_owner_out(
    nino: Any, person: Any, colleague: Any, database: Database, postbox: Postbox, time: Time
) -> None:
    """A stranger who reads the mail ends one letter and no other; the clerk is told, and the next one opens the account."""
    clerk, stranger = colleague("clerk"), person("192.0.2.1")
    make(clerk, nino.citizen_id)
    path = link(database, postbox)
    stranger.open(path)
    stranger.send(path)
    code, page = make(clerk, nino.citizen_id)
    assert 'id="visit-disowned"' in page
    path = link(database, postbox)
    stranger.open(path)
    assert "can only be ended at a counter" in stranger.send(path).text
    third, _page = make(clerk, nino.citizen_id)
    path = link(database, postbox)
    stranger.open(path)
    stranger.send(path)
    assert person().begin_activation(nino.citizen_id, code).status_code == 400, "the newest counts"
    time.pass_by(8 * DAY)
    person().activate_with_passkey(nino.citizen_id, third)
    assert nino.open("/my/account").status_code == 303


def test_attempt_to_be_somebody_by_an_operators_code(
    client: Any, nino: Any, person: Any, database: Database
) -> None:
    """What is set up with a code that no clerk handed over stays low, whatever its device, and the history says whose code it was."""
    with database.writing() as db:
        code = activation.make_code(db, nino.citizen_id, seen=None, actor=SYSTEM)
    somebody = person()
    somebody.activate_with_passkey(nino.citizen_id, code)
    with database.reading() as db:
        account = accounts.find(db, nino.citizen_id)
        assert account
        assert account.proofing == accounts.OPERATOR
        assert methods.of(db, nino.citizen_id).best == assurance.LOW
        assert [one.acr for one in methods.of(db, nino.citizen_id).passkeys] == [assurance.LOW]
    assert somebody.use_passkey().status_code == 200
    assert level(database) == {assurance.LOW}
    kind = "activation-code-made"
    (*_earlier, made) = [
        one["data"] for one in country.history(database, nino.citizen_id) if one["kind"] == kind
    ]
    assert "no clerk looked at anybody" in words.say(kind, made, words.Names()).title


def test_attempt_to_change_an_account_of_low_ways_with_its_password(
    nino: Any, person: Any, database: Database
) -> None:
    """Where everything is low, a password alone still brings in nothing beside a safe way."""
    with database.writing() as db:
        code = activation.make_code(db, nino.citizen_id, seen=None, actor=SYSTEM)
    somebody: Person = person()
    somebody.activate_with_passkey(nino.citizen_id, code)
    assert somebody.open("/my/account/passkeys/new").status_code == 200
    with database.writing() as db:
        db.execute(update(browser_session).values(amr=list(assurance.PASSWORD)))
    assert somebody.open("/my/account/passkeys/new").status_code == 303


def level(database: Database) -> set[str]:
    """Return the levels of all sessions that live."""
    with database.reading() as db:
        return set(db.scalars(browser_session.select().with_only_columns(browser_session.c.acr)))
