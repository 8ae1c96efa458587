"""Tokens bound to a key (RFC 9449), used by clients that nobody here wrote."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_oauth2client import DPoPKey, InvalidGrant, OAuth2Client

from tests import citizens
from tests.interop.conftest import DPOP_BACK, Town
from tests.machine import node
from tests.plain_browser import PlainBrowser

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.xdist_group("interop")]
SCRIPT = Path(__file__).parent / "npm" / "dpop.mjs"
SCOPE = "openid profile offline_access"


@pytest.fixture
def script(town: Town, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """The script, waiting for its browser."""
    process = subprocess.Popen(
        [node() or "node", str(SCRIPT), town.service.issuer, "dpop", DPOP_BACK, SCOPE, request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line the script says."""
    assert process.stdout
    line = process.stdout.readline()
    assert line, f"the script ended with {process.wait(5)}"
    return dict(json.loads(line))


def went_through(town: Town, address: str) -> str:
    """Where the citizen is sent back to after they signed in and allowed what is asked."""
    browser = PlainBrowser(stop_at=DPOP_BACK)
    browser.open(address)
    citizens.sign_in(browser, town.citizen)
    if not browser.stopped_at:
        browser.press("consent-allow")
    stopped = browser.stopped_at
    browser.close()
    return stopped


@pytest.mark.needs("node")
@pytest.mark.parametrize("script", ["ES256", "Ed25519"], indirect=True)
def test_openid_client_binds_a_sign_in_to_its_key_from_the_code_to_the_refresh(
    town: Town, script: subprocess.Popen[str]
) -> None:
    """It is sent for a nonce once, and reads and refreshes with its key; without it, or with another, nothing works."""
    address = went_through(town, heard(script)["authorize"])
    assert script.stdin
    script.stdin.write(address + "\n")
    script.stdin.flush()
    result = heard(script)["result"]
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
    code = asked.validate_callback(went_through(town, str(asked)))
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
