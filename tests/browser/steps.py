"""What a citizen does on Erti's own pages in every journey: the letter, password and app, signing in."""

from typing import Literal

from playwright.sync_api import Page

from tests import citizens
from tests.citizens import App
from tests.service_process import Sample

Scheme = Literal["light", "dark"]


def give_letter(page: Page, sample: Sample) -> None:
    """On the page of activation: type the two numbers of the letter from the counter."""
    page.fill("#citizen-id", sample.citizen_id)
    page.fill("#activation-code", sample.code)
    page.click("#activation-submit")


def choose_password(page: Page, start: str = "#activate-password", *, name: str = "") -> App:
    """Choose a password, and a name if one is given, and set up the app that goes with it; the codes come next."""
    page.click(start)
    if name:
        page.fill("#username", name)
    page.fill("#password", citizens.PASSWORD)
    page.click("#password-submit")
    app = App(page.locator("#totp-secret").text_content() or "")
    page.fill("#totp-code", app.code())
    page.click("#app-submit")
    return app


def sign_in(page: Page, name: str, app: App) -> None:
    """On the page of the way in: sign in with password and code."""
    page.fill("#username", name)
    page.fill("#password", citizens.PASSWORD)
    page.click("#login-submit")
    page.fill("#totp-code", app.code())
    page.click("#code-submit")
