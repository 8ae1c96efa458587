"""Takes the pictures of docs/pictures anew: `make pictures` runs it, with Chromium and the fonts of fonts-noto-core."""

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Town
from tests.browser.journey import NINO, Journey
from tests.service_process import REPOSITORY, Sample

pytestmark = [pytest.mark.browser]
FOLDER = REPOSITORY / "docs" / "pictures"
WIDTH, TALLEST = 600, 1540
CASE = "RS-2026-0147"


def take(page: Page, name: str, *, height: int = TALLEST) -> None:
    """Keep the page as it is, without a focus or a pointer on it, and without what counts down."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(), document.getElementById('session-ends')?.remove()")
    page.wait_for_timeout(400)  # colours change slowly
    tall = int(page.evaluate("document.documentElement.scrollHeight"))
    whole = {"x": 0.0, "y": 0.0, "width": float(WIDTH), "height": float(min(tall, height))}
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True, clip=whole)  # type: ignore[arg-type]


def look_by_law(page: Page, town: Town, sample: Sample) -> None:
    """An officer reads what a law lets them read."""
    page.goto(f"{town.revenue}/office")
    page.fill("#number", sample.uin)
    page.fill("#case", CASE)
    page.fill("#officer", "1147")
    page.click("#read-by-law")
    page.wait_for_selector("#law-outcome")


def go(journey: Journey, town: Town) -> None:
    """Somebody activates, shares with two agencies, is looked at by law, and looks back."""
    page, sample = journey.page, town.service.sample(NINO.number)
    journey.begin_at(town.revenue)
    journey.enter_letter(sample)
    page.fill("#passkey-name", "My phone")
    journey.make_passkey()
    page.check("#allow-income_bracket")
    take(page, "consent")
    page.click("#consent-allow")
    look_by_law(page, town, sample)
    journey.begin_at(town.health)
    journey.allow("address")
    page.goto(f"{town.erti}/my/history")
    page.locator("#entries li", has_text="because a law allows it").first.locator("summary").click()
    take(page, "history")
    page.goto(f"{town.erti}/my/account")
    take(page, "account")
    page.goto(f"{town.erti}/my/history/check")
    page.click("#check-now")
    page.wait_for_selector("#verdict:not([hidden])")
    take(page, "check", height=1100)


def test_the_pictures_of_the_documents(browser: Browser, town: Town) -> None:
    """Each page that the documents show can be come to, and is kept as it is today."""
    context = browser.new_context(viewport={"width": WIDTH, "height": 900}, locale="en-GB")
    journey = Journey(context, erti=town.erti, revenue=town.revenue, health=town.health)
    with journey.passkey():
        go(journey, town)
    context.close()
