"""oauth4webapi for Node keeps to FAPI 2.0 Message Signing: everything it sends and gets is signed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import citizens
from tests.interop.conftest import KEYS, SIGNED_BACK, Town
from tests.machine import node
from tests.plain_browser import PlainBrowser

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("node"),
    pytest.mark.slow,
    pytest.mark.xdist_group("interop"),
]
SCRIPT = Path(__file__).parent / "npm" / "message-signing.mjs"


@pytest.fixture
def script(town: Town) -> Iterator[subprocess.Popen[str]]:
    """The script, waiting for its browser."""
    scope = "openid profile offline_access"
    process = subprocess.Popen(
        [node() or "node", str(SCRIPT), town.service.issuer, "oauth4webapi", SIGNED_BACK, scope],
        env=town.service.environment | {"CLIENT_KEY": json.dumps(KEYS["ES256"].as_dict(private=True))},
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


def test_oauth4webapi_signs_everything_and_gets_everything_signed(
    town: Town, script: subprocess.Popen[str]
) -> None:
    """A pushed signed request, a signed answer, private_key_jwt, bound tokens with a nonce, signed introspection."""
    browser = PlainBrowser(stop_at=SIGNED_BACK)
    browser.open(heard(script)["authorize"])
    citizens.sign_in(browser, town.citizen)
    browser.press("consent-allow")
    assert script.stdin
    script.stdin.write(browser.stopped_at + "\n")
    script.stdin.flush()
    browser.close()

    result = heard(script)["result"]
    assert result["answered"] == ["response"], "nothing stands beside the signed answer"
    assert result["type"].lower() == "dpop"
    assert result["claims"]["sub"] == result["userinfo"]["sub"] == town.citizen.citizen_id
    assert result["userinfo"]["given_name"] == "Nino"
    assert result["refreshed"] is True
    assert result["kept"] is True, "FAPI clients keep their refresh token"
    assert result["introspection"].startswith("application/token-introspection+jwt")
    assert result["active"] == [True, False]
    assert result["bound"] is True
    assert result["sentForNonce"] >= 1
