"""What a citizen without script does: activate with a letter, keep an app, sign in, sign out."""

import time
from dataclasses import dataclass

import pyotp

from tests.plain_browser import PlainBrowser
from tests.service_process import Sample

PASSWORD = "walnut ferry granite lantern"
STEP = 30


class App:
    """An authenticator app. Each code is newer than the one before, since a used one is refused.

    The service takes codes one step early or late, so three can be had at once; for more it waits.
    """

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret.replace(" ", ""))
        self._last = 0

    def code(self) -> str:
        """The next code that the service will take."""
        step = max(self._last + 1, int(time.time()) // STEP - 1)
        while step > int(time.time()) // STEP + 1:
            time.sleep(0.2)
        self._last = step
        return self._totp.generate_otp(step)


@dataclass
class Citizen:
    """Somebody with an account that a password and an app open."""

    citizen_id: str
    app: App
    recovery_codes: list[str]


def activate(browser: PlainBrowser, issuer: str, sample: Sample) -> Citizen:
    """Activate an account with the letter's two numbers, a password and an app; the browser is signed in then."""
    browser.open(f"{issuer}/activate")
    return activate_here(browser, sample)


def activate_here(browser: PlainBrowser, sample: Sample) -> Citizen:
    """The same from the page that asks for the letter's two numbers."""
    browser.press("activation-submit", citizen_id=sample.citizen_id, activation_code=sample.code)
    browser.follow("activate-password")
    browser.press("password-submit", password=PASSWORD)
    app = App(browser.text("totp-secret"))
    browser.press("app-submit", totp_code=app.code())
    codes = browser.text("recovery-codes").split()
    browser.press("codes-kept")
    return Citizen(sample.citizen_id, app, codes)


def sign_in(browser: PlainBrowser, citizen: Citizen) -> None:
    """From the sign-in page: password, then the app's code."""
    browser.press("login-submit", username=citizen.citizen_id, password=PASSWORD)
    browser.press("code-submit", totp_code=citizen.app.code())


def confirm_sign_out(browser: PlainBrowser) -> None:
    """Say yes to signing out, where it is asked."""
    if browser.has("logout-confirm"):
        browser.press("logout-confirm")
