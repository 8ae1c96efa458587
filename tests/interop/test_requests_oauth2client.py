"""requests-oauth2client for Python signs a citizen in, refreshes, asks after its tokens and ends them."""

import pytest
import requests
from requests_oauth2client import ClientSecretBasic, IdToken, InvalidGrant, OAuth2Client

from tests import citizens
from tests.interop.conftest import NODE_BACK, Town
from tests.plain_browser import PlainBrowser

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def test_requests_oauth2client_goes_through_the_whole_life_of_its_tokens(town: Town) -> None:
    """Discovery, code with PKCE, iss in the answer, ID token, UserInfo, refresh, introspection, revocation, replay."""
    service = town.service
    with requests.Session() as session:
        client = OAuth2Client.from_discovery_endpoint(
            issuer=service.issuer,
            auth=ClientSecretBasic("requests", service.secret("requests")),
            redirect_uri=NODE_BACK,
            id_token_signed_response_alg="ES256",
            session=session,
            testing=True,  # plain http on this machine
        )
        _whole_life(client, town)


def _whole_life(client: OAuth2Client, town: Town) -> None:
    asked = client.authorization_request(scope="openid profile offline_access", prompt="consent")
    browser = PlainBrowser(stop_at=NODE_BACK)
    browser.open(asked.uri)
    citizens.sign_in(browser, town.citizen)
    browser.press("consent-allow")
    answer = asked.validate_callback(browser.stopped_at)
    token = client.authorization_code(answer)

    assert isinstance(token.id_token, IdToken)
    assert token.id_token.subject == town.citizen.citizen_id
    assert client.userinfo(token)["given_name"] == "Nino"
    fresh = client.refresh_token(token)
    assert fresh.access_token != token.access_token
    assert client.introspect_token(fresh)["active"] is True
    assert client.revoke_access_token(fresh) is True
    assert client.introspect_token(fresh)["active"] is False
    with pytest.raises(InvalidGrant):
        client.authorization_code(answer)
    with pytest.raises(InvalidGrant):
        client.refresh_token(token.refresh_token or "")
    browser.close()
