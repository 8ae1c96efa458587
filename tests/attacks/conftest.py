"""A provider that lets everybody register, as a developer's own machine would, for those who try to break it."""

from typing import Any

import pytest

from core.settings import Settings
from tests.idp.login.conftest import born, letter, person
from tests.idp.login.person import Person
from tests.idp.oidc.conftest import provider
from tests.idp.oidc.provider import Provider

__all__ = ["CALLABLE", "born", "letter", "person", "provider", "register", "settings"]
CALLABLE = "127.0.0.2"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Open registration, and one host inside that may be called."""
    changes = {"registration": "open", "outbound_private_hosts": (CALLABLE,)}
    return settings.model_copy(update=changes)


@pytest.fixture
def nino(person: Any, letter: Any) -> Person:
    """Give somebody with a password, an app and recovery codes, signed out, with the code of this moment unused."""
    somebody: Person = person()
    somebody.citizen_id, code = letter()
    somebody.codes = somebody.activate(somebody.citizen_id, code, name="nino")
    somebody.open("/logout")
    somebody.send("/logout")
    return somebody


def register(provider: Provider, token: str = "", /, **document: Any) -> Any:
    """Send a registration, by whoever."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    document = {"redirect_uris": ["https://new.example/cb"], "client_name": "New", **document}
    return provider.web.post("/register", json=document, headers=headers)
