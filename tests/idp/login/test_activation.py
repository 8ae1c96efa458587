import re

import pytest
from sqlalchemy import func, select

from core.clock import now
from core.events import SYSTEM, waiting
from idp import accounts, disavowals
from idp.errors import AccountLocked, NotLiving
from idp.login import activation
from idp.tables import activation_code, outbox, recovery_code
from registry_sync import people
from tests.at_counter import SEEN
from tests.idp.login.person import PASSWORD


def test_a_letter_opens_an_account_with_password_and_app(person, letter, database) -> None:
    """With the letter's two numbers, a password and an app's code somebody is signed in and goes where they wanted."""
    citizen_id, code = letter()
    nino = person()
    nino.begin_activation(
        people.grouped(citizen_id).lower().replace("-", " "), code.lower().replace("-", " ")
    )
    codes = nino.activate(citizen_id, code, name="Nino@Example.org")
    assert len(set(codes)) == 10
    assert nino.open("/my/account").status_code == 200
    with database.reading() as db:
        assert accounts.find(db, citizen_id).state == "active"
        assert accounts.find_by_name(db, " NINO@example.ORG ").citizen_id == citizen_id


def test_a_letter_opens_an_account_with_a_passkey(person, letter) -> None:
    """With a passkey made during activation somebody is signed in at once and can sign in with it again."""
    nino = person()
    nino.activate_with_passkey(*letter())
    assert "My phone" in nino.open("/my/account").text
    nino.browser.cookies.clear()
    assert nino.use_passkey(return_to="/my/history").json() == {"location": "/my/history"}
    assert nino.open("/my/account").status_code == 200


def test_a_started_activation_survives_a_reload(person, letter) -> None:
    """The secret of the app is the same after a reload, and the recovery codes are shown until they are kept."""
    nino = person()
    nino.begin_activation(*letter())
    nino.open("/activate/password")
    nino.send("/activate/password", username="", password="walnut ferry granite lantern")
    nino.open("/activate/app")
    first = nino.text("totp-secret")
    nino.open("/activate/app")
    assert nino.text("totp-secret") == first
    nino.secret = first.replace(" ", "")
    nino.send("/activate/app", totp__code=nino.code())
    codes = nino.open("/activate/codes").text
    assert re.findall("<li>[0-9A-Z-]{19}</li>", nino.open("/activate/codes").text) == re.findall(
        "<li>[0-9A-Z-]{19}</li>", codes
    )
    nino.send("/activate/codes")
    assert nino.open("/activate/codes").status_code == 303


def test_a_code_works_once(person, letter) -> None:
    """After activation the same letter opens nothing more."""
    citizen_id, code = letter()
    person().activate(citizen_id, code)
    assert person().begin_activation(citizen_id, code).status_code == 400


def test_of_two_at_once_one_activates(person, letter) -> None:
    """Two browsers begin with one letter; the one that finishes second is refused."""
    citizen_id, code = letter()
    first, second = person(), person()
    second.begin_activation(citizen_id, code)
    second.open("/activate/method")
    first.activate(citizen_id, code)
    late = second.send("/activate/passkey", name="", credential=second.device.create(second.options()))
    assert late.status_code == 409
    assert second.open("/my/account").status_code == 303


def test_a_newer_letter_ends_the_older(database, letter, person) -> None:
    """When a counter prints another letter, the code of the first one no longer works."""
    citizen_id, code = letter()
    with database.writing() as db:
        activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
    assert person().begin_activation(citizen_id, code).status_code == 400


def test_each_page_that_sets_something_up_says_how_to_keep_it(person, letter) -> None:
    """Where a passkey or an app is made stands how to protect it and what to do when it is lost (NIST SP 800-63B-4, 3.2.1)."""
    somebody = person()
    somebody.begin_activation(*letter())
    somebody.open("/activate/method")
    assert "tell nobody its PIN" in somebody.text("passkey-keep")
    somebody.open("/activate/password")
    somebody.send("/activate/password", username="", password=PASSWORD)
    somebody.open("/activate/app")
    assert "tell its codes to nobody" in somebody.text("app-keep")


def test_a_letter_that_nobody_asked_for_is_told_and_ended(database, letter, person) -> None:
    """Who has an account hears of a new letter before it opens anything, and ends it without signing in; another e-mail's link does not."""
    nino = person()
    citizen_id, code = letter()
    nino.activate_with_passkey(citizen_id, code)
    with database.writing() as db:
        told = select(func.count()).where(outbox.c.citizen_id == citizen_id, outbox.c.notice == "letter-made")
        assert db.scalar(told) == 0, "nor of the first, which opens nothing that is theirs"
        code = activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
        assert db.scalar(told) == 1
        links = [disavowals.make(db, citizen_id, what) for what in ("new-device", "letter-made")]
    for link, works in zip(links, (True, False), strict=True):
        reader = person("192.0.2.1")
        reader.open(f"/not-me/{link}")
        assert reader.send(f"/not-me/{link}").status_code == 200
        assert (person().begin_activation(citizen_id, code).status_code == 303) == works
    assert nino.use_passkey().status_code == 200, "the account stays as it was"


def test_an_expired_code_is_refused(database, letter, person) -> None:
    """A code is over when its days are."""
    citizen_id, code = letter()
    with database.writing() as db:
        db.execute(activation_code.update().values(expires_at=now()))
    assert person().begin_activation(citizen_id, code).status_code == 400


def test_wrong_code_and_unknown_citizen_look_the_same(person, letter) -> None:
    """Whether the citizen ID exists cannot be read from the answer to a wrong code."""
    citizen_id, _code = letter()
    answers = []
    for one in (citizen_id, people.new_citizen_id()):
        visitor = person()
        answer = visitor.begin_activation(one, "AAAA-BBBB-CCCC-DDDD")
        answers.append((answer.status_code, visitor.text("activation-code-error")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 400


def test_guessing_codes_is_stopped_for_the_network_not_the_citizen(person, letter) -> None:
    """After twenty wrong codes a network has to wait, even with the right one; the citizen elsewhere does not."""
    citizen_id, code = letter()
    attacker = person("203.0.113.9")
    attacker.open("/activate")
    for number in range(20):
        wrong = attacker.send(
            "/activate", citizen__id=citizen_id, activation__code=f"AAAA-BBBB-CCCC-{number:04}"
        )
        assert wrong.status_code == 400
    stopped = attacker.send("/activate", citizen__id=citizen_id, activation__code=code)
    assert stopped.status_code == 429
    assert int(stopped.headers["retry-after"]) > 60
    assert person("198.51.100.1").begin_activation(citizen_id, code).status_code == 303


def test_activating_again_ends_everything_earlier(person, letter, database) -> None:
    """A new letter gives the account back: earlier password, passkeys, codes and sessions end, the name stays."""
    citizen_id, code = letter()
    thief = person()
    old_codes = thief.activate(citizen_id, code, name="nino")
    with database.writing() as db:
        second = activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
    owner = person()
    owner.activate_with_passkey(citizen_id, second)
    assert thief.open("/my/account").status_code == 303
    assert thief.give_password("nino").status_code == 400
    with database.reading() as db:
        assert accounts.find(db, citizen_id).username == "nino"
        assert db.scalar(select(func.count()).select_from(recovery_code)) == len(old_codes)
    assert owner.open("/my/account").status_code == 200


def test_no_code_for_the_dead_or_the_locked(database, letter, person, born) -> None:
    """A counter cannot print a letter for nobody, nor for an account that is locked."""
    citizen_id, code = letter()
    person().activate(citizen_id, code)
    with database.writing() as db:
        accounts.lock(db, citizen_id, reason="staff", actor=SYSTEM)
    with pytest.raises(AccountLocked), database.writing() as db:
        activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
    with pytest.raises(NotLiving), database.writing() as db:
        activation.make_code(db, people.new_citizen_id(), seen=SEEN, actor=SYSTEM)


def test_the_letter_has_what_it_needs(database, letter) -> None:
    """The printed letter holds ID, code, address, last day and the policy's fingerprint, and the code is stored nowhere."""
    citizen_id, code = letter()
    with database.reading() as db:
        page = activation.letter(db, citizen_id, code, fingerprint="ABCD-EFGH")
        seen = activation.letter(db, citizen_id, code, fingerprint="ABCD-EFGH", office=SEEN.office)
        kept = db.execute(select(activation_code)).one()
    for text in (
        people.grouped(citizen_id),
        code,
        "https://id.erti.example/activate",
        "ABCD-EFGH",
        "data:image/svg",
    ):
        assert text in page
    assert "by an operator of Erti" in page
    assert SEEN.office in seen
    assert "by an operator of Erti" not in seen
    assert code.encode() not in kept.code_index
    assert code.replace("-", "").encode() not in kept.code_index


def test_what_happened_is_in_the_citizens_history(database, letter, person) -> None:
    """Every change of an activation waits for the ledger, on the citizen's chain and nobody else's."""
    citizen_id, code = letter()
    person().activate(citizen_id, code)
    with database.reading() as db:
        kinds = db.scalars(
            select(waiting.c.kind).where(waiting.c.chain == citizen_id).order_by(waiting.c.id)
        ).all()
    assert kinds == [
        "activation-code-made",
        "account-activated",
        "password-set",
        "totp-added",
        "recovery-codes-made",
        "session-began",
    ]


def test_an_account_that_is_opened_leaves_no_letter_behind(born, database) -> None:
    """A letter printed for somebody who had no account does not open the one that another way has opened since."""
    citizen_id = born()
    with database.writing() as db:
        code = activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
        assert activation.opens(db, citizen_id, code)
        accounts.activate(db, citizen_id, handle=accounts.new_handle(), language="en", actor=SYSTEM)
        assert not activation.opens(db, citizen_id, code)


def test_an_owner_who_is_surely_there_ends_every_letter(born, database) -> None:
    """Of two letters a mail's reader ends the first alone; an owner who signed in with two factors ends the second too."""
    citizen_id = born()
    with database.writing() as db:
        activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
        assert activation.disown(db, citizen_id, by_owner=False)
        code = activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)
        assert not activation.disown(db, citizen_id, by_owner=False)
        assert activation.opens(db, citizen_id, code)
        assert activation.disown(db, citizen_id, by_owner=True)
        assert not activation.opens(db, citizen_id, code)
