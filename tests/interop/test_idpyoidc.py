"""idpyoidc for Python, by authors of the standard, signs a citizen in, reads them and signs them out."""

from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from idpyoidc.client.defaults import DEFAULT_OIDC_SERVICES
from idpyoidc.client.oidc.end_session import EndSession
from idpyoidc.client.rp_handler import RPHandler

from tests import citizens
from tests.interop.conftest import NODE_BACK, Town
from tests.plain_browser import PlainBrowser

pytestmark = [pytest.mark.interop, pytest.mark.slow]
SCOPE = ["openid", "profile", "offline_access"]
PKCE = {
    "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
}


def test_idpyoidc_signs_a_citizen_in_refreshes_and_signs_them_out(town: Town) -> None:
    """Discovery, code with PKCE, ID token, UserInfo, refresh and RP-initiated logout work as the library does them."""
    issuer, session = town.service.issuer, requests.Session()
    relying = RPHandler(
        base_url=NODE_BACK,
        services=DEFAULT_OIDC_SERVICES | {"end_session": {"class": EndSession}},
        httpc=session.request,
        client_configs={
            "erti": {
                "issuer": issuer,
                "client_id": "idpyoidc",
                "client_secret": town.service.secret("idpyoidc"),
                "client_type": "oidc",
                "redirect_uris": [NODE_BACK],
                "post_logout_redirect_uris": [NODE_BACK],
                "response_types": ["code"],
                "id_token_signed_response_alg": "ES256",
                "token_endpoint_auth_method": "client_secret_basic",
                "client_authn_methods": ["client_secret_basic", "bearer_header"],
                "add_ons": {"pkce": PKCE},
            }
        },
    )
    browser = PlainBrowser(stop_at=NODE_BACK)
    browser.open(relying.begin("erti", req_args={"scope": SCOPE, "prompt": "consent"}))
    citizens.sign_in(browser, town.citizen)
    browser.press("consent-allow")
    answer = dict(parse_qsl(urlsplit(browser.stopped_at).query))
    state = answer["state"]
    found = relying.finalize(issuer, answer)

    assert found["id_token"]["sub"] == town.citizen.citizen_id
    assert found["userinfo"]["given_name"] == "Nino"
    fresh = relying.refresh_access_token(state)
    assert fresh["access_token"] != found["token"]

    browser.stopped_at = ""
    browser.open(relying.logout(state, post_logout_redirect_uri=NODE_BACK)["url"])
    citizens.confirm_sign_out(browser)
    assert browser.stopped_at.startswith(NODE_BACK)
    browser.stopped_at = ""
    browser.open(f"{issuer}/my/account")
    assert browser.has("login-submit"), "nobody is signed in any more"
    browser.close()
    session.close()
