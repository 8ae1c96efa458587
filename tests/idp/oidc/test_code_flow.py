"""The code flow from request to claims, and how each wrong turn ends."""

from typing import Any

from core.database import Database
from tests.consent.country import CITIZEN, allow
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered, claims_of
from tests.conftest import ISSUER


def test_sign_in_consent_code_token_userinfo(provider: Provider) -> None:
    """A citizen signs in, reads their values, allows them, and the client gets tokens and claims."""
    asked = provider.authorize(scope="openid profile", claims='{"userinfo": {"income_bracket": null}}')
    assert asked.status_code == 303
    assert asked.headers["location"].startswith("/login?return_to=%2Fauthorize%2F")
    step = asked.headers["location"].split("return_to=%2Fauthorize%2F")[1].split("&")[0]
    provider.sign_in()
    consent = provider.web.get(f"/authorize/{step}")
    page = provider.web.get(consent.headers["location"])
    assert "Nino" in page.text
    assert "https://portal.example" in page.headers["content-security-policy"]
    decided = provider.send(page, decision="allow")
    answer = answered(provider.web.get(decided.headers["location"]))
    assert answer["state"] == "xyz"
    assert answer["iss"] == ISSUER
    tokens = provider.redeem(answer["code"]).json()
    claims = claims_of(tokens["id_token"])
    assert (claims["sub"], claims["aud"], claims["nonce"]) == (CITIZEN, to.PORTAL, "n-1")
    told = provider.userinfo(tokens["access_token"])
    assert told.json() == {"sub": CITIZEN, "given_name": "Nino"}
