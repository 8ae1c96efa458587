"""Sessions and devices, in real browsers: ended from elsewhere, disavowed by a letter, warned of before they end."""

import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import func, select, update

from core import clock
from core.sessions import browser_session
from idp.tables import outbox
from service.app import open_house
from tests.browser import axe, steps
from tests.citizens import App
from tests.postbox import Postbox
from tests.service_process import Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LINK = re.compile(r"http://localhost:\d+/(?:not-me|try)/[\w-]+")
GUESSES = 11  # one more than is looked at
IDLE = 1800
ALMOST = 29 * 60  # seconds after which the warning stands


class Somebody:
    """A citizen with a password and an app, whose sign-in name is an e-mail address, and their browsers."""

    def __init__(self, service: Service, number: int) -> None:
        self.erti, self.name = service.issuer, f"person{number}@example.org"
        self._letter = service.sample(number)
        self._app: App | None = None

    def activate(self, page: Page) -> None:
        """Open the account with the letter of the counter."""
        page.goto(f"{self.erti}/activate")
        steps.give_letter(page, self._letter)
        self._app = steps.choose_password(page, name=self.name)
        page.click("#codes-kept")

    def sign_in(self, page: Page, path: str = "/login") -> None:
        """Sign in with password and code."""
        page.goto(self.erti + path)
        assert self._app
        steps.sign_in(page, self.name, self._app)


@pytest.fixture
def set_back(service: Service) -> Callable[..., None]:
    """Give a way to change when sessions were seen last, or end."""

    def change(**columns: object) -> None:
        house = open_house(service.settings)
        with house.writing() as db:
            db.execute(update(browser_session).values(**columns))
        house.close()

    return change


@pytest.fixture
def page(phone: BrowserContext) -> Page:
    """A page whose clock the test turns."""
    opened = phone.new_page()
    opened.clock.install()
    return opened


def newest_link(service: Service, postbox: Postbox) -> str:
    """Wait until every letter went out, and return the link of the last one."""
    house, waits = open_house(service.settings), 1
    while waits:
        time.sleep(0.2)
        with house.reading() as db:
            waits = db.scalar(select(func.count()).select_from(outbox))
    house.close()
    found = LINK.search(postbox.letters[-1].get_content())
    assert found
    return found[0]


def test_one_browser_ends_the_other_and_a_letter_puts_a_stranger_out(
    browser: Browser,
    phone: BrowserContext,
    phone_without_script: BrowserContext,
    service: Service,
    postbox: Postbox,
) -> None:
    """Without script: a browser is signed out from another; a new one is disavowed by the letter about it."""
    somebody = Somebody(service, 0)
    mine = phone_without_script.new_page()
    somebody.activate(mine)
    other = phone.new_page()
    somebody.sign_in(other)
    mine.goto(f"{service.issuer}/my/sessions")
    expect(mine.locator("#sessions .card")).to_have_count(2)
    expect(mine.locator("#session-ends")).to_contain_text("signed out at")
    assert axe.overflow(mine) == 0
    mine.locator("[id^=session-end-]").click()
    expect(mine.locator("#sessions .card")).to_have_count(1)
    other.goto(f"{service.issuer}/my")
    expect(other.locator("#username")).to_be_visible()

    elsewhere = browser.new_context(locale="en-GB")
    stranger = elsewhere.new_page()
    somebody.sign_in(stranger)
    link = newest_link(service, postbox)
    reader = phone_without_script.browser.new_context(java_script_enabled=False, locale="en-GB")
    letter = reader.new_page()
    letter.goto(link)
    expect(letter.locator("#not-me-notice")).to_contain_text("a browser we had not seen before")
    axe.look("the letter's page", letter, script=False)
    stranger.goto(f"{service.issuer}/my")
    expect(stranger.locator("#nav-logout"), "opening the link does nothing").to_be_visible()
    letter.click("#not-me-submit")
    expect(letter.locator("h1")).to_have_text("They are signed out")
    stranger.goto(f"{service.issuer}/my")
    expect(stranger.locator("#username")).to_be_visible()
    mine.goto(f"{service.issuer}/my/sessions")
    expect(mine.locator("#lately")).to_contain_text("You signed in at a new browser or device")
    letter.goto(link)
    expect(letter.locator("h1")).not_to_have_text("Was this not you?")
    somebody.sign_in(letter, "/login?return_to=/my/sessions/secure")
    letter.click("#secure-password-change")
    expect(letter.locator("#password-submit")).to_be_visible()
    for _guess in range(GUESSES):
        stranger.goto(f"{service.issuer}/login")
        stranger.fill("#username", somebody.name)
        stranger.fill("#password", "not the right words at all")
        stranger.click("#login-submit")
    expect(stranger.locator("#wait-notice")).to_contain_text("Our e-mail about it has a link")
    letter.goto(newest_link(service, postbox))
    axe.look("the page of a letter about guessing", letter, script=False)
    letter.click("#try-submit")
    expect(letter.locator("#try-title")).to_have_text("You can try in this browser now")
    reader.close()
    elsewhere.close()


def test_a_session_is_warned_of_extended_and_honest_when_over(
    page: Page, service: Service, set_back: Callable[..., None]
) -> None:
    """The warning asks the service, goes on with one press, says when that cannot be, and when it is too late."""
    somebody, dialog = Somebody(service, 1), page.locator("#session-dialog")
    somebody.activate(page)
    page.goto(f"{service.issuer}/my/account")
    page.fill("#username", "half a na")
    page.clock.fast_forward(ALMOST * 1000)
    page.wait_for_load_state("networkidle")
    expect(dialog, "the session was used elsewhere: the service knows").to_be_hidden()

    set_back(last_seen_at=clock.now() - timedelta(seconds=IDLE - 100))
    page.clock.fast_forward(ALMOST * 1000)
    expect(dialog).to_be_visible()
    expect(page.get_by_role("alertdialog", name="You are about to be signed out")).to_be_visible()
    expect(page.locator("#session-extend")).to_be_focused()
    assert axe.complaints(page) == []
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#username")).to_have_value("half a na")

    set_back(ends_at=clock.now() + timedelta(seconds=100))
    page.clock.fast_forward(ALMOST * 1000)
    expect(page.locator("#session-text")).to_contain_text("cannot be extended")
    expect(page.locator("#session-extend")).to_be_hidden()
    page.click("#session-close")
    expect(dialog).to_be_hidden()

    set_back(ends_at=clock.now() - timedelta(seconds=1))
    page.clock.fast_forward(200_000)
    expect(page.get_by_role("alertdialog", name="You are signed out")).to_be_visible()
    expect(page.locator("#session-extend")).to_be_hidden()
    expect(page.locator("#session-login")).to_be_visible()
    assert axe.complaints(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#username")).to_have_value("half a na")
