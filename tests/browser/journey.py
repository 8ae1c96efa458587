"""The main journey of a citizen, step by step, in a real browser: with a passkey, or without any script."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import steps
from tests.browser.authenticators import PHONE, Reader
from tests.citizens import Citizen
from tests.service_process import Sample


class Journey:
    """One citizen's browser and the places they go."""

    def __init__(self, context: BrowserContext, *, erti: str, revenue: str, health: str) -> None:
        self.erti, self.revenue, self.health = erti, revenue, health
        self.page: Page = context.new_page()
        self._context = context

    @contextmanager
    def passkey(self, *, synced: bool = False) -> Iterator[None]:
        """A device whose passkeys stay on it (WebAuthn 11.2), or are copied; its owner always says yes."""
        copies = {"defaultBackupEligibility": synced, "defaultBackupState": synced}
        phone = Reader(self._context, self.page).plug_in(PHONE, **copies)
        yield
        phone.session.detach()

    def begin_at(self, portal: str) -> None:
        """Open a portal and choose to sign in."""
        self.page.goto(portal)
        self.page.click("#sign-in")

    def enter_letter(self, sample: Sample) -> None:
        """From the sign-in page to activation, with the letter's two numbers."""
        self.page.click("#login-activate")
        steps.give_letter(self.page, sample)

    def make_passkey(self) -> None:
        """Choose a passkey, and put the recovery codes away."""
        self.page.click("#passkey-create")
        expect(self.page.locator("#recovery-codes li")).to_have_count(10)
        self.page.click("#codes-kept")

    def choose_password(self, sample: Sample) -> Citizen:
        """Choose a password and an app, and put the recovery codes away."""
        page = self.page
        app = steps.choose_password(page)
        shown = page.locator("#recovery-codes li")
        expect(shown).to_have_count(10)
        codes = shown.all_text_contents()
        page.click("#codes-kept")
        return Citizen(sample.citizen_id, app, codes)

    def sign_in(self, citizen: Citizen) -> None:
        """Sign in with password and code."""
        steps.sign_in(self.page, citizen.citizen_id, citizen.app)

    def allow(self, *optional: str, shown: tuple[str, ...] = ()) -> None:
        """On the consent page: see these values, switch on these optional attributes, allow."""
        for value in shown:
            expect(self.page.locator("#main")).to_contain_text(value)
        for attribute in optional:
            box = self.page.locator(f"#allow-{attribute}")
            expect(box).not_to_be_checked()
            box.check()
        self.page.click("#consent-allow")

    def stop_sharing(self, title: str) -> None:
        """Take back what was allowed under this title."""
        page = self.page
        page.goto(f"{self.erti}/my/sharing")
        page.locator("#live article", has_text=title).get_by_role("link").click()
        page.click("#withdraw-all")
        page.click("#withdraw-confirm")
        expect(page.locator("#stopped")).to_contain_text("can no longer read")

    def look_at_history(self, *words: str) -> None:
        """See these words in the history."""
        self.page.goto(f"{self.erti}/my/history")
        for word in words:
            expect(self.page.locator("#main")).to_contain_text(word)

    def read_again(self, portal: str) -> None:
        """At a portal: ask once more, with the token it holds."""
        self.page.goto(portal)
        self.page.click("#read-again")
        expect(self.page.locator("#shared-refused, #shared-values")).to_be_visible()


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
    journey.stop_sharing("Your tax account")
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
