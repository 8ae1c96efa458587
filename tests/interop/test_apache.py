"""mod_auth_openidc on Apache, Debian's own, signs a citizen in and reads them."""

import time

import httpx
import pytest

from tests import citizens
from tests.interop.apache_process import apache_at
from tests.interop.conftest import Town
from tests.plain_browser import PlainBrowser

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("apache"),
    pytest.mark.slow,
]


def test_apache_signs_a_citizen_in_reads_userinfo_and_out_again(town: Town, browser: PlainBrowser) -> None:
    """A page that Apache protects opens after sign-in and consent, shows the citizen, and closes at logout."""
    service = town.service
    with apache_at(
        town.apache_port,
        issuer=service.issuer,
        client_id="apache",
        client_secret=service.secret("apache"),
    ) as apache:
        browser.open(f"{apache}/private/index.shtml")
        citizens.sign_in(browser, town.citizen)
        assert "Nino" in browser.page.text, "the consent page shows the value"
        browser.press("consent-allow")

        assert browser.url == f"{apache}/private/index.shtml"
        assert browser.text("sub") == town.citizen.citizen_id
        assert browser.text("name") == "Nino"

        browser.open(f"{apache}/private/back?info=json")
        info = browser.page.json()
        assert info["userinfo"]["sub"] == info["id_token"]["sub"] == town.citizen.citizen_id
        assert info["userinfo"]["family_name"] == "Vashlidze"
        assert "income_bracket" not in info["userinfo"], "what was not asked is not given"

        browser.open(f"{apache}/private/back?logout={apache}/")
        citizens.confirm_sign_out(browser)
        assert browser.url == f"{apache}/"
        browser.open(f"{apache}/private/index.shtml")
        assert browser.has("username"), "a new sign-in is asked for"


def test_apache_lets_nobody_in_without_signing_in(town: Town) -> None:
    """Without a session Apache sends the browser to Erti with PKCE, state and nonce."""
    service = town.service
    with apache_at(
        town.apache_port, issuer=service.issuer, client_id="apache", client_secret=service.secret("apache")
    ) as apache:
        answer = httpx.get(f"{apache}/private/index.shtml")
    assert answer.status_code == 302
    asked = httpx.URL(answer.headers["location"])
    assert str(asked).startswith(f"{service.issuer}/authorize?")
    assert asked.params["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= set(asked.params)


def test_apache_hears_that_the_session_ended_at_erti(town: Town, browser: PlainBrowser) -> None:
    """A citizen who signs out at Erti is signed out at Apache too: it took the logout token in the back channel."""
    service = town.service
    with apache_at(
        town.apache_port, issuer=service.issuer, client_id="apache", client_secret=service.secret("apache")
    ) as apache:
        browser.open(f"{apache}/private/index.shtml")
        citizens.sign_in(browser, town.citizen)
        if browser.has("consent-allow"):
            browser.press("consent-allow")
        assert browser.text("sub") == town.citizen.citizen_id

        browser.open(f"{service.issuer}/logout")
        citizens.confirm_sign_out(browser)
        until = time.monotonic() + 20
        while not browser.has("username") and time.monotonic() < until:
            time.sleep(0.2)
            browser.open(f"{apache}/private/index.shtml")
        assert browser.has("username"), "a new sign-in is asked for"
