"""An application in Chromium, with oidc-client-ts, signs a citizen in, renews its tokens in silence and signs them out."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.citizens import PASSWORD
from tests.interop.conftest import Town
from tests.interop.spa_server import serving

pytestmark = [
    pytest.mark.interop,
    pytest.mark.browser,
    pytest.mark.needs("chromium"),
    pytest.mark.needs("node"),
    pytest.mark.slow,
]


@pytest.fixture
def page(launch: Callable[..., Browser]) -> Iterator[Page]:
    """A browser's first page."""
    browser = launch()
    yield browser.new_page()
    browser.close()


def sign_in(page: Page, town: Town) -> None:
    """Sign in from the application's page, and allow what it asks for."""
    page.click("#sign-in")
    page.fill("#username", town.citizen.citizen_id)
    page.fill("#password", PASSWORD)
    page.click("#login-submit")
    page.fill("#totp-code", town.citizen.app.code())
    page.click("#code-submit")
    page.click("#consent-allow")
    expect(page.locator("#who")).to_have_text(town.citizen.citizen_id)


def renewed(page: Page, old: str) -> str:
    """Wait until the application holds another token than this one, and return it."""
    try:
        expect(page.locator("#token")).not_to_have_text(old)
    except AssertionError as error:
        raise AssertionError(page.text_content("#error")) from error
    return page.text_content("#token") or ""


@pytest.mark.parametrize("way", ["frame", "refresh token", "key"])
def test_an_application_in_the_browser_stays_signed_in_until_it_signs_out(
    town: Town, page: Page, way: str
) -> None:
    """Sign-in with PKCE, renewal on demand and by itself, and sign-out.

    Tokens are renewed in a hidden frame, by refresh token, and by one that is bound to a key of this browser.
    """
    offline = way != "frame"
    settings: dict[str, Any] = {
        "issuer": town.service.issuer,
        "client_id": "spa",
        "scope": "openid profile" + (" offline_access" if offline else ""),
        "ask": {"prompt": "consent"},
        "renew_before_seconds": 5,
        "dpop": way == "key",
    }
    with serving(town.spa_port, settings) as address:
        page.goto(address)
        sign_in(page, town)
        expect(page.locator("#name")).to_have_text("Nino")
        first = page.text_content("#token") or ""
        page.click("#renew")
        second = renewed(page, first)

        settings["renew_before_seconds"] = 10**6  # any token is about to expire: the library renews by itself
        page.reload()
        renewed(page, second)

        settings["renew_before_seconds"] = 5
        page.reload()
        page.click("#sign-out")
        page.click("#logout-confirm")
        page.wait_for_url(f"{address}/")
        expect(page.locator("#who")).to_have_text("nobody")
        page.click("#renew")
        expect(page.locator("#error")).to_contain_text("login_required")
