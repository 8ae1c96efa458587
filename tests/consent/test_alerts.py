"""Which looks a citizen is told about, and that each is found once, after it is durable."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent import alerts, disclosure
from consent.alerts import Alert, Choice
from consent.errors import AgencyUnknown
from consent.ledger import freezing, logs
from consent.ledger.tables import head
from core import clock
from core.database import Database
from core.errors import TooMany
from core.events import SYSTEM, record
from registry_sync import people
from registry_sync.events import CitizenErased
from tests.consent import country
from tests.consent.country import CITIZEN, ME, OTHER, allow, ask


class Mail:
    """Keeps what would be mailed."""

    def __init__(self) -> None:
        self.kept: list[Alert] = []

    def __call__(self, _db: Session, alert: Alert) -> None:
        """Keep an alert."""
        self.kept.append(alert)

    def bodies(self) -> list[str | None]:
        """Who looked, by alert and look."""
        return [look.agency for alert in self.kept for look in alert.looks]


@pytest.fixture
def mail(open_door: Database) -> Mail:
    """Give a mailbox, with everything passed over that happened before."""
    box = Mail()
    alerts.watch(open_door, box)
    with open_door.writing() as db:
        allow(db, "given_name", "income_bracket")
        allow(db, "given_name", purpose="health-sign-in")
    watch(open_door, box)
    return box


def choose(database: Database, *rules: str, agencies: tuple[str, ...] = (), citizen: str = CITIZEN) -> None:
    """Choose what to be told about."""
    with database.writing() as db:
        alerts.choose(db, citizen, Choice(rules, agencies), actor=ME)


def watch(database: Database, mail: Mail) -> list[str | None]:
    """Look through what is new; return who looked, for what is mailed now."""
    assert database.parts.sequencer.drain()
    mail.kept.clear()
    while alerts.watch(database, mail):
        pass
    return mail.bodies()


def read(database: Database, **changes: Any) -> None:
    """Let an agency read with consent."""
    assert isinstance(disclosure.release(database, ask(**changes)), disclosure.Released)


def by_law(database: Database, **changes: Any) -> None:
    """Let the revenue agency read by law."""
    read(database, purpose="revenue-assessment", case="A-17", official="O-5", **changes)


def test_by_default_new_bodies_laws_and_staff_are_told_of(open_door: Database, mail: Mail) -> None:
    """The first look of each body, every look by law and by staff; not the second look that was allowed."""
    read(open_door)
    assert watch(open_door, mail) == ["revenue"]
    read(open_door)
    assert watch(open_door, mail) == []
    by_law(open_door)
    read(open_door, agency="health", client="clinic", purpose="health-sign-in")
    assert watch(open_door, mail) == ["revenue", "health"]
    wanted = disclosure.StaffAsk(
        staff="S-1", office="Hall", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    disclosure.staff(open_door, wanted)
    assert watch(open_door, mail) == [None]
    (alert,) = mail.kept
    assert alert.citizen == CITIZEN
    assert clock.now() - alert.looks[0].at < timedelta(minutes=1)


def test_each_rule_by_itself(open_door: Database, mail: Mail) -> None:
    """Only what is switched on is told of; a watched agency's every look is."""
    choose(open_door)
    read(open_door)
    by_law(open_door)
    assert watch(open_door, mail) == []
    choose(open_door, "by-law")
    read(open_door)
    by_law(open_door)
    assert watch(open_door, mail) == ["revenue"]
    choose(open_door, agencies=("revenue",))
    read(open_door)
    read(open_door, agency="health", client="clinic", purpose="health-sign-in")
    assert watch(open_door, mail) == ["revenue"]
    choose(open_door, "new-body")
    read(open_door, agency="health", client="clinic", purpose="health-sign-in")
    assert watch(open_door, mail) == []


def test_what_was_refused_is_not_told_of(open_door: Database, mail: Mail) -> None:
    """A try in which nothing was seen is in the history and in no mail, and does not make a body known."""
    refused = disclosure.release(open_door, ask("employer"))
    assert isinstance(refused, disclosure.NotReleased)
    assert watch(open_door, mail) == []
    read(open_door)
    assert watch(open_door, mail) == ["revenue"]


def test_the_hour_decides(open_door: Database, mail: Mail) -> None:
    """A look within office hours is not told of; one outside the hours is, and one on a day without any."""
    choose(open_door, "outside-hours")
    always, week = (0, 24), (1, 2, 3, 4, 5, 6, 7)
    for hours, days, told in ((always, week, 0), ((0, 0), week, 1), (always, (), 1)):
        wanted = {"office_hours": hours, "office_days": days}
        open_door.parts.settings = open_door.parts.settings.model_copy(update=wanted)
        by_law(open_door)
        assert len(watch(open_door, mail)) == told, (hours, days)


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    first=st.integers(0, 24),
    last=st.integers(0, 24),
    days=st.sets(st.integers(1, 7)),
)
def test_office_hours_are_those_of_the_zone(at: datetime, first: int, last: int, days: set[int]) -> None:
    """Within hours means: on such a weekday, and from the first hour until before the last, in the zone."""
    if not 2 < at.year < 9990:
        return
    local = at.astimezone(ZoneInfo("Asia/Tbilisi"))
    said = alerts.in_office_hours(at, zone="Asia/Tbilisi", hours=(first, last), days=sorted(days))
    minutes = local.hour * 60 + local.minute
    assert said == (local.weekday() + 1 in days and first * 60 <= minutes < last * 60)


def test_what_was_there_before_the_first_time_is_passed_over(open_door: Database) -> None:
    """When alerts come to a house with a past, nobody is mailed about last year."""
    by_law(open_door)
    box = Mail()
    assert watch(open_door, box) == []
    by_law(open_door)
    assert watch(open_door, box) == ["revenue"]


def test_nobody_is_told_twice(open_door: Database, mail: Mail) -> None:
    """Two workers that look at once tell of each look once; one that fails half-way leaves it to the next."""
    by_law(open_door)
    assert open_door.parts.sequencer.drain()

    def fails(_db: Session, _alert: Alert) -> None:
        raise OSError("mail")

    with pytest.raises(OSError, match="mail"):
        alerts.watch(open_door, fails)
    mail.kept.clear()
    workers = [threading.Thread(target=alerts.watch, args=(open_door, mail)) for _worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert mail.bodies() == ["revenue"]


def test_a_day_has_so_many_mails_and_then_one_summary(
    open_door: Database, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the number a day, looks are counted, and the day after one mail says how many; then it begins anew."""
    most = open_door.parts.settings.alert_mails_a_day
    mails = 0
    for _time in range(most + 3):
        by_law(open_door)
        watch(open_door, mail)
        mails += len(mail.kept)
    assert mails == most
    mail.kept.clear()
    assert alerts.sum_up(open_door, mail) == 0
    later = clock.now() + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert alerts.sum_up(open_door, mail) == 1
    assert mail.kept == [Alert(CITIZEN, more=3)]
    assert alerts.sum_up(open_door, mail) == 0
    with open_door.reading() as db:
        assert db.execute(select(alerts.alert_day)).first() is None


def test_many_looks_at_once_are_one_mail(open_door: Database, mail: Mail) -> None:
    """Looks found together are told of together, the first ones by name and the rest by number."""
    for _time in range(alerts.MOST_LINES + 2):
        by_law(open_door)
    watch(open_door, mail)
    (alert,) = mail.kept
    assert (len(alert.looks), alert.more) == (alerts.MOST_LINES, 2)


def test_each_hears_of_their_own(open_door: Database, mail: Mail) -> None:
    """A look at somebody else is told to them, under their own choice."""
    with open_door.writing() as db:
        country.be_born(db, OTHER)
    choose(open_door, "staff")
    by_law(open_door)
    by_law(open_door, citizen=OTHER)
    watch(open_door, mail)
    assert [alert.citizen for alert in mail.kept] == [OTHER]


def test_a_choice_is_recorded_once(open_door: Database) -> None:
    """Changing the choice is in the history; saving the same again is not; unknown rules and agencies are not kept."""
    choose(open_door, "by-law", "no-such-rule", agencies=("health",))
    said = country.last(open_door)
    assert (said["kind"], said["rules"], said["agencies"]) == ("alerts-changed", ["by-law"], ["health"])
    entries = len(country.history(open_door))
    choose(open_door, "by-law", agencies=("health", "health"))
    assert len(country.history(open_door)) == entries
    with pytest.raises(AgencyUnknown):
        choose(open_door, agencies=("nobody",))
    for number in range(1, alerts.CHANGES_A_DAY):
        choose(open_door, alerts.RULES[number % 2])
    with pytest.raises(TooMany):
        choose(open_door, "staff")


def test_erasing_takes_the_choice(open_door: Database) -> None:
    """What an erased citizen chose is gone."""
    choose(open_door, "by-law")
    with open_door.writing() as db:
        record(db, CitizenErased(citizen=CITIZEN), actor=SYSTEM, about=[CITIZEN])
    with open_door.reading() as db:
        assert alerts.choice(db, CITIZEN) == Choice()
        assert db.execute(select(alerts.alert_choice)).first() is None


def test_a_new_log_is_looked_through_from_its_beginning(open_door: Database, mail: Mail) -> None:
    """After the turn of the year each look is still told of once, and a body known from before is not new again."""
    read(open_door)
    assert watch(open_door, mail) == ["revenue"]
    by_law(open_door)
    freezing.freeze(open_door, origin="ledger.erti.example/2027")
    by_law(open_door)
    read(open_door)
    assert watch(open_door, mail) == ["revenue", "revenue"]
    assert watch(open_door, mail) == []


def test_what_the_law_withholds_is_told_to_nobody(open_door: Database, mail: Mail) -> None:
    """A look in a withheld log raises no alert and moves no position, so that its being there tells nothing."""
    by_law(open_door)
    assert open_door.parts.sequencer.drain()
    with open_door.writing() as db:
        log = logs.current(db)
        db.execute(update(head).where(head.c.log == log.number).values(kind=logs.WITHHELD))
        before = db.execute(select(alerts.alert_position)).all()
    assert alerts.watch(open_door, mail) == 0
    assert mail.kept == []
    with open_door.reading() as db:
        assert db.execute(select(alerts.alert_position)).all() == before


def test_many_citizens_are_told_in_several_steps(
    open_door: Database, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction tells more than so many citizens, and none is left out or told twice."""
    monkeypatch.setattr(alerts, "MOST_CITIZENS", 2)
    citizens = [people.new_citizen_id() for _one in range(5)]
    with open_door.writing() as db:
        for citizen in citizens:
            country.be_born(db, citizen)
    for citizen in [*citizens, *citizens[:2]]:
        by_law(open_door, citizen=citizen)
    assert open_door.parts.sequencer.drain()
    told: list[str] = []
    while alerts.watch(open_door, mail):
        assert len(mail.kept) <= 2
        told += [alert.citizen for alert in mail.kept for _look in alert.looks]
        mail.kept.clear()
    assert sorted(told) == sorted([*citizens, *citizens[:2]])
