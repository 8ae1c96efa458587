"""The console is usable by everybody: axe finds nothing, and nothing sticks out at 320 pixels."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from admin import permissions
from tests.browser import axe
from tests.browser.colleague import OFFICE, hire
from tests.browser.conftest import Town
from tests.browser.journey import LUKA
from tests.browser.seen import OF_STAFF

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# A list -> what the first of its things is called in tests/browser/seen.py.
LISTS = {
    "/admin/agencies": "an agency",
    "/admin/purposes": "a purpose",
    "/admin/log": "an entry of the log",
    "/admin/sources": "a source",
}


def test_pages_of_staff_are_for_everybody(browser: Browser, town: Town) -> None:
    """Each role goes through the rooms that are open to it; together they see every page of the console."""
    found: dict[str, tuple[list[str], int]] = {}

    def look(where: str, page: Page) -> None:
        page.wait_for_load_state()
        found[where] = axe.complaints(page), axe.overflow(page)

    def joining(page: Page) -> None:
        look("a colleague joins", page)

    for number, role in enumerate(permissions.ROLES):
        scheme = ("light", "dark")[number % 2]
        size = {"width": 320, "height": 640}
        context = browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB")
        page = hire(context, town, role, look=joining).page
        for path in [path for path in OF_STAFF if path not in found]:
            answer = page.goto(town.erti + path)
            assert answer
            if not answer.ok:
                continue  # not this role's room
            look(path, page)
            if path in LISTS:
                page.locator("#main table a, #main .card a").first.click()
                look(LISTS[path], page)
            if path == "/admin/agencies":
                page.locator("a[href^='/admin/clients/']").first.click()
                look("a client", page)
        if role == "clerk":
            begin(page, town, look)
        context.close()
    assert set(OF_STAFF) - set(found) == set(), "no role may open it"
    assert {where: wrong for where, wrong in found.items() if wrong != ([], 0)} == {}


def begin(page: Page, town: Town, look: Callable[[str, Page], None]) -> None:
    """A clerk begins a card, and a sitting."""
    citizen_id = town.service.sample(LUKA.number).citizen_id
    page.goto(f"{town.erti}/desk/cards")
    page.fill("#citizen", citizen_id)
    page.select_option("#document", "passport")
    page.fill("#office", OFFICE)
    page.click("#card-order-submit")
    expect(page.locator("#pad-code")).to_be_visible()
    look("the order of a card", page)
    page.goto(f"{town.erti}/desk")
    page.fill("#citizen", citizen_id)
    page.select_option("#purpose", index=1)
    page.fill("#office", OFFICE)
    page.fill("#case", "A-1")
    page.click("#desk-submit")
    look("a sitting", page)
