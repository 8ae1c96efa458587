"""Ways back into an account that need time: a clock to move on, letters that go out, and what a recovery code sets up."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import clock
from core.database import Database
from core.events import Actor
from core.sessions import browser_session
from core.settings import Settings
from idp import notify
from idp.contacts import book
from idp.reentry import tending
from tests.authenticator import Authenticator
from tests.idp.login.person import ISSUER, PASSWORD, Person, code_at
from tests.postbox import Postbox

MAIL = "nino@example.org"
CODE = re.compile(r"^([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})$", re.MULTILINE)
DAY = 86_400


class Time:
    """The clock of the house, which a test moves on."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.real = clock.now

    def now(self) -> datetime:
        """Return the moment in the test's time."""
        return self.real() + self.ahead

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Give a clock that can be moved on."""
    moved = Time()
    monkeypatch.setattr(clock, "now", moved.now)
    return moved


@pytest.fixture
def settings(settings: Settings, postbox: Postbox) -> Settings:
    """Give a house that sends mail."""
    return settings.model_copy(update={"smtp_url": postbox.url})


@pytest.fixture
def nino(person: Any, letter: Any, database: Database, time: Time) -> Any:
    """Give a citizen with a passkey and a sheet of recovery codes, and an address that was checked long ago."""
    somebody = person()
    somebody.citizen_id, code = letter()
    somebody.codes = somebody.activate_with_passkey(somebody.citizen_id, code)
    with database.writing() as db:
        book.add(db, somebody.citizen_id, MAIL, actor=Actor("citizen", somebody.citizen_id))
    time.pass_by(8 * DAY)
    run(database)
    return somebody


def run(database: Database) -> None:
    """Let the worker's two duties have their turn until nothing more happens."""
    for _turn in range(3):
        tending.turn(database)
        notify.deliver(database)


def asked(somebody: Person, name: str) -> Any:
    """Give a name on the page of somebody who lost everything."""
    somebody.open("/recover?again=1")
    return somebody.send("/recover", username=name)


def begun(somebody: Person, database: Database, postbox: Postbox, name: str) -> None:
    """Ask, and type the code from the letter: the waiting time begins."""
    assert asked(somebody, name).status_code == 303
    run(database)
    code = CODE.search(postbox.newest(MAIL))
    assert code
    somebody.open("/recover")
    assert somebody.send("/recover/code", code=code[1].lower()).status_code == 303, somebody.page
    run(database)


def come_in(somebody: Person, name: str, code: str) -> Any:
    """Use a recovery code alone."""
    somebody.open("/login/recovery")
    return somebody.send("/login/recovery", username=name, recovery__code=code)


def add_passkey(somebody: Person) -> None:
    """Set up a passkey on a new device."""
    somebody.device = Authenticator(ISSUER)
    somebody.open("/my/account/passkeys/new")
    made = somebody.device.create(somebody.options())
    assert somebody.send("/my/account/passkeys", name="Of a stranger", credential=made).status_code == 303


def add_password(somebody: Person) -> None:
    """Set up a password with an app."""
    somebody.open("/my/account/password")
    assert somebody.send("/my/account/password", password=PASSWORD).headers["location"] == "/my/account/app"
    somebody.open("/my/account/app")
    somebody.secret = somebody.text("totp-secret").replace(" ", "")
    assert somebody.send("/my/account/app", totp__code=code_now(somebody, -1)).status_code == 303


def code_now(somebody: Person, step: int = 0) -> str:
    """Return the app's code at the moment of the house, whose clock tests move on."""
    return code_at(somebody.secret, lambda: clock.now().timestamp(), step)


def sign_in(somebody: Person, name: str) -> Any:
    """Sign in with password and code."""
    assert somebody.give_password(name).headers["location"] == "/login/code"
    somebody.open("/login/code")
    return somebody.send("/login/code", totp__code=code_now(somebody))


def kind_and_level(database: Database, somebody: Person) -> tuple[str, str]:
    """Return of what kind somebody's newest session is, and what it reaches."""
    newest = select(browser_session.c.kind, browser_session.c.acr).order_by(
        browser_session.c.auth_time.desc()
    )
    with database.reading() as db:
        row = db.execute(newest).first()
    assert row is not None
    return row.kind, row.acr
