"""A procedure at a desk, as a clerk begins it and opens what was confirmed."""

from tests.admin.conftest import Colleague, Page
from tests.idp.oidc.provider import CITIZEN

ASKED = {"citizen": CITIZEN, "office": "Hall Vashliani, counter 4", "purpose": "revenue-sign-in", "case": ""}


def begin(clerk: Colleague, **changes: str) -> str:
    """Begin a procedure and return the address of its page."""
    made = clerk.post("/desk", {**ASKED, **changes}, on=clerk.get("/desk"))
    assert made.status == 303, made.text
    return made.location


def show(clerk: Colleague, address: str, *, on: Page | None = None) -> Page:
    """Let the clerk open what was confirmed; `on` is an older page that still has the button."""
    page = on or clerk.get(address)
    return clerk.browser.post(f"{address}/read", {}, on=page)
