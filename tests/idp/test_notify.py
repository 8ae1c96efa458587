import email
import email.policy
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from sqlalchemy import func, select, update

from consent.alerts import Alert, Look
from core import clock
from core.database import Database
from core.events import SYSTEM
from idp import accounts, disavowals, notify
from idp.notices import letters, place, words
from idp.notices.letters import Letter
from idp.tables import outbox, undelivered
from registry_sync import people
from tests.consent import country
from tests.ports import free_port
from tests.postbox import with_mail

LONGEST_SUBJECT = 78  # RFC 5322, 2.1.1: one line


class Postbox(Message):
    """Keeps the letters that arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[email.message.Message] = []

    def handle_message(self, message: email.message.Message) -> None:
        """Keep a letter that arrived."""
        self.letters.append(email.message_from_bytes(message.as_bytes(), policy=email.policy.default))


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, str]]:
    """Give a mail server that keeps what it is sent, and its address."""
    box = Postbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    yield box, f"smtp://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def citizen(database: Database) -> str:
    """Give a citizen whose sign-in name is an e-mail address and whose language is Georgian."""
    citizen_id = people.new_citizen_id()
    with database.writing() as db:
        country.be_born(db, citizen_id)
        accounts.open_for_test(db, citizen_id, "nino@example.org", language="ka")
    return citizen_id


def test_a_notice_is_mailed_after_the_commit(database, citizen, postbox) -> None:
    """A notice goes to the address of the account, once, as plain text that names nobody."""
    box, url = postbox
    worker = with_mail(database, url)
    with database.writing() as db:
        notify.tell(db, citizen, "passkey-added")
    assert notify.deliver(worker) == 1
    assert notify.deliver(worker) == 0
    (letter,) = box.letters
    assert letter["To"] == "nino@example.org"
    assert letter["Auto-Submitted"] == "auto-generated"
    link = re.search(r"https://id.erti.example/not-me/(\S+)", letter.get_content())
    with database.reading() as db:
        assert disavowals.find(db, link[1]).citizen_id == citizen
    assert citizen not in letter.as_string()
    worker.close()


def test_a_change_that_is_undone_mails_nothing(database, citizen, postbox) -> None:
    """When the transaction of a change is rolled back, its notice goes with it."""
    box, url = postbox
    worker = with_mail(database, url)
    with pytest.raises(RuntimeError), database.writing() as db:
        accounts.lock(db, citizen, reason="staff", actor=SYSTEM)
        raise RuntimeError
    assert notify.deliver(worker) == 0
    assert box.letters == []
    worker.close()


def test_a_server_that_is_away_is_tried_again_later(database, citizen, postbox) -> None:
    """A letter that could not be sent waits, and goes out when the server is back."""
    box, url = postbox
    with database.writing() as db:
        notify.tell(db, citizen, "password-set")
    away = with_mail(database, "smtp://127.0.0.1:1")
    assert notify.deliver(away) == 0
    back = with_mail(database, url)
    assert notify.deliver(back) == 0, "it is not due yet"
    with database.writing() as db:
        db.execute(update(outbox).values(due_at=clock.now() - timedelta(seconds=1)))
    assert notify.deliver(back) == 1
    assert len(box.letters) == 1
    away.close()
    back.close()


def test_a_letter_that_never_goes_out_is_given_up(database, citizen) -> None:
    """After the last attempt a notice is dropped and counted: a code soon, what happened to an account after a month."""
    away = with_mail(database, "smtp://127.0.0.1:1")
    with database.writing() as db:
        notify.tell(db, citizen, "password-set")
        notify.tell(db, citizen, "contact-code", {"code": "1234 5678"})
    left = []
    for _attempt in range(notify.LASTING_TRIES + 1):
        notify.deliver(away)
        with database.writing() as db:
            left.append([row.notice for row in db.execute(select(outbox))])
            db.execute(update(outbox).values(due_at=clock.now() - timedelta(seconds=1)))
    assert left[4:6] == [["password-set", "contact-code"], ["password-set"]]
    assert left[-2:] == [["password-set"], []]
    with database.writing() as db:
        assert notify.backlog(db) == notify.Backlog(0, 0, 2)
        db.execute(update(undelivered).values(given_up_at=clock.now() - notify.SHOWN_FOR))
        notify.purge(db)
        assert notify.backlog(db).given_up == 0
        assert not db.scalar(select(func.count()).select_from(undelivered))
    away.close()


def test_what_could_not_be_handed_over_is_counted(database, citizen) -> None:
    """A letter counts as waiting from its first failure, with the time for which it has been tried."""
    away = with_mail(database, "smtp://127.0.0.1:1")
    with database.writing() as db:
        notify.tell(db, citizen, "password-set")
    for seconds in (0, 0, 60, 360):
        with database.writing() as db:
            found = notify.backlog(db)
            assert (found.waiting, found.oldest_seconds) == (int(seconds > 0 or found.waiting), seconds)
            db.execute(update(outbox).values(due_at=clock.now() - timedelta(seconds=1)))
        notify.deliver(away)
    away.close()


def test_without_a_server_a_notice_is_a_line_in_the_log(database, citizen, capsys) -> None:
    """Without `smtp_url` nothing is sent and nothing kept; the line in the log names nobody."""
    with database.writing() as db:
        notify.tell(db, citizen, "password-set")
    assert notify.deliver(database) == 0
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(outbox)) == 0
    said = capsys.readouterr()
    assert "password-set" in said.out + said.err
    assert citizen not in said.out + said.err
    assert "nino@" not in said.out + said.err


def test_an_alert_names_who_looked_and_when_and_no_more(database, citizen, postbox) -> None:
    """An alert is written in the citizen's language, with agencies by name and local time; at rest it is sealed."""
    box, url = postbox
    worker = with_mail(database, url)
    at = datetime(2026, 3, 4, 22, 30, tzinfo=UTC)
    with database.writing() as db:
        country.found(db)
        looks = (Look("revenue", at), Look(None, at))
        notify.alert(db, Alert(citizen, looks, more=3))
        assert b"revenue" not in db.scalar(select(outbox.c.facts))
    assert notify.deliver(worker) == 1
    (letter,) = box.letters
    text = letter.get_content()
    assert "სამსახური revenue, 5 მარ 2026, 02:30" in text
    assert "https://id.erti.example/my/history" in text
    assert "3" in text
    assert citizen not in letter.as_string()
    worker.close()


def test_a_summary_says_how_many(database, citizen, postbox) -> None:
    """The summary of a day names nobody and says how many more there were."""
    box, url = postbox
    worker = with_mail(database, url)
    with database.writing() as db:
        notify.alert(db, Alert(citizen, more=7))
    assert notify.deliver(worker) == 1
    assert "7" in box.letters[0].get_content()
    worker.close()


def test_no_alert_waits_for_somebody_without_an_account(database) -> None:
    """A citizen who never activated an account, or was erased, gets no letter and leaves no sealed rest."""
    with database.writing() as db:
        notify.alert(db, Alert(people.new_citizen_id(), more=7))
        assert db.scalar(select(func.count()).select_from(outbox)) == 0


@pytest.mark.parametrize("notice", sorted({*words.NOTICES, *words.DATA_NOTICES}))
def test_every_notice_fits_its_column_and_can_be_written(database, citizen, postbox, notice) -> None:
    """Each notice goes out, in a letter that asks for nothing secret."""
    box, url = postbox
    worker = with_mail(database, url)
    with database.writing() as db:
        notify.tell(db, citizen, notice)
    assert notify.deliver(worker) == 1
    assert len(box.letters) == 1
    worker.close()


@pytest.mark.parametrize("spoken", ["en", "ka"])
def test_no_line_of_a_letter_begins_as_one_that_mail_programs_alter(database, spoken) -> None:
    """On its way ">" is put before a line that begins with "From " (RFC 4155, appendix A), and people read it."""
    settings = database.parts.settings
    facts = {
        "at": clock.now(),
        "until": clock.now(),
        "device": "Firefox",
        "link": "l",
        "code": "c",
        "what": "w",
    }
    for notice in words.SUBJECTS:
        written = letters.compose(settings, Letter(1, 0, "nino@example.org", spoken, notice, facts))
        assert not re.search("^From ", written.get_content(), re.MULTILINE), notice


def test_a_reminder_says_when_it_will_happen_and_not_when_it_was_written(database) -> None:
    """Beside the day on which an account closes no other day stands, which could be taken for it."""
    at, until = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)
    for notice in words.REMINDERS:
        letter = Letter(1, 0, "nino@example.org", "en", notice, {"at": at, "until": until})
        said = letters.compose(database.parts.settings, letter).get_content()
        assert ("8 Mar 2026" in said, "1 Mar 2026" in said) == (True, False), notice


@pytest.mark.parametrize("notice", sorted(words.BY_ANOTHER))
def test_nobody_learns_from_where_another_did_something(database, citizen, postbox, notice) -> None:
    """A letter about what somebody else did names neither the browser nor the place that the request came from."""
    box, url = postbox
    worker = with_mail(database, url)
    place.note("Firefox on Windows", "192.0.2.7")
    with database.writing() as db:
        notify.tell(db, citizen, notice)
        notify.tell(db, citizen, "password-set")
    place.note("", "")
    assert notify.deliver(worker) == 2
    assert ["Firefox" in letter.get_content() for letter in box.letters] == [False, True]
    worker.close()


def test_who_asked_to_close_is_told_until_when(database, citizen, postbox) -> None:
    """The letter names the day up to which the account can be kept."""
    box, url = postbox
    worker = with_mail(database, url)
    with database.writing() as db:
        accounts.lock(
            db, citizen, reason=accounts.CLOSING, actor=SYSTEM, until=datetime(2031, 3, 8, tzinfo=UTC)
        )
    assert notify.deliver(worker) == 1
    assert "8 მარ 2031" in box.letters[0].get_content()
    worker.close()


def test_each_notice_has_a_subject_that_says_what_happened() -> None:
    """Whoever sees only a list of e-mails knows what each is about: none shares its subject with another."""
    subjects = {notice: str(subject) for notice, subject in words.SUBJECTS.items()}
    assert set(subjects) == {*words.NOTICES, *words.DATA_NOTICES}
    assert len(set(subjects.values())) == len(subjects)
    assert all(len(subject) <= LONGEST_SUBJECT for subject in subjects.values())
