import re

import pytest
from sqlalchemy import select

from core import clock
from core.events import SYSTEM, waiting
from idp import accounts
from idp.login import card, holding, methods, pin, printing, waits
from tests.authenticator import Authenticator
from tests.idp.login.person import ISSUER
from tests.idp.login.repairs import (
    DAY,
    MAIL,
    add_passkey,
    add_password,
    begun,
    come_in,
    nino,
    run,
    settings,
    sign_in,
    time,
)

__all__ = ["nino", "settings", "time"]
NOT_ME = re.compile(r"(/not-me/[\w-]+)")


def pass_by(time, database, days: float) -> None:
    """Let days pass while the worker works."""
    for _part in range(int(days * 4)):
        time.pass_by(DAY / 4)
        holding.turn(database)
        run(database)


@pytest.mark.parametrize("letter_of", ["held", "code-used", "recovery"])
def test_whoever_was_not_it_takes_it_all_back(nino, person, database, postbox, letter_of) -> None:
    """The link of any letter about it removes what was set up, puts the stranger out, and stops one who comes back by e-mail."""
    thief, reader, mailer = person("203.0.113.9"), person("192.0.2.1"), person("203.0.113.11")
    begun(mailer, database, postbox, nino.citizen_id)
    come_in(thief, nino.citizen_id, nino.codes[0])
    if letter_of != "recovery":
        add_passkey(thief)
        add_password(thief)
    run(database)
    texts = [one.get_content() for one in postbox.to(MAIL)]
    said = {
        "held": "it shows nothing and signs in nowhere",
        "code-used": "A recovery code of your Erti account was used",
    }
    letter = next(
        one for one in reversed(texts) if said.get(letter_of, said["code-used"]) in " ".join(one.split())
    )
    path = NOT_ME.search(letter)[1]
    reader.open(path)
    assert reader.send(path).status_code == 200
    assert thief.open("/my/account").headers["location"].startswith("/login")
    with database.reading() as db:
        found = methods.of(db, nino.citizen_id)
        assert (len(found.passkeys), found.password, holding.of(db, nino.citizen_id)) == (1, False, None)
        assert not waits.waits_for(db, nino.citizen_id)
        kinds = set(db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id)))
        assert ("hold-ended" in kinds) == (letter_of != "recovery")
    assert nino.use_passkey().status_code == 200, "the owner's own way in stays"


def test_the_owner_sees_and_removes_it(nino, person, database) -> None:
    """Whoever signs in safely sees on the account's page what is held back, and removes it though it is no way in."""
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_passkey(thief)
    add_password(thief)
    assert nino.use_passkey().status_code == 200
    page = nino.open("/my/account").text
    found = re.search(r'id="passkey-held-(\w+)"', page)
    assert found
    assert 'id="password-held"' in page
    for path in (f"/my/account/passkeys/{found[1]}/remove", "/my/account/password/remove"):
        nino.open("/my/account")
        assert nino.send(path).status_code == 303
    holding.turn(database)
    with database.reading() as db:
        assert holding.of(db, nino.citizen_id) is None


def test_the_time_waits_for_the_letter_and_for_a_shut_account(nino, person, database, postbox, time) -> None:
    """It begins when a letter went out, and anew when the account was shut meanwhile; nothing is released before."""
    back = person("203.0.113.9")
    come_in(back, nino.citizen_id, nino.codes[0])
    add_passkey(back)
    for _part in range(20):
        time.pass_by(DAY / 2)
        holding.turn(database)
    with database.reading() as db:
        assert holding.holds(db, nino.citizen_id), "no letter went out"
    run(database)
    pass_by(time, database, 3)
    with database.writing() as db:
        accounts.lock(db, nino.citizen_id, reason=accounts.PAUSED, actor=SYSTEM)
    pass_by(time, database, 8)
    with database.writing() as db:
        assert holding.holds(db, nino.citizen_id)
        accounts.reopen(db, nino.citizen_id, actor=SYSTEM, reason=accounts.PAUSED)
    pass_by(time, database, 6)
    with database.reading() as db:
        assert holding.holds(db, nino.citizen_id)
    pass_by(time, database, 2)
    with database.reading() as db:
        assert not holding.holds(db, nino.citizen_id)
    assert "opens your Erti account from now on" in postbox.newest(MAIL)


def test_a_clerks_card_begins_where_the_owner_chose_the_counter(nino, person, database, time) -> None:
    """A card from a counter begins in its time where the account is given back at a counter only; what a code set up beside it does not."""
    with database.writing() as db:
        waits.choose(db, nino.citizen_id, at_counter=True, actor=SYSTEM)
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_passkey(thief)
    verifier = pin.prepare(database.parts, "40719326")
    how = printing.Issue(printing.DESK, "Hall", "S-1", "passport")
    with database.writing() as db:
        printing.issue(db, nino.citizen_id, how, verifier=verifier, actor=SYSTEM, held=True)
        holding.begin_at_counter(db, nino.citizen_id, actor=SYSTEM)
    run(database)
    for _day in range(9):
        time.pass_by(DAY)
        holding.turn(database)
    with database.reading() as db:
        assert card.of(db, nino.citizen_id).held_by == ""
        assert [bool(one.held_by) for one in methods.of(db, nino.citizen_id).passkeys] == [False, True]
        assert holding.rests(db, nino.citizen_id)
        assert holding.of(db, nino.citizen_id).ends_at > clock.now()
    with database.writing() as db:
        waits.choose(db, nino.citizen_id, at_counter=False, actor=SYSTEM)
    for _day in range(9):
        time.pass_by(DAY)
        holding.turn(database)
    with database.reading() as db:
        assert not holding.holds(db, nino.citizen_id)


def test_a_held_password_bars_nobody_from_the_codes(nino, person) -> None:
    """A stranger who sets up a password first does not shut the owner's recovery codes out, and the owner replaces it."""
    thief, back = person("203.0.113.9"), person("203.0.113.10")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_password(thief)
    assert come_in(back, nino.citizen_id, nino.codes[1]).status_code == 303
    add_password(back)
    assert back.open("/my/account").status_code == 200


def test_a_password_of_the_owner_is_not_replaced(nino, person, database) -> None:
    """Somebody who only repairs the account touches no password that was set up by another way, also when it came in between."""
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    thief.open("/my/account/password")
    thief.send("/my/account/password", password="meadow lantern copper anchor")
    thief.open("/my/account/app")
    thief.secret = thief.text("totp-secret").replace(" ", "")
    assert nino.use_passkey().status_code == 200
    add_password(nino)
    assert thief.open("/my/account/app").status_code == 303, "the owner's change shut it out"
    come_in(thief, nino.citizen_id, nino.codes[1])
    assert sign_in(nino, nino.citizen_id).status_code == 303
    with database.reading() as db:
        assert methods.of(db, nino.citizen_id).own_password


@pytest.mark.parametrize("by", ["app", "password"])
def test_the_owners_change_makes_nothing_of_a_strangers_their_own(nino, person, database, by) -> None:
    """Beside a stranger's held password the owner gets no app alone, nor a password beside a stranger's app: both begin together."""
    thief = person("203.0.113.9")
    come_in(thief, nino.citizen_id, nino.codes[0])
    add_password(thief)
    assert nino.use_passkey().status_code == 200
    assert 'id="app-new"' not in nino.open("/my/account").text
    if by == "app":
        assert nino.send("/my/account/app/new").headers["location"] == "/my/account/password"
    add_password(nino)
    assert sign_in(nino, nino.citizen_id).status_code == 303, "password and app are the owner's"
    holding.turn(database)
    with database.reading() as db:
        found = methods.of(db, nino.citizen_id)
        assert (found.by_app, found.own_password, holding.of(db, nino.citizen_id)) == (True, True, None)
    assert thief.open("/my/account").headers["location"].startswith("/login")


def test_one_session_sets_up_only_so_much(nino, person) -> None:
    """Whoever holds one code can neither flood the owner with letters nor put the end off again and again."""
    thief, back = person("203.0.113.9"), person("203.0.113.10")
    come_in(thief, nino.citizen_id, nino.codes[0])
    for _time in range(holding.SET_UP_A_DAY):
        add_passkey(thief)
    thief.device = Authenticator(ISSUER)
    thief.open("/my/account/passkeys/new")
    one_more = thief.device.create(thief.options())
    assert thief.send("/my/account/passkeys", credential=one_more).status_code == 429
    come_in(back, nino.citizen_id, nino.codes[1])
    add_passkey(back)
