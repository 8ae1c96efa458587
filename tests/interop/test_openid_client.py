"""openid-client for Node, certified by the OpenID Foundation, signs a citizen in and reads them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import citizens
from tests.interop.conftest import NODE_BACK, Town
from tests.machine import node
from tests.plain_browser import PlainBrowser

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("node"),
    pytest.mark.slow,
    pytest.mark.xdist_group("interop"),
]
SCRIPT = Path(__file__).parent / "npm" / "sign-in.mjs"


@pytest.fixture
def script(town: Town) -> Iterator[subprocess.Popen[str]]:
    """The script, waiting for its browser."""
    process = subprocess.Popen(
        [
            node() or "node",
            str(SCRIPT),
            town.service.issuer,
            "node",
            NODE_BACK,
            "openid profile offline_access",
        ],
        env=town.service.environment | {"CLIENT_SECRET": town.service.secret("node")},
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
    return json.loads(line)


def test_openid_client_signs_a_citizen_in_reads_refreshes_introspects_and_revokes(
    town: Town, script: subprocess.Popen[str]
) -> None:
    """Discovery, code with PKCE, ID token, UserInfo, refresh, introspection, revocation and logout all work."""
    browser = PlainBrowser(stop_at=NODE_BACK)
    browser.open(heard(script)["authorize"])
    citizens.sign_in(browser, town.citizen)
    if not browser.stopped_at:
        browser.press("consent-allow")
    assert browser.stopped_at.startswith(NODE_BACK)
    assert script.stdin
    script.stdin.write(browser.stopped_at + "\n")
    script.stdin.flush()

    result = heard(script)["result"]
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
    browser.close()
