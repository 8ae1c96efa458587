"""What every test may ask for: settings, a database on each engine, and the house put together."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database, Parts
from core.settings import Settings
from tests.engines import Postgres, Sqlite
from tests.machine import NotRun


def pytest_configure(config: pytest.Config) -> None:
    """Keep a record of what could not run; ERTI_TEST_STRICT=1 makes that a failure."""
    config.pluginmanager.register(NotRun(config, strict=os.environ.get("ERTI_TEST_STRICT") == "1"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Run one PostgreSQL server for this pytest process."""
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data")
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


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Give the settings of a small house: everything in the test's own folder, cheap password hashing."""
    return Settings(
        database_url=database_url, data_dir=tmp_path, database_pool=5, argon2_memory_kib=64, argon2_passes=1
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Give a fresh database on each engine, with the parts that transactions reach through `parts(db)`."""
    base = Database(Parts(settings))
    yield base
    base.close()
