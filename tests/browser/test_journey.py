"""The main job end to end: one sign-in, two agencies, a history, and a stop that stops."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Town, found_town
from tests.browser.journey import LUKA, NINO, Journey, travel

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The service and both portals, once on each engine."""
    folder = tmp_path_factory.mktemp("town")
    if request.param == "sqlite":
        with found_town(folder) as founded:
            yield founded
    else:
        with request.getfixturevalue("postgres").empty() as url, found_town(folder, url) as founded:
            yield founded


@pytest.fixture
def journey(phone: BrowserContext, town: Town) -> Journey:
    """A citizen with a phone."""
    return Journey(phone, erti=town.erti, revenue=town.revenue, health=town.health)


@pytest.fixture
def plain_journey(phone_without_script: BrowserContext, town: Town) -> Journey:
    """A citizen whose phone runs no script."""
    return Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)


def test_with_a_passkey(journey: Journey, town: Town) -> None:
    """A newcomer activates with a passkey, shares with two agencies, sees both, and stops one of them."""
    with journey.passkey():
        sample = town.service.sample(NINO.number)
        journey.begin_at(journey.revenue)
        journey.enter_letter(sample)
        journey.make_passkey()
        travel(journey, NINO, town.service.income_bracket(sample))


def test_the_passkey_opens_the_door_again(journey: Journey, town: Town) -> None:
    """After signing out, the passkey alone signs the citizen in, and nothing is asked that was agreed before."""
    page = journey.page
    with journey.passkey():
        journey.begin_at(journey.health)
        journey.enter_letter(town.service.sample(4))
        journey.make_passkey()
        journey.allow()
        expect(page).to_have_url(f"{journey.health}/")
        page.click("#sign-out")
        page.click("#logout-confirm")
        expect(page).to_have_url(re.compile(f"{journey.health}/"))
        # The authenticator always says yes, so it takes up the suggestion in the sign-in name's field by itself.
        page.click("#sign-in")
        expect(page).to_have_url(f"{journey.health}/")
        expect(page.locator("#shared-values")).to_contain_text("თამარ")


def test_without_javascript(plain_journey: Journey, town: Town) -> None:
    """The same journey with no script at all: password and app, forms and links."""
    plain_journey.begin_at(plain_journey.revenue)
    sample = town.service.sample(LUKA.number)
    plain_journey.enter_letter(sample)
    plain_journey.choose_password(sample)
    travel(plain_journey, LUKA, town.service.income_bracket(sample))


def test_a_no_is_respected(journey: Journey, town: Town) -> None:
    """Who does not allow comes back to the portal unnamed, and the portal learns nothing."""
    with journey.passkey():
        journey.begin_at(journey.revenue)
        journey.enter_letter(town.service.sample(1))
        journey.make_passkey()
        journey.page.click("#consent-deny")
    page = journey.page
    expect(page.locator("#not-signed-in")).to_contain_text("You are not signed in")
    expect(page.locator("body")).not_to_contain_text("მთვარაშვილი")
