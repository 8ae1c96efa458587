"""A parent at the health portal for a child: chosen on a page, decided without seeing a value, told in both histories."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from consent import history
from core import clock
from core.database import Database
from registry_sync import inbox, people
from registry_sync.wire import messages
from service.app import open_house
from tests.browser.conftest import Town
from tests.browser.journey import NINO, Journey

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHILD = "10203040506"


def uin(number: str) -> list[dict[str, str]]:
    """Return an identifier in the DCI shape."""
    return [{"identifier_type": "UIN", "identifier_value": number}]


def be_born(database: Database, parent: str) -> str:
    """Let the civil registry register the birth of a child of this parent; returns its citizen ID."""
    at = clock.seconds(clock.now())
    person: dict[str, Any] = {
        "identifier": uin(CHILD),
        "name": {"given_name": "Gela", "surname": "Vashlidze"},
        "birth_date": (clock.now() - timedelta(days=8 * 365)).date().isoformat(),
        "address": [{"address_line1": "Oak 7", "locality": "Vashliani"}],
        "parent1_identifier": uin(parent),
    }
    claims = {
        "iss": "civil",
        "iat": at,
        "jti": "a birth",
        "events": {"urn:erti:registry:birth": {"person": person}},
    }
    with database.writing() as db:
        assert inbox.receive(db, messages.message(claims, source="civil", token="a birth")) == "applied"
        found = people.by_identifier(db, "UIN", CHILD)
    assert found is not None
    return found


def test_a_parent_comes_for_a_child(phone_without_script: BrowserContext, town: Town) -> None:
    """Without any script: the parent chooses the child, allows without seeing a value, and both histories name both."""
    journey = Journey(phone_without_script, erti=town.erti, revenue=town.revenue, health=town.health)
    page, parent = journey.page, town.service.sample(NINO.number)
    database = open_house(town.service.settings)
    child = be_born(database, parent.uin)
    journey.begin_at(journey.health)
    journey.enter_letter(parent)
    journey.choose_password(parent)
    expect(page.locator("h1")).to_have_text("For whom are you here?")
    expect(page.locator("#for-self")).to_be_visible()
    page.get_by_role("button", name="For Gela Vashlidze").click()
    expect(page.locator("#consent-who")).to_contain_text("You decide for Gela Vashlidze")
    expect(page.locator("#main")).not_to_contain_text("Oak 7")
    page.click("#consent-allow")
    expect(page).to_have_url(f"{journey.health}/")
    expect(page.locator("#citizen-id")).to_have_text(child)
    expect(page.locator("#acting-id")).to_have_text(parent.citizen_id)
    expect(page.locator("#main")).to_contain_text("Gela")
    expect(page.locator("#main")).not_to_contain_text("Nino")
    grouped = people.grouped(child)
    journey.look_at_history(f"of {grouped}, for whom you act", f"for {grouped}")
    page.goto(f"{town.erti}/my/mandates")
    expect(page.locator("#held")).to_contain_text("Gela Vashlidze")
    expect(page.locator("#held button")).to_have_text(
        "Take it back"
    )  # and none that ends it: it is so by birth
    page.locator("#held button").click()
    expect(page.locator("#held button")).to_have_count(0)
    with database.reading() as db:
        told = [one.said.title for one in history.entries(db, child)[0]]
    database.close()
    assert any(people.grouped(parent.citizen_id) in title and "for you" in title for title in told), told
