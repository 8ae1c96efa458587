"""A person without a phone: a card at the counter, a sign-in with card and PIN, a confirmation on the pad; no script."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import axe
from tests.browser.colleague import OFFICE, hire
from tests.browser.conftest import Town
from tests.browser.journey import LUKA, Journey
from tests.service_process import Sample

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PIN = "4071 9326"


def make_card(clerk: Page, pad: Page, town: Town, sample: Sample) -> tuple[str, list[str]]:
    """The clerk begins, the citizen chooses the PIN on the pad, the clerk prints; give the card's number and codes."""
    clerk.goto(f"{town.erti}/desk/cards")
    clerk.fill("#citizen", sample.citizen_id)
    clerk.select_option("#document", "passport")
    clerk.fill("#office", OFFICE)
    clerk.click("#card-order-submit")
    join(clerk, pad, town)
    axe.look("a PIN chosen on the pad", pad, script=False)
    pad.fill("#new-pin", PIN)
    pad.fill("#new-pin-again", PIN)
    pad.click("#pin-submit")
    expect(pad.locator("#pad-said")).to_contain_text("Your PIN is kept")
    clerk.click("#card-reload")
    clerk.click("#card-print-submit")
    number = clerk.locator("#card-number").inner_text()
    return number, clerk.locator("[data-code]").all_text_contents()


def join(clerk: Page, pad: Page, town: Town) -> None:
    """Type the code of the clerk's screen on the pad."""
    pad.goto(f"{town.erti}/pad")
    pad.fill("#pad-code", clerk.locator("#pad-code").inner_text())
    pad.click("#pad-submit")


def give(page: Page, number: str, codes: list[str], submit: str) -> None:
    """Type the card's number, then the PIN and the code that is asked for."""
    page.fill("#card-number", number)
    page.click(submit)
    label = page.locator("label[for=card-code]").inner_text()
    found = re.search(r"\d+", label)
    assert found, label
    page.fill("#pin", PIN)
    page.fill("#card-code", codes[int(found[0]) - 1])
    page.click("#proof-submit")


def test_somebody_without_a_phone(
    browser: Browser, phone_without_script: BrowserContext, town: Town, tmp_path: Path
) -> None:
    """Made at the counter, the card signs in at a portal, twice, and confirms a procedure on the pad, all without script."""
    desk = browser.new_context(locale="en-GB")
    pads = browser.new_context(java_script_enabled=False, locale="en-GB")
    clerk, pad = hire(desk, town).page, pads.new_page()
    number, codes = make_card(clerk, pad, town, town.service.sample(LUKA.number))
    assert len(codes) == len(set(codes)) == 40
    pdf = clerk.pdf(prefer_css_page_size=True)
    (tmp_path / "card.pdf").write_bytes(pdf)
    assert pdf.count(b"/Type /Page\n") == 1, "one sheet"

    citizen = Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)
    page = citizen.page
    for _time in range(2):
        citizen.begin_at(town.revenue)
        if page.locator("#login-card").count():
            page.click("#login-card")
            give(page, number, codes, "#card-submit")
        if page.locator("#consent-allow").count():
            citizen.allow()
        expect(page.locator("#signed-in-name")).to_have_text(LUKA.at_revenue)
        page.click("#sign-out")
        page.click("#logout-confirm")

    clerk.goto(f"{town.erti}/desk")
    clerk.fill("#citizen", town.service.sample(LUKA.number).citizen_id)
    clerk.select_option("#purpose", index=1)
    clerk.fill("#office", OFFICE)
    clerk.fill("#case", "A-1")
    clerk.click("#desk-submit")
    join(clerk, pad, town)
    expect(pad.locator("#main")).not_to_contain_text(LUKA.at_revenue.split()[0])
    axe.look("the pad of a desk", pad, script=False)
    give(pad, number, codes, "#pad-card-submit")
    axe.look("confirming on the pad", pad, script=False)
    pad.click("#pad-confirm")
    expect(pad.locator("#pad-said")).to_contain_text("You have confirmed it")
    clerk.click("#desk-reload")
    clerk.click("#desk-read-submit")
    expect(clerk.locator("#desk-receipt")).to_contain_text(OFFICE)
    desk.close()
    pads.close()
