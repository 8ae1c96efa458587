"""A card at a desk, as a clerk begins it and the citizen chooses its PIN on the pad."""

import re
from typing import Any

from tests.admin.conftest import Browser, Colleague, Page
from tests.idp.login.cardholder import PIN
from tests.idp.oidc.provider import CITIZEN

ORDER = {"citizen": CITIZEN, "document": "passport", "office": "Hall Vashliani, counter 4"}
PAD_CODE = re.compile(r'id="pad-code"[^>]*>([0-9]{4} [0-9]{4})<')


def order(clerk: Colleague, **changes: str) -> str:
    """Begin a card and return the address of its page."""
    made = clerk.post("/desk/cards", {**ORDER, **changes}, on=clerk.get("/desk/cards"))
    assert made.status == 303, made.text
    return made.location


def pad_at(client: Any, clerk: Colleague, address: str) -> Browser:
    """Give the pad on the clerk's desk, joined by the code on the screen."""
    found = PAD_CODE.search(clerk.get(address).text)
    assert found
    pad = Browser(client)
    joined = pad.post("/pad", {"pad-code": found[1]}, on=pad.get("/pad"))
    assert joined.location == "/pad/now", joined.text
    return pad


def choose(pad: Browser, chosen: str = PIN, again: str = "") -> Page:
    """Choose a PIN on the pad."""
    fields = {"new-pin": chosen, "new-pin-again": again or chosen}
    return pad.post("/pad/pin", fields, on=pad.get("/pad/now"))
