"""A citizen shuts the account and comes back, in a browser that runs no script."""

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Town
from tests.browser.journey import Journey

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_closing_is_undone_and_a_pause_is_opened(phone_without_script: BrowserContext, town: Town) -> None:
    """Closing tells what ends and what stays, is undone by signing in, and a pause opens by a recovery code and a wait."""
    journey = Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)
    page = journey.page
    page.goto(f"{town.erti}/login")
    sample = town.service.sample(2)
    journey.enter_letter(sample)
    citizen = journey.choose_password(sample)
    page.goto(f"{town.erti}/my/account")
    page.click("#account-close")
    expect(page.locator("main")).to_contain_text("What stays, by law")
    page.click("#close-submit")
    expect(page.locator("#left-title")).to_have_text("Your account will be closed")
    page.goto(f"{town.erti}/login?return_to=/my/account")
    journey.sign_in(citizen)
    expect(page.locator("#shut-title")).to_have_text("Your account is about to close")
    expect(page.locator("#problem-reference")).to_be_visible()
    page.click("#account-keep")
    expect(page.locator("#left-title")).to_have_text("Your account stays open")
    page.click("#left-login")
    journey.sign_in(citizen)
    page.click("#account-pause")
    page.click("#pause-submit")
    expect(page.locator("#left-title")).to_have_text("Your account is paused now")
    page.goto(f"{town.erti}/login")
    journey.sign_in(citizen)
    expect(page.locator("#shut-title")).to_have_text("Your account is paused")
    page.fill("#recovery-code", citizen.recovery_codes[0])
    page.click("#account-open")
    expect(page.locator("#shut-opens")).to_contain_text("It opens again")
    page.click("#account-stay")
    expect(page.locator("#recovery-code")).to_be_visible()
