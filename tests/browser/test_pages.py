"""Erti's own pages are usable by everybody: axe finds nothing, and nothing sticks out at 320 pixels."""

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from core.events import SYSTEM
from idp.oidc import clients, metadata
from service.app import open_house
from tests.browser import axe
from tests.browser.conftest import Town
from tests.browser.journey import Journey

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("pages")]
OPEN_TO_ALL = (
    "/",
    "/about",
    "/about/coverage",
    "/about/fingerprints",
    "/login",
    "/activate",
    "/login/card",
    "/login/card/block",
    "/login/recovery",
    "/pad",
    "/staff/login",
    "/device",
    "/device?user_code=BCDF-GHJK",
    "/device/connected",
    "/device/refused",
    "/no-such-page",
)
OF_ONE = (
    "/my", "/my/data", "/my/sharing", "/my/history", "/my/history?since=soon&text=name", "/my/history/picture",
    "/my/disputes", "/my/alerts", "/my/services", "/my/account", "/logout",
)  # fmt: skip
KILOBYTES = 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_before_signing_in_are_for_everybody(browser: Browser, town: Town, scheme: str) -> None:
    """The pages anybody can open, problem page included, in light and dark and in both languages."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page = context.new_page()
    found = {}
    for language in ("en", "ka"):
        page.goto(f"{town.erti}/language/{language}")
        for path in OPEN_TO_ALL:
            page.goto(town.erti + path)
            assert page.locator("html").get_attribute("lang") == language
            found[f"{language} {path}"] = axe.complaints(page), axe.overflow(page)
    assert {where: wrong for where, wrong in found.items() if wrong != ([], 0)} == {}
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_a_citizen_are_for_everybody(browser: Browser, town: Town, scheme: str) -> None:
    """Every step of the main journey and every page of one's own, in light and dark."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme, locale="en-GB")
    journey = Journey(context, erti=town.erti, revenue=town.revenue, health=town.health)
    page, found = journey.page, {}

    def look(where: str) -> None:
        page.wait_for_load_state()
        found[where] = axe.complaints(page), axe.overflow(page)

    with journey.passkey():
        journey.begin_at(journey.revenue)
        journey.enter_letter(town.service.sample({"light": 1, "dark": 3}[scheme]))
        look("choose a method")
        page.click("#activate-password")
        look("choose a password")
        page.go_back()
        page.click("#passkey-create")
        expect(page.locator("#recovery-codes li")).to_have_count(10)
        look("recovery codes")
        page.click("#codes-kept")
        expect(page.locator("#consent-allow")).to_be_visible()
        look("consent")
        journey.allow("income_bracket")
        expect(page.locator("#citizen-id")).to_be_visible()
        look("the portal's page")
        for path in OF_ONE:
            page.goto(town.erti + path)
            look(path)
        page.goto(f"{town.erti}/my/history?kind=reads")
        page.locator("#entries summary").first.click()
        page.locator("#entries a", has_text="This entry by itself").first.click()
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
        page.click("#withdraw-all")
        look("taking back")
    assert {where: wrong for where, wrong in found.items() if wrong != ([], 0)} == {}
    context.close()


def test_pages_are_small_and_fetch_nothing_from_elsewhere(browser: Browser, town: Town) -> None:
    """Each page with everything it loads is under 100 KB, and from one origin."""
    for path in ("/", "/login", "/activate"):
        context = browser.new_context()
        page = context.new_page()
        sizes: dict[str, int] = {}
        page.on(
            "requestfinished",
            lambda request, sizes=sizes: sizes.update({request.url: request.sizes()["responseBodySize"]}),
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
    page.click("#device-mine")
    page.click("#consent-allow")
    expect(page.locator("h1")).to_have_text("You can go back to your device")
    poll = {
        "client_id": "television",
        "grant_type": metadata.DEVICE_GRANT,
        "device_code": asked["device_code"],
    }
    assert httpx.post(f"{town.erti}/token", data=poll).json()["token_type"] == "Bearer"
