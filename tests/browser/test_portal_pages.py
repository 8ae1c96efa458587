"""The example portals' pages are usable by everybody, on a small screen and in the dark."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import axe
from tests.browser.steps import Scheme
from tests.ports import free_port, wait_for

pytestmark = [pytest.mark.browser]
PORTALS = Path(__file__).parents[2] / "examples" / "portal"


@pytest.fixture(scope="module", params=["revenue", "health"])
def portal(request: pytest.FixtureRequest) -> Iterator[str]:
    """One of the portals, its identity service away."""
    home = f"http://localhost:{free_port()}"
    environment = os.environ | {
        "PORTAL_URL": home,
        "PORTAL_ISSUER": f"http://localhost:{free_port()}",
        "PORTAL_CLIENT_SECRET": "never used",
    }
    process = subprocess.Popen(
        [sys.executable, str(PORTALS / "portal.py"), str(PORTALS / f"{request.param}.toml")], env=environment
    )
    wait_for(home)
    yield home
    process.terminate()
    process.wait(10)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/sign-in", "/office"])
def test_pages_are_for_everybody(browser: Browser, portal: str, path: str, scheme: Scheme) -> None:
    """axe finds nothing, and nothing sticks out at 320 pixels, in light and in dark."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page = context.new_page()
    page.goto(portal + path)
    assert axe.complaints(page) == []
    assert axe.overflow(page) == 0
    context.close()
