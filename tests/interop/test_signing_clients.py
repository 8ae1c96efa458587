"""A client with keys of its own, by code that nobody here wrote: it signs, and opens what is encrypted to it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import citizens
from tests.interop.conftest import KEYS, NODE_BACK, Town
from tests.machine import node
from tests.plain_browser import PlainBrowser

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("node"),
    pytest.mark.slow,
    pytest.mark.xdist_group("interop"),
]
SCRIPT = Path(__file__).parent / "npm" / "sign.mjs"


@pytest.mark.parametrize("alg", ["ES256", "PS256", "Ed25519"])
def test_openid_client_signs_pushes_and_opens_what_is_encrypted_to_it(town: Town, alg: str) -> None:
    """ID token, UserInfo and introspection come signed, two of them encrypted, to a client that proves itself by a key."""
    arguments = [town.service.issuer, "signing", NODE_BACK, "openid profile offline_access", alg]
    keys = json.dumps(
        {"signing": KEYS[alg].as_dict(private=True), "opening": KEYS["ECDH-ES"].as_dict(private=True)}
    )
    with subprocess.Popen(
        [node() or "node", str(SCRIPT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KEYS": keys},
    ) as script:
        browser = PlainBrowser(stop_at=NODE_BACK)
        browser.open(_heard(script)["authorize"])
        citizens.sign_in(browser, town.citizen)
        if not browser.stopped_at:
            browser.press("consent-allow")
        answer = browser.stopped_at
        browser.close()
        assert script.stdin
        script.stdin.write(answer + "\n")
        script.stdin.flush()
        result = _heard(script)["result"]
    assert result["userinfo"]["sub"] == result["claims"]["sub"] == town.citizen.citizen_id
    assert result["userinfo"]["given_name"] == "Nino"
    assert result["active"] == [True, False]
    kinds = dict(result["kinds"])
    assert kinds["/userinfo"] == "application/jwt"
    assert kinds["/introspect"] == "application/token-introspection+jwt"


def _heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    assert line, f"the script ended with {process.wait(5)}"
    return dict(json.loads(line))
