"""Attempts to hear, to silence or to undo by an address that is not the owner's, and to come back with a mailbox alone."""

from typing import Any

import pytest
from sqlalchemy import select

from core.database import Database
from core.events import SYSTEM, Actor
from idp import notify
from idp.contacts import book, undoing
from idp.login import activation, assurance, waits
from idp.notices import reach
from idp.tables import outbox
from tests.at_counter import SEEN
from tests.idp.login.conftest import postbox
from tests.idp.login.person import Person
from tests.idp.login.repairs import (
    CODE,
    DAY,
    MAIL,
    Time,
    add_passkey,
    begun,
    come_in,
    kind_and_level,
    nino,
    run,
    settings,
    time,
)
from tests.postbox import Postbox

__all__ = ["nino", "postbox", "settings", "time"]
HERS = "thief@example.net"


def told(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return what each address is told by what waits to be mailed, and take it out."""
    found: dict[str, list[dict[str, Any]]] = {}
    with database.writing() as db:
        for row in db.execute(select(outbox)).all():
            if letter := notify._letter(db, row):
                found.setdefault(letter.address, []).append({"notice": letter.notice, **letter.facts})
        db.execute(outbox.delete())
    return found


def test_attempt_to_reach_more_with_a_mailbox(
    nino: Person, person: Any, database: Database, postbox: Postbox, time: Time
) -> None:
    """Who came back by mail, and is in at low, reaches no more by recovery codes made there and a code to the same mailbox."""
    thief = person("203.0.113.9")
    begun(thief, database, postbox, nino.citizen_id)
    for _part in range(8):
        time.pass_by(DAY)
        run(database)
    code = CODE.search(postbox.newest(MAIL))
    assert code
    thief.open("/recover")
    thief.send("/recover/finish", code=code[1])
    thief.open("/activate/method")
    made = thief.device.create(thief.options())
    assert thief.send("/activate/passkey", name="", credential=made).status_code == 303
    codes = thief.keep_codes()
    assert kind_and_level(database, thief) == ("citizen", assurance.LOW)
    again = person("203.0.113.10")
    assert come_in(again, nino.citizen_id, codes[0]).status_code == 303
    add_passkey(again)
    again.open("/my/account")
    assert again.send("/my/account/confirm/send").headers["location"] == "/my/account/confirm"
    run(database)
    code = CODE.search(postbox.newest(MAIL))
    assert code
    again.open("/my/account/confirm")
    again.send("/my/account/confirm", code=code[1])
    assert again.use_passkey().status_code == 200
    assert kind_and_level(database, again) == ("citizen", assurance.LOW)


def test_attempt_to_keep_an_address_over_a_new_letter(
    nino: Person, person: Any, database: Database, time: Time
) -> None:
    """After a new letter nobody comes back by an address from before until it is checked again, and those removed of late are told."""
    thief = Actor("citizen", nino.citizen_id)
    with database.writing() as db:
        for one in reach.kept(db, nino.citizen_id):
            book.remove(db, nino.citizen_id, one.id, actor=thief)
        book.add(db, nino.citizen_id, HERS, actor=thief)
    time.pass_by(3 * DAY)
    with database.writing() as db:
        code = activation.make_code(db, nino.citizen_id, seen=SEEN, actor=SYSTEM)
    owner = person("203.0.113.10")
    owner.activate_with_passkey(nino.citizen_id, code)
    time.pass_by(6 * DAY)
    with database.writing() as db:
        book.purge(db)
        assert set(reach.everywhere(db, nino.citizen_id)) == {HERS, MAIL}
        assert reach.trusted(db, nino.citizen_id) == []
        book.add(db, nino.citizen_id, MAIL, actor=Actor("citizen", nino.citizen_id))
    owner.use_passkey()
    assert "check it again" in owner.open("/my/account/contact").text
    time.pass_by(8 * DAY)
    with database.reading() as db:
        assert reach.trusted(db, nino.citizen_id) == [MAIL]


@pytest.mark.parametrize("name", ["thief", HERS])
def test_attempt_to_silence_the_owner_by_another_name(
    person: Any, letter: Any, database: Database, name: str
) -> None:
    """Whom we reach only by an address that is the sign-in name hears there that it was changed, and what comes next."""
    owner = person()
    citizen, code = letter()
    owner.activate(citizen, code, name="owner@example.org")
    told(database)
    owner.open("/my/account")
    assert owner.send("/my/account/name", username=name).status_code == 303
    assert [one["notice"] for one in told(database)["owner@example.org"]] == ["name-changed"]
    with database.writing() as db:
        notify.tell(db, citizen, "passkey-added")
    assert "owner@example.org" in told(database)


def test_attempt_to_flood_an_address_that_nobody_checked(
    person: Any, letter: Any, database: Database
) -> None:
    """Whose address a stranger gave as a sign-in name gets ten letters a day and the first of each kind; and twenty sheets of codes a day are made."""
    thief = person()
    citizen, code = letter()
    thief.activate(citizen, code, name="victim@example.org")
    told(database)
    thief.open("/my/account")
    answers = [thief.send("/my/account/codes/new").status_code for _time in range(21)]
    assert answers == [303] * 20 + [429]
    assert len(told(database).get("victim@example.org", [])) <= reach.UNCHECKED_A_DAY
    with database.writing() as db:
        for _time in range(3):
            notify.tell(db, citizen, "passkey-removed")
    assert [one["notice"] for one in told(database)["victim@example.org"]] == ["passkey-removed"]


def test_attempt_to_undo_by_an_address_that_was_taken_back(nino: Person, database: Database) -> None:
    """An address whose addition the owner took back hears of changes, and gets no code that undoes them or stops a way back."""
    me = Actor("citizen", nino.citizen_id)
    with database.writing() as db:
        book.add(db, nino.citizen_id, HERS, actor=me)
    (mine,) = [one["code"] for one in told(database)[MAIL] if one["notice"] == "contact-added"]
    with database.writing() as db:
        assert undoing.take_back(db, mine)
    told(database)
    with database.writing() as db:
        book.add(db, nino.citizen_id, "nino@example.net", actor=me)
        waits.begin(db, nino.citizen_id)
    hers = told(database)[HERS]
    assert [one["notice"] for one in hers] == ["contact-changed"]
    assert not [one for one in hers if "code" in one]
