import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from consent import decisions, disclosure, endings, grants, purposes, tables
from consent.allowances import Allowance
from consent.disclosure import NotReleased, Released
from consent.errors import RefusedTooOften
from consent.grants import Grant
from consent.ledger.errors import LedgerBusy, RequestReused
from core import clock
from core.database import Database
from core.events import SYSTEM
from tests.consent import country
from tests.consent.country import CITIZEN, ME, ask


def limited(database: Database, limits: dict[str, Any]) -> Grant:
    """Publish the purpose with limits and let the citizen allow it."""
    with database.writing() as db:
        purposes.publish(db, country.purpose(limits=limits), actor=SYSTEM)
        return country.allow(db, "given_name")


def now(database: Database, grant: Grant) -> Grant:
    """Return a grant as it stands."""
    with database.reading() as db:
        return grants.read(db, grant.grant_id, citizen=CITIZEN)


def alter(database: Database, grant: Grant, **values: Any) -> None:
    """Change a grant's row, as time would."""
    with database.writing() as db:
        db.execute(update(tables.grant).where(tables.grant.c.grant_id == grant.grant_id).values(**values))


def outcomes(database: Database) -> list[tuple[str, str]]:
    """Return kinds and outcomes of the citizen's history, oldest first; of a refusal, the rule."""
    return [
        (facts["kind"], facts["data"].get("rule") or facts["data"]["outcome"])
        for facts in country.history(database)
    ]


def rule(answer: Released | NotReleased) -> str:
    """Return the rule of a refusal, or an empty text."""
    return answer.rule if isinstance(answer, NotReleased) else ""


def test_once_is_once(open_door: Database) -> None:
    """A one-time permission ends with its read, and a second read is refused by a rule of its own."""
    grant = limited(open_door, {"once": True})
    assert isinstance(disclosure.release(open_door, ask(request_id="first")), Released)
    ended = now(open_door, grant)
    assert (ended.state, ended.ended_by, ended.uses.used, ended.version) == ("used-up", "system", 1, 1)
    assert rule(disclosure.release(open_door, ask(request_id="second"))) == "grant-used-up"
    assert outcomes(open_door) == [
        ("grant-given", "given"),
        ("disclosed", "released"),
        ("grant-ended", "used-up"),
        ("disclosed", "grant-used-up"),
    ]


def test_a_lost_answer_can_be_asked_for_again(open_door: Database) -> None:
    """The same request again gets the same entry and is not counted, even after the last read ended the permission."""
    grant = limited(open_door, {"once": True})
    first = disclosure.release(open_door, ask(request_id="r-1"))
    again = disclosure.release(open_door, ask(request_id="r-1"))
    assert isinstance(first, Released)
    assert isinstance(again, Released)
    assert again.values == first.values
    assert again.receipt.index == first.receipt.index
    assert now(open_door, grant).uses.used == 1
    with pytest.raises(RequestReused):
        disclosure.release(open_door, ask(request_id="r-1", body_sha256=country.digest("other")))
    alter(open_door, grant, used_at=clock.now() - timedelta(minutes=6))
    assert rule(disclosure.release(open_door, ask(request_id="r-1"))) == "grant-used-up"


def test_of_two_reads_at_once_one_gets_the_last(open_door: Database) -> None:
    """Reads that come together for a one-time permission: one release, and a refusal entry for each other."""
    limited(open_door, {"once": True})
    ready, answers = threading.Barrier(8), list[Released | NotReleased]()

    def read() -> None:
        ready.wait()
        answers.append(disclosure.release(open_door, ask()))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sorted(rule(answer) for answer in answers) == ["", *["grant-used-up"] * 7]
    said = outcomes(open_door)
    assert said.count(("disclosed", "released")) == 1
    assert said.count(("disclosed", "grant-used-up")) == 7
    assert said.count(("grant-ended", "used-up")) == 1


def test_so_often_and_not_more_often(open_door: Database) -> None:
    """A frequency refuses within its window, and lets reads happen again in the next one."""
    grant = limited(open_door, {"per": {"reads": 2, "every": "month"}})
    answers = [rule(disclosure.release(open_door, ask())) for _ in range(3)]
    assert answers == ["", "", "too-often"]
    assert now(open_door, grant).is_live
    alter(open_door, grant, used_at=clock.now() - timedelta(minutes=6))
    assert rule(disclosure.release(open_door, ask())) == "too-often"
    alter(open_door, grant, use_window="2026-10")
    assert rule(disclosure.release(open_door, ask())) == ""
    assert outcomes(open_door)[-2:] == [("disclosed", "too-often"), ("disclosed", "released")]


def test_a_new_decision_does_not_empty_the_window(open_door: Database) -> None:
    """Deciding anew begins the count of all reads again, but not that of this month."""
    limited(open_door, {"reads": 5, "per": {"reads": 1, "every": "year"}})
    assert rule(disclosure.release(open_door, ask())) == ""
    with open_door.writing() as db:
        again = country.allow(db, "given_name")
    assert (again.state, again.uses.used, again.uses.in_window) == ("extended", 0, 1)
    assert rule(disclosure.release(open_door, ask())) == "too-often"


def test_days_on_which_it_may_be_read(open_door: Database) -> None:
    """Before its first day a permission opens nothing, and after its last it has run out."""
    today = clock.now().date()
    grant = limited(open_door, {"from": today + timedelta(days=2), "until": today + timedelta(days=9)})
    assert grant.expires_at.date() == today + timedelta(days=10)
    assert rule(disclosure.release(open_door, ask())) == "too-early"
    alter(open_door, grant, limits={"from": today.isoformat()})
    assert rule(disclosure.release(open_door, ask())) == ""


def test_a_read_that_was_given_up_counts(open_door: Database) -> None:
    """If nobody waits any more when the entry is made, the read is counted though nothing was released."""
    grant = limited(open_door, {"reads": 3})
    sequencer = open_door.parts.sequencer
    slow, sequencer.deadline = sequencer.deadline, 0.0
    try:
        with pytest.raises(LedgerBusy):
            # Taken by the sequencer at once, and waited for not at all.
            for _time in range(200):
                disclosure.release(open_door, ask(request_id="lost"))
    finally:
        sequencer.deadline = slow
    assert sequencer.drain(CITIZEN)
    counted = now(open_door, grant).uses.used
    entries = outcomes(open_door).count(("disclosed", "released"))
    assert counted == entries <= 1
    assert isinstance(disclosure.release(open_door, ask(request_id="lost")), Released)
    assert now(open_door, grant).uses.used == 1


def test_a_batch_that_fails_counts_nothing(open_door: Database) -> None:
    """Count and entry are one transaction: what is not in the ledger was not counted, and the other way round."""
    grant = limited(open_door, {"reads": 30})
    for _time in range(10):
        disclosure.release(open_door, ask())
    assert now(open_door, grant).uses.used == outcomes(open_door).count(("disclosed", "released")) == 10


def test_withdrawal_and_last_read_race(open_door: Database) -> None:
    """Whoever comes first, a withdrawn one-time permission releases nothing afterwards, and ends once."""
    for _round in range(5):
        grant = limited(open_door, {"once": True})
        started = threading.Event()

        def read(started: threading.Event = started) -> None:
            started.set()
            disclosure.release(open_door, ask())

        reader = threading.Thread(target=read)
        reader.start()
        started.wait()
        with open_door.writing() as db:
            decisions.withdraw(db, grant, actor=ME)
        reader.join()
        assert now(open_door, grant).state in ("withdrawn", "used-up")
    said = [one for one in outcomes(open_door) if one[1] not in ("no-grant", "grant-ended")]
    for kind, outcome in said:
        assert (kind, outcome) != ("disclosed", "grant-used-up")
    assert len([one for one in said if one[1] in ("withdrawn", "used-up")]) == 5


def test_polling_a_limit_is_throttled(open_door: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes on asking within the five minutes of a retry cannot fill the citizen's history."""
    monkeypatch.setattr(disclosure, "REFUSALS_A_MINUTE", 3)
    limited(open_door, {"per": {"reads": 1, "every": "day"}})
    assert rule(disclosure.release(open_door, ask())) == ""
    for _time in range(3):
        assert rule(disclosure.release(open_door, ask())) == "too-often"
    with pytest.raises(RefusedTooOften):
        disclosure.release(open_door, ask())


def test_what_was_used_up_is_noted_by_the_worker(open_door: Database) -> None:
    """If the process ended right after the last read, the end is noted later, and nothing was read meanwhile."""
    grant = limited(open_door, {"reads": 2})
    alter(open_door, grant, used=2, used_at=clock.now())
    assert now(open_door, grant).state_now == "used-up"
    assert rule(disclosure.release(open_door, ask())) == "grant-used-up"
    with open_door.writing() as db:
        alive = db.execute(update(tables.grant).values(state="given")).rowcount  # type: ignore[attr-defined]
        assert alive == 1
        assert endings.expire(db) == 1
        assert endings.expire(db) == 0
    assert now(open_door, grant).state == "used-up"


def test_a_citizen_may_narrow_a_counted_permission(open_door: Database) -> None:
    """Taking an attribute out keeps the count."""
    with open_door.writing() as db:
        purposes.publish(db, country.purpose(limits={"reads": 2}), actor=SYSTEM)
        grant = country.allow(db, "given_name", "employer")
    disclosure.release(open_door, ask())
    with open_door.writing() as db:
        less = decisions.withdraw(db, now_in(db, grant), attributes={"employer"}, actor=ME)
    assert (less.state, less.uses.used, less.allowance) == ("narrowed", 1, Allowance(reads=2))
    assert rule(disclosure.release(open_door, ask())) == ""
    assert now(open_door, grant).state == "used-up"


def now_in(db: Any, grant: Grant) -> Grant:
    """Return a grant as it stands, within a transaction."""
    return grants.read(db, grant.grant_id, citizen=CITIZEN)
