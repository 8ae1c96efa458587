"""A service with both portals, and Chromium in front of it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests import service_process
from tests.browser.authenticators import PHONE, Reader
from tests.ports import free_port, wait_for
from tests.postbox import Postbox, mail_server
from tests.service_process import Service

Open = Callable[..., Page]
WAIT_SECONDS = 12


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
def found_town(folder: Path, database_url: str = "", **settings: str) -> Iterator[Town]:
    """The service and both portals on localhost, with a small country in it; SQLite unless told otherwise."""
    port, revenue, health = free_port(), free_port(), free_port()
    homes = {
        "revenue-portal": f"http://localhost:{revenue}",
        "health-portal": f"http://localhost:{health}",
    }
    service = service_process.prepare(
        folder, issuer=f"http://localhost:{port}", homes=homes, database_url=database_url
    )
    service.extra |= settings
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


@pytest.fixture(scope="module")
def postbox() -> Iterator[Postbox]:
    """A mail server that keeps what it is sent."""
    with mail_server() as box:
        yield box


@contextlib.contextmanager
def found_mailing(folder: Path, postbox: Postbox, **settings: str) -> Iterator[Service]:
    """The service with its worker, which sends mail there, and no portals."""
    port = free_port()
    service = service_process.prepare(folder, issuer=f"http://localhost:{port}", homes={}, people_count=20)
    service.extra |= {"ERTI_SMTP_URL": postbox.url, **settings}
    with service_process.running(service, port=port):
        yield service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postbox: Postbox) -> Iterator[Service]:
    """A service that writes to the postbox."""
    with found_mailing(tmp_path_factory.mktemp("mailing"), postbox) as founded:
        yield founded


@pytest.fixture(scope="module")
def erti(tmp_path_factory: pytest.TempPathFactory, postbox: Postbox) -> Iterator[Service]:
    """The same, and nobody waits there for days to come back."""
    waits = ("ERTI_RECOVERY_WAIT_SECONDS", "ERTI_RECOVERY_WAIT_ALONE_SECONDS")
    shorter = dict.fromkeys(waits, str(WAIT_SECONDS))
    with found_mailing(tmp_path_factory.mktemp("mailing"), postbox, **shorter) as founded:
        yield founded


@pytest.fixture
def device(browser: Browser) -> Iterator[Open]:
    """Give a way to get a browser with nothing in it, with scripts or without; with them it has a passkey device."""
    opened: list[BrowserContext] = []

    def take(*, script: bool) -> Page:
        context = browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", java_script_enabled=script
        )
        opened.append(context)
        page = context.new_page()
        if script:
            Reader(context, page).plug_in(PHONE)
        return page

    yield take
    for one in opened:
        one.close()
