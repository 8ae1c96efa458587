"""A sign-in that begins at Erti."""

import html
import re

from consent import agencies
from core.events import SYSTEM
from idp.oidc import clients
from tests.conftest import ISSUER
from tests.consent import country
from tests.idp.oidc.provider import CLIENTS, Provider

BEGIN = "https://portal.example/begin?from=erti&x=1"


def put(provider: Provider, uri: str) -> None:
    """Register where the portal lets a sign-in begin."""
    with provider.database.writing() as db:
        clients.put(db, {**CLIENTS[0], "require_pkce": False, "initiate_login_uri": uri}, actor=SYSTEM)


def links(provider: Provider) -> list[str]:
    """Return where the page's services lead."""
    page = provider.web.get("/my/services")
    assert page.status_code == 200
    return [html.unescape(one) for one in re.findall(r'id="service-\d+" href="([^"]+)"', page.text)]


def test_a_citizen_begins_at_erti(provider: Provider) -> None:
    """The link keeps the site's own query and adds `iss`, so that the site sends its own authorization request."""
    provider.sign_in()
    assert links(provider) == []
    put(provider, BEGIN)
    assert links(provider) == [f"{BEGIN}&iss=https%3A%2F%2F{ISSUER[8:]}"]


def test_a_suspended_agencys_site_is_not_offered(provider: Provider) -> None:
    """Who may not sign people in is not on the list."""
    provider.sign_in()
    put(provider, BEGIN)
    with provider.database.writing() as db:
        agencies.put(db, country.agency("revenue", state="suspended"), actor=SYSTEM)
    assert links(provider) == []


def test_only_citizens_see_it(provider: Provider) -> None:
    """Who is not signed in is asked to."""
    assert provider.web.get("/my/services").headers["location"].startswith("/login?")
