from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from core import clock, language
from core.events import SYSTEM, Actor
from core.settings import Settings
from idp import notify
from idp.contacts import addresses, book
from idp.errors import AddressUnfit, NumberUnfit
from idp.login import holding, waits
from idp.notices import letters, short, words
from idp.notices.letters import Letter
from idp.reentry import tending
from idp.tables import outbox, reentry_wait
from tests.postbox import TAKEN, Gateway, Postbox

NUMBER = "+995555123456"
HOUSE = "https://erti.government.test"
# GSM 03.38 without its extension, as far as our texts use it; one other letter makes a message UCS-2.
GSM = set("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ")
GSM |= set("ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\n")


@pytest.fixture
def settings(settings: Settings, postbox: Postbox, gateway: Gateway) -> Settings:
    """Give a house that sends mail and text messages."""
    ways = {
        "smtp_url": postbox.url,
        "sms_url": gateway.url,
        "sms_secret": "not-for-logs",
        "outbound_private_hosts": ("localhost",),
    }
    return Settings(**{**settings.model_dump(), **ways})


@pytest.fixture
def told(database, letter, person) -> str:
    """Give a citizen with a number, and nothing in the outbox."""
    citizen_id, code = letter()
    person().activate_with_passkey(citizen_id, code)
    with database.writing() as db:
        book.add(db, citizen_id, NUMBER, actor=Actor("citizen", citizen_id))
        db.execute(outbox.delete())
    return citizen_id


def due(database) -> int:
    """Let every message come due again and return how many wait."""
    with database.writing() as db:
        db.execute(update(outbox).values(due_at=clock.now() - timedelta(seconds=1)))
        return int(db.scalar(select(func.count()).select_from(outbox)) or 0)


def test_a_notice_goes_to_the_gateway_with_secret_and_key(database, told, gateway, capsys) -> None:
    """The gateway is shown the secret and a key of the message, and gets number and text; the log gets neither."""
    with database.writing() as db:
        notify.tell(db, told, "password-set")
        notify.tell(db, told, "card-few")
    assert notify.deliver(database) == 1, "of the second there is no text message"
    ((headers, content),) = gateway.calls
    assert headers["Authorization"] == "Bearer not-for-logs"
    assert len(headers["Idempotency-Key"]) == 32
    assert content["to"] == NUMBER
    assert "password was changed" in content["text"]
    said = capsys.readouterr()
    assert NUMBER not in said.out + said.err
    assert "not-for-logs" not in said.out + said.err


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (429, b"{}"),
        (401, b"{}"),
        (200, b"<html>Welcome to our network</html>"),
        (200, b'{"id": 7}'),
        (200, b"[" * 9000),
        (302, b""),
        (200, b"x" * 20_000),
    ],
)
def test_what_the_gateway_did_not_take_is_tried_again(database, told, gateway, answer) -> None:
    """An answer that does not name the message leaves it in the outbox; the next try carries the same key."""
    gateway.answer = answer
    with database.writing() as db:
        notify.tell(db, told, "password-set")
    assert notify.deliver(database) == 0
    assert due(database) == 1
    gateway.answer = TAKEN
    assert notify.deliver(database) == 1
    assert due(database) == 0
    assert len({headers["Idempotency-Key"] for headers, _content in gateway.calls}) == 1


def test_a_number_that_cannot_be_reached_is_given_up_at_once(database, told, gateway) -> None:
    """422 says that no later try will do."""
    gateway.answer = (422, b'{"error": "landline"}')
    with database.writing() as db:
        notify.tell(db, told, "password-set")
    notify.deliver(database)
    assert due(database) == 0


@pytest.mark.parametrize(("answer", "heard"), [(TAKEN, True), ((422, b"{}"), False), ((500, b""), False)])
def test_a_wait_begins_when_a_notice_was_taken(database, told, gateway, answer, heard) -> None:
    """A message that the gateway refused for good, or that was given up, tells nobody: the time does not run."""
    gateway.answer = answer
    with database.writing() as db:
        waits.begin(db, told)
        db.execute(update(outbox).values(attempts=notify.LASTING_TRIES))
    notify.deliver(database)
    assert due(database) == 0
    tending.turn(database)
    with database.reading() as db:
        assert db.scalar(select(reentry_wait.c.told)) == (notify.HEARD if heard else notify.UNHEARD)


def test_one_letter_is_enough_where_the_gateway_is_dead(database, told, gateway, postbox) -> None:
    """What is held back begins to run with the e-mail, whatever becomes of the text message."""
    gateway.answer = (500, b"")
    with database.writing() as db:
        book.add(db, told, "nino@example.com", actor=Actor("citizen", told))
        db.execute(outbox.delete())
        holding.begin_at_counter(db, told, actor=SYSTEM)
    notify.deliver(database)
    assert len(postbox.to("nino@example.com")) == 1
    assert due(database) == 1
    with database.reading() as db:
        assert holding.of(db, told).told == holding.HEARD


def test_who_has_but_a_telephone_hears_of_it(database, told, gateway) -> None:
    """A number is told of all that somebody else can have done, and of what shuts its owner out."""
    notices = sorted(words.DISAVOWABLE | {"closing", "paused", "reopening", "suspended"})
    with database.writing() as db:
        for notice in notices:
            notify.tell(db, told, notice)
    assert notify.deliver(database) == len(notices)
    assert {content["to"] for _headers, content in gateway.calls} == {NUMBER}


@pytest.mark.parametrize("notice", ["recovery-begun", "contact-added"])
def test_a_code_that_stops_something_says_where_it_is_typed(tmp_path, person, notice) -> None:
    """The message names the page under our own name, and pages on which one looks for it lead there as well."""
    message = Letter(1, 0, NUMBER, "en", notice, {"code": "WWWW-WWWW-WWWW"})
    text = letters.short(Settings(data_dir=tmp_path, issuer=HOUSE), message)
    page = text.partition("erti.government.test")[2].partition(",")[0]
    somebody = person()
    assert f'href="{page}"' in somebody.open("/login").text
    assert f'href="{page}"' in somebody.open("/recover").text
    assert 'name="code"' in somebody.open(page).text


@pytest.mark.parametrize("lang", ["en", "ka"])
@pytest.mark.parametrize("notice", sorted(short.SHORT))
def test_a_text_message_has_two_segments_at_most(tmp_path, notice, lang) -> None:
    """With the longest code in it, each fits into two segments; what stands in it of an address is to be typed."""
    facts = {"code": "WWWW-WWWW-WWWW", "until": datetime(2026, 9, 28, 22, 58, tzinfo=UTC)}
    text = letters.short(Settings(data_dir=tmp_path, issuer=HOUSE), Letter(1, 0, NUMBER, lang, notice, facts))
    assert len(text) <= (306 if set(text) <= GSM else 134), len(text)
    assert "://" not in text
    assert "www." not in text
    assert "{" not in text
    assert language.current() == "en"


@given(st.text(max_size=40) | st.from_regex(r"[a-z.]{1,8}@[a-zა-ჰ.-]{1,12}", fullmatch=True))
def test_an_address_is_one_address_or_refused(typed: str) -> None:
    """Whatever is typed becomes one address that a letter can carry, which reads as itself, or is refused."""
    try:
        address = addresses.mail(typed)
    except AddressUnfit:
        return
    assert addresses.mail(address) == address
    written = letters.compose(Settings(), Letter(1, 0, address, "en", "password-set", {}))
    assert [one.addr_spec for one in written["To"].addresses] == [address]


@given(st.text(max_size=30) | st.from_regex(r"(\+|00)[0-9 ()-]{6,20}", fullmatch=True))
def test_a_number_is_e164_or_refused(typed: str) -> None:
    """Whatever is typed becomes a plus and up to fifteen digits, or is refused; a prefix that is not taken as well."""
    try:
        number = addresses.phone(typed)
    except NumberUnfit:
        return
    assert number[0] == "+"
    assert number[1:].isascii()
    assert number[1:].isdigit()
    assert addresses.phone(number) == number
    with pytest.raises(NumberUnfit):
        addresses.phone(number, prefixes=("+0",))
