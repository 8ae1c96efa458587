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
from tests.browser.steps import Scheme
from tests.browser.traces import dispute_a_look, family

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# A list -> what the first of its things is called in tests/browser/seen.py.
LISTS = {
    "/admin/agencies": "an agency",
    "/admin/purposes": "a purpose",
    "/admin/log": "an entry of the log",
    "/admin/sources": "a source",
}
Look = Callable[[str, Page], None]


def test_pages_of_staff_are_for_everybody(browser: Browser, town: Town) -> None:
    """Each role goes through the rooms that are open to it; together they see every page of the console."""
    found: dict[str, tuple[list[str], int]] = {}

    def look(where: str, page: Page) -> None:
        page.wait_for_load_state()
        found[where] = axe.complaints(page), axe.overflow(page)

    def joining(page: Page) -> None:
        look("a colleague joins", page)

    for number, role in enumerate(permissions.ROLES):
        scheme: Scheme = "dark" if number % 2 else "light"
        context = browser.new_context(
            viewport={"width": 320, "height": 640}, color_scheme=scheme, locale="en-GB"
        )
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
        if role in MORE:
            MORE[role](page, town, look)
        context.close()
    assert set(OF_STAFF) - set(found) == set(), "no role may open it"
    assert {where: wrong for where, wrong in found.items() if wrong != ([], 0)} == {}


def uncover(page: Page, town: Town, look: Look) -> None:
    """A registrar finds a record of the civil registry that could not be placed, and reads what it says."""
    page.goto(f"{town.erti}/admin/sources/civil")
    page.locator("#quarantine a").first.click()
    look("a record in quarantine", page)
    page.fill("#office", OFFICE)
    page.fill("#reason", "The form does not tell what is wrong")
    page.click("#unmask-submit")
    expect(page.locator("#clear")).to_be_visible()
    look("a record uncovered", page)


def judge(page: Page, town: Town, look: Look) -> None:
    """An auditor finds what a citizen wrote about a look by staff, and opens it."""
    dispute_a_look(town.service, town.service.sample(LUKA.number).citizen_id)
    page.goto(f"{town.erti}/admin/disputes")
    look("disputes at the console", page)
    page.locator("#disputes a").first.click()
    look("a dispute at the console", page)
    page.click("#read")
    expect(page.locator("#asked-text")).to_have_text("Who was this?")
    look("a dispute that is read", page)


def begin(page: Page, town: Town, look: Look) -> None:
    """A clerk begins a card and a sitting, and prints the letter of a child, which is refused without its parent."""
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
    child, parent = family(town.service)
    page.goto(f"{town.erti}/desk/letters")
    page.fill("#citizen", child)
    page.select_option("#document", "other")
    page.fill("#office", OFFICE)
    page.click("#letter-submit")
    look("who stands before a clerk", page)
    page.check("#compared")
    page.click("#letter-print")
    expect(page.locator("#error-summary")).to_be_visible()
    look("a child's letter without a parent", page)
    page.check("#compared")
    page.fill("#representative", parent)
    page.select_option("#their-document", "passport")
    page.check("#agreed-yes")
    page.click("#letter-print")
    expect(page.locator("#letter-to")).to_contain_text("12 Mill Street")
    look("a child's letter, printed", page)


# A role -> what else it comes to.
MORE = {"registrar": uncover, "auditor": judge, "clerk": begin}
