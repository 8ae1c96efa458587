"""What axe-core says about a page, and whether it fits a narrow screen."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def _with_timers(page: Page, *, script: bool) -> Iterator[None]:
    """Let axe run on a page whose browser runs no script: it waits for timers, which stand still there."""
    if script:
        yield
        return
    session = page.context.new_cdp_session(page)
    for disabled in (True, False):  # a session may lift only what it has set itself
        session.send("Emulation.setScriptExecutionDisabled", {"value": disabled})
    yield
    session.send("Emulation.setScriptExecutionDisabled", {"value": True})


def look(where: str, page: Page, *, script: bool = True) -> None:
    """On a journey that has another purpose: see that the page it has come to is for everybody.

    Without axe-core only the width is looked at, and the journey goes on; test_pages says that it is missing.
    """
    page.wait_for_load_state()
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": 320, "height": 640})
    found: list[str] = []
    if SCRIPT.exists():
        with _with_timers(page, script=script):
            found = complaints(page)
    wide = overflow(page)
    assert (found, wide) == ([], 0), f"{where}: {found}, {wide} pixels too wide"
    page.set_viewport_size(size)
