import pytest
from sqlalchemy import select, update
from sqlalchemy.event import listen

from core import sessions
from core.events import SYSTEM
from idp import accounts
from idp.login import assurance, entry, hashing, password
from idp.login.devices import Visitor
from idp.login.entry import Shut
from idp.tables import password as password_table
from tests.idp.login.person import PASSWORD


@pytest.fixture
def nino(person, letter):
    """Give somebody with a password and an app, signed in."""
    citizen_id, code = letter()
    somebody = person()
    somebody.activate(citizen_id, code, name="nino")
    somebody.citizen_id = citizen_id
    return somebody


@pytest.mark.parametrize("stale", [False, True])
def test_a_password_changed_meanwhile_lets_nobody_in(nino, database, settings, stale: bool) -> None:
    """A guess that was right when it was looked at is wrong once another password is set, and does not bring it back."""
    visitor = Visitor("b" * 32, "", "203.0.113.9", "")
    if stale:
        weak = hashing.Pool(settings.model_copy(update={"argon2_memory_kib": 32}))
        with database.writing() as db:
            verifier = weak.hash(password._prepared(database.parts, PASSWORD))
            db.execute(update(password_table).values(verifier=verifier))
    attempt = password.attempt(database, "nino", PASSWORD, visitor)
    assert attempt.right
    assert bool(attempt.newer) is stale
    verifier = password.prepare(database.parts, "another set of words")
    with database.writing() as db:
        password.put(db, nino.citizen_id, verifier, actor=SYSTEM)
    with database.writing() as db:
        assert password.settle(db, attempt, visitor) is None
    with database.reading() as db:
        assert db.scalar(select(password_table.c.verifier)) == verifier


def test_a_lock_that_came_in_between_lets_nobody_in(nino, database) -> None:
    """A password that was right when it was looked at begins no session once the account is locked."""
    visitor = Visitor("b" * 32, "", "203.0.113.9", "")
    attempt = password.attempt(database, "nino", PASSWORD, visitor)
    assert attempt.right
    with database.writing() as db:
        accounts.lock(db, nino.citizen_id, reason="staff", actor=SYSTEM)
    with database.writing() as db:
        account = password.settle(db, attempt, visitor)
        assert account is not None
        assert entry.enter(db, account, assurance.PASSWORD, visitor, before=None) == Shut("locked")
        assert sessions.of(db, nino.citizen_id) == []


@pytest.mark.parametrize("amr", [assurance.RECOVERY, assurance.BOUND_PASSKEY])
def test_a_locked_account_lets_nobody_in(nino, database, amr) -> None:
    """An account that is locked gets no session, whatever was proved."""
    with database.writing() as db:
        accounts.lock(db, nino.citizen_id, reason="staff", actor=SYSTEM)
        account, visitor = accounts.hold(db, nino.citizen_id), Visitor("b" * 32, "", "203.0.113.9", "")
        assert entry.enter(db, account, amr, visitor, before=None) == Shut("locked")
        assert sessions.of(db, nino.citizen_id) == []


def test_recovery_works_alike_for_known_and_unknown_names(nino, person, database) -> None:
    """A wrong recovery code asks the store the same questions for a known name as for an unknown one."""
    asked: list[str] = []
    listen(database.engine, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
    visitor = person("203.0.113.9")
    visitor.open("/login/recovery")

    def questions(name: str) -> list[str]:
        asked.clear()
        assert (
            visitor.send("/login/recovery", username=name, recovery__code="AAAA-AAAA-AAAA").status_code == 400
        )
        return list(asked)

    questions("nobody")  # the first failure begins a count
    assert questions("nino") == questions("nobody")
