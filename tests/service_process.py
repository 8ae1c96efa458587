"""A whole service in processes of its own, on free ports and in a temporary folder, for tests from outside."""

import contextlib
import csv
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from consent import importing as agencies
from core.events import SYSTEM
from core.settings import Settings
from idp.login import activation
from idp.oidc import clients
from registry_sync import people
from registry_sync.sources import importing
from service import migrations
from service.app import begin, open_house
from service.demo import country
from tests.at_counter import SEEN
from tests.ports import wait_for

REPOSITORY = Path(__file__).parents[1]
PORTALS = REPOSITORY / "examples" / "portal"
AGENCIES = REPOSITORY / "service" / "demo" / "agencies.yaml"


@dataclass(frozen=True)
class Sample:
    """A citizen of the invented country with the activation code of their letter."""

    uin: str
    citizen_id: str
    code: str


@dataclass
class Service:
    """The service as its neighbours see it: an address, a folder, and processes that can be ended."""

    issuer: str
    settings: Settings
    document: dict[str, Any]
    truth: country.Truth
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this house needs to know."""
        return os.environ | {
            "ERTI_ISSUER": self.issuer,
            "ERTI_DATA_DIR": str(self.settings.data_dir),
            "ERTI_DATABASE_URL": self.settings.database_url,
            "ERTI_ARGON2_MEMORY_KIB": "64",
            "ERTI_ARGON2_PASSES": "1",
            "ERTI_OUTBOUND_PRIVATE_HOSTS": '["localhost"]',  # where clients under test are told of things
            **self.extra,
        }

    def secret(self, client_id: str) -> str:
        """The client secret that a client was registered with."""
        return next(c["client_secret"] for c in self.document["clients"] if c["client_id"] == client_id)

    def sample(self, number: int) -> Sample:
        """Person `number` of those the demo introduces (0 to 5), with a fresh activation code."""
        uin = self.truth.showcase[number]
        database = open_house(self.settings)
        with database.writing() as db:
            citizen = people.by_identifier(db, "UIN", uin)
            assert citizen is not None
            made = Sample(uin, citizen, activation.make_code(db, citizen, seen=SEEN, actor=SYSTEM))
        database.close()
        return made

    def income_bracket(self, sample: Sample) -> str:
        """What the tax register holds of somebody's income."""
        register = self.settings.data_dir / "country" / country.TAX_FILE
        rows = csv.DictReader(register.read_text("utf-8", "replace").splitlines())
        return next(row["income_bracket"] for row in rows if row["national_identifier"] == sample.uin)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process that ends with the service."""
        process = subprocess.Popen(command, env=self.environment | environment, cwd=REPOSITORY)
        self.processes.append(process)
        return process

    def start_portal(
        self, client_id: str, file: str, url: str, *, front: tuple[str, ...] = (), **extra: str
    ) -> None:
        """Start an example portal at `url`; `front` are programs put before it, `extra` more PORTAL_ settings."""
        settings = {
            "PORTAL_ISSUER": self.issuer,
            "PORTAL_URL": url,
            "PORTAL_CLIENT_SECRET": self.secret(client_id),
        }
        command = front or (sys.executable, str(PORTALS / "portal.py"))
        self.start(*command, str(PORTALS / file), **settings, **extra)

    def stop(self) -> None:
        """End every process, the last one started first."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def prepare(
    folder: Path,
    *,
    issuer: str,
    homes: dict[str, str],
    people_count: int = 40,
    more_clients: list[dict[str, Any]] | None = None,
    database_url: str = "",
) -> Service:
    """Found a small house in `folder`: tables, an imported country, the demo's agencies under `homes`.

    `homes` maps a client ID of the demo to its address; `more_clients` are further clients, secrets included.
    """
    settings = Settings(
        issuer=issuer, data_dir=folder, database_url=database_url, argon2_memory_kib=64, argon2_passes=1
    )
    database = open_house(settings)
    migrations.upgrade(database)
    begin(database)
    truth = country.write(folder / "country", people=people_count)
    for source, file in (("civil", country.CIVIL_FILE), ("tax", country.TAX_FILE)):
        importing.import_file(database, folder / "country" / file, source=source, progress=lambda *_: None)
    document = yaml.safe_load(AGENCIES.read_text("utf-8"))
    for client in document["clients"]:
        _move(client, homes.get(client["client_id"], ""))
        client["client_secret"] = secrets.token_urlsafe(32)
    document["clients"] += more_clients or []
    with database.writing() as db:
        agencies.load(db, document, actor=SYSTEM)
        clients.load(db, document, actor=SYSTEM)
    database.close()
    return Service(issuer, settings, document, truth)


@contextlib.contextmanager
def running(
    service: Service, *, port: int, verify: Any = True, tls: tuple[str, ...] = ()
) -> Iterator[Service]:
    """Serve on `port` with a worker beside it, and end everything afterwards."""
    try:
        erti = (sys.executable, "-m", "service")
        service.start(*erti, "serve", "--port", str(port), *tls)
        service.start(*erti, "worker")
        scheme = "https" if tls else "http"
        wait_for(f"{scheme}://localhost:{port}/readyz", verify=verify)
        yield service
    finally:
        service.stop()


def _move(client: dict[str, Any], home: str) -> None:
    """Put the addresses of one of the demo's clients under another home."""
    if not home:
        return
    old = client["client_uri"].rstrip("/")
    client["client_uri"] = f"{home}/"
    for key in ("redirect_uris", "post_logout_redirect_uris"):
        client[key] = [uri.replace(old, home) for uri in client[key]]
    client["initiate_login_uri"] = client["initiate_login_uri"].replace(old, home)
