from collections.abc import Iterator

import pytest

from core.settings import Settings
from tests.idp.oidc.conftest import provider
from tests.idp.oidc.provider import Provider
from tests.idp.signals.receiver import Api, Receiver

__all__ = ["provider"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let calls go to loopback, where the receivers under test are."""
    return settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1",)})


@pytest.fixture
def api(provider: Provider) -> Api:
    """Give the stream endpoints as the revenue portal calls them."""
    return Api(provider)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a receiver that listens."""
    found = Receiver().start()
    yield found
    found.stop()
