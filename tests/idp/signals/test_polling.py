"""Poll delivery with a plain HTTP client (RFC 8936)."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from consent import grants, notices
from core import clock
from idp.signals import outbox, polling
from idp.signals.tables import outbox as table
from tests.idp.oidc.provider import CITIZEN, Provider
from tests.idp.signals.receiver import Api, Receiver, checked, said


def told(provider: Provider) -> notices.Told:
    """Return how the citizen sees that the agency was told of their only grant."""
    with provider.database.reading() as db:
        (found,) = notices.latest(db, grants.of(db, CITIZEN)).values()
        return found


def test_events_are_fetched_and_acknowledged(provider: Provider, api: Api) -> None:
    """A poll gives signed events by their jti; the next one acknowledges them, and the citizen sees when."""
    stream_id = api.made({})["stream_id"]
    assert api.poll(stream_id) == {"sets": {}, "moreAvailable": False}
    grant = provider.allow("given_name")
    provider.withdraw(grant)
    ((jti, token),) = api.poll(stream_id)["sets"].items()
    claims = checked(provider, token)
    assert claims["jti"] == jti
    assert said(claims)[1]["grant_id"] == grant.grant_id
    assert told(provider).state == notices.WAITING
    assert api.poll(stream_id, ack=[jti, "unknown"]) == {"sets": {}, "moreAvailable": False}
    assert told(provider).state == notices.RECEIVED


def test_more_than_was_asked_for_is_announced(provider: Provider, api: Api) -> None:
    """No more than maxEvents come at once, in the order in which they happened, and the answer says if more wait."""
    stream_id = api.made({})["stream_id"]
    for _turn in range(3):
        provider.withdraw(provider.allow("given_name"))
    first = api.poll(stream_id, maxEvents=2)
    assert (len(first["sets"]), first["moreAvailable"]) == (2, True)
    assert api.poll(stream_id, maxEvents=0) == {"sets": {}, "moreAvailable": True}
    second = api.poll(stream_id, ack=list(first["sets"]))
    assert (len(second["sets"]), second["moreAvailable"]) == (1, False)
    with provider.database.reading() as db:
        order = list(db.scalars(select(table.c.jti).order_by(table.c.id)))
    assert order == [*first["sets"], *second["sets"]]


def test_what_is_not_acknowledged_comes_again(provider: Provider, api: Api) -> None:
    """An event that was handed out and not acknowledged within a minute is handed out again, the same."""
    stream_id = api.made({})["stream_id"]
    provider.withdraw(provider.allow("given_name"))
    first = api.poll(stream_id)["sets"]
    assert api.poll(stream_id)["sets"] == {}
    with provider.database.writing() as db:
        db.execute(update(table).values(due_at=clock.now() - timedelta(seconds=1)))
    again = api.poll(stream_id)["sets"]
    assert [checked(provider, token) for token in again.values()] == [
        checked(provider, token) for token in first.values()
    ]
    assert told(provider).tries == 2


def test_what_a_receiver_cannot_use_is_kept_for_staff(provider: Provider, api: Api) -> None:
    """An event reported in setErrs is not handed out again; its code and words are kept."""
    stream_id = api.made({})["stream_id"]
    provider.withdraw(provider.allow("given_name"))
    (jti,) = api.poll(stream_id)["sets"]
    api.poll(stream_id, setErrs={jti: {"err": "invalid_key", "description": "unknown kid"}})
    assert told(provider).state == notices.REFUSED
    with provider.database.reading() as db:
        row = db.execute(select(table)).one()
        assert (row.state, row.error, row.error_text) == ("refused", "invalid_key", "unknown kid")


def test_a_long_poll_is_answered_when_something_happens(
    provider: Provider, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that does not ask to be answered at once waits until an event comes, for a few seconds at most."""
    stream_id = api.made({})["stream_id"]
    found: dict[str, Any] = {}

    def wait() -> None:
        found["sets"] = api.poll(stream_id, returnImmediately=False)["sets"]
        found["at"] = time.monotonic()

    grant, thread = provider.allow("given_name"), threading.Thread(target=wait)
    thread.start()
    time.sleep(1)
    provider.withdraw(grant)
    at = time.monotonic()
    thread.join()
    assert len(found["sets"]) == 1
    assert found["at"] - at < polling.WAIT_SECONDS
    monkeypatch.setattr(polling, "WAIT_SECONDS", 1.0)  # nothing will come
    started = time.monotonic()
    assert api.poll(stream_id, returnImmediately=False)["sets"] == {}
    assert time.monotonic() - started >= polling.WAIT_SECONDS
    assert time.monotonic() - started < polling.WAIT_SECONDS + 5


def test_few_polls_wait_at_once(provider: Provider, api: Api) -> None:
    """Long polls never take more than their share of the service's threads: others are answered at once."""
    with polling._slot("mine") as first, polling._slot("mine") as second:
        assert first
        assert not second, "one poll of each stream waits"
        held = [polling._slot(f"stream {number}") for number in range(polling.WAITERS)]
        assert [place.__enter__() for place in held] == [True] * (polling.WAITERS - 1) + [False]
        stream_id = api.made({})["stream_id"]
        started = time.monotonic()
        api.poll(stream_id, returnImmediately=False)
        assert time.monotonic() - started < polling.WAIT_SECONDS
        for place in held:
            place.__exit__(None, None, None)


def test_a_pushed_stream_is_not_polled(api: Api, receiver: Receiver) -> None:
    """Polling a stream that is pushed is refused, and so is a body that makes no sense."""
    stream_id = api.pushed_to(receiver)["stream_id"]
    assert api.call("POST", f"/ssf/poll/{stream_id}", {}).status_code == 400
    wrong: tuple[Any, ...] = (b"[]", b"{", {"maxEvents": -1}, {"ack": "x"}, {"setErrs": {"j": {}}})
    for body in wrong:
        assert api.call("POST", f"/ssf/poll/{stream_id}", body).status_code == 400


def test_a_stream_turned_to_push_takes_what_waited_along(
    provider: Provider, api: Api, receiver: Receiver
) -> None:
    """Events that wait for a poll are pushed once the receiver asks for that."""
    stream_id = api.made({})["stream_id"]
    provider.withdraw(provider.allow("given_name"))
    push = {"method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url}
    assert api.call("PATCH", "/ssf/stream", {"stream_id": stream_id, "delivery": push}).status_code == 200
    with provider.database.reading() as db:
        assert outbox.backlog(db).waiting == 1
