import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import pyotp
import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st
from sqlalchemy import select, update

from core import clock, web
from core.database import Database
from core.errors import TooMany
from core.events import SYSTEM, waiting
from core.sessions import browser_session
from idp import accounts
from idp.login import hashing, password, stages, totp
from idp.tables import password as password_table
from idp.tables import stage
from registry_sync import people
from tests.idp.login.person import PASSWORD


@pytest.fixture
def nino(person, letter):
    """Give somebody with a password and an app, signed out, with the code of this moment unused."""
    citizen_id, code = letter()
    somebody = person()
    somebody.activate(citizen_id, code, name="nino")
    somebody.citizen_id = citizen_id
    somebody.open("/logout")
    somebody.send("/logout")
    return somebody


def stranger(person, nino, address="203.0.113.9"):
    """Return somebody elsewhere who knows the app's secret but uses another browser."""
    other = person(address)
    other.secret = nino.secret
    return other


def test_password_and_code_sign_in(nino) -> None:
    """With password and code somebody is in, at substantial assurance, and goes where they wanted."""
    nino.give_password("nino", return_to="/my/history?page=2")
    nino.open("/login/code")
    answer = nino.send("/login/code", totp__code=nino.code())
    assert answer.status_code == 303
    assert answer.headers["location"] == "/my/history?page=2"
    assert nino.open("/my/account").status_code == 200


def test_a_citizen_id_may_be_written_as_people_do(nino) -> None:
    """The citizen ID signs in with blanks, hyphens or neither, in capitals or not."""
    printed = people.grouped(nino.citizen_id)
    for typed in (printed, printed.lower(), printed.replace("-", " "), nino.citizen_id):
        assert nino.give_password(typed).headers["location"] == "/login/code"


def test_a_password_alone_is_not_enough(nino) -> None:
    """After the password nobody is signed in until the code is right."""
    nino.give_password("nino")
    assert nino.open("/my/account").status_code == 303
    nino.open("/login/code")
    assert nino.send("/login/code", totp__code="000000").status_code == 400
    assert nino.open("/my/account").status_code == 303


def test_the_code_page_needs_the_password_first(nino) -> None:
    """Without the step before it the page of the code leads back to the start, also with a right code."""
    nino.open("/login")
    assert nino.send("/login/code", totp__code=nino.code()).headers["location"] == "/login"


def test_a_code_works_once(nino, person) -> None:
    """The same code of the same half minute does not sign in twice."""
    nino.sign_in("nino")
    other = stranger(person, nino)
    other.give_password("nino")
    other.open("/login/code")
    assert other.send("/login/code", totp__code=nino.code()).status_code == 400


def test_an_older_code_is_refused_after_a_newer_one(nino) -> None:
    """Codes of time steps before the last used one are spent with it."""
    nino.sign_in("nino", steps_ahead=1)
    nino.give_password("nino")
    nino.open("/login/code")
    assert nino.send("/login/code", totp__code=nino.code()).status_code == 400


def test_of_parallel_uses_of_one_code_one_counts(nino, database) -> None:
    """Eight threads give the same right code at once; exactly one is accepted."""
    code = nino.code()
    ready = threading.Barrier(8)

    def use(_number: int) -> bool:
        ready.wait()
        with database.writing() as db:
            return totp.accept(db, nino.citizen_id, code)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_clocks_may_differ_by_one_step() -> None:
    """A code is right within one step of thirty seconds either way, and no further."""
    secret = totp.new_secret()
    now = int(time.time()) // 30
    codes = {ahead: pyotp.TOTP(secret).generate_otp(now + ahead) for ahead in (-3, -1, 0, 1, 3)}
    assert [ahead for ahead, code in codes.items() if totp.step(secret, code)] == [-1, 0, 1]


def test_guessing_codes_ends_the_sign_in(nino, database) -> None:
    """After five wrong codes the sign-in starts over, and the history says that somebody knew the password."""
    nino.give_password("nino")
    nino.open("/login/code")
    for number in range(4):
        assert "login/code" in nino.send("/login/code", totp__code=f"00000{number}").text
    last = nino.send("/login/code", totp__code="000009")
    assert 'id="login-submit"' in last.text
    assert nino.open("/login/code").headers["location"] == "/login"
    with database.reading() as db:
        kinds = db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id)).all()
    assert "second-factor-failed" in kinds


def test_parallel_guesses_of_codes_are_all_counted(nino, person) -> None:
    """Of thirty codes guessed at once with the right password, at most ten are looked at in an hour."""
    guessers = [stranger(person, nino, f"203.0.113.{number}") for number in range(8)]
    for one in guessers:
        one.give_password("nino")
        one.open("/login/code")
    looked_at = []

    def guess(one) -> None:
        for number in range(4):
            answer = one.send("/login/code", totp__code=f"11111{number}")
            if answer.status_code == 400:
                looked_at.append(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(guess, guessers))
    assert len(looked_at) == 10


def test_the_owner_gets_in_while_others_guess(nino, person) -> None:
    """Strangers who use up all guesses at a password lock themselves out, not the owner's known browser."""
    for number in range(12):
        last = person(f"203.0.113.{number}").give_password("nino", "wrong wrong wrong")
    assert last.status_code == 429
    assert stranger(person, nino).give_password("nino").status_code == 429
    assert nino.give_password("nino").headers["location"] == "/login/code"


def test_guesses_from_one_network_do_not_stop_a_known_browser_there(nino, person) -> None:
    """An attacker behind the same address uses up the network's count; the owner's known browser gets in."""
    for number in range(101):
        person("198.51.100.7").give_password(f"nobody{number}", "wrong wrong wrong")
    assert person("198.51.100.7").give_password("nobody", "wrong wrong wrong").status_code == 429
    assert nino.give_password("nino").headers["location"] == "/login/code"


def test_a_known_browser_has_limits_too(nino) -> None:
    """A browser the account knows may be wrong ten times in a quarter of an hour, then it waits."""
    for _number in range(10):
        assert nino.give_password("nino", "wrong wrong wrong").status_code == 400
    assert nino.give_password("nino").status_code == 429


def test_stopped_guessing_is_told_once(nino, person, database) -> None:
    """That guessing was stopped stands in the history once a day, however long it goes on."""
    for number in range(14):
        person(f"203.0.113.{number}").give_password("nino", "wrong wrong wrong")
    with database.reading() as db:
        kinds = db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id)).all()
    assert kinds.count("guessing-stopped") == 1


def test_known_and_unknown_names_get_the_same_answer(nino, person) -> None:
    """Wrong passwords for a known and for an unknown name lead to one page, status and count."""

    def answers(name: str) -> list[tuple[int, str]]:
        found = []
        for number in range(12):
            visitor = person(f"192.0.2.{number}")
            answer = visitor.give_password(name, "wrong wrong wrong")
            page = re.sub(r"[0-9a-f]{64}", "TOKEN", answer.text).replace(name, "NAME")
            page = re.sub(r'(id="problem-reference"[^>]*>)[^<]+', r"\1REFERENCE", page)
            found.append((answer.status_code, page))
        return found

    assert answers("nino") == answers("nona")


def test_each_failure_leaves_a_line_that_names_nobody(nino, person) -> None:
    """A wrong password, code or number on whichever page, and one too many, are each a line with the rule and no name or guess."""
    with structlog.testing.capture_logs() as lines:
        nino.give_password("nino", "wrong wrong wrong")
        nino.give_password("nino")
        nino.open("/login/code")
        nino.send("/login/code", totp__code="000000")
        nino.send("/login/code", recovery__code="0000-0000")
        nino.open("/login/recovery")
        nino.send("/login/recovery", username="nobody", recovery__code="0000-0000")
        nino.open("/login/card")
        nino.send("/login/card", card__number="1234 5678 9012")
        nino.open("/recover/stop")
        nino.send("/recover/stop", code="0000-0000-0000")
        for number in range(11):
            person(f"192.0.2.{number}").give_password("nona", "wrong wrong wrong")
    failed = [line for line in lines if line["event"] == "form came back"]
    assert [line["rule"] for line in failed[:6]] == [
        "login: password",
        "code: totp-code",
        "code: recovery-code",
        "recovery: recovery-code",
        "card_number: card-number",
        "reentry_stop: code",
    ]
    assert [line["rule"] for line in failed[6:]] == ["login: password"] * 10 + ["login: wait"]
    assert all(line.keys() == {"event", "log_level", "rule", "status", "reference"} for line in failed)


def test_known_and_unknown_names_cost_the_same_hash(nino, database, settings) -> None:
    """For an unknown name, and for one without a password, a hash of the same parameters is computed."""
    hashed = []
    pool = hashing.pool(settings)
    original = pool._hasher

    class Counting:
        def verify(self, verifier: str, secret: bytes) -> bool:
            hashed.append(verifier.split("$")[1:4])
            return original.verify(verifier, secret)

        def __getattr__(self, name: str):
            return getattr(original, name)

    counting: Any = Counting()
    pool._hasher = counting
    try:
        nino.give_password("nino", "wrong wrong wrong")
        nino.give_password("nobody", "wrong wrong wrong")
    finally:
        pool._hasher = original
    assert len(hashed) == 2
    assert hashed[0] == hashed[1]


def test_a_login_that_was_forged_elsewhere_is_refused(nino, person) -> None:
    """Without this browser's own form token nobody is signed in: not by name and password, not by passkey."""
    victim = person()
    victim.open("/login")
    forged = victim.browser.post("/login", data={"username": "nino", "password": PASSWORD})
    assert forged.status_code == 403
    foreign = victim.browser.post(
        "/login",
        data={"csrf_token": nino.browser.cookies.get("x", ""), "username": "nino", "password": PASSWORD},
        headers={"origin": "https://evil.example"},
    )
    assert foreign.status_code == 403
    assert victim.tell("/login/passkey/verify", "{}", **{"x-csrf-token": ""}).status_code == 403


def test_a_session_planted_beforehand_is_worth_nothing(nino, person) -> None:
    """The session's token is new after signing in, and a cookie that was there before opens nothing."""
    nino.browser.cookies.set("__Host-erti_session", "planted-by-somebody", domain="id.erti.example")
    nino.sign_in("nino")
    thief = person()
    thief.browser.cookies.set("__Host-erti_session", "planted-by-somebody", domain="id.erti.example")
    assert thief.open("/my/account").status_code == 303
    assert nino.open("/my/account").status_code == 200


def test_signing_in_again_renews_the_session(nino, person, database) -> None:
    """A second sign-in gives a new token under the same sid; the old token is dead."""
    nino.sign_in("nino")
    old = nino.browser.cookies["__Host-erti_session"]
    with database.reading() as db:
        sid = db.scalar(select(browser_session.c.sid))
    nino.sign_in("nino", steps_ahead=1)
    with database.reading() as db:
        assert db.scalars(select(browser_session.c.sid)).all() == [sid]
    thief = person()
    thief.browser.cookies.set("__Host-erti_session", old, domain="id.erti.example")
    assert thief.open("/my/account").status_code == 303


def test_a_planted_device_cookie_does_not_become_known(nino, person) -> None:
    """The known device's token is new after signing in, so one that somebody else knows stays unknown."""
    nino.browser.cookies.set("__Host-erti_device", "planted", domain="id.erti.example")
    nino.sign_in("nino")
    assert nino.browser.cookies["__Host-erti_device"] != "planted"


def test_a_locked_account_says_so_only_to_its_owner(nino, person, database) -> None:
    """With the right password and code the lock is said and recorded; with a wrong one nothing is told."""
    with database.writing() as db:
        accounts.lock(db, nino.citizen_id, reason="staff", actor=SYSTEM)
    assert person().give_password("nino", "wrong wrong wrong").status_code == 400
    assert nino.sign_in("nino").headers["location"] == "/login/shut"
    answer = nino.open("/login/shut")
    assert answer.status_code == 403
    assert "cannot be used just now" in answer.text
    assert nino.open("/my/account").status_code == 303
    with database.reading() as db:
        kinds = db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id)).all()
    assert "sign-in-refused" in kinds


def test_a_huge_password_is_refused_at_once(nino) -> None:
    """A password of a megabyte is refused before anything is hashed."""
    nino.open("/login")
    started = time.monotonic()
    answer = nino.send("/login", username="nino", password="x" * 1_000_000)
    assert answer.status_code == 400
    assert time.monotonic() - started < 0.5


def test_passwords_are_the_same_however_they_are_composed(person, letter) -> None:
    """A password typed with composed or decomposed letters is one password (NFKC)."""
    citizen_id, code = letter()
    nino = person()
    nino.begin_activation(citizen_id, code)
    nino.open("/activate/password")
    nino.send("/activate/password", username="", password="caf\u00e9 au lait \u212b 7")
    nino.open("/activate/app")
    nino.secret = nino.text("totp-secret").replace(" ", "")
    nino.send("/activate/app", totp__code=nino.code())
    assert nino.give_password(citizen_id, "cafe\u0301 au lait \u00c5 7").headers["location"] == "/login/code"


def test_old_parameters_are_replaced_silently(nino, database, settings) -> None:
    """A verifier made with other argon2id parameters is replaced by one with today's at the next sign-in."""
    weak = hashing.Pool(settings.model_copy(update={"argon2_memory_kib": 32}))
    with database.writing() as db:
        verifier = weak.hash(password._prepared(database.parts, PASSWORD))
        db.execute(update(password_table).values(verifier=verifier))
    assert nino.give_password("nino").status_code == 303
    with database.reading() as db:
        assert "m=64," in db.scalar(select(password_table.c.verifier))


def test_a_full_hashing_pool_leaves_everything_else_alone(nino, settings, client) -> None:
    """With every slot and place taken a login gets a page of 503 with when to come again; all else is served meanwhile."""
    pool = hashing.pool(settings)
    inside, leave = threading.Event(), threading.Event()

    def occupy() -> None:
        inside.set()
        leave.wait(30)

    waiting_ones = [
        threading.Thread(target=pool._do, args=(occupy,)) for _one in range(hashing.at_most(settings))
    ]
    for one in waiting_ones:
        one.start()
    inside.wait()
    try:
        while pool.inside < hashing.at_most(settings):
            time.sleep(0.001)
        answer = nino.give_password("nino")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "Very many people are signing in" in answer.text
        assert 'id="problem-reference"' in answer.text
        with pytest.raises(TooMany):
            pool.hash(b"x")
        assert client.get("/userinfo").status_code == 401
        assert nino.open("/login").status_code == 200
        assert client.get("/readyz").status_code == 200
    finally:
        leave.set()
        for one in waiting_ones:
            one.join()
    assert pool.inside == 0
    assert nino.give_password("nino").headers["location"] == "/login/code"


def test_hashing_gives_way_to_requests(settings) -> None:
    """The threads that hash have a lower priority than the one that asks, whose own stays as it was."""
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    found = hashing.pool(settings)._do(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert found == min(19, before + hashing.NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_recovery_codes_stand_in_for_the_app_once(person, letter) -> None:
    """After the password a recovery code signs in, once."""
    citizen_id, code = letter()
    nino = person()
    codes = nino.activate(citizen_id, code)
    for expected in (303, 400):
        nino.give_password(citizen_id)
        nino.open("/login/code")
        assert (
            nino.send("/login/code", recovery__code=codes[3].lower().replace("-", " ")).status_code
            == expected
        )
    nino.give_password(citizen_id)


def test_a_recovery_code_alone_opens_only_an_account_without_password(person, letter) -> None:
    """Who lost the only passkey comes in with a code; who has a password has to give it too."""
    with_password, with_passkey = person(), person()
    first, second = letter(), letter()
    codes = with_password.activate(*first)
    with_password.open("/login/recovery")
    refused = with_password.send("/login/recovery", username=first[0], recovery__code=codes[0])
    assert refused.status_code == 400
    codes = with_passkey.activate_with_passkey(*second)
    elsewhere = person("203.0.113.77")
    elsewhere.open("/login/recovery")
    answer = elsewhere.send("/login/recovery", username=second[0], recovery__code=codes[0])
    assert answer.headers["location"] == "/my/account"
    assert 'id="passkey-add"' in elsewhere.open("/my/account").text


def test_signing_out_ends_the_session(nino, database) -> None:
    """After the confirmation the session is gone from the database and the history says so."""
    nino.sign_in("nino")
    assert 'id="logout-confirm"' in nino.open("/logout").text
    nino.send("/logout")
    with database.reading() as db:
        assert db.execute(select(browser_session)).first() is None
        kinds = db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id)).all()
    assert kinds[-1] == "session-ended"
    assert nino.open("/my/account").status_code == 303


@rules(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="/\\.:@?#%h tp\t\n\x00evil", max_size=30),
        st.sampled_from(
            ["//evil.example", "/\\evil.example", "https://evil.example", "/%5cevil", "javascript:x", "/\tx"]
        ),
    )
)
def test_no_return_path_leads_elsewhere(return_to: str) -> None:
    """Whatever is asked for, a browser that follows the answer stays at the issuer."""
    path = web.own_path(return_to)
    assert re.match(r"/(?![/\\])", path)
    assert not re.search(r"[\\\s\x00-\x1f]", path)


def test_the_pages_use_the_safe_path(nino) -> None:
    """A return address elsewhere is replaced on the page, in the form's answer and behind the passkey."""
    page = nino.open("/login?return_to=https://evil.example/").text
    assert set(re.findall(r'name="return_to" value="([^"]*)"', page)) == {"/my"}
    nino.open("/login")
    nino.send("/login", return_to="//evil.example", username="nino", password=PASSWORD)
    nino.open("/login/code")
    assert nino.send("/login/code", totp__code=nino.code()).headers["location"] == "/my"


def test_what_is_over_is_purged(nino, database: Database) -> None:
    """Flows, challenges and codes that are over are deleted, and nothing else."""
    nino.give_password("nino")
    with database.writing() as db:
        assert stages.purge(db) == 0
        db.execute(update(stage).values(ends_at=clock.now()))
    with database.writing() as db:
        assert stages.purge(db) >= 1


def test_another_language_does_not_lose_the_way_back(nino) -> None:
    """The links to other languages keep where a form leads back to, after a wrong answer too."""
    page = nino.give_password("nino", "wrong but long enough", return_to="/my/history?page=2").text
    ways = re.findall(r'href="/language/(\w+)\?return_to=([^"]*)"', page)
    assert {language for language, _way in ways} == {"en", "ka"}
    assert {unquote(unquote(way)) for _language, way in ways} == {"/login?return_to=/my/history?page=2"}
