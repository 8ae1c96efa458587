"""The provider under a certification run: each module's test goes through every variant that its plans ask for."""

import contextlib
import copy
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import clients
from service.app import create_app, open_house
from tests.certification import fapi as fapi_plans
from tests.certification import listed
from tests.certification.fapi import Fapi
from tests.certification.party import Party
from tests.certification.relying import Relying, Run
from tests.certification.site import HOST, Site, open_site
from tests.conftest import ISSUER

MTLS = "https://mtls.id.erti.example"
# Each variant on one engine is enough here: that both answer alike is what the other tests show.
ON_POSTGRES = ("formpost", "jwt-mtls", "mtls-dpop")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's test in the variants of its plans, or in those of them that its mark names."""
    mark = metafunc.definition.get_closest_marker("module")
    if mark is None or "variant" not in metafunc.fixturenames:
        return
    found = listed.variants(mark.args)
    wanted = [one for one in found if one in mark.kwargs.get("variants", found)]
    if "fapi" not in metafunc.fixturenames:
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
            trusted_proxies=("127.0.0.1/32",),
            client_certificate_header="Client-Cert",
            mtls_address=MTLS,
            registration="open",
            outbound_private_hosts=(HOST,),
        )
        database = open_house(settings)
        stack.callback(database.close)
        app = create_app(settings, database)
        app.state.pages.bytecode_cache = request.getfixturevalue("compiled")
        web = stack.enter_context(
            TestClient(
                app,
                base_url=ISSUER,
                follow_redirects=False,
                client=("127.0.0.1", 50_000),  # the proxy that hands client certificates over
            )
        )
        yield Run.beginning(database, web, variant)


@pytest.fixture
def relying(run: Run) -> Relying:
    """Give the run with a citizen and a browser that nobody has used."""
    return Relying.anew(run)


@pytest.fixture
def site() -> Iterator[Site]:
    """Give the suite's own site."""
    with open_site() as found:
        yield found


@pytest.fixture(scope="module")
def clients_of_fapi(run: Run) -> tuple[Party, Party]:
    """Give the run's two clients of the FAPI plans, registered."""
    made = fapi_plans.parties(run)
    with run.database.writing() as db:
        clients.load(db, {"clients": [one.metadata for one in made]}, actor=SYSTEM)
    return made


@pytest.fixture
def fapi(run: Run, clients_of_fapi: tuple[Party, Party]) -> Fapi:
    """Give the run with a citizen of its own and both clients as they were registered."""
    me, other = map(copy.copy, clients_of_fapi)
    return Fapi.starting(run, me, other)
