"""Attempts to come into somebody's account by the ways that are for whoever lost every other."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from core.database import Database
from core.events import Actor
from core.sessions import REPAIR, browser_session
from idp import accounts
from idp.contacts import book
from idp.login import assurance, holding, locks, methods, objections, password, stepup, waits
from idp.login.throttle import ASKING, MAILED, RECOVERY
from idp.notices import reach
from idp.tables import passkey as passkeys
from tests.architecture.addresses import FOR_REPAIR, routes
from tests.idp.login.conftest import postbox
from tests.idp.login.person import Person
from tests.idp.login.repairs import (
    CODE,
    DAY,
    MAIL,
    Time,
    add_passkey,
    add_password,
    asked,
    begun,
    come_in,
    kind_and_level,
    nino,
    run,
    settings,
    sign_in,
    time,
)
from tests.idp.oidc.conftest import provider
from tests.idp.oidc.provider import PORTAL, Provider, answered
from tests.postbox import Postbox

ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # long, and about no database
__all__ = ["nino", "postbox", "provider", "settings", "time"]


def test_attempt_to_read_with_a_recovery_code_alone(nino: Any, person: Any, provider: Provider) -> None:
    """Whoever has the paper gets to the few pages that set up a way in: no value, no history, no way out of the owner's, no agency."""
    thief = person("203.0.113.9")
    assert come_in(thief, nino.citizen_id, nino.codes[0]).headers["location"] == "/my/account"
    assert "given_name" not in thief.open("/my/account").text
    assert "passkey-remove" not in thief.page
    with provider.database.writing() as db:
        accounts.choose_name(
            db, nino.citizen_id, "nino.v@example.com", actor=Actor("citizen", nino.citizen_id)
        )
        own = password.words(db, nino.citizen_id)
    assert "nino.v" not in thief.open("/my/account/passkeys/new").text
    thief.open("/my/account/password")
    tried = f"{own[1]} 2841 walnut"
    assert thief.send("/my/account/password", password=tried).headers["location"] == "/my/account/app", own
    mine = [one for one in routes() if one.path.startswith("/my") and one.path not in FOR_REPAIR]
    assert len(mine) > 50
    for route in mine:
        path = re.sub(r"{\w+}", "1", route.path)
        thief.open("/my/account")
        answer = thief.browser.get(path) if "GET" in route.methods else thief.send(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"] == "/my/account", path
    assert thief.ask("/my/sessions/end").status_code == 403
    me = provider.sign_in()
    with provider.database.writing() as db:
        db.execute(browser_session.update().where(browser_session.c.sid == me.sid).values(kind=REPAIR))
    assert answered(provider.authorize(PORTAL, prompt="none"))["error"] == "login_required"
    assert "/login?return_to=" in provider.authorize(PORTAL).headers["location"]


def test_attempt_to_lift_oneself_with_a_recovery_code(
    nino: Any, person: Any, database: Database, postbox: Postbox, time: Time
) -> None:
    """What is set up with a code alone opens no more than the code, is told at once and again, and is worth little even after its time."""
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_passkey(thief)
    add_password(thief)
    run(database)
    told = [str(one["Subject"]) for one in postbox.to(MAIL)]
    assert "A recovery code set up a new way into your Erti account" in told
    assert thief.use_passkey().status_code == 200
    assert kind_and_level(database, thief) == (REPAIR, assurance.LOW)
    assert thief.open("/my/data").headers["location"] == "/my/account"
    assert sign_in(thief, nino.citizen_id).status_code == 303
    assert kind_and_level(database, thief) == (REPAIR, assurance.LOW)
    with database.reading() as db:
        assert methods.of(db, nino.citizen_id).best == assurance.HIGH, "what is held back counts for nothing"
    for _part in range(16):
        time.pass_by(DAY / 2)
        holding.turn(database)
        run(database)
    assert any("Reminder: a recovery code" in str(one["Subject"]) for one in postbox.to(MAIL))
    assert thief.use_passkey().status_code == 200
    assert kind_and_level(database, thief) == ("citizen", assurance.LOW)
    time.pass_by(60)
    assert sign_in(thief, nino.citizen_id).status_code == 303
    assert kind_and_level(database, thief) == ("citizen", assurance.LOW)
    with database.reading() as db:
        session = db.execute(select(browser_session).order_by(browser_session.c.auth_time.desc())).first()
        missing = stepup.lacking(db, session, assurance.SUBSTANTIAL)  # type: ignore[arg-type]
        assert missing is not None
        assert (missing.code, missing.anew, missing.advice) == (False, False, stepup.AT_THE_COUNTER)
    assert thief.open("/my/account/passkeys/new").status_code == 303, "a weak way in brings in no other"


def test_attempt_to_use_a_recovery_code_again(nino: Any, person: Any, letter: Any) -> None:
    """A code works once, and at nobody else's account."""
    other, thief = person("203.0.113.8"), person("203.0.113.9")
    theirs, code = letter()
    other.activate_with_passkey(theirs, code)
    assert come_in(thief, theirs, nino.codes[0]).status_code == 400
    assert come_in(thief, nino.citizen_id, nino.codes[0]).status_code == 303, "which has not spent it"
    assert come_in(person("203.0.113.10"), nino.citizen_id, nino.codes[0]).status_code == 400


def test_attempt_to_guess_recovery_codes(nino: Any, person: Any) -> None:
    """Twenty guesses of 2^80 from one network, then it waits; the owner comes in from anywhere else."""
    thief = person("203.0.113.9")
    for _guess in range(RECOVERY.network.most):
        assert come_in(thief, nino.citizen_id, "0000-0000-0000-0000").status_code == 400
    assert come_in(thief, nino.citizen_id, nino.codes[0]).status_code == 429, "the right one is not looked at"
    assert 'id="wait-notice"' in thief.page
    assert come_in(person("203.0.113.200"), nino.citizen_id, nino.codes[0]).status_code == 303


def test_attempt_to_keep_the_owner_from_stopping(
    nino: Any, person: Any, database: Database, postbox: Postbox
) -> None:
    """However much somebody on the owner's own network asks and guesses, the code from the letter stops the way back."""
    thief = person("203.0.113.9")
    begun(thief, database, postbox, nino.citizen_id)
    stops = re.search(r"/recover/stop\?code=([0-9A-Z-]{14})\n", postbox.newest(MAIL))
    assert stops
    for _ask in range(ASKING.network.most):
        asked(thief, "nobody")
    assert 'id="wait-notice"' in asked(thief, "nobody").text
    thief.open("/recover/stop")
    for _guess in range(MAILED.network.most):
        assert thief.send("/recover/stop", code="0000-0000-0000").status_code == 400
    assert 'id="wait-notice"' in thief.send("/recover/stop", code="0000-0000-0000").text
    owner = person("203.0.113.9")
    owner.open("/recover/stop")
    assert 'id="wait-notice"' not in owner.send("/recover/stop", code=stops[1]).text
    with database.reading() as db:
        assert not waits.waits_for(db, nino.citizen_id)


def test_attempt_to_recover_by_an_address_of_ones_own(
    nino: Any, person: Any, database: Database, postbox: Postbox
) -> None:
    """An address that was added lately gets no code: neither to come back with, nor to confirm what a recovery code set up."""
    with database.writing() as db:
        for one in reach.kept(db, nino.citizen_id):
            book.remove(db, nino.citizen_id, one.id, actor=Actor("citizen", nino.citizen_id))
        book.add(db, nino.citizen_id, "thief@example.net", actor=Actor("citizen", nino.citizen_id))
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_passkey(thief)
    assert "held-confirm" not in thief.open("/my/account").text
    assert thief.send("/my/account/confirm/send").headers["location"] == "/my/account"
    asked(thief, nino.citizen_id)
    run(database)
    subjects = {str(one["Subject"]) for one in postbox.to("thief@example.net")}
    assert subjects, "it is told what happens"
    assert not [one for one in subjects if one.startswith("Your code")]


def test_attempt_to_confirm_what_another_set_up(
    nino: Any, person: Any, database: Database, postbox: Postbox
) -> None:
    """The code by mail confirms what its own browser set up; what somebody else set up with another code of the sheet goes."""
    thief, back = person("203.0.113.9"), person("203.0.113.10")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_passkey(thief)
    come_in(back, nino.citizen_id, nino.codes[1])
    add_passkey(back)
    back.open("/my/account")
    assert back.send("/my/account/confirm/send").headers["location"] == "/my/account/confirm"
    run(database)
    code = re.search(r"^(\w{4}-\w{4}-\w{4})$", postbox.newest(MAIL), re.MULTILINE)
    assert code
    thief.open("/my/account")
    assert thief.send("/my/account/confirm", code=code[1]).headers["location"] == "/my/account"
    back.open("/my/account/confirm")
    for _guess in range(3):
        assert back.send("/my/account/confirm", code="0000-0000-0000").status_code == 400
    assert 'id="repaired-sign-in"' in back.send("/my/account/confirm", code=code[1]).text
    assert thief.open("/my/account").status_code == 303
    assert thief.use_passkey().status_code == 403
    assert back.use_passkey().status_code == 200
    assert kind_and_level(database, back) == ("citizen", assurance.SUBSTANTIAL)
    assert back.open("/my/account/contact").status_code == 200
    with database.reading() as db:
        assert len(db.execute(select(passkeys.c.id)).all()) == 2, "the owner's first and the new one"


def set_up_and_told(
    somebody: Person, nino: Any, number: int, database: Database, postbox: Postbox
) -> tuple[float, str]:
    """Set a passkey up with a code of the sheet; return how many days it waits, and the link of the letter about it."""
    come_in(somebody, nino.citizen_id, nino.codes[number])
    add_passkey(somebody)
    run(database)
    with database.reading() as db:
        row = holding.of(db, nino.citizen_id)
    assert row is not None
    said = "waits longer than usual"
    held = next(
        text
        for one in reversed(postbox.to(MAIL))
        if "signs in nowhere" in " ".join((text := one.get_content()).split())
    )
    assert row.longer == (said in somebody.open("/my/account").text) == (said in " ".join(held.split()))
    link = re.search(r"(/not-me/[\w-]+)", held)
    assert link
    return row.seconds / DAY, link[1]


def object_by(somebody: Person, link: str) -> None:
    """Say by a letter's link that it was not oneself."""
    somebody.open(link)
    assert somebody.send(link).status_code == 200


@ON_ONE
def test_attempt_to_outlast_the_owner_code_by_code(
    nino: Any, person: Any, database: Database, postbox: Postbox
) -> None:
    """Each time the signed-in owner stops what a stolen sheet set up, the next waits longer, up to four weeks; a visit at the counter ends that."""
    thief, days = person("203.0.113.9"), []
    for number in range(4):
        waited, link = set_up_and_told(thief, nino, number, database, postbox)
        days.append(waited)
        assert nino.use_passkey().status_code == 200
        object_by(nino, link)
        assert thief.open("/my/account").headers["location"].startswith("/login")
    assert days == [7, 14, 28, 28]
    with database.writing() as db:
        methods.remove_all(db, nino.citizen_id, actor=Actor("citizen", nino.citizen_id))
        assert objections.lengthened(db, nino.citizen_id, 1) == 1


@ON_ONE
def test_attempt_to_delay_the_owner_by_false_objections(
    nino: Any, person: Any, database: Database, postbox: Postbox, time: Time
) -> None:
    """Whoever only finds letters makes the owner wait a week instead of three days, however often they object, and not when mail confirms it."""
    with database.writing() as db:
        book.add(db, nino.citizen_id, "second@example.org", actor=Actor("citizen", nino.citizen_id))
    owner, reader = person("203.0.113.10"), person("192.0.2.1")
    days = []
    for number in range(3):
        waited, link = set_up_and_told(owner, nino, number, database, postbox)
        days.append(waited)
        object_by(reader, link)
    assert days == [3, 7, 7]
    waited, _link = set_up_and_told(owner, nino, 3, database, postbox)
    owner.open("/my/account")
    assert owner.send("/my/account/confirm/send").headers["location"] == "/my/account/confirm"
    run(database)
    code = re.search(r"^(\w{4}-\w{4}-\w{4})$", postbox.newest(MAIL), re.MULTILINE)
    assert code
    owner.open("/my/account/confirm")
    assert 'id="repaired-sign-in"' in owner.send("/my/account/confirm", code=code[1]).text
    time.pass_by(31 * DAY)
    assert set_up_and_told(person("203.0.113.11"), nino, 4, database, postbox)[0] == 3


def test_attempt_to_wait_where_the_owner_chose_the_counter(
    nino: Any, person: Any, database: Database, postbox: Postbox, time: Time
) -> None:
    """What a found recovery code sets up never begins where the owner chose the counter; once that is taken back the whole time runs."""
    me = Actor("citizen", nino.citizen_id)
    with database.writing() as db:
        waits.choose(db, nino.citizen_id, at_counter=True, actor=me)
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    assert 'id="repair-counter"' in thief.open("/my/account").text
    add_passkey(thief)

    def days(many: int) -> bool:
        for _part in range(many):
            time.pass_by(DAY)
            holding.turn(database)
            run(database)
        with database.reading() as db:
            return holding.holds(db, nino.citizen_id)

    run(database)
    page = thief.open("/my/account").text
    assert 'id="held-counter"' in page
    assert 'id="held-until"' not in page
    assert "however long it waits" in " ".join(postbox.newest(MAIL).split())
    assert days(10)
    thief.use_passkey()
    assert kind_and_level(database, thief)[0] == REPAIR
    assert not [one for one in postbox.to(MAIL) if "begins to open" in " ".join(one.get_content().split())]
    with database.writing() as db:
        waits.choose(db, nino.citizen_id, at_counter=False, actor=me)
    assert days(6), "the time begins when the choice is taken back"
    assert not days(2)


@pytest.mark.parametrize("by", ["owner", "staff"])
def test_attempt_to_wait_while_the_account_is_shut(
    nino: Any, person: Any, database: Database, postbox: Postbox, time: Time, by: str
) -> None:
    """Whoever waits to come back by mail is stopped when the account is paused or suspended, and has nothing when it opens again."""
    thief = person("203.0.113.9")
    begun(thief, database, postbox, nino.citizen_id)
    with database.writing() as db:
        if by == "owner":
            locks.pause(db, nino.citizen_id, actor=Actor("citizen", nino.citizen_id))
        else:
            locks.suspend(db, nino.citizen_id, why="A thief reads the mail.", actor=Actor("staff", "S-1"))
    for _part in range(20):
        time.pass_by(DAY / 2)
        run(database)
    with database.writing() as db:
        accounts.reopen(db, nino.citizen_id, actor=Actor("staff", "S-2"))
    run(database)
    told = [str(letter["Subject"]) for letter in postbox.to(MAIL)]
    assert any("was stopped" in one for one in told), told
    assert CODE.search(postbox.newest(MAIL)) is None
    assert "recover/finish" not in thief.open("/recover").text
