from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.database import Database
from core.events import SYSTEM
from idp.oidc import clients
from consent import importing
from tests.conftest import ISSUER
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN, CLIENTS, Provider


@pytest.fixture
def provider(web: TestClient, database: Database) -> Provider:
    """Give the provider with two agencies and a company, their clients, and one citizen."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
        importing.load(
            db,
            {
                "agencies": [country.agency("mill", kind="private")],
                "purposes": [
                    country.purpose("mill-sign-in", agency="mill"),
                    country.purpose("revenue-relief"),
                ],
            },
            actor=SYSTEM,
        )
        clients.load(db, {"clients": CLIENTS}, actor=SYSTEM)
    return Provider(database, web)


@pytest.fixture
def web(settings: Any, database: Database) -> Iterator[TestClient]:
    """Give a browser at a small house of the ground floor and the provider."""
    from tests.idp.oidc.small import app

    with TestClient(app(settings, database), base_url=ISSUER, follow_redirects=False) as browser:
        yield browser
