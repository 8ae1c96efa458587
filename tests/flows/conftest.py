import json
from pathlib import Path

import pytest
import yaml
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from consent import importing
from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import clients
from registry_sync import people
from tests import factories
from tests.flows.register import AGENCIES, NUMBER, SECRET


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let the test's own civil register send events."""
    return settings.model_copy(update={"registry_keys": tmp_path / "registries.json"})


@pytest.fixture
def register(settings: Settings) -> ECKey:
    """Make the civil register's key and trust its public half."""
    key = ECKey.generate_key("P-256", {"kid": "civil-1", "alg": "ES256", "use": "sig"})
    assert settings.registry_keys is not None
    settings.registry_keys.write_text(json.dumps({"keys": [{**key.as_dict(private=False), "iss": "civil"}]}))
    return key


@pytest.fixture
def citizen(client: TestClient, database: Database, tmp_path: Path) -> str:
    """Load one person and the demo's agencies into a running house; return the citizen ID."""
    identifier = [{"identifier_type": "UIN", "identifier_value": NUMBER}]
    factories.load(database, tmp_path, factories.civil(identifier=identifier))
    document = yaml.safe_load(AGENCIES.read_text("utf-8"))
    for one in document["clients"]:
        one["client_secret"] = SECRET
    with database.writing() as db:
        importing.load(db, document, actor=SYSTEM)
        clients.load(db, document, actor=SYSTEM)
    with database.reading() as db:
        found = people.by_identifier(db, "UIN", NUMBER)
    assert found is not None
    return found
