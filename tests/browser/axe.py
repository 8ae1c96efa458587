"""What axe-core says about a page, and whether it fits a narrow screen."""

from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.machine import NPM_FOLDER

SCRIPT = NPM_FOLDER / "node_modules" / "axe-core" / "axe.min.js"
# WCAG 2.2 AA and what it builds on.
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(found => found.violations)"


@cache
def _program() -> str:
    return Path(SCRIPT).read_text("utf-8")


def complaints(page: Page) -> list[str]:
    """Return what is wrong with the page for people who cannot see or point, one line a place."""
    if not SCRIPT.exists():
        pytest.skip("needs axe-core (Debian: apt install nodejs npm), then make test again")
    page.evaluate(_program())
    return [
        f"{rule['id']}: {rule['help']} at {node['target']}"
        for rule in page.evaluate(RUN, LEVELS)
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> int:
    """Return by how many CSS pixels the page is wider than the window (WCAG 2.2, 1.4.10: none at 320)."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
