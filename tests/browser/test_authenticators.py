"""Passkeys in a real browser with virtual authenticators: on a phone, on a key, unverified, copied, somebody else's, none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp.login import passkey
from service.app import open_house
from tests import citizens
from tests.browser.authenticators import KEY, PHONE, Reader
from tests.browser.journey import Journey
from tests.browser.steps import give_letter
from tests.ports import within
from tests.postbox import Postbox
from tests.service_process import Sample, Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOME = "/my/account"
LOW, SUBSTANTIAL, HIGH = ("urn:erti:loa:low", "urn:erti:loa:substantial", "urn:erti:loa:high")
REFERENCE = re.compile(r"Reference number, if you ask for help: \S{8,}")


@pytest.fixture(scope="module")
def house(service: Service) -> Iterator[Database]:
    """The service's own database, to look into."""
    opened = open_house(service.settings)
    yield opened
    opened.close()


@dataclass
class Home:
    """Somebody's browser, what it reaches authenticators with, and the service it goes to."""

    journey: Journey
    reader: Reader
    service: Service
    house: Database
    citizen_id: str = ""

    @property
    def page(self) -> Page:
        """The page that is open."""
        return self.journey.page

    def open(self, path: str) -> None:
        """Open a page of the service."""
        self.page.goto(self.service.issuer + path)

    def at(self, path: str) -> None:
        """Come to a page."""
        expect(self.page).to_have_url(self.service.issuer + path)

    def give_letter(self, number: int) -> Sample:
        """Begin to activate the account of one of the invented country's people."""
        sample = self.service.sample(number)
        self.citizen_id = sample.citizen_id
        self.open("/activate")
        give_letter(self.page, sample)
        return sample

    def enrol(self, number: int) -> list[str]:
        """Activate with a passkey, and return the recovery codes."""
        self.give_letter(number)
        self.page.click("#passkey-create")
        codes = self.page.locator("#recovery-codes li")
        expect(codes).to_have_count(10)
        written_down = codes.all_text_contents()
        self.page.click("#codes-kept")
        self.at("/my")
        return written_down

    def sign_out(self) -> None:
        """Sign out here."""
        self.open("/logout")
        self.page.click("#logout-confirm")
        expect(self.page.locator("#nav-logout")).to_have_count(0)

    def recover(self, code: str) -> None:
        """Come in with a recovery code alone."""
        self.open("/login/recovery")
        self.page.fill("#username", self.citizen_id)
        self.page.fill("#recovery-code", code)
        self.page.click("#recovery-submit")
        self.at(HOME)

    def says(self, words: str | re.Pattern[str], *, about: str = "passkey-login") -> None:
        """See what the page says about a passkey."""
        expect(self.page.locator(f"#{about}-status")).to_contain_text(words)

    def reached(self) -> tuple[str, list[str]]:
        """The assurance and the methods of the session."""
        mine = select(browser_session).where(browser_session.c.subject == self.citizen_id)
        with self.house.reading() as db:
            row = db.execute(mine.order_by(browser_session.c.auth_time.desc())).first()
        assert row, "nobody is signed in"
        return row.acr, list(row.amr)

    def is_outside(self) -> None:
        """Have no session: the account's page asks to sign in."""
        assert "/login" in self.page.request.get(f"{self.service.issuer}{HOME}").url


@pytest.fixture
def home(phone: BrowserContext, service: Service, house: Database) -> Home:
    """A citizen's browser, with no authenticator yet."""
    journey = Journey(phone, erti=service.issuer, revenue="", health="")
    return Home(journey, Reader(phone, journey.page), service, house)


def add(home: Home, button: str, name: str) -> None:
    """Add another passkey in the account."""
    home.open(HOME)
    home.page.click(button)
    home.page.fill("#passkey-name", name)
    home.page.click("#passkey-create")
    home.at(HOME)


def card(home: Home, name: str):
    """What the account's page says of the passkey with this name."""
    return home.page.locator("#passkeys .card", has=home.page.get_by_role("heading", name=name))


def texts(postbox: Postbox, address: str) -> str:
    """What was written to an address so far."""
    return "\n".join(str(letter.get_content()) for letter in postbox.to(address))


def test_a_passkey_on_the_phone_signs_in_with_nothing_typed(home: Home) -> None:
    """A synced passkey made at activation is taken from the suggestions: no name, no click, substantial and no more."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(0)
    home.sign_out()
    home.open(f"/login?return_to={HOME}")
    home.at(HOME)
    expect(home.page.locator("#passkeys .badge")).to_have_text("copied between your devices")
    assert home.reached() == (SUBSTANTIAL, ["swk", "user", "mfa"])
    assert phone.credentials[0]["signCount"] > 1, "it was asked"


def test_a_key_made_at_activation_reaches_high(home: Home) -> None:
    """A passkey that stays on its key, made with the letter of the counter, reaches the highest assurance."""
    home.reader.plug_in(KEY)
    home.enrol(1)
    home.sign_out()
    home.open(f"/login?return_to={HOME}")
    home.page.click("#passkey-login")
    home.at(HOME)
    expect(home.page.locator("#passkeys .badge")).to_have_text("stays on its device")
    assert home.reached() == (HIGH, ["hwk", "user", "mfa"])


def test_a_second_key_signs_in_when_the_phone_is_gone(home: Home) -> None:
    """A key added in the account is told apart from the phone, signs in without it, and reaches no more than the phone did."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(2)
    key = home.reader.plug_in(KEY)
    add(home, "#passkey-add-key", "Key in the drawer")
    assert [len(one.credentials) for one in (phone, key)] == [1, 1], "a key was asked for, not the phone"
    expect(card(home, "Key in the drawer").locator(".badge")).to_have_text("stays on its device")
    expect(card(home, "Chrome on Linux").locator(".badge")).to_have_text("copied between your devices")
    phone.pull_out()
    home.sign_out()
    home.open(f"/login?return_to={HOME}")
    home.page.click("#passkey-login")
    home.at(HOME)
    assert home.reached() == (SUBSTANTIAL, ["hwk", "user", "mfa"])


def test_whom_the_device_does_not_know_makes_no_passkey(home: Home) -> None:
    """A finger that is refused, or a key that has no PIN, makes no passkey: the page says what to do, and the next try works."""
    phone = home.reader.plug_in(PHONE)
    home.give_letter(3)
    phone.recognises(owner=False)
    home.page.click("#passkey-create")
    home.says("No passkey was made. You can try again", about="passkey-create")
    phone.pull_out()
    key = home.reader.plug_in(KEY, hasUserVerification=False, isUserVerified=False)
    home.page.click("#passkey-create")
    home.says("A security key needs a PIN", about="passkey-create")
    assert key.credentials == []
    expect(home.page.locator("#activate-password")).to_be_visible()
    key.pull_out()
    home.reader.plug_in(PHONE)
    home.page.click("#passkey-create")
    expect(home.page.locator("#recovery-codes li")).to_have_count(10)


def test_whom_the_device_does_not_know_is_not_let_in(home: Home) -> None:
    """A passkey signs in nobody whom its device does not recognise; a recovery code still does, at the lowest assurance."""
    phone = home.reader.plug_in(PHONE)
    codes = home.enrol(4)
    home.sign_out()
    phone.recognises(owner=False)
    home.open("/login")
    home.page.click("#passkey-login")
    home.says("the passkey was not used. Try again, or use another way to sign in")
    home.is_outside()
    home.recover(codes[0])
    assert home.reached() == (LOW, ["otp"])
    home.sign_out()
    phone.recognises(owner=True)
    home.open(f"/login?return_to={HOME}")
    home.at(HOME)
    assert home.reached()[0] == SUBSTANTIAL


def test_a_copied_passkey_opens_nothing_and_its_owner_is_told(home: Home, postbox: Postbox) -> None:
    """When a count comes back lower the copy and the original are both refused; page, letter and account say so, and what to do."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(5)
    key = home.reader.plug_in(KEY)
    add(home, "#passkey-add-key", "Key")
    key.present(touched=False)
    home.page.fill("#username", "luka@example.org")
    home.page.click("#name-submit")
    home.sign_out()
    (original,) = phone.credentials
    phone.hold(original, signCount=0)
    home.open("/login")
    home.says("may have been copied, so it no longer signs in. Sign in another way")
    home.says(REFERENCE)
    home.is_outside()
    phone.hold(original, signCount=original["signCount"] + 10)
    home.open(f"/login?return_to={HOME}")
    home.says("may have been copied")
    assert within(20, lambda: "may have been copied" in texts(postbox, "luka@example.org"))
    phone.present(touched=False)
    key.present(touched=True)
    home.page.click("#passkey-login")
    home.at(HOME)
    suspected = card(home, "Chrome on Linux")
    expect(suspected).to_contain_text("It no longer signs in. Remove it and make a new one")
    assert within(5, lambda: phone.credentials == []), "the device was told that it is worth nothing any more"
    phone.present(touched=True)
    key.present(touched=False)
    suspected.locator("summary").click()
    suspected.get_by_role("button", name="Remove this passkey").click()
    expect(home.page.locator("#passkeys .card")).to_have_count(1)
    add(home, "#passkey-add", "The phone again")
    home.sign_out()
    home.open(f"/login?return_to={HOME}")
    home.at(HOME)


def test_passkeys_are_added_named_and_removed_but_for_the_last(home: Home) -> None:
    """Of two passkeys one is renamed and one removed, which its device then forgets; the last safe way in stays."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(0)
    key = home.reader.plug_in(KEY)
    add(home, "#passkey-add-key", "Key")
    old = card(home, "Chrome on Linux")
    old.locator("summary").click()
    old.get_by_label("Name").fill("Nino’s phone")
    old.get_by_role("button", name="Rename").click()
    expect(card(home, "Nino’s phone")).to_be_visible()
    home.page.fill("#username", "nino.vashlidze")
    home.page.click("#name-submit")
    assert within(
        5, lambda: phone.credentials[0]["userName"] == "nino.vashlidze"
    )  # what the device calls the account
    card(home, "Key").locator("summary").click()
    card(home, "Key").get_by_role("button", name="Remove this passkey").click()
    expect(home.page.locator("#passkeys .card")).to_have_count(1)
    assert within(5, lambda: key.credentials == [])
    card(home, "Nino’s phone").locator("summary").click()
    card(home, "Nino’s phone").get_by_role("button", name="Remove this passkey").click()
    expect(home.page.locator("#error-summary")).to_contain_text("last safe way into your account")
    expect(card(home, "Nino’s phone")).to_be_visible()
    assert len(phone.credentials) == 1


def test_one_device_holds_one_passkey_of_an_account(home: Home) -> None:
    """A device that holds a passkey of the account makes no second one, and the page says so in its own words."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(1)
    home.open("/my/account/passkeys/new")
    home.page.click("#passkey-create")
    home.says("already holds a passkey for this account", about="passkey-create")
    assert len(phone.credentials) == 1


def test_the_suggestion_steps_aside_for_the_button(home: Home) -> None:
    """A suggestion that waits in the name's field is let go when the button is pressed: one request at a time."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(2)
    home.sign_out()
    phone.present(touched=False)
    with home.page.expect_response("**/login/passkey/options"):
        home.open(f"/login?return_to={HOME}")
    home.at(f"/login?return_to={HOME}")
    phone.present(touched=True)
    home.page.click("#passkey-login")
    home.at(HOME)


def test_without_a_passkey_at_hand_the_password_signs_in(home: Home) -> None:
    """While the browser waits for a passkey that is nowhere, name, password and code sign in."""
    citizen = home.journey.choose_password(home.give_letter(3))
    home.sign_out()
    home.open(f"/login?return_to={HOME}")
    home.page.click("#passkey-login")
    home.says("Follow what your device or browser asks")
    home.journey.sign_in(citizen)
    home.at(HOME)
    assert home.reached() == (SUBSTANTIAL, ["pwd", "otp", "mfa"])


def test_a_broken_line_is_told_in_our_words(home: Home) -> None:
    """When the service cannot be reached the page says what to do in its own language, and not what the browser says."""
    home.reader.plug_in(PHONE)
    home.enrol(4)
    home.sign_out()
    home.page.route("**/login/passkey/verify", lambda route: route.abort())
    home.open("/login")
    home.says("The passkey could not be used. Try again, or use another way to sign in.")
    home.page.unroute("**/login/passkey/verify")
    home.page.click("#passkey-login")
    home.at("/my")


def test_a_removed_passkey_is_refused_and_forgotten(home: Home) -> None:
    """A passkey that was removed elsewhere is refused with a reference number, and its device forgets it."""
    phone = home.reader.plug_in(PHONE)
    home.enrol(5)
    home.sign_out()
    with home.house.writing() as db:
        (mine,) = passkey.of(db, home.citizen_id)
        passkey.drop(db, home.citizen_id, mine.id, actor=SYSTEM)
    home.open("/login")
    home.says("not known here, or was removed. Use another one, or another way to sign in.")
    home.says(REFERENCE)
    assert within(5, lambda: phone.credentials == [])
    home.is_outside()


def test_on_a_shared_key_nobody_uses_the_others_passkey(home: Home) -> None:
    """Whoever has to show more is asked for a passkey of their own: another person's on the same key does not do."""
    key = home.reader.plug_in(KEY)
    home.enrol(0)
    (theirs,) = key.credentials
    home.enrol(1)
    (own,) = (one for one in key.credentials if one["userHandle"] != theirs["userHandle"])
    phone = home.reader.plug_in(PHONE)
    key.present(touched=False)
    add(home, "#passkey-add", "Phone")
    home.sign_out()
    key.send("removeCredential", credentialId=own["credentialId"])
    home.open(f"/login?return_to={HOME}")
    home.at(HOME)
    assert home.reached()[0] == SUBSTANTIAL
    phone.pull_out()
    key.present(touched=True)
    home.open(f"/login?return_to={HOME}&acr={HIGH}")
    home.page.click("#passkey-login")
    home.says("the passkey was not used")
    assert home.reached()[0] == SUBSTANTIAL
    key.hold(own)
    home.page.click("#passkey-login")
    home.at(HOME)
    assert home.reached()[0] == HIGH
    expect(home.page.locator("#account-facts")).to_contain_text(home.citizen_id[:4])


def test_a_password_is_shown_only_while_it_is_typed(home: Home) -> None:
    """The button shows what was typed, says what it does next, and what is sent is a password again."""
    home.give_letter(2)
    page = home.page
    page.click("#activate-password")
    page.fill("#password", "short")
    button = page.locator("#password-show")
    for words, type_then in (("Show the password", "text"), ("Hide the password", "password")):
        expect(button).to_have_accessible_name(words)
        button.press("Enter")
        expect(page.locator("#password")).to_have_attribute("type", type_then)
    button.click()
    page.evaluate("document.forms[0].addEventListener('submit', (e) => { e.preventDefault(); })")
    page.click("#password-submit")
    expect(page.locator("#password")).to_have_attribute("type", "password")
    expect(button).to_have_accessible_name("Show the password")


def test_without_script_recovery_codes_stand_in(browser: Browser, home: Home) -> None:
    """With no script there is no passkey, no name for one and no button for the password, and a recovery code signs in for either."""
    citizen = home.journey.choose_password(home.give_letter(3))
    home.sign_out()
    home.reader.plug_in(PHONE)
    spare = home.enrol(4)
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{home.service.issuer}/login?return_to={HOME}")
    expect(page.locator("noscript p")).to_contain_text("Passkeys need JavaScript")
    for script_only in ("#passkey-login", "#password-show"):
        expect(page.locator(script_only)).to_be_hidden()
    page.fill("#username", citizen.citizen_id)
    page.fill("#password", citizens.PASSWORD)
    page.click("#login-submit")
    page.click("#recovery summary")
    page.fill("#recovery-code", citizen.recovery_codes[0])
    page.click("#recovery-submit")
    expect(page).to_have_url(f"{home.service.issuer}{HOME}")
    page.click("#passkey-add")
    expect(page.locator("noscript p")).to_have_text(
        "Passkeys need JavaScript, which this browser does not run."
    )
    expect(page.locator("#passkey-name"), "a name for nothing").to_be_hidden()
    page.goto(f"{home.service.issuer}/logout")
    page.click("#logout-confirm")
    page.goto(f"{home.service.issuer}/login")
    page.click("#login-recovery")
    page.fill("#username", home.citizen_id)
    page.fill("#recovery-code", spare[0])
    page.click("#recovery-submit")
    expect(page).to_have_url(f"{home.service.issuer}{HOME}")
    assert home.reached() == (LOW, ["otp"])
    context.close()
