"""Tokens bound to a key (RFC 9449), used by clients that nobody here wrote."""

import pytest
import requests
from requests_oauth2client import DPoPKey, InvalidGrant, OAuth2Client

from tests.interop.conftest import DPOP_BACK, Town
from tests.interop.node_client import NodeClient

pytestmark = [pytest.mark.interop, pytest.mark.slow]
SCOPE = "openid profile offline_access"


@pytest.mark.needs("node")
@pytest.mark.parametrize("alg", ["ES256", "Ed25519"])
def test_openid_client_binds_a_sign_in_to_its_key_from_the_code_to_the_refresh(town: Town, alg: str) -> None:
    """It is sent for a nonce once, and reads and refreshes with its key; without it, or with another, nothing works."""
    with NodeClient("dpop.mjs", town.service, "dpop", DPOP_BACK, SCOPE, alg) as client:
        result = client.learns(town.allows(client.wants(), back=DPOP_BACK))
    assert result["type"].lower() == "dpop"
    assert {"ES256", "Ed25519"} <= set(result["algorithms"])
    assert result["userinfo"]["sub"] == result["claims"]["sub"] == town.citizen.citizen_id
    assert result["again"]["given_name"] == result["userinfo"]["given_name"] == "Nino"
    first = "/par" if result["pushes"] else "/token"
    assert result["refusals"][0] == [first, 400, "use_dpop_nonce", ""]
    assert len(result["refusals"]) < 3  # at most one more, if a minute ended in between
    assert (result["bare"], result["stolen"]) == ("invalid_token", "invalid_token")
    assert result["refreshed"] == "invalid_grant"


def test_requests_oauth2client_binds_a_sign_in_to_its_key(town: Town) -> None:
    """A client in Python with a code bound to its key reads UserInfo and refreshes, and another's key gets nothing."""
    client = OAuth2Client.from_discovery_endpoint(
        issuer=town.service.issuer,
        client_id="dpop",
        auth=None,
        redirect_uri=DPOP_BACK,
        dpop_bound_access_tokens=True,
        testing=True,  # plain http
    )
    asked = client.authorization_request(scope=SCOPE, prompt="consent", dpop=True)
    code = asked.validate_callback(town.allows(str(asked), back=DPOP_BACK))
    token = client.authorization_code(code, validate=False)
    assert token.token_type == "DPoP"
    told = requests.get(client.userinfo_endpoint, auth=token, timeout=10)
    assert told.json()["given_name"] == "Nino"
    bare = requests.get(
        client.userinfo_endpoint, headers={"Authorization": f"Bearer {token.access_token}"}, timeout=10
    )
    assert bare.status_code == 401
    with pytest.raises(InvalidGrant):
        client.refresh_token(token.refresh_token, dpop_key=DPoPKey.generate())
    fresh = client.refresh_token(token)
    assert requests.get(client.userinfo_endpoint, auth=fresh, timeout=10).json() == told.json()
