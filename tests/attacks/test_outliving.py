"""Attempts to let an act outlive the session that began it: signed out, suspended or put out between the look and the write."""

import re
import threading
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from core import sessions, web
from core.database import Database
from core.events import SYSTEM
from core.sessions import BrowserSession
from idp import accounts
from idp.login import assurance, methods, passkey
from idp.staff import accounts as staff
from idp.tables import recovery_code
from tests.architecture.addresses import GUARDS, asked, routes
from tests.attacks.in_line import waited_for
from tests.authenticator import Authenticator
from tests.idp.login.person import ISSUER, Person

READ_ONLY = {"GET", "HEAD"}
# What is kept of a refusal is not the person's deed, and their session is what these tests end.
CHANGE = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) (?!refusal\b|browser_session\b)")


@pytest.fixture
def thief(person: Any, letter: Any) -> Person:
    """Give somebody who is in an account with its strongest way to sign in."""
    somebody: Person = person("203.0.113.9")
    somebody.citizen_id, code = letter()
    somebody.activate_with_passkey(somebody.citizen_id, code)
    return somebody


def somebody_who_works_here(somebody: Person, database: Database, role: str) -> Person:
    """Give a browser in which a staff member of a role is signed in."""
    with database.writing() as db:
        invitation = staff.invite(db, role, role, actor=SYSTEM)
        staff.accept(db, invitation.token)
        about: dict[str, Any] = {
            "acr": assurance.HIGH,
            "amr": ["hwk", "user", "mfa"],
            "user_agent": "",
            "network": "",
        }
        _session, token = sessions.begin(db, subject=invitation.member.id, kind=sessions.STAFF, **about)
    somebody.browser.cookies.set("__Host-erti_session", token, domain="id.erti.example", path="/")
    return somebody


def put_out_meanwhile(thief: Person, database: Database, path: str, **fields: str) -> Any:
    """Let a form come in while what ends the session, as a new letter or a suspension does, is about to be committed."""
    answers: list[Any] = []
    sent = threading.Thread(target=lambda: answers.append(thief.send(path, **fields)))
    with database.writing() as db:
        accounts.hold(db, thief.citizen_id)
        sent.start()
        waited_for(database, sent)
        methods.remove_all(db, thief.citizen_id, actor=SYSTEM)
        accounts.end_sessions(db, thief.citizen_id, reason="security", actor=SYSTEM)
    sent.join(20)
    return answers[0]


def test_attempt_to_add_a_passkey_while_the_session_is_ended(thief: Person, database: Database) -> None:
    """Who is being put out of an account adds no passkey to it at the last moment: the form waits, and then is nobody's."""
    thief.open("/my/account/passkeys/new")
    made = Authenticator(ISSUER).create(thief.options())
    answer = put_out_meanwhile(thief, database, "/my/account/passkeys", name="x", credential=made)
    assert answer.status_code == 403
    assert 'href="/login"' in answer.text
    with database.reading() as db:
        assert passkey.of(db, thief.citizen_id) == []


def test_attempt_to_make_codes_while_the_session_is_ended(thief: Person, database: Database) -> None:
    """Nor does a form without a word in it, such as the one for new recovery codes."""
    thief.open("/my/account")
    assert (
        put_out_meanwhile(thief, database, "/my/account/codes/new").headers["location"].startswith("/login")
    )
    with database.reading() as db:
        mine = select(recovery_code.c.code_index).where(recovery_code.c.citizen_id == thief.citizen_id)
        assert db.scalars(mine).all() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_attempt_to_write_with_each_form_after_the_session_ended(
    app: FastAPI, thief: Person, person: Any, database: Database
) -> None:
    """No form of somebody signed in, citizen or staff, writes a word once the session that it came with is over."""
    stopped, written = set(), []
    officials = [somebody_who_works_here(person(), database, role) for role in staff.ROLES]

    def ends_first(db: Session, here: BrowserSession) -> bool:
        sessions.end(db, here)
        stopped.add(path)
        return accounts.stands(db, here)

    app.state.stands = ends_first
    pages = {one: one.open("/login?other=1").text for one in (thief, *officials)}
    event.listen(database.engine, "before_cursor_execute", lambda *given: written.append((path, given[2])))
    signed_in = [one for one in routes() if GUARDS & asked(one.dependant) and not one.methods <= READ_ONLY]
    assert len(signed_in) > 60
    for route in signed_in:
        path = re.sub(r"{\w+}", "1", route.path)
        for somebody in officials if web._staff in asked(route.dependant) else [thief]:
            somebody.page = pages[somebody]
            somebody.send(path)
    assert [one for one in written if CHANGE.match(one[1])] == []
    assert len(stopped) > 35, "so many do not look at what was typed first"
