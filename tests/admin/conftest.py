"""Browsers of the staff, with pages read as a person reads them."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.database import Database
from core.events import SYSTEM
from idp.staff import accounts
from tests.authenticator import Authenticator

FORM = re.compile(r"<form\b(?P<head>[^>]*)>(?P<body>.*?)</form>", re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


@dataclass
class Page:
    """What a browser shows: status, text, and where it was sent on to."""

    status: int
    text: str
    location: str = ""

    def form(self, action: str) -> dict[str, str]:
        """Return the hidden fields of the form that goes to an address."""
        for found in FORM.finditer(self.text):
            if f'action="{action}"' in found["head"]:
                return {name: html.unescape(value) for name, value in HIDDEN.findall(found["body"])}
        raise AssertionError(f"no form to {action}")

    def data(self, name: str) -> str:
        """Return the value of a data attribute."""
        found = re.search(rf'data-{name}="([^"]*)"', self.text)
        assert found, f"no data-{name}"
        return html.unescape(found[1])


@dataclass
class Browser:
    """One browser on the service under test."""

    client: Any
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Page:
        """Open a page."""
        return self._page("GET", path)

    def post(self, path: str, fields: dict[str, str], *, on: Page, form: str = "") -> Page:
        """Send the form that goes to `path`, as shown on a page, with some fields filled in."""
        return self._page("POST", path, {**on.form(form or path), **fields})

    def _page(self, method: str, path: str, data: dict[str, str] | None = None) -> Page:
        self.client.cookies.clear()
        for name, value in self.cookies.items():
            self.client.cookies.set(name, value)
        answer = self.client.request(method, path, data=data, headers={"accept": "text/html"})
        self.cookies = {cookie.name: cookie.value for cookie in self.client.cookies.jar}
        return Page(answer.status_code, answer.text, answer.headers.get("location", ""))


@dataclass
class Colleague:
    """A staff member with a browser and a passkey."""

    id: str
    browser: Browser
    passkey: Authenticator

    def get(self, path: str) -> Page:
        """Open a page."""
        return self.browser.get(path)

    def post(self, path: str, fields: dict[str, str], *, on: Page) -> Page:
        """Send a form of a page."""
        return self.browser.post(path, fields, on=on)


@pytest.fixture
def browser(client: Any) -> Browser:
    """Give a browser without cookies."""
    return Browser(client)


@pytest.fixture
def colleague(client: Any, database: Database) -> Callable[[str], Colleague]:
    """Give a way to hire: a new colleague in a role, joined and signed in through the pages."""

    def hire(role: str) -> Colleague:
        with database.writing() as db:
            invitation = accounts.invite(db, f"Test {role}", role, actor=SYSTEM)
        mine, passkey = Browser(client), Authenticator(database.parts.settings.issuer)
        page = mine.get(f"/staff/join?invitation={invitation.token}")
        answer = passkey.create(page.data("options"))
        joined = mine.post("/staff/join", {"credential": answer}, on=page)
        assert (joined.status, joined.location) == (303, "/admin"), joined.text
        return Colleague(invitation.member.id, mine, passkey)

    return hire


def address(page: Page, deed: str) -> str:
    """Return where the first form of a kind on the page goes."""
    return next(part.split('"')[0] for part in page.text.split('action="') if f"/{deed}" in part[:60])
