"""Pushed events reach a real receiver, whatever it does in between (RFC 8935)."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from consent import grants, notices
from core import clock
from core.database import Database
from idp.signals import delivery, outbox
from idp.signals.bodies import Refusal
from idp.signals.delivery import Courier
from idp.signals.tables import outbox as table
from idp.signals.tables import stream as stream_table
from tests.idp.oidc.provider import CITIZEN, Provider
from tests.idp.signals.receiver import HEADER, Api, Receiver, deliver, eventually, rested, said
from tests.ports import within


def told(database: Database) -> notices.Told:
    """Return how the citizen sees that the agency was told of their only grant."""
    with database.reading() as db:
        (found,) = notices.latest(db, grants.of(db, CITIZEN)).values()
        return found


def states(database: Database) -> list[str]:
    """Return the states of the events in the outbox, in their order."""
    with database.reading() as db:
        return list(db.scalars(select(table.c.state).order_by(table.c.id)))


def test_a_withdrawal_is_pushed_and_acknowledged(provider: Provider, api: Api, receiver: Receiver) -> None:
    """The agency gets a signed consent-ended event with the grant's ID, under its own header, and the time is kept."""
    api.pushed_to(receiver)
    grant = provider.allow("given_name")
    provider.withdraw(grant)
    assert told(provider.database).state == notices.WAITING
    assert deliver(provider.database) == 1
    (claims,) = receiver.events(provider)
    assert claims["sub_id"] == {"format": "iss_sub", "iss": claims["iss"], "sub": CITIZEN}
    kind, body = said(claims)
    assert kind == "consent-ended"
    assert (body["grant_id"], body["reason"]) == (grant.grant_id, "withdrawn")
    assert claims["txn"] == provider.history()[-1]["event"]
    assert receiver.asked[0]["content-type"] == "application/secevent+jwt"
    assert receiver.asked[0]["authorization"] == HEADER
    now = told(provider.database)
    assert now.state == notices.RECEIVED
    assert now.received_at is not None
    assert deliver(provider.database) == 0
    assert len(receiver.taken) == 1


def test_a_receiver_that_was_down_gets_its_event_once(provider: Provider, api: Api) -> None:
    """While nobody listens the event waits, its tries are counted, and it is acknowledged once when somebody does."""
    receiver = Receiver()
    api.pushed_to(receiver)
    provider.withdraw(provider.allow("given_name"))
    for tries in (1, 2):
        assert deliver(provider.database) == 0
        assert deliver(provider.database) == 0, "it rests after a failure"
        now = told(provider.database)
        assert (now.state, now.tries) == (notices.WAITING, tries)
        rested(provider.database)
    receiver.start()
    assert deliver(provider.database) == 1
    rested(provider.database)
    assert deliver(provider.database) == 0
    receiver.stop()
    assert len(receiver.taken) == 1
    assert told(provider.database).state == notices.RECEIVED


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>parked</html>"), (204, b""), (302, b""), (400, b"not JSON"), (400, b"[]"), (400, b'{"err": 7}'),
        (400, json.dumps({"err": "authentication_failed"}).encode()), (401, b""), (404, b""), (429, b""),
        (500, b"\xff\xfe"), (503, b""),
    ],
)  # fmt: skip
def test_only_202_is_an_acknowledgement(
    provider: Provider, api: Api, receiver: Receiver, answer: tuple[int, bytes]
) -> None:
    """Any other answer than 202, garbage among them, leaves the event waiting; it comes again and is taken then."""
    api.pushed_to(receiver)
    provider.withdraw(provider.allow("given_name"))
    receiver.answers.append(answer)
    assert deliver(provider.database) == 0
    assert told(provider.database).state == notices.WAITING
    rested(provider.database)
    assert deliver(provider.database) == 1
    assert told(provider.database).state == notices.RECEIVED


def test_an_event_called_invalid_is_kept_and_not_sent_again(
    provider: Provider, api: Api, receiver: Receiver
) -> None:
    """What a receiver refuses by RFC 8935, 2.4 is kept with its reason, and what comes after goes on its way."""
    api.pushed_to(receiver)
    receiver.answers.append((400, b'{"err": "invalid_request", "description": "no such grant\\u0007"}'))
    provider.withdraw(provider.allow("given_name"))
    assert deliver(provider.database) == 0
    rested(provider.database)
    assert deliver(provider.database) == 0
    assert told(provider.database).state == notices.REFUSED
    with provider.database.reading() as db:
        row = db.execute(select(table)).one()
        assert (row.error, row.error_text) == ("invalid_request", "no such grant ")
        assert outbox.backlog(db).refused == 1
    provider.withdraw(provider.allow("given_name"))
    assert deliver(provider.database) == 1


def test_a_receiver_that_is_slow_keeps_no_other_waiting(
    provider: Provider, api: Api, receiver: Receiver
) -> None:
    """While one receiver takes its time another gets its event at once, and the worker's turn waits for neither."""
    slow = Receiver(seconds=3.0).start()
    api.pushed_to(slow)
    Api(provider, "shop").pushed_to(receiver)
    provider.withdraw(provider.allow("given_name"))
    provider.withdraw(provider.allow("given_name", purpose="mill-sign-in"))
    courier, started = Courier(), time.monotonic()
    assert courier.turn(provider.database) == 2
    assert time.monotonic() - started < 1
    assert eventually(lambda: len(receiver.taken) == 1, 2.5)
    assert slow.taken == []
    assert courier.turn(provider.database) == 0, "both are leased"
    courier.close()
    slow.stop()
    assert len(slow.taken) == 1
    assert states(provider.database) == ["received", "received"]


def test_events_about_one_citizen_keep_their_order(provider: Provider, api: Api, receiver: Receiver) -> None:
    """If the first of two events about a citizen is not taken, the second waits for it."""
    api.pushed_to(receiver)
    grant = provider.allow("given_name", "employer")
    provider.withdraw(grant, "employer")
    provider.withdraw(grant)
    receiver.answers.append((500, b""))
    deliver(provider.database)
    assert receiver.taken == []
    with provider.database.writing() as db:  # the stream has rested, the event that failed has not
        db.execute(update(stream_table).values(due_at=clock.now()))
        failed = (table.c.attempts == 1, table.c.due_at > table.c.created_at)
        moved = update(table).where(*failed).values(due_at=clock.now() + timedelta(hours=1))
        assert len(db.execute(moved.returning(table.c.attempts)).all()) == 1
    assert deliver(provider.database) == 0
    rested(provider.database)
    assert deliver(provider.database) == 2
    assert [said(claims)[0] for claims in receiver.events(provider)] == ["consent-narrowed", "consent-ended"]


def test_workers_at_once_deliver_once(provider: Provider, api: Api, receiver: Receiver) -> None:
    """Several workers that look at the same moment send an event once: the stream is leased to one of them."""
    api.pushed_to(receiver)
    receiver.seconds = 0.2
    for _turn in range(3):
        provider.withdraw(provider.allow("given_name"))
    couriers = [Courier() for _worker in range(4)]
    for courier in couriers:
        courier.turn(provider.database)
    assert eventually(lambda: len(receiver.taken) == 3)
    for courier in couriers:
        courier.close()
    assert len({claims["jti"] for claims in receiver.events(provider)}) == len(receiver.taken) == 3


def test_a_worker_that_died_is_followed_by_another(provider: Provider, api: Api, receiver: Receiver) -> None:
    """A lease that ran out is taken over, so an event whose sender died is sent again."""
    api.pushed_to(receiver)
    provider.withdraw(provider.allow("given_name"))
    assert delivery._take(provider.database) is not None
    assert deliver(provider.database) == 0
    with provider.database.writing() as db:
        db.execute(update(stream_table).values(lease_until=clock.now() - timedelta(seconds=1)))
    assert deliver(provider.database) == 1


def test_after_two_weeks_it_is_given_up(provider: Provider, api: Api) -> None:
    """What nobody takes for fourteen days is not tried any more, and citizen and staff see that."""
    api.pushed_to(Receiver())
    provider.withdraw(provider.allow("given_name"))
    with provider.database.writing() as db:
        assert outbox.give_up(db) == 0
        db.execute(update(table).values(created_at=clock.now() - timedelta(days=14)))
        assert outbox.give_up(db) == 1
        assert outbox.backlog(db).given_up == 1
    assert told(provider.database).state == notices.GIVEN_UP
    rested(provider.database)
    assert deliver(provider.database) == 0


def test_what_was_received_goes_after_a_month(provider: Provider, api: Api, receiver: Receiver) -> None:
    """Acknowledged events leave the outbox later; what the citizen sees of them stays."""
    api.pushed_to(receiver)
    provider.withdraw(provider.allow("given_name"))
    deliver(provider.database)
    with provider.database.writing() as db:
        outbox.purge(db)
        assert states_in(db) == ["received"]
        db.execute(update(table).values(settled_at=clock.now() - outbox.KEEP_RECEIVED))
        outbox.purge(db)
        assert states_in(db) == []
    assert told(provider.database).state == notices.RECEIVED


def states_in(db: Any) -> list[str]:
    """Return the states in the outbox within a transaction."""
    return list(db.scalars(select(table.c.state)))


def test_the_receivers_header_is_sealed(provider: Provider, api: Api, receiver: Receiver) -> None:
    """The header that the receiver wants stands nowhere in the database as it is."""
    api.pushed_to(receiver)
    with provider.database.reading() as db:
        row = db.execute(select(stream_table)).one()
    assert HEADER.encode() not in row.authorization_sealed
    assert HEADER not in str(row)


@given(st.integers(100, 599), st.binary(max_size=80))
def test_any_answer_means_something(status: int, content: bytes) -> None:
    """Whatever a receiver answers, it is one of three things, and only 202 is an acknowledgement."""
    found = delivery.classify(status, content)
    assert (found == delivery.REACHED) == (status == 202)
    assert isinstance(found, Refusal) or found in (delivery.REACHED, delivery.ANSWERED_BADLY)


@given(st.integers(0, 10_000))
def test_pauses_grow_to_a_limit(failures: int) -> None:
    """The wait after failures is never longer than its limit, and never nothing."""
    longest = timedelta(minutes=5)
    assert timedelta(0) < delivery.pause(failures, longest) <= longest


def test_an_event_reaches_its_receiver_within_seconds(
    provider: Provider, api: Api, receiver: Receiver
) -> None:
    """A worker that turns every second has told the agency within three of the withdrawal."""
    api.pushed_to(receiver)
    courier = Courier()
    provider.withdraw(provider.allow("given_name"))
    courier.turn(provider.database)
    assert within(3, lambda: len(receiver.taken) == 1)
    courier.close()
