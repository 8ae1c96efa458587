"""A service with both portals, and Chromium in front of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests import service_process
from tests.ports import free_port, wait_for
from tests.service_process import Service


@dataclass(frozen=True)
class Town:
    """Where everything is: the service itself and the two agencies' portals."""

    service: Service
    revenue: str
    health: str

    @property
    def erti(self) -> str:
        """The address of the service."""
        return self.service.issuer


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """A phone's browser with nothing in it."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    yield context
    context.close()


@pytest.fixture
def phone_without_script(browser: Browser) -> Iterator[BrowserContext]:
    """The same with JavaScript switched off."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="en-GB", java_script_enabled=False
    )
    yield context
    context.close()


@contextlib.contextmanager
def found_town(folder: Path, database_url: str = "") -> Iterator[Town]:
    """The service and both portals on localhost, with a small country in it; SQLite unless told otherwise."""
    port, revenue, health = free_port(), free_port(), free_port()
    homes = {
        "revenue-portal": f"http://localhost:{revenue}",
        "health-portal": f"http://localhost:{health}",
    }
    service = service_process.prepare(
        folder, issuer=f"http://localhost:{port}", homes=homes, database_url=database_url
    )
    with service_process.running(service, port=port):
        for client_id, file in (("revenue-portal", "revenue.toml"), ("health-portal", "health.toml")):
            service.start_portal(client_id, file, homes[client_id])
            wait_for(homes[client_id])
        yield Town(service, homes["revenue-portal"], homes["health-portal"])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The service and both portals for the tests of one file."""
    with found_town(tmp_path_factory.mktemp("town")) as founded:
        yield founded
