"""Somebody goes to a counter: the account they paused is opened at once, and a letter brings them back when all is lost."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import axe, steps
from tests.browser.colleague import OFFICE, hire
from tests.browser.conftest import Town
from tests.browser.journey import LUKA, Journey
from tests.service_process import Sample

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def receive(clerk: Page, town: Town, sample: Sample) -> None:
    """The clerk types whom the document before them is of, and sees whom the register knows."""
    clerk.goto(f"{town.erti}/desk/letters")
    clerk.fill("#citizen", sample.citizen_id)
    clerk.select_option("#document", "passport")
    clerk.fill("#office", OFFICE)
    clerk.click("#letter-submit")
    expect(clerk.locator("#visit-facts")).to_contain_text(LUKA.at_revenue)
    axe.look("before a letter is made", clerk)


def test_the_counter_is_the_last_way_back(
    browser: Browser, phone_without_script: BrowserContext, town: Town
) -> None:
    """Paused, opened before the clerk, signed in; then all is lost, the letter fits one page and opens it, and the old password is over."""
    mine = Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)
    page, sample = mine.page, town.service.sample(LUKA.number)
    page.goto(f"{town.erti}/login")
    mine.enter_letter(sample)
    citizen = mine.choose_password(sample)
    page.goto(f"{town.erti}/my/account/pause")
    page.click("#pause-submit")
    desk = browser.new_context(locale="en-GB")
    clerk = hire(desk, town).page
    receive(clerk, town, sample)
    clerk.check("#opening")
    clerk.click("#visit-open")
    expect(clerk.locator("#visit-opened")).to_be_visible()
    page.goto(f"{town.erti}/login?return_to=/my/account")
    mine.sign_in(citizen)
    expect(page).to_have_url(f"{town.erti}/my/account")

    receive(clerk, town, sample)
    expect(clerk.locator("#visit-says")).to_contain_text("Every passkey, password, app, card")
    visit = clerk.url
    clerk.check("#compared")
    clerk.click("#letter-print")
    expect(clerk.locator("#letter-to")).to_have_text(LUKA.at_health)
    axe.look("a letter, shown once", clerk)
    assert clerk.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 1, "one page"
    code = clerk.locator("#letter-code").inner_text()
    clerk.click("#letter-vouch")
    vouched = browser.new_context(locale="en-GB")
    other = hire(vouched, town).page
    other.goto(f"{town.erti}/admin/approvals")
    axe.look("a letter that a second official vouches for", other)
    other.click("[id^=agree-]")
    expect(other.locator("[id^=agree-]")).to_have_count(0)
    vouched.close()
    clerk.goto(visit)
    expect(clerk.locator("#letter-code")).to_have_count(0)
    page.goto(f"{town.erti}/my/history")
    expect(page.locator("main")).to_contain_text(f"A letter that opens your account was printed at {OFFICE}")
    page.goto(f"{town.erti}/activate")
    printed = Sample(sample.uin, sample.citizen_id, code)
    steps.give_letter(page, printed)
    mine.choose_password(printed)
    expect(page).to_have_url(f"{town.erti}/my")
    desk.close()
