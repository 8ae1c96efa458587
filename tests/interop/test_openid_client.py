"""openid-client for Node, certified by the OpenID Foundation, signs a citizen in and reads them."""

import pytest

from tests import citizens
from tests.interop.conftest import NODE_BACK, Town
from tests.interop.node_client import NodeClient
from tests.plain_browser import PlainBrowser

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("node"),
    pytest.mark.slow,
]


def test_openid_client_signs_a_citizen_in_reads_refreshes_introspects_and_revokes(
    town: Town, browser: PlainBrowser
) -> None:
    """Discovery, code with PKCE, ID token, UserInfo, refresh, introspection, revocation and logout all work."""
    scope, secret = "openid profile offline_access", town.service.secret("node")
    with NodeClient("sign-in.mjs", town.service, "node", NODE_BACK, scope, CLIENT_SECRET=secret) as client:
        browser.stop_at = NODE_BACK
        browser.open(client.wants())
        citizens.sign_in(browser, town.citizen)
        if not browser.stopped_at:
            browser.press("consent-allow")
        result = client.learns(browser.stopped_at)
    assert result["algorithm"] == "ES256"
    assert result["claims"]["iss"] == town.service.issuer
    assert result["claims"]["acr"] == "urn:erti:loa:substantial"
    assert result["userinfo"]["sub"] == result["claims"]["sub"] == town.citizen.citizen_id
    assert result["userinfo"]["given_name"] == "Nino"
    assert result["refreshed"] is True
    assert result["active"] == [True, False]
    assert result["replay"] == "invalid_grant"
    browser.stopped_at = ""
    browser.open(result["logout"])
    citizens.confirm_sign_out(browser)
