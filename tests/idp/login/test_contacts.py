import re
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from core import clock
from core.events import Actor
from core.settings import Settings
from idp import notify
from idp.contacts import book, checks
from idp.notices import reach
from idp.tables import contact, contact_undo, outbox, stage
from tests.idp.login.person import Person
from tests.postbox import Gateway, Postbox

OLD, NEW = "nino@example.org", "nino@example.net"
HOME = "/my/account/contact"


@pytest.fixture
def settings(settings: Settings, postbox: Postbox, gateway: Gateway) -> Settings:
    """Give a house that sends mail and text messages."""
    ways = {
        "smtp_url": postbox.url,
        "sms_url": gateway.url,
        "sms_secret": SecretStr("x"),
        "outbound_private_hosts": ("localhost",),
    }
    return settings.model_copy(update=ways)


@pytest.fixture
def nino(person, letter) -> Person:
    """Give a citizen who just opened an account with a passkey, and no address."""
    somebody = person()
    somebody.citizen_id, code = letter()
    somebody.activate_with_passkey(somebody.citizen_id, code)
    return somebody


def ask(somebody: Person, address: str):
    """Type an address or a number."""
    somebody.open(HOME)
    return somebody.send(f"{HOME}/new", **{"email" if "@" in address else "phone": address})


def give(somebody: Person, database, postbox: Postbox, address: str) -> None:
    """Type an address, and the code from the letter."""
    assert ask(somebody, address).status_code == 303, somebody.page
    notify.deliver(database)
    code = re.search(r"\d{4} \d{4}", postbox.newest(address))
    somebody.open(f"{HOME}/code")
    assert somebody.send(f"{HOME}/code", code=code[0]).status_code == 303, somebody.page
    notify.deliver(database)


def kept(database, somebody: Person) -> list[str]:
    """Return the addresses that somebody has."""
    with database.reading() as db:
        return [one.address for one in reach.kept(db, somebody.citizen_id)]


def undo_code(text: str) -> str:
    """Return the code in the link of a letter that takes a change back."""
    return re.search(r"/undo\?code=([0-9A-Z-]{14})\n", text)[1]


def test_an_address_is_kept_once_its_code_is_typed(nino, database, postbox) -> None:
    """The code works in the browser that asked, once; the address is told from then on and trusted at once, being the first."""
    give(nino, database, postbox, OLD)
    assert kept(database, nino) == [OLD]
    with database.reading() as db:
        assert reach.trusted(db, nino.citizen_id) == [OLD]
        stored = db.scalar(select(contact.c.address_sealed))
    assert OLD.encode() not in stored
    assert "We write here from now on" in postbox.newest(OLD)
    assert "Firefox on Windows" in postbox.newest(OLD)
    assert nino.open(f"{HOME}/code").status_code == 303, "the flow is over"


def test_a_code_is_guessed_five_times_and_no_more(nino, database, postbox) -> None:
    """After five wrong codes the right one opens nothing, and each try begins with a new letter: ten a day."""
    ask(nino, OLD)
    notify.deliver(database)
    right = re.search(r"\d{4} \d{4}", postbox.newest(OLD))[0]
    for _guess in range(5):
        nino.open(f"{HOME}/code")
        nino.send(f"{HOME}/code", code="1234 5678" if right != "1234 5678" else "8765 4321")
    assert nino.send(f"{HOME}/code", code=right).status_code == 303
    assert kept(database, nino) == []
    answers = [ask(nino, f"n{number}@example.org").status_code for number in range(checks.CODES_A_DAY)]
    assert answers == [303] * (checks.CODES_A_DAY - 1) + [429]


def test_a_code_by_text_message_lives_ten_minutes(nino, database, postbox, gateway) -> None:
    """The message and the page say so, and afterwards the flow is over; a code by mail lives on."""
    ask(nino, "+995555123456")
    notify.deliver(database)
    assert "until" in gateway.calls[-1][1]["text"]
    assert "for ten minutes" in nino.open(f"{HOME}/code").text
    ask(nino, OLD)
    assert "for ten minutes" not in nino.open(f"{HOME}/code").text
    with database.reading() as db:
        ends = db.scalars(select(stage.c.ends_at).order_by(stage.c.ends_at)).all()
    minutes = [round((one - clock.now()).total_seconds() / 60) for one in ends]
    assert minutes == [10, 30]


def test_who_gave_but_a_number_is_told_what_it_does_not_do(nino, database) -> None:
    """A number brings nobody back: the page says so, until an e-mail address stands beside it."""
    assert 'id="no-mail-address"' not in nino.open(HOME).text
    with database.writing() as db:
        book.add(db, nino.citizen_id, "+995555123456", actor=Actor("citizen", nino.citizen_id))
    assert 'id="no-mail-address"' in nino.open(HOME).text
    with database.writing() as db:
        book.add(db, nino.citizen_id, OLD, actor=Actor("citizen", nino.citizen_id))
    assert 'id="no-mail-address"' not in nino.open(HOME).text


def test_another_browser_cannot_use_the_code(nino, person, database, postbox) -> None:
    """Who reads the letter and has an own account gains nothing with its code."""
    ask(nino, OLD)
    notify.deliver(database)
    code = re.search(r"\d{4} \d{4}", postbox.newest(OLD))[0]
    stranger = person()
    stranger.open(HOME)
    assert stranger.send(f"{HOME}/code", code=code).headers["location"].startswith("/login")
    assert kept(database, nino) == []


def test_the_address_before_can_take_an_addition_back(nino, person, database, postbox) -> None:
    """The old address is told of the new one, and a program that opens its link changes nothing; its reader ends it, and every session."""
    give(nino, database, postbox, OLD)
    give(nino, database, postbox, NEW)
    with database.reading() as db:
        assert reach.trusted(db, nino.citizen_id) == [OLD], "the new one must stand for a while"
    text = postbox.newest(OLD)
    assert "n***@example.net was added" in text
    code = undo_code(text)
    assert "undo?code" not in postbox.newest(NEW)
    owner = person()
    for _look in range(3):
        assert "n***@example.net" in owner.open(f"/undo?code={code}").text
    assert kept(database, nino) == [OLD, NEW]
    assert owner.send("/undo", code=code).status_code == 200
    assert kept(database, nino) == [OLD]
    assert nino.open("/my/account").status_code == 303, "every session ended"
    owner.open("/undo")
    assert owner.send("/undo", code=code).status_code == 400, "once"
    notify.deliver(database)
    assert "taken back" in postbox.newest(OLD)
    assert "taken back" in postbox.newest(NEW), "what was taken away is told for some days more"


def test_a_removed_address_can_put_itself_back_once(nino, person, database, postbox) -> None:
    """Who removes an address is told on; when it was put back and is removed again, that is final."""
    give(nino, database, postbox, OLD)
    give(nino, database, postbox, NEW)
    with database.reading() as db:
        first = reach.kept(db, nino.citizen_id)[0]
    nino.open(HOME)
    nino.send(f"{HOME}/{first.id}/remove")
    notify.deliver(database)
    assert kept(database, nino) == [NEW]
    reader = person()
    reader.open("/undo")
    assert (
        reader.send("/undo", code=undo_code(postbox.newest(OLD)).lower().replace("-", " ")).status_code == 200
    )
    assert kept(database, nino) == [OLD, NEW]
    nino.use_passkey(return_to=HOME)
    nino.open(HOME)
    nino.send(f"{HOME}/{first.id}/remove")
    notify.deliver(database)
    assert kept(database, nino) == [NEW]
    assert "This stays so" in postbox.newest(OLD)
    assert "code=" not in postbox.newest(OLD)
    with database.writing() as db:
        long_after = clock.now() - timedelta(seconds=1)
        db.execute(update(contact).where(contact.c.id == first.id).values(told_until=long_after))
        db.execute(update(contact_undo).values(ends_at=long_after))
        book.purge(db)
        assert len(reach.of(db, nino.citizen_id)) == 1
        assert db.scalar(select(func.count()).select_from(contact_undo)) == 0


def test_whether_others_have_an_address_is_not_told(nino, person, letter, database, postbox) -> None:
    """Two citizens may share an address; the second sees what the first saw, and in all it gets three letters an hour."""
    give(nino, database, postbox, OLD)
    for number in range(3):
        other = person(f"198.51.100.{number + 20}")
        other.citizen_id, code = letter()
        other.activate_with_passkey(other.citizen_id, code)
        assert ask(other, OLD).headers["location"] == f"{HOME}/code"
        assert OLD in other.open(f"{HOME}/code").text
    notify.deliver(database)
    codes = [one for one in postbox.to(OLD) if one["Subject"] == "Your code for Erti"]
    assert len(codes) == checks.LETTERS_AN_HOUR


@pytest.mark.parametrize(
    "typed",
    [
        "nino@example.org\r\nBcc: all@example.org",
        "nino@example.org, all@example.org",
        "<nino@example.org>",
        "nino@localhost",
        "ni no@example.org",
        "nino@127.0.0.1",
        "nino@-example.org",
        "@example.org",
        "n" * 65 + "@example.org",
        "",
    ],
)
def test_no_line_or_second_address_gets_into_a_letter(nino, database, typed) -> None:
    """What is not one plain address comes back with the form, and nothing waits to be sent."""
    nino.open(HOME)
    before = _waiting(database)
    answer = nino.send(f"{HOME}/new", email=typed)
    assert answer.status_code == 400
    assert "Enter an e-mail address" in answer.text
    assert _waiting(database) == before


def test_an_old_sign_in_name_is_told_until_a_checked_address_stands(nino, database, postbox) -> None:
    """An e-mail address that is the sign-in name is written to as before, opens nothing, and is told of the first checked one."""
    nino.open("/my/account")
    nino.send("/my/account/name", username=OLD)
    with database.reading() as db:
        assert reach.trusted(db, nino.citizen_id) == []
    give(nino, database, postbox, NEW)
    assert "was added" in postbox.newest(OLD)
    with database.writing() as db:
        assert reach.everywhere(db, nino.citizen_id) == [OLD, NEW]
        db.execute(update(contact).values(checked_at=clock.now() - timedelta(days=8)))
        assert reach.everywhere(db, nino.citizen_id) == [NEW]


def test_only_who_just_signed_in_safely_may_change(nino, database, postbox, gateway) -> None:
    """Without a fresh and strong sign-in nothing is sent, added or removed."""
    give(nino, database, postbox, OLD)
    with database.writing() as db:
        (mine,) = reach.kept(db, nino.citizen_id)
    later = clock.now() + timedelta(minutes=11)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: later)
        nino.open(HOME)
        assert 'id="sign-in-again"' in nino.page
        late = nino.send(f"{HOME}/new", email=NEW)
        assert late.status_code == 403
        assert f'href="/login?return_to={HOME}"' in late.text
        nino.open(HOME)
        assert nino.send(f"{HOME}/{mine.id}/remove").headers["location"] == f"/login?return_to={HOME}"
    assert kept(database, nino) == [OLD]


def test_somebody_elses_address_is_left_alone(nino, person, letter, database, postbox) -> None:
    """Another citizen's address cannot be removed by its ID."""
    give(nino, database, postbox, OLD)
    with database.reading() as db:
        (mine,) = reach.kept(db, nino.citizen_id)
    other = person()
    other.activate_with_passkey(*letter())
    other.open(HOME)
    other.send(f"{HOME}/{mine.id}/remove")
    assert kept(database, nino) == [OLD]


def test_letters_are_in_the_language_that_was_chosen(nino, database, postbox) -> None:
    """The citizen chooses the language of their letters, whatever the browser speaks."""
    nino.open(HOME)
    nino.send(f"{HOME}/language", language="ka")
    give(nino, database, postbox, OLD)
    assert "როდის:" in postbox.newest(OLD)
    nino.send(f"{HOME}/language", language="xx")
    give(nino, database, postbox, NEW)
    assert "როდის:" in postbox.newest(NEW)


def _waiting(database) -> int:
    with database.reading() as db:
        return int(db.scalar(select(func.count()).select_from(outbox)) or 0)


def test_a_service_without_mail_does_not_say_that_it_sent_some(nino, app) -> None:
    """Where no mail server is named the page for the code says so, in place of where the code went."""
    ask(nino, "nino@example.org")
    assert "We sent a code" in nino.open(f"{HOME}/code").text
    app.state.settings = app.state.settings.model_copy(update={"smtp_url": ""})
    page = nino.open(f"{HOME}/code").text
    assert 'id="sends-no-mail"' in page
    assert "We sent a code" not in page
