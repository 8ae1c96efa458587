from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from consent.ledger import entries, fsck, logs, openings, signer, subjects, tree
from consent.ledger.errors import LedgerBusy, LedgerMismatch, RequestReused
from consent.ledger.sequencer import Integrated, Refused, Repeated, Sequencer
from consent.ledger.tables import entry, head, request
from core import clock, events
from core.database import Database, Parts
from core.events import SYSTEM, waiting
from keys import sealing
from keys.custody import FolderCustody
from keys.ring import Keyring
from tests.consent.ledger.conftest import Furnish, Grants
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved, Proclaimed, disclosure


def history(database: Database, name: str = CITIZEN) -> list[dict[str, Any]]:
    """The facts of every entry of a chain."""
    with database.reading() as db:
        return [found.facts or {} for found in subjects.chain(db, name)]


def size(database: Database) -> int:
    """Entries in the tree."""
    with database.reading() as db:
        return int(db.scalar(select(head.c.size).where(head.c.log == logs.FIRST)) or 0)


def record(database: Database, *happened: events.Event, about: tuple[str, ...] = (CITIZEN,)) -> None:
    """Record events in one transaction."""
    with database.writing() as db:
        for one in happened:
            events.record(db, one, actor=SYSTEM, about=about)


def test_leaf_0_opens_the_ledger_once(database: Database, ledger: Sequencer) -> None:
    """The first start writes leaf 0 of both logs, with origin and keys; the second finds them."""
    with database.writing() as db:
        assert not logs.opened(db)
        rows = db.execute(select(entry).order_by(entry.c.log)).all()
    said = [json.loads(row.payload) for row in rows]
    origin = database.parts.settings.ledger_origin
    assert [one["kind"] for one in said] == ["ledger-opened"] * 2
    assert [one["origin"] for one in said] == [origin, f"{origin}/withheld"]
    assert [len(one["log_keys"]) for one in said] == [2, 2]
    assert size(database) == 1


def test_a_ledger_of_other_keys_is_not_continued(
    database: Database, ledger: Sequencer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With other keys than leaf 0 names, the start fails instead of going on."""
    folder = tmp_path_factory.mktemp("keys")
    other = Database(Parts(database.parts.settings, keys=Keyring(FolderCustody(folder))))
    with pytest.raises(LedgerMismatch), other.writing() as db:
        logs.opened(db)
    other.close()


def test_a_read_is_durable_before_it_is_released(database: Database, ledger: Sequencer) -> None:
    """What a ticket answers is already in the database, in the citizen's chain and in the tree."""
    ledger.start()
    placed = ledger.submit(disclosure(grant="g1")).wait()
    assert isinstance(placed, Integrated)
    with database.reading() as db:
        row = db.execute(select(entry).where(entry.c.leaf_index == placed.index)).one()
        found = list(subjects.chain(db, CITIZEN))
    assert (row.event_id, row.commitment) == (placed.event_id, placed.commitment)
    assert (row.agency, row.purpose, row.basis, row.outcome) == (
        "revenue",
        "income-check",
        "consent",
        "released",
    )
    assert found[0].record is not None
    assert found[0].nonce is not None
    assert entries.commitment(found[0].nonce, found[0].record) == placed.commitment
    assert found[0].facts == {
        "v": 1,
        "event": placed.event_id,
        "kind": "read",
        "chain": row.label.hex(),
        "seq": 1,
        "prev": entries.base64_of(entries.first_head(row.label)),
        "at": found[0].facts["at"],
        "actor": {"kind": "client", "id": "revenue-portal"},
        "data": {"agency": "revenue", "attributes": ["name"], "outcome": "released"},
    }


def test_a_read_about_two_people_is_in_both_chains(database: Database, ledger: Sequencer) -> None:
    """One event about two people is an entry in each one's chain."""
    ledger.start()
    placed = ledger.submit(disclosure(CITIZEN, OTHER)).wait()
    assert [facts["event"] for facts in history(database)] == [placed.event_id]  # type: ignore[union-attr]
    assert [facts["event"] for facts in history(database, OTHER)] == [placed.event_id]  # type: ignore[union-attr]


def test_what_waits_about_a_citizen_comes_first(database: Database, ledger: Sequencer) -> None:
    """A citizen's recorded events stand before a read that was asked for after them, in their order."""
    record(database, Moved(number=1), Moved(number=2))
    record(database, Moved(number=9), about=(OTHER,))
    ticket = ledger.submit(disclosure())
    ledger.start()
    ticket.wait()
    assert [f["data"].get("number") for f in history(database)] == [1, 2, None]


def test_an_event_about_nobody_is_in_the_offices_chain(database: Database, ledger: Sequencer) -> None:
    """An event without a citizen goes to the office's own chain."""
    record(database, Moved(number=5), about=())
    assert ledger.drain()
    assert [f["data"]["number"] for f in history(database, events.OFFICE)] == [5]


def test_a_public_event_is_a_public_record(database: Database, ledger: Sequencer) -> None:
    """A public event is a leaf that anyone can read, once, and it does not say who acted."""
    record(database, Proclaimed(text="hello"), about=(CITIZEN, OTHER))
    assert ledger.drain()
    with database.reading() as db:
        mine = (entry.c.log == logs.FIRST, entry.c.leaf_type == entries.PUBLIC)
        rows = db.execute(select(entry).where(*mine)).all()
    assert [json.loads(row.payload)["kind"] for row in rows] == ["ledger-opened", "proclaimed"]
    assert json.loads(rows[1].payload)["data"] == {"text": "hello"}
    assert "actor" not in json.loads(rows[1].payload)
    assert history(database) == []


def test_an_ended_grant_refuses_and_leaves_a_trace(
    database: Database, ledger: Sequencer, grants: Grants
) -> None:
    """A read on a grant that ended or changed is refused, and the refusal is in the citizen's history."""
    ledger.start()
    grants["g1", 1] = "ended"
    assert ledger.submit(disclosure(grant="g1")).wait() == Refused("grant-ended")
    assert [f["data"] | {} for f in history(database)] == [
        {"agency": "revenue", "attributes": ["name"], "outcome": "refused", "rule": "grant-ended"}
    ]
    with database.reading() as db:
        assert db.scalar(select(entry.c.outcome).where(entry.c.leaf_index == 1)) == "refused"


def test_a_locked_grant_waits_for_the_next_batch(
    database: Database, ledger: Sequencer, grants: Grants
) -> None:
    """A read on a grant that is being decided on waits until the decision is there."""
    grants["g1", 1] = "locked"
    ledger.start()
    ticket = ledger.submit(disclosure(grant="g1"))
    time.sleep(0.1)
    assert history(database) == []
    grants["g1", 1] = "ok"
    assert isinstance(ticket.wait(), Integrated)


def test_a_grant_locked_too_long_releases_nothing(
    database: Database, ledger: Sequencer, grants: Grants
) -> None:
    """If the decision takes longer than the deadline, the read is answered with an overload."""
    grants["g1", 1] = "locked"
    ledger.start()
    with pytest.raises(LedgerBusy):
        ledger.submit(disclosure(grant="g1")).wait(0.1)
    ledger.submit(disclosure(request_id="r1")).wait(5)  # after it nobody tries the first one any more
    grants["g1", 1] = "ok"
    ledger.submit(disclosure(request_id="r2")).wait(5)
    assert len(history(database)) == 2


def test_a_repeated_request_gets_the_first_entry(database: Database, ledger: Sequencer) -> None:
    """The same request ID and body again gives the first entry and adds none."""
    ledger.start()
    first = ledger.submit(disclosure(request_id="r1", grant="g1")).wait()
    again = ledger.submit(disclosure(request_id="r1", grant="g1")).wait()
    assert isinstance(again, Repeated)
    assert isinstance(first, Integrated)
    assert (again.index, again.event_id, again.commitment) == (first.index, first.event_id, first.commitment)
    assert len(history(database)) == 1


def test_repeats_within_one_batch_are_one_entry(database: Database, ledger: Sequencer) -> None:
    """The same request, sent several times at once, is one entry."""
    tickets = [ledger.submit(disclosure(request_id="r1")) for _ in range(5)]
    ledger.start()
    answers = [ticket.wait() for ticket in tickets]
    assert len({answer.index for answer in answers if isinstance(answer, Integrated)}) == 1
    assert len(history(database)) == 1


def test_a_repeat_is_a_retry_and_no_later_read(database: Database, ledger: Sequencer) -> None:
    """Within five minutes the same request is a retry; after that its ID is spent, and adds nothing."""
    ledger.start()
    ledger.submit(disclosure(request_id="r1")).wait()
    for minutes, again in ((4, True), (6, False)):
        with database.writing() as db:
            db.execute(update(request).values(at=clock.now() - timedelta(minutes=minutes)))
        ticket = ledger.submit(disclosure(request_id="r1"))
        if again:
            assert isinstance(ticket.wait(), Repeated)
        else:
            with pytest.raises(RequestReused):
                ticket.wait()
    assert len(history(database)) == 1


def test_a_request_id_with_another_body_is_refused(database: Database, ledger: Sequencer) -> None:
    """A request ID that comes back with another body is a conflict and adds nothing."""
    ledger.start()
    ledger.submit(disclosure(request_id="r1")).wait()
    with pytest.raises(RequestReused):
        ledger.submit(disclosure(request_id="r1", body=b"c" * 32)).wait()
    assert len(history(database)) == 1


def test_a_repeat_passes_the_same_check(database: Database, ledger: Sequencer, grants: Grants) -> None:
    """A repeated request after a withdrawal is refused like any other."""
    ledger.start()
    ledger.submit(disclosure(request_id="r1", grant="g1")).wait()
    grants["g1", 1] = "ended"
    assert ledger.submit(disclosure(request_id="r1", grant="g1")).wait() == Refused("grant-ended")


def test_nothing_waits_inside_a_write_transaction(database: Database, ledger: Sequencer) -> None:
    """Submitting or draining while this thread has a write transaction open fails at once."""
    ledger.start()
    with database.writing():
        with pytest.raises(RuntimeError, match="write transaction"):
            ledger.submit(disclosure())
        with pytest.raises(RuntimeError, match="write transaction"):
            ledger.drain()


def test_a_waiter_whose_time_is_over_is_taken_out(database: Database, ledger: Sequencer) -> None:
    """A read that was never taken within the deadline leaves no entry behind."""
    with pytest.raises(LedgerBusy):
        ledger.submit(disclosure()).wait(0.05)
    ledger.start()
    ledger.submit(disclosure(OTHER)).wait()
    assert history(database) == []


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let so many seconds pass."""
    moment = clock.now() + timedelta(seconds=seconds)
    monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.mark.parametrize("signed", [False, True])
def test_nothing_is_released_without_fresh_checkpoints(
    database: Database, ledger: Sequencer, furnish: Furnish, monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    """If nobody signed for longer than the settings allow, reads are answered with an overload, and a process
    that starts anew releases nothing either."""
    if signed:
        signer.sign_if_due(database)
    stale = database.parts.settings.checkpoint_stale_seconds
    later(monkeypatch, stale + 1)
    for sequencer in (ledger, furnish(database)):
        sequencer.start()
        with pytest.raises(LedgerBusy):
            sequencer.submit(disclosure()).wait()
        sequencer.stop()
    assert history(database) == []


def test_a_new_ledger_releases_before_its_first_checkpoint(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start need not wait for the signer: the ledger's own age counts until somebody signed."""
    later(monkeypatch, database.parts.settings.checkpoint_stale_seconds - 5)
    ledger.start()
    assert isinstance(ledger.submit(disclosure()).wait(), Integrated)


def test_releases_go_on_once_somebody_signs_again(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint after a long silence opens the door again."""
    later(monkeypatch, database.parts.settings.checkpoint_stale_seconds + 1)
    ledger.start()
    with pytest.raises(LedgerBusy):
        ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    assert isinstance(ledger.submit(disclosure()).wait(), Integrated)


@pytest.mark.parametrize("field", ["request_id", "client", "agency"])
@pytest.mark.parametrize("value", ["x" * 129, "a\0b"])
def test_what_the_database_would_refuse_is_refused_before(ledger: Sequencer, field: str, value: str) -> None:
    """A name too long or with a zero byte never reaches a batch, which stands or falls as a whole."""
    asked = disclosure()
    object.__setattr__(asked, field, value)
    with pytest.raises(ValueError, match="too long or not text"):
        ledger.submit(asked)


def test_an_event_whose_key_is_gone_holds_nobody_up(database: Database, ledger: Sequencer) -> None:
    """A waiting event whose key was destroyed gets an entry that says so, and what follows is integrated."""
    record(database, Moved(number=1), about=(OTHER,))
    record(database, Moved(number=2))
    with database.writing() as db:
        openings.next_generation(db, OTHER)
        sealing.shred(db, OTHER)
    assert ledger.drain()
    assert [f["data"] for f in history(database, OTHER)] == [{"unreadable": True}]
    assert [f["data"] for f in history(database)] == [{"number": 2}]


def failing_commit(database: Database, *, really: bool) -> Callable[[], int]:
    """Make the next COMMIT fail: before it happens, or (`really`) after it did. Counts the failures."""
    failed: list[bool] = []

    def fail(connection: Connection) -> None:
        if failed:
            return
        failed.append(True)
        if really:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            driver.commit()
        raise OperationalError("COMMIT", {}, Exception("connection lost"))

    event.listen(database.engine, "commit", fail)
    return lambda: len(failed)


@pytest.mark.parametrize("really", [False, True])
def test_a_lost_commit_is_looked_up(database: Database, ledger: Sequencer, really: bool) -> None:
    """When COMMIT fails, a read is released only if its entry is found, and it is never written twice."""
    ledger.start()
    ledger.submit(disclosure()).wait()  # labels and keys are there: the next COMMIT is the batch's
    failures = failing_commit(database, really=really)
    ticket = ledger.submit(disclosure())
    if really:
        placed = ticket.wait(5)
        assert isinstance(placed, Integrated)
        assert history(database)[1]["event"] == placed.event_id
    else:
        with pytest.raises(LedgerBusy):
            ticket.wait(5)
    assert failures() == 1
    assert isinstance(ledger.submit(disclosure()).wait(), Integrated)
    assert len(history(database)) == (3 if really else 2)
    assert fsck.check(database) == []


def test_events_recorded_while_idle_are_taken_by_themselves(database: Database, ledger: Sequencer) -> None:
    """A running sequencer takes waiting events without anybody asking for a read."""
    ledger.start()
    record(database, Moved(number=1))
    until = time.monotonic() + 3
    while not history(database) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(history(database)) == 1


def test_stop_finishes_what_is_queued(database: Database, ledger: Sequencer) -> None:
    """A sequencer that is told to stop first integrates what was queued and what waits."""
    record(database, *(Moved(number=n) for n in range(3)))
    tickets = [ledger.submit(disclosure(OTHER)) for _ in range(3)]
    ledger.start()
    ledger.stop()
    assert [type(ticket.wait()) for ticket in tickets] == [Integrated] * 3
    assert len(history(database)) == 3
    with pytest.raises(LedgerBusy):
        ledger.submit(disclosure())


def test_many_events_wait_and_all_are_taken(database: Database, ledger: Sequencer) -> None:
    """More waiting events than one batch holds are all taken, across a full tile, without a gap."""
    with database.writing() as db:
        for number in range(1200):
            about = (f"agency:{number % 7}",)
            events.record(db, Moved(number=number), actor=SYSTEM, about=about)
    assert ledger.drain(timeout=30)
    assert size(database) == 1201
    assert [f["data"]["number"] for f in history(database, "agency:3")] == list(range(3, 1200, 7))
    assert fsck.check(database) == []


def test_several_processes_write_one_ledger(database: Database, ledger: Sequencer, furnish: Furnish) -> None:
    """Threads over two sequencers: every answered read has one entry, chains are linear, the root adds up."""
    second = Database(Parts(database.parts.settings), url=database.url)
    sequencers = [ledger, furnish(second)]
    for sequencer in sequencers:
        sequencer.start()
    answered: list[tuple[str, int]] = []
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(15):
                if turn % 5 == 0:
                    record(database, Moved(number=turn), about=(f"citizen-{number % 4}",))
                placed = sequencers[number % 2].submit(disclosure(f"citizen-{turn % 4}")).wait(20)
                assert isinstance(placed, Integrated)
                answered.append((placed.event_id, placed.index))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.drain()
    assert failed == []
    assert len(answered) == len({index for _, index in answered}) == 120
    with database.reading() as db:
        rows = {row.event_id: row.leaf_index for row in db.execute(select(entry))}
    assert all(rows[event_id] == index for event_id, index in answered)
    assert size(database) == len(rows) == 1 + 120 + 24
    assert fsck.check(database) == []
    sequencers[1].stop()
    second.close()


def test_a_drafted_record_is_canonical() -> None:
    """A record put together from its drafted parts is the JCS of the whole."""
    body = {
        "v": 1,
        "event": "e",
        "kind": "read",
        "at": "2026-11-23T18:00:00.000Z",
        "actor": {"kind": "client", "id": "ü"},
        "data": {"b": [1, "x"], "a": {"": None}},
    }
    label, previous = bytes(range(32)), bytes(32)
    place = {"chain": label.hex(), "seq": 7, "prev": entries.base64_of(previous)}
    expected = json.dumps(body | place, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert entries.record(body, label=label, seq=7, previous=previous) == expected.encode()
    assert tree.EMPTY_ROOT.hex().startswith("e3b0c442")


def test_an_event_that_waits_twice_holds_nobody_up(database: Database, ledger: Sequencer) -> None:
    """A row of the outbox that is there twice becomes one entry, and what waits behind it goes on."""
    record(database, Moved(number=1))
    with database.writing() as db:
        row = dict(db.execute(select(waiting)).mappings().one())
        db.execute(insert(waiting).values({name: value for name, value in row.items() if name != "id"}))
    record(database, Moved(number=2))
    assert ledger.drain(CITIZEN, timeout=10)
    assert [facts["data"]["number"] for facts in history(database)] == [1, 2]
