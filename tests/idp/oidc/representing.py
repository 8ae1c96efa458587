"""A parent who acts for a child at a portal, for tests of acting for another."""

import re
from datetime import timedelta
from typing import Any

import pytest

from consent import mandates
from consent.mandates import Mandate
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor
from idp.oidc import clients
from registry_sync import attributes
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN, CLIENTS, OTHER, PORTAL, Provider, answered

CHILD, PARENT = CITIZEN, OTHER
WHOLE = {"scope": "openid profile", "claims": '{"userinfo":{"given_name":null}}'}


def register(provider: Provider, representation: str, client: str = PORTAL) -> None:
    """Register a client anew, with or without representation."""
    (spec,) = [one for one in CLIENTS if one["client_id"] == client]
    with provider.database.writing() as db:
        clients.load(db, {"clients": [{**spec, "representation": representation}]}, actor=SYSTEM)


def entrust(database: Database, giver: str = CHILD, holder: str = PARENT, **changes: Any) -> Mandate:
    """Let a register say that one acts for the other, as for a child."""
    facts = {"ground": "parent", "source": "civil", "as_of": "2024-05-01", "actor": SYSTEM,
             "until": clock.now() + timedelta(days=900), **changes}  # fmt: skip
    with database.writing() as db:
        return mandates.establish(db, giver=giver, holder=holder, **facts)


@pytest.fixture
def parent(provider: Provider) -> Provider:
    """Give a parent who is signed in, a child who allowed the portal its name, and a portal open to representation."""
    with provider.database.writing() as db:
        country.be_born(db, PARENT)
        attributes.put(
            db, CHILD, "civil", {"name": "Luka Nushiani", "given_name": "Luka"}, as_of="2026-02-01"
        )
    provider.allow("given_name")
    register(provider, "offered")
    entrust(provider.database)
    provider.sign_in(PARENT)
    return provider


def asked(provider: Provider, client: str = PORTAL, **changes: Any) -> Any:
    """Send a request and return the page "For whom are you here?"."""
    page = provider.authorize(client, **changes)
    assert page.status_code == 200, page.headers
    assert "For whom are you here?" in page.text
    return page


def choose(provider: Provider, page: Any, word: str = "") -> Any:
    """Choose somebody on the page (the first who is not oneself), and go on to the next answer."""
    buttons = re.findall(r'name="for" value="([^"]+)"', page.text)
    word = word or next(one for one in buttons if one != "self")
    back = provider.send(page, **{"for": word})
    return provider.web.get(back.headers["location"])


def code(provider: Provider, **changes: Any) -> str:
    """Return a code for the child."""
    return answered(choose(provider, asked(provider, **changes)))["code"]


def tokens(provider: Provider, **changes: Any) -> dict[str, Any]:
    """Return the tokens of a sign-in for the child."""
    answer = provider.redeem(code(provider, **changes))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def withdraw(provider: Provider) -> None:
    """Let the right to act end, as when a register says so."""
    with provider.database.writing() as db:
        for one in mandates.held_by(db, PARENT):
            if one.is_live:
                mandates.finish(db, one, reason="register", actor=Actor("registry", "civil"))
