"""What every test may ask for: settings, a database on each engine, and the house put together."""

import gc
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from fastapi import FastAPI
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from joserfc._rfc7518.rsa_key import RSABinding
from playwright.sync_api import Browser, Playwright, expect, sync_playwright
from sqlalchemy import Engine, create_engine
from starlette.testclient import TestClient

from core import database as store
from core.database import Database
from core.settings import Settings
from service.app import begin, create_app, open_house
from tests.engines import Postgres, Sqlite
from tests.machine import NotRun, chromium

ISSUER = "https://id.erti.example"
DIFFERENT_RSA_KEYS = 12  # more than one test makes
STATEMENTS = 10_000  # more than there are
PATIENCE = 20_000  # milliseconds; a machine busy with other tests takes its time
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# How long an example takes says more about the machine than about the house; CI always tries the same ones.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ, print_blob=True)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Keep a record of what could not run; ERTI_TEST_STRICT=1 makes that a failure."""
    config.pluginmanager.register(NotRun(config, strict=os.environ.get("ERTI_TEST_STRICT") == "1"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that none of them is left over at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays until the end, such as modules, routes and these tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def statements() -> Iterator[None]:
    """Compile each statement once for all databases of a kind: each test has its own, and would compile them anew."""
    kinds: dict[type, Engine] = {}

    def alike(url: Any, **options: Any) -> Engine:
        made = create_engine(url, query_cache_size=STATEMENTS, **options)
        first = kinds.setdefault(type(made.dialect), made)
        made.dialect, made._compiled_cache = first.dialect, first._compiled_cache
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "create_engine", alike)
        yield


@pytest.fixture(scope="session", autouse=True)
def rsa_keys() -> Iterator[None]:
    """Hand out the same few RSA keys over and over: each house has three, and making them would take most of its time."""
    made: dict[int, list[RSAPrivateKey]] = {}
    handed, generate = itertools.count(), RSABinding.generate_private_key

    def again(size: int) -> RSAPrivateKey:
        pool = made.setdefault(size, [])
        if len(pool) < DIFFERENT_RSA_KEYS:
            pool.append(generate(size))
            return pool[-1]
        return pool[next(handed) % DIFFERENT_RSA_KEYS]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RSABinding, "generate_private_key", staticmethod(again))
        yield


# Only one Playwright may run in a process, so whoever wants a browser asks for it here.
@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright, once for this pytest process."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    """A function that starts the machine's own Chromium, with further arguments."""

    def start(*arguments: str) -> Browser:
        return playwright.chromium.launch(executable_path=chromium(), args=[*QUIET, *arguments])

    return start


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    """Chromium, once for this pytest process."""
    started = launch()
    yield started
    started.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run one PostgreSQL server for this pytest process."""
    # Not below pytest's own folder: as root the server runs as another user, and each pytest that starts
    # closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="erti-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder) / "data")
        yield server
        server.stop()


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Sqlite:
    """Keep the template of SQLite files for this pytest process."""
    return Sqlite(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of a fresh database with every table; the test runs once on each engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite").fresh(tmp_path / "erti.db")
    else:
        with request.getfixturevalue("postgres").fresh() as url:
            yield url


@pytest.fixture(scope="session")
def cheap_settings() -> Settings:
    """Keep the settings that every small house shares: cheap password hashing, and much time for the ledger.

    What is tested is not how busy the machine is.
    """
    return Settings(
        issuer=ISSUER, database_pool=5, argon2_memory_kib=64, argon2_passes=1, release_deadline_seconds=20.0
    )


@pytest.fixture
def settings(cheap_settings: Settings, database_url: str, tmp_path: Path) -> Settings:
    """Give the settings of a small house, with all of it in the test's own folder."""
    return cheap_settings.model_copy(update={"database_url": database_url, "data_dir": tmp_path})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Give a fresh database on each engine with keys, sealer and handlers; its sequencer is not started."""
    base = open_house(settings)
    yield base
    base.close()


@pytest.fixture
def house(database: Database) -> Iterator[Database]:
    """Give a house that has begun: signing keys and leaf 0 are made, the sequencer runs."""
    begin(database)
    database.parts.sequencer.start()
    yield database
    database.parts.sequencer.stop()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Keep the templates as they were compiled: each application would do that anew, for 20 ms a template."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, database: Database, compiled: BytecodeCache) -> FastAPI:
    """Give the web application on the test's database; `client` runs it."""
    made = create_app(settings, database)
    made.state.pages.bytecode_cache = compiled
    return made


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Give a browser without pictures at the issuer's own address; redirects are not followed."""
    with TestClient(app, base_url=ISSUER, follow_redirects=False) as browser:
        yield browser
