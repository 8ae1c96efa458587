"""Erti's own pages are usable by everybody: axe finds nothing, and nothing sticks out at 320 pixels."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from core.events import SYSTEM
from idp.oidc import clients, metadata
from service.app import open_house
from tests import citizens
from tests.browser import axe, keyboard
from tests.browser.conftest import Town
from tests.browser.journey import Journey
from tests.browser.seen import OF_ONE, OPEN_TO_ALL
from tests.browser.steps import Scheme
from tests.browser.traces import look_by_staff
from tests.citizens import App

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# What an address says beyond its path.
MORE_OPEN = ("/device?user_code=BCDF-GHJK", "/no-such-page")
MORE_OF_ONE = ("/my/history?since=soon&text=name", "/logout")
# Where somebody goes by the Tab key alone as well.
BY_KEYS = {"/login", "consent", "/my/account", "/my/history"}
KILOBYTES = 100
LONG_AGO = datetime(2018, 5, 1, tzinfo=UTC)  # no law wants it kept any more


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_before_signing_in_are_for_everybody(browser: Browser, town: Town, scheme: Scheme) -> None:
    """Every page anybody can open, problem page included: in light and English, in dark and Georgian, and by keys."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page = context.new_page()
    found = {}
    language = {"light": "en", "dark": "ka"}[scheme]
    page.goto(f"{town.erti}/language/{language}")
    for path in (*OPEN_TO_ALL, *MORE_OPEN):
        page.goto(town.erti + path)
        assert page.url == town.erti + path, "it leads elsewhere: say so in seen.py"
        assert page.locator("html").get_attribute("lang") == language
        found[path] = axe.complaints(page), axe.overflow(page)
        if path in BY_KEYS:
            found[path][0].extend(keyboard.complaints(page))
    assert {where: wrong for where, wrong in found.items() if wrong != ([], 0)} == {}
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_a_citizen_are_for_everybody(browser: Browser, town: Town, scheme: Scheme) -> None:
    """Every step of the main journey and every page of one's own, in light and dark, and by keys."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme, locale="en-GB")
    journey = Journey(context, erti=town.erti, revenue=town.revenue, health=town.health)
    page, found = journey.page, {}

    def look(where: str, at: Page = page) -> None:
        at.wait_for_load_state()
        found[where] = axe.complaints(at), axe.overflow(at)
        if where in BY_KEYS:
            found[where][0].extend(keyboard.complaints(at))

    sample = town.service.sample({"light": 1, "dark": 3}[scheme])
    look_by_staff(town.service, sample.citizen_id, at=LONG_AGO)
    with journey.passkey(synced=scheme == "dark"):  # in Georgian its badge is wider than a small phone
        journey.begin_at(journey.revenue)
        journey.enter_letter(sample)
        look("choose a method")
        page.click("#activate-password")
        look("choose a password")
        page.fill("#password", citizens.PASSWORD)
        page.click("#password-submit")
        expect(page.locator("#totp-code")).to_be_visible()
        look("set up an app")
        page.goto(f"{town.erti}/activate/method")
        page.click("#passkey-create")
        expect(page.locator("#recovery-codes li")).to_have_count(10)
        look("recovery codes")
        page.click("#codes-kept")
        expect(page.locator("#consent-allow")).to_be_visible()
        look("consent")
        journey.allow("income_bracket")
        expect(page.locator("#citizen-id")).to_be_visible()
        look("the portal's page")
        page.goto(f"{town.erti}/language/{ {'light': 'en', 'dark': 'ka'}[scheme] }")
        for path in (*OF_ONE, *MORE_OF_ONE):
            page.goto(town.erti + path)
            assert page.url == town.erti + path, "it leads elsewhere: say so in seen.py"
            look(path)
        page.goto(f"{town.erti}/my/history/erasure")
        page.click(f"#erase-{LONG_AGO.year}")
        look("erasing a year")
        page.goto(f"{town.erti}/my/history?kind=reads")
        page.locator("#entries summary").first.click()
        page.locator("#entries a[id^='open-']").first.click()
        look("one entry")
        page.click("#ask")
        look("disputing")
        page.fill("#text", "Who was this?")
        page.click("#dispute-submit")
        expect(page.locator("#asked-text")).to_have_text("Who was this?")
        look("a dispute")
        page.goto(f"{town.erti}/my/disputes")
        look("disputes")
        page.goto(f"{town.erti}/my/sharing")
        page.locator("#live article a").first.click()
        look("one permission")
        page.goto(f"{page.url}/extend")
        look("letting it go on")
        page.go_back()
        page.click("#withdraw-all")
        look("taking back")
        look_after(
            journey, look, browser.new_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
        )
    assert {where: wrong for where, wrong in found.items() if wrong != ([], 0)} == {}
    context.close()


def look_after(journey: Journey, look: Callable[..., None], elsewhere: Page) -> None:
    """Go through what a citizen does with the account, look at each page on the way, and pause it at the end."""
    page, erti = journey.page, journey.erti
    page.goto(f"{erti}/my/account/password")
    page.fill("#password", citizens.PASSWORD)
    page.click("#password-submit")
    look("another app")
    app = App(page.locator("#totp-secret").text_content() or "")
    page.fill("#totp-code", app.code())
    page.click("#app-submit")
    page.click("#codes-new")
    look("new recovery codes")
    page.click("#codes-kept")
    page.goto(f"{erti}/my/account/contact")
    page.fill("#email", "nino@example.org")
    page.click("#email-submit")
    look("the code of an address")
    page.goto(f"{erti}/my/sessions")
    page.locator("#lately a[id^=not-me-]").first.click()
    look("this was not me")
    page.goto(f"{erti}/my/account")
    citizen_id = page.locator("#account-facts dd").first.inner_text().split()[0]
    elsewhere.goto(f"{erti}/login")
    elsewhere.fill("#username", citizen_id)
    elsewhere.fill("#password", citizens.PASSWORD)
    elsewhere.click("#login-submit")
    expect(elsewhere.locator("#totp-code")).to_be_visible()
    look("the code of the app", elsewhere)
    elsewhere.close()
    page.goto(f"{erti}/my/account/pause")
    page.click("#pause-submit")
    look("paused")
    page.goto(f"{erti}/login")  # the passkey of this browser is used without being asked for
    expect(page).to_have_url(f"{erti}/login/shut")
    look("an account that is shut")


def weigh(sizes: dict[str, int], request: Request) -> None:
    """Keep the size of an answer."""
    sizes[request.url] = request.sizes()["responseBodySize"]


def test_pages_are_small_and_fetch_nothing_from_elsewhere(browser: Browser, town: Town) -> None:
    """Each page with everything it loads is under 100 KB, and from one origin."""
    for path in ("/", "/login", "/activate"):
        context = browser.new_context()
        page = context.new_page()
        sizes: dict[str, int] = {}
        page.on(
            "requestfinished",
            partial(weigh, sizes),
        )
        page.goto(town.erti + path, wait_until="networkidle")
        assert all(url.startswith((town.erti, "data:")) for url in sizes), sizes
        assert sum(sizes.values()) < KILOBYTES * 1000, sizes
        context.close()


def test_a_device_is_let_in_by_a_phone_that_runs_no_script(
    phone_without_script: BrowserContext, town: Town
) -> None:
    """Somebody types the code of a device, signs in, says that it is theirs, decides, and the device gets its tokens."""
    declared = next(c for c in town.service.document["clients"] if c["client_id"] == "revenue-portal")
    television = {
        "client_id": "television",
        "client_name": "My taxes on television",
        "agency": declared["agency"],
        "sign_in_purpose": declared["sign_in_purpose"],
        "token_endpoint_auth_method": "none",
        "grant_types": [metadata.DEVICE_GRANT],
    }
    database = open_house(town.service.settings)
    with database.writing() as db:
        clients.load(db, {"clients": [television]}, actor=SYSTEM)
    database.close()
    asked = httpx.post(
        f"{town.erti}/device_authorization", data={"client_id": "television", "scope": "openid profile"}
    ).json()
    journey = Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)
    page = journey.page
    page.goto(asked["verification_uri"])
    page.fill("#user_code", asked["user_code"].lower())
    page.click("#device-submit")
    person = town.service.sample(5)  # each call prints a new letter, and the one before is worth nothing then
    journey.enter_letter(person)
    journey.choose_password(person)
    expect(page.locator("#device-code")).to_contain_text(asked["user_code"])
    expect(page.locator("#main")).to_contain_text("My taxes on television")
    axe.look("a device is let in", page, script=False)
    page.click("#device-mine")
    page.click("#consent-allow")
    expect(page.locator("h1")).to_have_text("You can go back to your device")
    poll = {
        "client_id": "television",
        "grant_type": metadata.DEVICE_GRANT,
        "device_code": asked["device_code"],
    }
    assert httpx.post(f"{town.erti}/token", data=poll).json()["token_type"] == "Bearer"
