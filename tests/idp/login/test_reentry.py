import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from consent import grants
from core import clock
from core.events import SYSTEM, Actor, waiting
from core.sessions import browser_session
from idp import accounts, notify
from idp.contacts import book
from idp.login import activation, waits
from idp.reentry import asks, tending
from idp.tables import outbox, reentry_ask, reentry_proof, reentry_wait
from tests import meanwhile
from tests.at_counter import SEEN
from tests.consent import country
from tests.idp.login.person import Person
from tests.idp.login.repairs import CODE, DAY, MAIL, asked, begun, run, settings, time
from tests.postbox import Postbox

__all__ = ["settings", "time"]
OTHER = "nino@example.net"
STOP = re.compile(r"/recover/stop\?code=([0-9A-Z-]{14})\n")


@pytest.fixture
def nino(person, letter, database, time) -> Person:
    """Give a citizen with a passkey, and two checked addresses that have stood for long."""
    somebody = person()
    somebody.citizen_id, code = letter()
    somebody.activate_with_passkey(somebody.citizen_id, code)
    with database.writing() as db:
        for address in (MAIL, OTHER):
            book.add(db, somebody.citizen_id, address, actor=Actor("citizen", somebody.citizen_id))
    time.pass_by(8 * DAY)
    run(database)
    return somebody


def finish(somebody: Person, postbox: Postbox):
    """Type the second code from the letter."""
    somebody.open("/recover")
    return somebody.send("/recover/finish", code=CODE.search(postbox.newest(MAIL))[1])


LOCKED = "Your Erti account cannot be given back by e-mail now"


@pytest.mark.usefixtures("time")
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (accounts.PAUSED, "It is paused"),
        (accounts.CLOSING, "It is about to be closed"),
        (accounts.SUSPENDED, "It is suspended or rests"),
        (accounts.DECEASED, ""),
    ],
)
def test_who_cannot_come_back_by_mail_is_told_why(nino, person, database, postbox, reason, said) -> None:
    """The checked address hears why there is no code, and where to go; nobody writes to somebody who has died."""
    with database.writing() as db:
        accounts.lock(db, nino.citizen_id, reason=reason, actor=SYSTEM, until=clock.now())
    run(database)
    before = len(postbox.letters)
    asked(person("203.0.113.9"), nino.citizen_id)
    run(database)
    assert [said in one.get_content() for one in postbox.letters[before:]] == ([True, True] if said else [])


def test_who_lost_everything_comes_back_after_waiting(nino, person, database, postbox, time) -> None:
    """Code, waiting time with three tellings everywhere, second code, new passkey: the same citizen, at low assurance, and all else is over."""
    with database.writing() as db:
        country.found(db)
        given = country.allow(db, "given_name", citizen=nino.citizen_id)
        chain = db.scalar(select(func.count()).where(waiting.c.chain == nino.citizen_id))
        handle = accounts.find(db, nino.citizen_id).handle
    back = person("203.0.113.9")
    begun(back, database, postbox, nino.citizen_id)
    begin = postbox.to(OTHER)[-1]
    assert begin["Subject"] == "Somebody wants to come back into your Erti account"
    assert "Firefox on Windows" in begin.get_content()
    assert 'id="reentry-opens"' in back.open("/recover").text
    time.pass_by(1.6 * DAY)
    run(database)
    assert "Reminder" in postbox.to(OTHER)[-1]["Subject"]
    time.pass_by(1.1 * DAY)
    run(database)
    assert "Last reminder" in postbox.to(OTHER)[-1]["Subject"]
    assert CODE.search(postbox.newest(MAIL)) is None, "there is no second code yet"
    back.open("/login")
    assert back.send("/recover/finish", code="0000-0000-0000").status_code == 400
    time.pass_by(0.5 * DAY)
    run(database)
    assert finish(back, postbox).headers["location"] == "/activate/method"
    back.open("/activate/method")
    made = back.device.create(back.options())
    assert (
        back.send("/activate/passkey", name="New", credential=made).headers["location"] == "/activate/codes"
    )
    assert len(back.keep_codes()) == 10
    assert nino.use_passkey().status_code == 403, "the old passkey is gone"
    assert nino.open("/my/account").status_code == 303, "and the old session"
    assert "New" in back.open("/my/account").text
    with database.reading() as db:
        assert not waits.waits_for(db, nino.citizen_id)
        acr = db.scalar(select(browser_session.c.acr).where(browser_session.c.subject == nino.citizen_id))
        assert acr.endswith("low")
        assert grants.live(db, citizen=nino.citizen_id, purpose="revenue-sign-in") == given
        assert db.scalar(select(func.count()).where(waiting.c.chain == nino.citizen_id)) > chain, (
            "one history goes on"
        )
        assert accounts.find(db, nino.citizen_id).handle == handle
    run(database)
    assert any("came back into your Erti account" in one.get_content() for one in postbox.to(OTHER))


def test_a_code_by_mail_lives_a_day(nino, person, database, postbox, time) -> None:
    """The first code begins the waiting time within 24 hours of its letter, and not after them."""
    back = person("203.0.113.9")
    assert asked(back, nino.citizen_id).status_code == 303
    run(database)
    code = CODE.search(postbox.newest(MAIL))[1]
    back.open("/recover")
    time.pass_by(DAY + 60)
    assert back.send("/recover/code", code=code).status_code == 400
    with database.reading() as db:
        assert not waits.waits_for(db, nino.citizen_id)


def test_the_code_of_the_end_works_in_the_browser_that_asked(nino, person, database, postbox, time) -> None:
    """Another browser with the right code gets nowhere, and the one that asked uses it once."""
    back, thief = person("203.0.113.9"), person("203.0.113.10")
    begun(back, database, postbox, nino.citizen_id)
    time.pass_by(3.1 * DAY)
    run(database)
    time.pass_by(60)
    run(database)
    code = CODE.search(postbox.newest(MAIL))[1]
    asked(thief, nino.citizen_id)
    thief.open("/recover")
    assert thief.send("/recover/finish", code=code).headers["location"] == "/recover"
    assert thief.send("/recover/code", code=code).status_code == 400
    assert finish(back, postbox).headers["location"] == "/activate/method"
    back.open("/activate/method")
    credential = back.device.create(back.options())
    assert back.send("/activate/passkey", name="", credential=credential).status_code == 303
    back.open("/recover")
    assert back.send("/recover/finish", code=code).headers["location"] == "/recover", "once"


@pytest.mark.parametrize("way", ["code", "banner", "sign-in", "counter", "choice"])
def test_the_owner_stops_it(nino, person, database, postbox, time, way) -> None:
    """By the code in a letter, on any page that is signed in, by signing in, at a counter, or by choosing the counter."""
    back, owner = person("203.0.113.9"), person("203.0.113.10")
    begun(back, database, postbox, nino.citizen_id)
    stop = STOP.search(postbox.newest(OTHER))[1]
    if way == "code":
        for _look in range(3):
            assert 'id="reentry-stop-submit"' in owner.open(f"/recover/stop?code={stop}").text
        with database.reading() as db:
            assert waits.waits_for(db, nino.citizen_id), "looking stops nothing"
        assert owner.send("/recover/stop", code=stop).status_code == 200
        owner.open("/recover/stop")
        assert owner.send("/recover/stop", code=stop).status_code == 400, "once"
    elif way == "counter":
        with database.writing() as db:
            code = activation.make_code(db, nino.citizen_id, seen=SEEN, actor=SYSTEM)
        owner.activate_with_passkey(nino.citizen_id, code)
    else:
        owner.device = nino.device
        if way == "banner":
            time.ahead -= timedelta(days=8)  # the session of long ago still lives
            nino.open("/my/account")
            assert 'id="reentry-stop"' in nino.page
            assert nino.send("/my/account/reentry/stop").status_code == 303
            assert 'id="reentry-stop"' not in nino.open("/my/account").text
            time.ahead += timedelta(days=8)
        elif way == "sign-in":
            assert owner.use_passkey().status_code == 200
        else:
            with database.writing() as db:
                waits.choose(db, nino.citizen_id, at_counter=True, actor=SYSTEM)
    time.pass_by(4 * DAY)
    run(database)
    with database.reading() as db:
        assert not waits.waits_for(db, nino.citizen_id)
    assert not [one for one in postbox.to(MAIL) if one["Subject"] == "Come back into your Erti account"]
    assert [one for one in postbox.to(MAIL) if "stopped" in str(one["Subject"])]
    back.open("/recover")
    assert back.send("/recover/finish", code="0000-0000-0000").headers["location"] == "/recover"


def test_a_stop_between_code_and_passkey_counts(nino, person, database, postbox, time) -> None:
    """Who stopped it while new ways were being chosen keeps theirs: the passkey that was made opens nothing."""
    back = person("203.0.113.9")
    begun(back, database, postbox, nino.citizen_id)
    for _step in range(3):
        time.pass_by(1.1 * DAY)
        run(database)
    assert finish(back, postbox).headers["location"] == "/activate/method"
    back.open("/activate/method")
    credential = back.device.create(back.options())
    with database.writing() as db:
        waits.stop(db, nino.citizen_id, how="page", actor=SYSTEM)
    assert back.send("/activate/passkey", name="", credential=credential).status_code == 409
    assert nino.use_passkey().status_code == 200


def test_unknown_names_look_the_same(nino, person, database, postbox, time) -> None:
    """Known, unknown, without an address, locked, counter only: the same answers, the same row, the same page after a wrong code."""
    with database.writing() as db:
        accounts.lock(db, nino.citizen_id, reason="staff", actor=SYSTEM)
    notify.deliver(database)
    before = len(postbox.letters)
    pages = []
    for number, name in enumerate((nino.citizen_id, "nobody@example.org", "x" * 300, "\u202e<b>")):
        somebody = person(f"203.0.113.{number + 20}")
        answer = asked(somebody, name)
        assert (answer.status_code, answer.headers["location"]) == (303, "/recover")
        run(database)
        wrong = somebody.open("/recover").text
        somebody.send("/recover/code", code="0000-0000-0000")
        pages.append(
            [
                re.sub(r'(value|id|data-[a-z-]+)="[^"]*"|[A-Z0-9]{4}-[A-Z0-9]{4}', "", text)
                for text in (wrong, somebody.page)
            ]
        )
    assert all(one == pages[0] for one in pages)
    assert [str(one["Subject"]) for one in postbox.letters[before:]] == 2 * [LOCKED], "one to each address"
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(reentry_ask)) == 4


def test_a_flood_of_asks_sends_little_and_blocks_nobody(nino, person, database, postbox, time) -> None:
    """Whoever asks again and again has one letter an hour sent, five a day; the owner's code of any letter works in the owner's browser."""
    owner, flood = person("203.0.113.9"), person("203.0.113.10")
    for _hour in range(8):
        for _ask in range(2):
            asked(flood, nino.citizen_id)
            run(database)
        time.pass_by(3601)
    codes = [one for one in postbox.to(MAIL) if one["Subject"] == "Your code for coming back into Erti"]
    assert len(codes) == asks.A_DAY
    asked(owner, nino.citizen_id)
    run(database)
    owner.open("/recover")
    assert owner.send("/recover/code", code=CODE.search(codes[0].get_content())[1]).status_code == 303
    with database.reading() as db:
        assert waits.waits_for(db, nino.citizen_id)
        assert db.scalar(select(func.count()).select_from(reentry_proof)) == 0, (
            "the other codes ended with it"
        )
    for number in range(30):
        answer = asked(flood, f"nobody{number}")
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers


def test_each_stop_makes_the_next_wait_longer(nino, person, database, postbox, time) -> None:
    """After one that was stopped the next takes twice as long, then four times, and never more; with a single address it is a week."""
    found = []
    for _round in range(4):
        with database.writing() as db:
            waits.begin(db, nino.citizen_id)
            found.append(db.scalar(select(reentry_wait.c.seconds).where(reentry_wait.c.state == "waiting")))
            waits.stop(db, nino.citizen_id, how="page", actor=SYSTEM)
    assert found == [3 * DAY, 6 * DAY, 12 * DAY, 12 * DAY]


def test_while_mail_does_not_go_out_the_time_does_not_run(nino, person, database, postbox, time) -> None:
    """An owner who cannot be told cannot stop it: the waiting time begins with the first letter that went out."""
    back = person("203.0.113.9")
    asked(back, nino.citizen_id)
    run(database)
    back.open("/recover")
    back.send("/recover/code", code=CODE.search(postbox.newest(MAIL))[1])
    for _day in range(5):
        tending.turn(database)  # and the post is on strike
        time.pass_by(DAY)
    with database.writing() as db:
        wait = db.execute(select(reentry_wait)).one()
        assert wait.opens_at > clock.now() + timedelta(days=1.9)
        db.execute(update(outbox).values(attempts=50))
    run(database)
    assert "Somebody wants" in postbox.to(OTHER)[-1]["Subject"], "and the letter was not given up"
    with database.reading() as db:
        assert db.scalar(select(reentry_wait.c.told)) == notify.HEARD


def test_only_at_a_counter(nino, person, database, postbox, time) -> None:
    """Who chose the counter is sent no code, and is told when that changes."""
    nino.use_passkey()
    nino.open("/my/account/contact")
    nino.send("/my/account/reentry", counter="yes")
    run(database)
    assert "has to go to a counter" in postbox.newest(OTHER)
    before = len(postbox.letters)
    for _time in range(2):
        asked(person("203.0.113.9"), nino.citizen_id)
        run(database)
    said = "Your Erti account is given back at a counter, as you chose"
    assert [str(one["Subject"]) for one in postbox.letters[before:]] == 2 * [said], (
        "one to each address an hour"
    )
    assert not CODE.search(postbox.letters[-1].get_content())
    time.pass_by(660)
    nino.open("/my/account/contact")
    assert nino.send("/my/account/reentry", counter="").headers["location"].startswith("/login")


def test_who_stops_a_wait_by_code_waits_for_the_account(nino, person, database, postbox, time) -> None:
    """The code from a letter comes after what holds the account and ends its sessions: neither stops the other."""
    begun(person("203.0.113.9"), database, postbox, nino.citizen_id)
    code = STOP.search(postbox.newest(OTHER))[1]

    def stop() -> bool:
        with database.writing() as db:
            return waits.stop_by_code(db, code)

    with database.writing() as db:
        accounts.hold(db, nino.citizen_id)
        accounts.end_sessions(db, nino.citizen_id, reason="security", actor=SYSTEM)
        stopped = meanwhile.begun(stop)
        assert waits.stop(db, nino.citizen_id, how="locked", actor=SYSTEM)
    assert not stopped.result(timeout=30), "it was stopped already"
