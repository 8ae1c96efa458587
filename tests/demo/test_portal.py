"""The example portal on its own: it greets, helps when Erti is away, and starts only with a secret."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port, wait_for

PORTALS = Path(__file__).parents[2] / "examples" / "portal"


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    """The revenue portal, running, with an identity service that is not there."""
    home = f"http://localhost:{free_port()}"
    settings = {
        "PORTAL_URL": home,
        "PORTAL_ISSUER": f"http://localhost:{free_port()}",
        "PORTAL_CLIENT_SECRET": "a secret that is never used",
        "PORTAL_EVENTS_TOKEN": "what Erti says",
    }
    command = [sys.executable, str(PORTALS / "portal.py"), str(PORTALS / "revenue.toml")]
    process = subprocess.Popen(command, env=os.environ | settings)
    wait_for(home)
    yield home
    process.terminate()
    process.wait(10)


def test_the_welcome_page_needs_nothing_but_itself(portal: str) -> None:
    """The first page works while the identity service is away, loads nothing from elsewhere and holds no script."""
    page = httpx.get(portal)
    assert page.status_code == 200
    assert 'id="sign-in"' in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for asset in ("/static/portal.css", "/theme.css", "/static/hall.svg"):
        assert asset in page.text
        assert httpx.get(portal + asset).status_code == 200


def test_no_cookie_for_somebody_who_only_looks(portal: str) -> None:
    """A visitor who has not begun to sign in gets no cookie."""
    assert "set-cookie" not in httpx.get(portal).headers


def test_events_are_taken_from_erti_alone(portal: str) -> None:
    """Whoever does not know what the portal gave to Erti is refused in the words of RFC 8935; so is a page that asks."""
    for given in ({}, {"Authorization": "Bearer something else"}):
        refused = httpx.post(f"{portal}/events", content=b"e30.e30.e30", headers=given)
        assert (refused.status_code, refused.json()["err"]) == (400, "authentication_failed")
    assert httpx.get(f"{portal}/events").status_code == 405


@pytest.mark.parametrize("path", ["/sign-in", "/allow"])
def test_a_missing_identity_service_is_said_in_words(portal: str, path: str) -> None:
    """When Erti does not answer, the portal says so with what to do, and answers 503."""
    page = httpx.get(portal + path)
    assert page.status_code == 503
    assert "does not answer" in page.text
    assert "make run" in page.text


def test_the_officers_form_comes_back_as_typed(portal: str) -> None:
    """A form with a missing case keeps the number that was typed, and says what is missing."""
    page = httpx.post(portal + "/office", data={"number": "123 <b>", "case": ""})
    assert 'value="123 &lt;b&gt;"' in page.text
    assert "Please give the national identifier, the case" in page.text


def test_signed_out_buttons_lead_home(portal: str) -> None:
    """The buttons of the signed-in page do nothing for somebody who is not signed in."""
    for path in ("/read-again", "/read-standing", "/sign-out"):
        answer = httpx.post(portal + path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_no_secret_no_start() -> None:
    """Without its secret the portal ends at once with a sentence naming the variable."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith("PORTAL_")}
    command = [sys.executable, str(PORTALS / "portal.py"), str(PORTALS / "health.toml")]
    ended = subprocess.run(command, env=bare, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert "PORTAL_CLIENT_SECRET" in ended.stderr
