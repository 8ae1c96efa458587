"""Somebody with a letter of the counter, and the browsers in which they open and use their account."""

from dataclasses import dataclass, field
from datetime import timedelta

from playwright.sync_api import Page, expect
from sqlalchemy import update

from core import clock
from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp.login import activation
from registry_sync import people
from tests.at_counter import SEEN
from tests.browser import steps
from tests.browser.authenticators import Authenticator
from tests.browser.mailing import letter
from tests.citizens import App
from tests.postbox import Postbox
from tests.service_process import Sample

HOME = "/my/account"
ELEVEN = timedelta(minutes=11)


@dataclass
class Device:
    """One browser of somebody's, and the passkey device beside it."""

    page: Page
    reader: Authenticator | None
    erti: str

    def open(self, path: str) -> None:
        """Open a page of the service."""
        self.page.goto(self.erti + path)

    def at(self, path: str) -> None:
        """Come to a page."""
        expect(self.page).to_have_url(self.erti + path)

    def touch(self) -> None:
        """With the owner there again, press the button for a passkey, unless the suggestion was taken up before."""
        assert self.reader
        self.reader.present(touched=True)
        self.page.evaluate("document.querySelector('#passkey-login')?.click()")

    def sign_out(self) -> None:
        """Sign out here."""
        self.open("/logout")
        self.page.click("#logout-confirm")
        expect(self.page.locator("#nav-logout")).to_have_count(0)

    def back(self, somebody: "Somebody", return_to: str = HOME) -> None:
        """Sign in: with the passkey, which is suggested and taken, or with password and code."""
        self.open(f"/login?return_to={return_to}")
        if self.reader is None:
            somebody.sign_in(self.page)


@dataclass
class Somebody:
    """A person with a letter of the counter."""

    sample: Sample
    address: str
    app: App | None = None
    codes: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The citizen ID as pages show it."""
        return people.grouped(self.sample.citizen_id)

    def settle(self, device: Device, *, password: bool = False) -> None:
        """Open the account here: with a passkey, or with password and app where there is no device or both are wanted."""
        page = device.page
        device.open("/activate")
        steps.give_letter(page, self.sample)
        if device.reader:
            page.click("#passkey-create")
        else:
            self.app = steps.choose_password(page)
        expect(page.locator("#recovery-codes li")).to_have_count(10)
        self.codes = page.locator("#recovery-codes li").all_text_contents()
        page.click("#codes-kept")
        device.at("/my")
        if device.reader and password:
            device.open(HOME)
            self.app = steps.choose_password(page, "#password-change")
            device.at(HOME)

    def reachable(self, device: Device) -> None:
        """Take an address for the sign-in name: letters go there from then on."""
        device.open(HOME)
        device.page.fill("#username", self.address)
        device.page.click("#name-submit")
        device.at(HOME)

    def sign_in(self, page: Page) -> None:
        """Type name, password and code."""
        assert self.app
        steps.sign_in(page, self.sample.citizen_id, self.app)

    def read(self, postbox: Postbox, subject: str) -> str:
        """Wait for a letter with this subject, and return its text."""
        return " ".join(letter(postbox, self.address, subject).get_content().split())


def newcomer(house: Database, name: str) -> Somebody:
    """Somebody whom the register came to know, with a letter of the counter."""
    claims = {
        "given_name": name,
        "family_name": "Mtsvane",
        "name": f"{name} Mtsvane",
        "birthdate": "1990-05-01",
    }
    with house.writing() as db:
        citizen = people.enrol(db, claims, source="civil")
        code = activation.make_code(db, citizen, seen=SEEN, actor=SYSTEM)
    return Somebody(Sample("", citizen, code), f"{name.lower()}@example.org")


def let_time_pass(house: Database, somebody: Somebody) -> None:
    """Let more than ten minutes go by since somebody signed in."""
    mine = browser_session.c.subject == somebody.sample.citizen_id
    with house.writing() as db:
        db.execute(update(browser_session).where(mine).values(auth_time=clock.now() - ELEVEN))
