"""Signing in with a printed card and a PIN: what it takes, and what those get who have one of the two."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from core import clock, limits, sessions
from core.errors import TooMany
from core.events import SYSTEM, waiting
from idp import accounts
from idp.errors import CardMissing, LastStrongMethod, PinUnfit
from idp.login import assurance, card, devices, factors, hashing, methods, pin, throttle
from idp.login.devices import Visitor
from idp.tables import card as table
from idp.tables import card_code, outbox
from tests.idp.login.cardholder import PIN, hand_over, told

WRONG_PIN = "5182 6047"
HERE = Visitor("", "", "198.51.100.7", "")


@pytest.fixture
def holder(database, born):
    """Give a citizen ID with the card that its citizen holds."""
    citizen_id = born()
    return citizen_id, hand_over(database, citizen_id)


def try_card(database, number, given_pin, code, *, visitor=HERE):
    """Try card and PIN without pages; tell whether that was right."""
    attempt = card.attempt(database, number, given_pin, code, visitor)
    with database.writing() as db:
        return card.settle(db, attempt, visitor, place="sign-in")


def begin(somebody, number, return_to="/my"):
    """Type the card number; the page asks for PIN and code."""
    somebody.open(f"/login/card?return_to={return_to}")
    return somebody.send("/login/card", return_to=return_to, card__number=number)


def prove(somebody, number, given_pin, code, return_to="/my"):
    """Type PIN and code."""
    return somebody.send(
        "/login/card", return_to=return_to, card__number=number, pin=given_pin, card__code=code
    )


def asked(page):
    """Return the number of the code that a page asks for."""
    found = re.search(r"Code number (\d+)", page)
    assert found, page
    return int(found[1])


def plain(page, *numbers):
    """Return a page without what differs from one to the next: tokens, references, the card's number, the number asked for."""
    for number in numbers:
        page = page.replace(number, "").replace(number.replace(" ", ""), "")
    return re.sub(r'value="[0-9a-f]{32,}"|[0-9A-Z]{4}-[0-9A-Z]{4}<|Code number \d+', "", page)


def test_card_and_pin_sign_in(holder, person, database) -> None:
    """Card number, PIN and the code that is asked for open a session at substantial assurance, and lead on."""
    citizen_id, mine = holder
    somebody = person()
    assert begin(somebody, mine.number, "/my/history").status_code == 200
    assert asked(somebody.page) == 1
    answer = prove(somebody, mine.number, PIN, mine.codes[0], "/my/history")
    assert (answer.status_code, answer.headers["location"]) == (303, "/my/history")
    assert somebody.open("/my/account").status_code == 200
    with database.reading() as db:
        [session] = sessions.of(db, citizen_id)
    assert (session.acr, tuple(session.amr)) == (assurance.SUBSTANTIAL, ("pin", "otp", "mfa"))
    used = [said for said in told(database, citizen_id) if said["kind"] == "card-used"]
    assert [(said["number"], said["left"], said["place"]) for said in used] == [(1, 39, "sign-in")]
    assert factors.words(session.amr) == "printed card, PIN"


def test_codes_are_asked_for_in_their_order_and_work_once(holder, person, database) -> None:
    """The next sign-in asks for the next number; a code that was used, or whose turn it is not, is wrong."""
    _citizen, mine = holder
    assert try_card(database, mine.number, PIN, mine.codes[0])
    somebody = person()
    begin(somebody, mine.number)
    assert asked(somebody.page) == 2
    for code in (mine.codes[0], mine.codes[2]):
        assert prove(somebody, mine.number, PIN, code).status_code == 400
        assert asked(somebody.page) == 2
    assert prove(somebody, mine.number, PIN, mine.codes[1]).status_code == 303


def test_of_parallel_uses_of_one_code_one_counts(holder, database) -> None:
    """Six browsers give the same right PIN and code at once; exactly one is in."""
    citizen_id, mine = holder
    ready = threading.Barrier(6)

    def use(_number: int) -> bool:
        ready.wait()
        try:
            return try_card(database, mine.number, PIN, mine.codes[0]) is not None
        except TooMany:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(use, range(6))) == 1
    with database.reading() as db:
        mine_now = card.of(db, citizen_id)
    assert (mine_now.left, mine_now.blocked_at) == (39, None)


def test_who_was_right_and_too_late_guessed_nothing(holder, database) -> None:
    """Of two right tries that were looked at, the later one opens nothing, and is no wrong guess from its network."""
    _citizen, mine = holder
    tries = [card.attempt(database, mine.number, PIN, mine.codes[0], HERE) for _number in range(2)]
    with database.writing() as db:
        assert [card.settle(db, one, HERE, place="desk") is not None for one in tries] == [True, False]
        assert limits.counts(db, [("card:network", HERE.network)])[0].hits == 0


def test_what_was_wrong_is_not_told(holder, person) -> None:
    """A wrong PIN, a wrong code, both, and a card that nobody has get the same words and status, and no other number."""
    _citizen, mine = holder
    seen = []
    nobodys = "1234 5678 9012"
    nobodys = next(
        text for digit in range(10) if card.read(text := f"4444 5555 666{digit}") and text != mine.number
    )
    for number, given_pin, code in (
        (mine.number, WRONG_PIN, mine.codes[0]),
        (mine.number, PIN, mine.codes[5]),
        (mine.number, WRONG_PIN, "0000 0000"),
        (nobodys, PIN, mine.codes[0]),
    ):
        somebody = person()
        begin(somebody, number)
        before = asked(somebody.page)
        answer = prove(somebody, number, given_pin, code)
        assert asked(somebody.page) == before
        seen.append((answer.status_code, plain(somebody.page, number)))
    assert seen[0][0] == 400
    assert all(one == seen[0] for one in seen)


def test_every_try_does_the_work_of_one_hash(holder, database, monkeypatch) -> None:
    """Whatever is wrong, one PIN is hashed; it is held against the card's only if the code was right."""
    _citizen, mine = holder
    pool = hashing.pool(database.parts.settings)
    held: list[bool] = []
    fits = pool.check

    def watched(verifier, secret):
        held.append(verifier is not None)
        return fits(verifier, secret)

    monkeypatch.setattr(pool, "check", watched)
    for number, given_pin, code in (
        ("4444 5555 6666", PIN, mine.codes[0]),
        (mine.number, PIN, mine.codes[1]),
        (mine.number, WRONG_PIN, mine.codes[0]),
        (mine.number, PIN, mine.codes[0]),
    ):
        try_card(database, number, given_pin, code)
    assert held == [False, False, True, True]


def test_whoever_photographed_a_card_has_five_pins(holder, database) -> None:
    """Five wrong PINs with a right code block the card, spend no code, and the owner is told why."""
    citizen_id, mine = holder
    for _try in range(card.MOST_PIN_TRIES):
        assert not try_card(database, mine.number, WRONG_PIN, mine.codes[0])
    with database.reading() as db:
        found = card.of(db, citizen_id)
        notices = list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == citizen_id)))
    assert (found.left, found.usable) == (40, False)
    assert "card-blocked" in notices
    assert told(database, citizen_id)[-1]["reason"] == "guessed"
    assert not try_card(database, mine.number, PIN, mine.codes[0])


def test_parallel_guesses_get_no_more_than_five(holder, database) -> None:
    """Nine wrong PINs at once with a right code are five looked at, and a right one after them is none."""
    _citizen, mine = holder
    ready = threading.Barrier(9)

    def guess(_number: int) -> bool:
        ready.wait()
        return card.attempt(database, mine.number, WRONG_PIN, mine.codes[0], HERE).checked is not None

    with ThreadPoolExecutor(9) as pool:
        assert sum(pool.map(guess, range(9))) == card.MOST_PIN_TRIES
    assert not try_card(database, mine.number, PIN, mine.codes[0])


def test_a_right_pin_forgets_the_wrong_ones(holder, database) -> None:
    """Wrong PINs count in a row: one slip now and then blocks nobody."""
    _citizen, mine = holder
    for number in range(2):
        for _slip in range(3):
            assert not try_card(database, mine.number, WRONG_PIN, mine.codes[number])
        assert try_card(database, mine.number, PIN, mine.codes[number])


def test_a_busy_pool_costs_no_try(holder, database, monkeypatch) -> None:
    """Whoever is turned away because too many sign in at once has lost none of the five tries."""
    citizen_id, mine = holder

    def busy(_verifier, _secret):
        raise TooMany

    with monkeypatch.context() as patch:
        patch.setattr(hashing.pool(database.parts.settings), "check", busy)
        for _try in range(card.MOST_PIN_TRIES + 1):
            with pytest.raises(TooMany):
                card.attempt(database, mine.number, PIN, mine.codes[0], HERE)
    with database.reading() as db:
        assert db.scalar(select(table.c.pin_tries).where(table.c.citizen_id == citizen_id)) == 0


def test_whoever_knows_the_pin_cannot_guess_codes(holder, person, database) -> None:
    """Wrong codes from unknown browsers are stopped for the hour, the owner is told, and no code is used up."""
    citizen_id, mine = holder
    for at in range(throttle.CARD.unknown.most):
        assert not try_card(database, mine.number, PIN, f"{at:08}")
    somebody = person("203.0.113.9")
    begin(somebody, mine.number)
    answer = prove(somebody, mine.number, PIN, mine.codes[0])
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    with database.reading() as db:
        notices = list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == citizen_id)))
        assert card.of(db, citizen_id).left == 40
    assert "guessing" in notices


def test_guessing_does_not_lock_out_the_owners_browser(holder, database) -> None:
    """Whatever strangers do with a card's number, a browser that it was used in before goes on."""
    citizen_id, mine = holder
    with database.writing() as db:
        token, _name = devices.remember(db, HERE, citizen_id, sid="here")
    for at in range(throttle.CARD.unknown.most + 1):
        try_card(database, mine.number, PIN, f"{at:08}", visitor=replace(HERE, network="203.0.113.9"))
    assert try_card(database, mine.number, PIN, mine.codes[0], visitor=replace(HERE, device=token))


def test_a_new_card_ends_the_old_one(holder, database) -> None:
    """After a new card the old number and codes are worth nothing, also with the right PIN."""
    citizen_id, old = holder
    new = hand_over(database, citizen_id)
    assert not try_card(database, old.number, PIN, old.codes[0])
    assert not try_card(database, new.number, PIN, old.codes[0])
    assert try_card(database, new.number, PIN, new.codes[0])


def test_a_card_that_ended_under_way_signs_nobody_in(holder, database) -> None:
    """A try that was looked at before the card was blocked, or had another PIN, is settled as wrong."""
    citizen_id, mine = holder
    for end in (
        lambda db: card.change_pin(db, citizen_id, "another", actor=SYSTEM),
        lambda db: card.block(db, citizen_id, reason=card.LOST, actor=SYSTEM),
    ):
        attempt = card.attempt(database, mine.number, PIN, mine.codes[0], HERE)
        with database.writing() as db:
            end(db)
            assert card.settle(db, attempt, HERE, place="sign-in") is None


def test_a_lost_card_is_blocked_by_its_blocking_code(holder, person, database) -> None:
    """The code of the half at home blocks the card and signs out whoever used it; a wrong one is answered the same."""
    citizen_id, mine = holder
    thief, owner = person("203.0.113.9"), person()
    begin(thief, mine.number)
    assert prove(thief, mine.number, PIN, mine.codes[0]).status_code == 303
    pages = []
    for code in ("0000 0000", mine.blocking):
        owner.open("/login/card/block")
        answer = owner.send("/login/card/block", card__number=mine.number, blocking__code=code)
        pages.append((answer.status_code, plain(owner.page)))
    assert pages[0] == pages[1]
    assert thief.open("/my/account").status_code == 303
    assert not try_card(database, mine.number, PIN, mine.codes[1])
    assert told(database, citizen_id)[-1]["kind"] == "session-ended"


def test_few_codes_are_told_on_the_way_and_by_mail(holder, person, database) -> None:
    """With five codes left the way leads over a page that says so, a notice goes out, and the last one still works."""
    citizen_id, mine = holder
    with database.writing() as db:
        spent = card_code.c.number <= card.COUNT - card.FEW - 1
        db.execute(
            update(card_code).where(card_code.c.citizen_id == citizen_id, spent).values(used_at=clock.now())
        )
    somebody = person()
    begin(somebody, mine.number)
    at = asked(somebody.page)
    assert at == card.COUNT - card.FEW
    answer = prove(somebody, mine.number, PIN, mine.codes[at - 1], "/my/history")
    assert answer.headers["location"] == "/login/card/left?return_to=%2Fmy%2Fhistory"
    assert "Codes left on your card: 5" in somebody.open(answer.headers["location"]).text
    for code in mine.codes[at:]:
        assert try_card(database, mine.number, PIN, code)
    assert not try_card(database, mine.number, PIN, mine.codes[-1])
    with database.reading() as db:
        notices = list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == citizen_id)))
        assert not methods.of(db, citizen_id).by_card
    assert {"card-few", "card-used-up"} <= set(notices)


def test_a_locked_account_opens_to_nobody(holder, person, database) -> None:
    """Card and PIN of a locked account are refused, after both were right."""
    citizen_id, mine = holder
    with database.writing() as db:
        accounts.lock(db, citizen_id, reason="court", actor=SYSTEM)
    somebody = person()
    begin(somebody, mine.number)
    assert prove(somebody, mine.number, WRONG_PIN, mine.codes[0]).status_code == 400
    assert prove(somebody, mine.number, PIN, mine.codes[0]).headers["location"] == "/login/shut"


def test_nothing_that_stands_on_a_card_is_kept(holder, database) -> None:
    """Neither number, codes, blocking code nor PIN are in the tables or the events, in any spelling."""
    _citizen, mine = holder
    kept = ""
    with database.reading() as db:
        for one in (table, card_code, waiting):
            kept += str(db.execute(select(one)).all())
    for secret in (mine.number, mine.blocking, PIN, *mine.codes):
        assert secret not in kept
        assert secret.replace(" ", "") not in kept


def test_the_last_safe_way_is_not_removed_and_a_lost_card_always_blocked(holder, database) -> None:
    """A card that is the only strong way in stays; blocked it can be at any time."""
    citizen_id, _mine = holder
    with database.writing() as db, pytest.raises(LastStrongMethod):
        came: dict[str, Any] = {
            "acr": assurance.SUBSTANTIAL,
            "amr": assurance.CARD,
            "user_agent": "",
            "network": "",
        }
        me, _token = sessions.begin(db, subject=citizen_id, kind=sessions.CITIZEN, **came)
        methods.remove_card(db, me, HERE)
    with database.writing() as db:
        assert card.block(db, citizen_id, reason=card.LOST, actor=SYSTEM)
    with database.writing() as db:
        methods.remove_card(db, me, HERE)
        assert card.of(db, citizen_id) is None
    with database.writing() as db, pytest.raises(CardMissing):
        card.change_pin(db, citizen_id, "another", actor=SYSTEM)


@pytest.mark.parametrize(
    "typed",
    ["1234567", "1234567890123", "12345678", "87654321", "90123456", "11111111", "12121212", "12312312", "12341234",
     "11112222", "17041988", "04171988", "19880417", "2 0 0 1 2 8 0 2", "20012802", "abcdefgh", ""],
)  # fmt: skip
def test_pins_that_others_try_first_are_refused(typed) -> None:
    """Rows, repetitions and days of a calendar are no PIN, and neither is what stands on one's papers."""
    with pytest.raises(PinUnfit):
        pin.fit(typed)
    with pytest.raises(PinUnfit):
        pin.fit("40719326", unlike=("99 4071 9326",))
    assert pin.fit("4071 9326") == pin.fit("४०७१ ९३२६") == "40719326"


@given(st.text())
def test_any_text_is_read(typed) -> None:
    """Whatever is typed as PIN or card number is digits, or refused with what to do."""
    assert set(pin.read(typed)) <= set("0123456789")
    number = card.read(typed)
    assert number is None or len(number) == card.NUMBER_DIGITS
    try:
        assert pin.SHORTEST <= len(pin.fit(typed)) <= pin.LONGEST
    except PinUnfit:
        return


@given(st.from_regex(r"[0-9]{8,12}", fullmatch=True))
def test_any_pin_that_fits_is_no_row_and_no_day(digits) -> None:
    """A PIN that is accepted has three different digits at least, and does not repeat itself."""
    try:
        fits = pin.fit(digits)
    except PinUnfit:
        return
    assert len(set(fits)) >= pin.FEWEST_DIFFERENT
    assert fits != (fits[:4] * 3)[: len(fits)]
