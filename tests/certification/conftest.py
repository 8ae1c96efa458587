"""The provider under a certification run: each module's test goes through every variant that its plans ask for."""

import contextlib

import pytest
from starlette.testclient import TestClient

from core.settings import Settings
from service.app import create_app, open_house
from tests.certification import listed
from tests.certification.relying import Relying, Run
from tests.conftest import ISSUER

# Each variant on one engine is enough here: that both answer alike is what the other tests show.
ON_POSTGRES = ("formpost", "jwt-mtls", "mtls-dpop")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's test in the variants of its plans, or in those of them that its mark names."""
    mark = metafunc.definition.get_closest_marker("module")
    if mark is None or "variant" not in metafunc.fixturenames:
        return
    found = listed.variants(mark.args)
    wanted = [one for one in found if one in mark.kwargs.get("variants", found)]
    wanted = wanted or ["basic"]  # its plan cannot be gone through yet
    marks = {one: [pytest.mark.postgres] if one in ON_POSTGRES else [] for one in wanted}
    metafunc.parametrize("variant", [pytest.param(one, marks=marks[one]) for one in wanted], scope="module")


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, variant: str, tmp_path_factory: pytest.TempPathFactory):
    """Give the application for one variant's run through the tests of a file, and the suite's clients."""
    folder = tmp_path_factory.mktemp(variant)
    with contextlib.ExitStack() as stack:
        if variant in ON_POSTGRES:
            url = stack.enter_context(request.getfixturevalue("postgres").fresh())
        else:
            url = request.getfixturevalue("sqlite").fresh(folder / "erti.db")
        settings = Settings(
            issuer=ISSUER,
            database_url=url,
            data_dir=folder,
            database_pool=5,
            argon2_memory_kib=64,
            argon2_passes=1,
            release_deadline_seconds=20.0,
        )
        database = open_house(settings)
        stack.callback(database.close)
        web = stack.enter_context(
            TestClient(create_app(settings, database), base_url=ISSUER, follow_redirects=False)
        )
        yield Run.beginning(database, web, variant)


@pytest.fixture
def relying(run: Run) -> Relying:
    """Give the run with a citizen and a browser that nobody has used."""
    return Relying.anew(run)
