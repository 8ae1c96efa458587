"""Pausing, suspending and closing an account: who may, what is told, what ends, what comes back."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from consent import entrusting, grants, mandates
from consent.tables import grant as grant_table
from core import clock, events
from core.events import SYSTEM, Actor
from idp import accounts, notify
from idp.errors import AccountLocked, AccountMissing, LockUnknown, NotLiving
from idp.login import activation, locks
from idp.tables import account_lock, outbox
from registry_sync import people
from registry_sync.events import CitizenDied
from registry_sync.tables import person as person_table
from service.handlers import death_closes_gently
from tests.at_counter import SEEN
from tests.consent import country

STAFF = Actor("staff", "00000001")


@pytest.fixture
def nino(person, letter):
    """Somebody with a password, an app, recovery codes and the name nino, signed in."""
    me = person()
    me.citizen_id, code = letter()
    me.codes = me.activate(me.citizen_id, code, name="nino")
    return me


def told(database, citizen: str) -> list[str]:
    """Which notices wait to be mailed."""
    with database.reading() as db:
        return list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == citizen)))


def kinds(database, citizen: str) -> list[str]:
    """What stands in the citizen's history."""
    with database.reading() as db:
        return list(db.scalars(select(events.waiting.c.kind).where(events.waiting.c.chain == citizen)))


def state(database, citizen: str) -> tuple[str, tuple[str, ...]]:
    """State and locks of an account."""
    with database.reading() as db:
        account = accounts.find(db, citizen)
    return account.state, account.locks


def come_due(database) -> int:
    """Let the waiting time of every lock be over, and the worker come round."""
    with database.writing() as db:
        db.execute(
            update(account_lock).where(account_lock.c.ends_at.is_not(None)).values(ends_at=clock.now())
        )
        return locks.tend(db)


def test_a_citizen_pauses_and_opens_with_a_code_and_patience(nino, database) -> None:
    """A pause signs everybody out and lets nobody in; a recovery code opens it after the wait, and the citizen is told."""
    nino.open("/my/account/pause")
    answer = nino.send("/my/account/pause")
    assert answer.status_code == 200
    assert "paused" in nino.text("left-title")
    assert nino.open("/my/account").status_code == 303
    assert "paused" in told(database, nino.citizen_id)
    assert nino.sign_in("nino").headers["location"] == "/login/shut"
    page = nino.open("/login/shut")
    assert (page.status_code, nino.text("shut-title")) == (403, "Your account is paused")
    assert 'id="problem-reference"' in page.text
    assert nino.send("/login/shut/open", recovery__code="0000-0000-0000").status_code == 400
    nino.send("/login/shut/open", recovery__code=nino.codes[0])
    assert 'id="shut-opens"' in nino.page
    assert "reopening" in told(database, nino.citizen_id)
    with database.writing() as db:
        assert locks.tend(db) == 0
    assert state(database, nino.citizen_id) == ("locked", ("paused",))
    assert come_due(database) == 1
    assert state(database, nino.citizen_id) == ("active", ())
    assert "reopened" in told(database, nino.citizen_id)
    assert {"account-locked", "reopening-asked", "account-reopened"} <= set(kinds(database, nino.citizen_id))
    assert nino.sign_in("nino", steps_ahead=1).headers["location"] == "/my"


def test_who_holds_a_code_cannot_open_against_the_owner(nino, database) -> None:
    """What was asked with a code is stopped by whoever gets as far as the page, and the account stays paused."""
    with database.writing() as db:
        locks.pause(db, nino.citizen_id, actor=Actor("citizen", nino.citizen_id))
        assert locks.ask_to_open(db, nino.citizen_id, nino.codes[0])
    nino.sign_in("nino")
    nino.open("/login/shut")
    assert nino.send("/login/shut/stay").status_code == 303
    assert come_due(database) == 0
    assert state(database, nino.citizen_id) == ("locked", ("paused",))
    assert "reopening-stopped" in kinds(database, nino.citizen_id)


@pytest.mark.parametrize("page", ["/my/account/pause", "/my/account/close"])
def test_an_old_sign_in_shuts_nobody_out(nino, database, monkeypatch, page) -> None:
    """Somebody who finds a browser open, ten minutes later, can neither pause nor close: a fresh strong sign-in is asked."""
    nino.open(page)
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert nino.send(page).headers["location"] == f"/login?return_to={page}"
    assert nino.open(page).status_code == 303
    assert state(database, nino.citizen_id) == ("active", ())


def test_a_citizen_closes_and_thinks_better_of_it(nino, database) -> None:
    """Until the time is over the account is kept by signing in once; permissions and ways to sign in are as they were."""
    with database.writing() as db:
        country.found(db)
        country.allow(db, "given_name", citizen=nino.citizen_id)
    nino.open("/my/account/close")
    assert "Your permissions that count now: 1." in nino.page
    assert "Your citizen ID, and what the registers say about you." in nino.page
    nino.send("/my/account/close")
    assert "closed" in nino.text("left-title")
    assert "closing" in told(database, nino.citizen_id)
    nino.sign_in("nino")
    nino.open("/login/shut")
    assert nino.text("shut-title") == "Your account is about to close"
    kept = nino.send("/login/shut/keep")
    assert (kept.status_code, 'href="/login?return_to=/my/account"' in kept.text) == (200, True)
    assert come_due(database) == 0
    assert nino.sign_in("nino", steps_ahead=1).headers["location"] == "/my"
    with database.reading() as db:
        assert (
            db.scalar(select(grant_table.c.state).where(grant_table.c.citizen == nino.citizen_id)) == "given"
        )


def test_a_closing_account_is_reminded_once_some_days_before(nino, database, monkeypatch) -> None:
    """Three days before the end a letter says until when it can be kept, once; never for one that is kept or suspended."""
    me, start = Actor("citizen", nino.citizen_id), clock.now()
    with database.writing() as db:
        locks.begin_closing(db, nino.citizen_id, actor=me)

    def at_day(day: float) -> int:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=day))
        with database.writing() as db:
            return locks.remind(db)

    assert [at_day(day) for day in (1, 10.9, 11.1, 11.2, 13.9)] == [0, 0, 1, 0, 0]
    assert told(database, nino.citizen_id).count("closing-soon") == 1
    with database.writing() as db:
        locks.keep(db, nino.citizen_id, actor=me)
        locks.begin_closing(db, nino.citizen_id, actor=me)
    assert at_day(14) == 0
    with database.writing() as db:
        locks.suspend(db, nino.citizen_id, why="An inquiry", actor=SYSTEM)
    assert at_day(27) == 0


def test_a_closed_account_comes_back_with_the_same_id_and_no_permission(nino, person, database) -> None:
    """After the time everything given ends; a letter opens the same citizen ID with its history, and revives nothing."""
    other = people.new_citizen_id()
    with database.writing() as db:
        country.found(db)
        country.be_born(db, other)
        given = country.allow(db, "given_name", citizen=nino.citizen_id)
        until = clock.now() + timedelta(days=9)
        me = Actor("citizen", nino.citizen_id)
        entrusting.offer(
            db, giver=nino.citizen_id, holder=other, agencies=["revenue"], purposes=[], until=until, actor=me
        )
        locks.begin_closing(db, nino.citizen_id, actor=me)
    assert given
    assert come_due(database) == 1
    assert state(database, nino.citizen_id) == ("closed", ())
    with database.writing() as db:
        assert accounts.find_by_name(db, "nino") is None
        assert [one.state for one in mandates.given_by(db, nino.citizen_id)] == ["ended"]
        assert (
            db.scalar(select(grant_table.c.state).where(grant_table.c.citizen == nino.citizen_id)) == "ended"
        )
    assert person().give_password(nino.citizen_id).status_code == 400, "the password is gone"
    before = kinds(database, nino.citizen_id)
    with database.writing() as db:
        code = activation.make_code(db, nino.citizen_id, seen=SEEN, actor=STAFF)
    back = person()
    back.activate(nino.citizen_id, code)
    assert back.open("/my/account").status_code == 200
    assert state(database, nino.citizen_id) == ("active", ())
    assert kinds(database, nino.citizen_id)[: len(before)] == before
    with database.reading() as db:
        assert not [one for one in grants.of(db, nino.citizen_id) if one.is_live]


def test_a_suspension_is_told_with_its_reason_and_outlasts_a_letter(nino, database) -> None:
    """The owner reads why and where to object; a letter does not open it, nor a closing end it; reinstating does."""
    citizen = nino.citizen_id
    with database.writing() as db:
        locks.begin_closing(db, citizen, actor=Actor("citizen", citizen))
        locks.suspend(db, citizen, why="Two people use it.", actor=STAFF)
        with pytest.raises(AccountMissing):
            locks.suspend(db, citizen, why="Again.", actor=STAFF)
    nino.sign_in("nino")
    page = nino.open("/login/shut").text
    assert "Two people use it." in page
    assert "any public service hall" in nino.text("shut-appeal")
    with pytest.raises(AccountLocked), database.writing() as db:
        activation.make_code(db, citizen, seen=SEEN, actor=STAFF)
    assert come_due(database) == 0
    assert nino.send("/login/shut/keep").status_code == 403
    with database.writing() as db:
        assert not locks.reinstate(db, citizen, why="It was the twin.", actor=STAFF)
    assert state(database, citizen) == ("locked", ("closing",))
    assert {"lock-lifted", "account-locked"} <= set(kinds(database, citizen))
    with pytest.raises(LockUnknown), database.writing() as db:
        locks.reinstate(db, citizen, why="Again.", actor=STAFF)


def test_nobody_is_told_why_without_the_way_in(nino, person, database) -> None:
    """A stranger sees of a suspended account what they see of one that is not there, and the page of reasons shows nothing."""
    with database.writing() as db:
        locks.suspend(db, nino.citizen_id, why="Two people use it.", actor=STAFF)
    stranger = person()
    token = re.compile(r"[0-9a-f]{32,}|[0-9A-Z]{4}-[0-9A-Z]{4}<")
    pages = [
        token.sub("", stranger.give_password(name, "wrong wrong wrong").text) for name in ("nino", "lali")
    ]
    assert pages[0].replace("nino", "") == pages[1].replace("lali", "")
    assert stranger.open("/login/shut").headers["location"] == "/login"


def test_nobody_writes_to_somebody_who_died(nino, database) -> None:
    """A death empties the outbox and mails nothing more; who still has the way in reads a page that says no word of it."""
    citizen = nino.citizen_id
    with database.writing() as db:
        death_closes_gently(db, CitizenDied(citizen=citizen, source="civil"), SYSTEM)
        notify.tell(db, citizen, "new-device")
    assert told(database, citizen) == []
    nino.sign_in("nino")
    assert told(database, citizen) == []
    page = nino.open("/login/shut")
    assert page.status_code == 403
    words = re.sub(r"<[^>]+>", " ", page.text).lower()
    assert not [word for word in ("died", "death", "dead", "deceased", "nino", "locked") if word in words]
    assert "takes the time to look at it with you" in words


def test_activating_tells_nothing_of_a_death(letter, person, database) -> None:
    """Relatives who try the letter of somebody who died read gentle words, and no reason."""
    citizen, code = letter()
    with database.writing() as db:
        db.execute(update(person_table).where(person_table.c.citizen_id == citizen).values(state="deceased"))
    lali = person()
    lali.begin_activation(citizen, code)
    lali.open("/activate/method")
    answer = lali.send("/activate/passkey", credential=lali.device.create(lali.options()))
    assert answer.status_code == 403
    assert "takes the time for it" in answer.text
    assert "living" not in answer.text
    assert str(NotLiving.text) in answer.text
