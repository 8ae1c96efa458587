"""A citizen stops; the agency's receiver is away, comes back, and knows. Everybody is real: pages, worker, receiver."""

import threading
import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from core.database import Database
from core.settings import Settings
from service import worker
from service.app import open_house
from tests.idp.oidc.conftest import provider
from tests.idp.oidc.provider import Provider
from tests.idp.signals.receiver import Api, Receiver, said
from tests.ports import within

__all__ = ["provider"]
AWAY_SECONDS = 1


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let calls go to loopback, where the receiver is."""
    return settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1",)})


@pytest.fixture
def working(settings: Settings, client: TestClient) -> Iterator[Database]:
    """Run two workers beside the service, each with connections of its own as in processes of their own."""
    stop, houses = threading.Event(), [open_house(settings), open_house(settings)]
    threads = [threading.Thread(target=worker.run, args=(house, stop)) for house in houses]
    for thread in threads:
        thread.start()
    yield houses[0]
    stop.set()
    for thread, house in zip(threads, houses, strict=True):
        thread.join()
        house.close()


@pytest.mark.slow
@pytest.mark.usefixtures("working")
def test_an_agency_that_was_away_is_told_and_the_citizen_sees_when(provider: Provider) -> None:
    """The page says that we keep trying; back again, the receiver gets the event once, and the page says since when."""
    receiver, api = Receiver(), Api(provider)
    api.pushed_to(receiver)
    provider.sign_in()
    grant = provider.allow("given_name")
    page = f"/my/sharing/{grant.grant_id}"
    answer = provider.send(provider.web.get(f"{page}/withdraw"))
    assert answer.status_code == 303, answer.text
    assert within(20, lambda: "We keep trying" in provider.web.get(page).text)
    time.sleep(AWAY_SECONDS)
    receiver.start()
    assert within(30, lambda: "has received the notice" in provider.web.get(answer.headers["location"]).text)
    time.sleep(2)
    receiver.stop()
    (claims,) = receiver.events(provider)
    assert said(claims)[0] == "consent-ended"
    assert said(claims)[1]["grant_id"] == grant.grant_id


@pytest.mark.slow
@pytest.mark.usefixtures("working")
def test_an_agency_that_listens_knows_within_seconds(provider: Provider) -> None:
    """With a receiver that listens, the agency knows within three seconds of the withdrawal."""
    receiver = Receiver().start()
    Api(provider).pushed_to(receiver)
    grant = provider.allow("given_name")
    started = time.monotonic()
    provider.withdraw(grant)
    assert within(20, lambda: len(receiver.taken) == 1)
    took = time.monotonic() - started
    receiver.stop()
    print(f"told after {took:.2f} s")
    assert took < 3
