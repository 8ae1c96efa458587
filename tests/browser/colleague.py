"""A colleague of the invented state at their own computer."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from core.events import SYSTEM
from idp.staff import accounts
from service.app import open_house
from tests.browser.conftest import Town
from tests.browser.journey import Journey

OFFICE = "Hall Vashliani, counter 4"


def hire(
    context: BrowserContext, town: Town, role: str = "clerk", *, look: Callable[[Page], None] | None = None
) -> Journey:
    """A colleague who has just joined with a passkey; `look` is shown the page of the invitation."""
    database = open_house(town.service.settings)
    with database.writing() as db:
        token = accounts.invite(db, f"Test {role}", role, actor=SYSTEM).token
    database.close()
    at_work = Journey(context, erti=town.erti, revenue=town.revenue, health=town.health)
    with at_work.passkey():
        at_work.page.goto(f"{town.erti}/staff/join?invitation={token}")
        if look:
            look(at_work.page)
        at_work.page.click("#passkey-create")
        expect(at_work.page).to_have_url(f"{town.erti}/admin")
    return at_work
