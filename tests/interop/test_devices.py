"""Devices without a browser: openid-client for Node and requests-oauth2client for Python sign their owner in."""

import time

import pytest
import requests
from requests_oauth2client import AuthorizationPending, OAuth2Client, PublicApp

from tests import citizens
from tests.interop.conftest import Town
from tests.interop.node_client import NodeClient
from tests.plain_browser import PlainBrowser

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def allow(town: Town, address: str) -> None:
    """Go to the address that a device shows, compare the code, sign in, and say that the device is one's own."""
    browser = PlainBrowser()
    browser.open(address)
    browser.press("device-submit")
    if browser.has("login-submit"):
        citizens.sign_in(browser, town.citizen)
    browser.press("device-mine")
    if browser.has("consent-allow"):
        browser.press("consent-allow")
    assert browser.page.status_code == 200
    browser.close()


@pytest.mark.needs("node")
def test_openid_client_signs_a_devices_owner_in(town: Town) -> None:
    """The device shows its code, waits as it was told, and gets tokens once its owner has allowed it; the code is used up."""
    with NodeClient("device.mjs", town.service, "device", "openid profile") as device:
        allow(town, device.heard()["verify"])
        result = device.learns()
    assert result["claims"]["sub"] == result["userinfo"]["sub"] == town.citizen.citizen_id
    assert result["userinfo"]["given_name"] == "Nino"
    assert result["again"] == "invalid_grant"


def test_requests_oauth2client_signs_a_devices_owner_in(town: Town) -> None:
    """The library's device flow waits with authorization_pending, then gets tokens for the owner."""
    with requests.Session() as session:
        client = OAuth2Client.from_discovery_endpoint(
            issuer=town.service.issuer,
            auth=PublicApp("device"),
            device_authorization_endpoint=f"{town.service.issuer}/device_authorization",  # which it does not discover
            id_token_signed_response_alg="ES256",
            session=session,
            testing=True,  # plain http on this machine
        )
        started = client.authorize_device(scope="openid profile")
        with pytest.raises(AuthorizationPending):
            client.device_code(started)
        allow(town, started.verification_uri_complete or "")
        time.sleep(started.interval or 5)  # sooner it would be told to slow down
        token = client.device_code(started, validate=False)
        assert client.userinfo(token)["sub"] == town.citizen.citizen_id
