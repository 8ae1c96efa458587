import pytest
from starlette.testclient import TestClient

from consent import importing
from core.database import Database
from core.events import SYSTEM
from idp.oidc import clients
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN, CLIENTS, Provider


@pytest.fixture
def provider(client: TestClient, database: Database) -> Provider:
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
    return Provider(database, client)
