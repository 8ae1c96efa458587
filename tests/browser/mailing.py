"""The letters that Erti writes to a citizen, and the steps that need one."""

import re
from email.message import EmailMessage

from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.citizens import App
from tests.ports import within
from tests.postbox import Postbox
from tests.service_process import Sample, Service

CODE = re.compile(r"(?:^|: )([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}|\d{4} \d{4})$", re.MULTILINE)
MAIL_TAKES = 60


def letter(postbox: Postbox, address: str, subject: str = "", words: str = "") -> EmailMessage:
    """Wait for a letter with this subject, or with words in it, and return the newest one."""

    def there() -> list[EmailMessage]:
        found = [one for one in postbox.to(address) if subject in ("", str(one["Subject"]))]
        return [one for one in found if words in " ".join(one.get_content().split())]

    assert within(MAIL_TAKES, lambda: bool(there())), [str(one["Subject"]) for one in postbox.to(address)]
    return there()[-1]


def code_in(found: EmailMessage) -> str:
    """Return the code that stands on a line of its own in a letter."""
    code = CODE.search(found.get_content())
    assert code, found.get_content()
    return code[1]


def enter(page: Page, erti: Service, sample: Sample) -> None:
    """Open the page of activation, and type the two numbers of the letter from the counter."""
    page.goto(f"{erti.issuer}/activate")
    steps.give_letter(page, sample)


def sign_in(page: Page, erti: Service, name: str, app: App) -> None:
    """Sign in with password and code, and come to the account."""
    page.goto(f"{erti.issuer}/login?return_to=/my/account")
    steps.sign_in(page, name, app)


def check_address(page: Page, erti: Service, postbox: Postbox, address: str) -> None:
    """Let an address be written to: the code in its letter is typed on the page that asks for it."""
    page.goto(f"{erti.issuer}/my/account/contact")
    page.fill("#email", address)
    page.click("#email-submit")
    page.fill("#code", code_in(letter(postbox, address, "Your code for Erti")))
    page.click("#code-submit")
    expect(page.locator("#reached")).to_contain_text(address)
