"""The main job end to end: one sign-in, two agencies, a history, and a stop that stops."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Town
from tests.browser.journey import Journey

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def journey(phone: BrowserContext, town: Town) -> Journey:
    """A citizen with a phone."""
    return Journey(phone, erti=town.erti, revenue=town.revenue, health=town.health)


@pytest.fixture
def plain_journey(phone_without_script: BrowserContext, town: Town) -> Journey:
    """A citizen whose phone runs no script."""
    return Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)


@dataclass(frozen=True)
class Who:
    """Somebody of the invented country: their number there, how each portal greets them, their birth date."""

    number: int
    at_revenue: str
    at_health: str
    born: str


NINO = Who(0, "Nino Vashlidze", "Nino Vashlidze", "1988-04-17")
LUKA = Who(5, "Luka Nushiani", "Luka Nushiani Jr.", "2001-02-28")


def travel(journey: Journey, who: Who, bracket: str) -> None:
    """From the revenue portal's consent page to the refused reading."""
    page = journey.page
    journey.allow("income_bracket", shown=("Revenue Service", *who.at_revenue.split(), bracket))
    expect(page).to_have_url(f"{journey.revenue}/")
    expect(page.locator("#signed-in-name")).to_have_text(who.at_revenue)
    expect(page.locator("#shared-values")).to_contain_text(bracket)

    journey.begin_at(journey.health)
    expect(page.locator("#consent-title"), "no second sign-in").to_be_visible()
    journey.allow(shown=("Health Insurance Fund", who.at_health, who.born[:4]))
    expect(page).to_have_url(f"{journey.health}/")
    expect(page.locator("#shared-values")).to_contain_text(who.at_health)
    expect(page.locator("#shared-values")).to_contain_text(who.born)

    journey.look_at_history("Revenue Service", "Health Insurance Fund")
    journey.stop_sharing("Revenue Service")
    journey.read_again(journey.revenue)  # the very next one, and no second try
    refusal = page.locator("#shared-refused")
    expect(refusal).to_contain_text("Refused")
    expect(page.locator("#main")).not_to_contain_text(bracket)
    expect(page.locator("#main")).not_to_contain_text(who.at_revenue.split()[-1])
    answered = re.search(r"in (\d+) ms", refusal.inner_text())
    assert answered
    assert int(answered[1]) < 1000, "refused within a second"

    journey.read_again(journey.health)
    expect(page.locator("#shared-values"), "the other permission lives on").to_contain_text(who.at_health)


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
