"""Looks that a citizen does not recognise, from the entry to the answer."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from consent import disclosure, disputes
from consent.errors import (
    DisputeAnsweredAlready,
    DisputeMalformed,
    DisputesTooMany,
    DisputeUnknown,
    EntryUnknown,
    NotDisputable,
)
from consent.ledger import erasure
from consent.ledger.tables import entry
from core import clock
from core.database import Database
from core.events import OFFICE, SYSTEM, record
from keys import sealing
from keys.errors import Shredded
from registry_sync.events import CitizenErased
from tests.consent import country
from tests.consent.country import CITIZEN, ME, OTHER, allow, ask
from tests.consent.doubts import answer, look, make_late

SECRET = "I never asked them, and my address is Lane 5"


def dispute(database: Database, event_id: str, text: str = SECRET) -> disputes.Dispute:
    """Dispute a look as the citizen."""
    with database.writing() as db:
        return disputes.begin(db, CITIZEN, event_id, text=text, actor=ME)


def test_a_dispute_is_in_both_chains_and_says_no_word_of_the_text(open_door: Database) -> None:
    """Citizen and agency have the event with its deadline; what was written is in the table, sealed, and nowhere else."""
    event_id = look(open_door)
    found = dispute(open_door, event_id)
    for chain in (CITIZEN, "agency:revenue"):
        said = country.last(open_door, chain)
        assert (said["kind"], said["dispute"], said["entry"]) == ("dispute-opened", found.id, event_id)
        assert said["due_at"] == clock.wire(found.due_at)
        assert "text" not in said
        assert "Lane" not in str(country.history(open_door, chain))
        assert CITIZEN not in str(country.history(open_door, "agency:revenue"))
    with open_door.reading() as db:
        assert b"Lane" not in db.scalar(select(disputes.dispute.c.asked))
        assert disputes.written(db, found).asked == SECRET
    days = open_door.parts.settings.dispute_days
    assert found.due_at - found.opened_at == timedelta(days=days)


def test_one_look_is_disputed_once(open_door: Database) -> None:
    """The second time gives the first dispute, whatever is written, and no second event."""
    event_id = look(open_door)
    first = dispute(open_door, event_id)
    entries = len(country.history(open_door))
    assert dispute(open_door, event_id, "again") == first
    assert len(country.history(open_door)) == entries


def test_only_ones_own_looks_are_disputed(open_door: Database) -> None:
    """Another's entry is as unknown as one that does not exist; a decision of one's own is no look."""
    event_id = look(open_door, citizen=CITIZEN)
    with open_door.writing() as db:
        allow(db, "given_name")
    decision = country.history(open_door)[-1]["event"]
    for citizen, event, problem in (
        (OTHER, event_id, EntryUnknown),
        (CITIZEN, "no-such-event", EntryUnknown),
        (CITIZEN, decision, NotDisputable),
    ):
        with pytest.raises(problem), open_door.writing() as db:
            disputes.begin(db, citizen, event, text="", actor=ME)
    with pytest.raises(DisputeMalformed):
        dispute(open_door, event_id, "x" * (disputes.LONGEST_TEXT + 1))


def test_a_refused_try_and_a_look_by_staff_can_be_disputed(open_door: Database) -> None:
    """Also who tried and got nothing must explain it; for a look by staff the office itself answers."""
    refused = disclosure.release(open_door, ask("employer"))
    assert isinstance(refused, disclosure.NotReleased)
    tried = dispute(open_door, country.history(open_door)[-1]["event"])
    assert tried.agency == "revenue"
    wanted = disclosure.StaffAsk(
        staff="S-1", office="Hall", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    seen = disclosure.staff(open_door, wanted)
    assert isinstance(seen, disclosure.Released)
    found = dispute(open_door, seen.receipt.event_id)
    assert found.agency is None
    assert country.last(open_door, OFFICE)["dispute"] == found.id


def test_disputes_are_throttled(open_door: Database) -> None:
    """After so many on one day the next one waits for tomorrow."""
    for _time in range(disputes.OPENED_A_DAY):
        dispute(open_door, look(open_door))
    with pytest.raises(DisputesTooMany):
        dispute(open_door, look(open_door))


def test_an_answer_is_given_once(open_door: Database) -> None:
    """The answer is sealed like the question; a second one is refused and changes nothing."""
    found = answer(open_door, dispute(open_door, look(open_door)))
    assert (found.state, found.category, found.late) == ("answered", "mistake", False)
    said = country.last(open_door)
    assert (said["kind"], said["outcome"], said["late"]) == ("dispute-answered", "mistake", False)
    assert "clerk" not in str(country.history(open_door))
    with pytest.raises(DisputeAnsweredAlready):
        answer(open_door, found, category="justified", text="No, it was right.")
    with open_door.reading() as db:
        assert disputes.written(db, found).answer == "A clerk mixed up two files."
        assert b"clerk" not in db.scalar(select(disputes.dispute.c.answer))


@pytest.mark.parametrize(
    "changes", [{"category": "fine"}, {"text": " "}, {"text": "x" * 4001}, {"text": "a\0"}]
)
def test_an_answer_says_something(open_door: Database, changes: dict[str, str]) -> None:
    """A category that does not exist, an empty, endless or unprintable text is refused."""
    found = dispute(open_door, look(open_door))
    with pytest.raises(DisputeMalformed):
        answer(open_door, found, **changes)


def test_what_is_not_answered_in_time_is_overdue(open_door: Database) -> None:
    """Once the time is over it is marked, once, in both chains; a late answer still counts, and is called late."""
    found = dispute(open_door, look(open_door))
    with open_door.writing() as db:
        assert disputes.mark_overdue(db) == 0
    make_late(open_door, found)
    with open_door.writing() as db:
        assert disputes.mark_overdue(db) == 1
        assert disputes.mark_overdue(db) == 0
    for chain in (CITIZEN, "agency:revenue"):
        assert country.last(open_door, chain)["kind"] == "dispute-overdue"
    with open_door.reading() as db:
        late = disputes.read(db, found.id)
        assert (late.state, disputes.count(db, "overdue")) == ("overdue", 1)
    assert answer(open_door, late).late
    assert country.last(open_door)["late"] is True


def test_who_may_read_a_dispute(open_door: Database) -> None:
    """Another citizen's and another agency's is as unknown as none."""
    found = dispute(open_door, look(open_door))
    with open_door.reading() as db:
        assert disputes.read(db, found.id, citizen=CITIZEN, agency="revenue") == found
        for wrong in ({"citizen": OTHER}, {"agency": "health"}, {"agency": ""}):
            with pytest.raises(DisputeUnknown):
                disputes.read(db, found.id, **wrong)
        with pytest.raises(DisputeUnknown):
            disputes.read(db, "NONE")
        assert disputes.listing(db, agency="health") == []


def test_the_list_goes_on_where_it_stopped(open_door: Database) -> None:
    """Page by page every dispute comes once, those to be answered soonest first."""
    every = [dispute(open_door, look(open_door)).id for _time in range(5)]
    seen: list[str] = []
    with open_door.reading() as db:
        while page := disputes.listing(db, agency="revenue", after=seen[-1] if seen else "", most=2):
            seen += [one.id for one in page]
    assert sorted(seen) == sorted(every)
    assert len(seen) == len(every)


def test_erasing_the_citizen_takes_what_was_written(open_door: Database) -> None:
    """Text, answer and key go with the citizen."""
    found = answer(open_door, dispute(open_door, look(open_door)))
    with open_door.writing() as db:
        record(db, CitizenErased(citizen=CITIZEN), actor=SYSTEM, about=[CITIZEN])
    with open_door.reading() as db:
        assert db.execute(select(disputes.dispute)).first() is None
        with pytest.raises(Shredded):
            sealing.unseal(
                db, CITIZEN, disputes._scope(found.id), sealing.VERSION + bytes(60), aad=found.id.encode()
            )


def test_an_erased_look_takes_its_dispute(open_door: Database) -> None:
    """What was written about a look goes with it, key and all, answered or not; of an open dispute it is said that it is closed."""
    looks = [look(open_door) for _look in range(3)]
    done, open_, other = [dispute(open_door, event_id) for event_id in looks]
    answer(open_door, done)
    answer(open_door, other)
    assert open_door.parts.sequencer.drain()
    with open_door.writing() as db:
        rows = db.execute(
            select(entry.c.log, entry.c.leaf_index).where(entry.c.event_id.in_(looks[:2]))
        ).all()
        places = [(row.log, row.leaf_index) for row in rows]
        year = clock.now().year
        facts = {"reference": "3/1", "reason": "Court"}
        ordered = erasure.order(db, CITIZEN, year, basis=erasure.COURT, actor=SYSTEM, places=places, **facts)
    erasure.carry_out(open_door, ordered)
    with open_door.reading() as db:
        assert [one.id for one in disputes.of(db, CITIZEN)] == [other.id]
        for gone in (done, open_):
            with pytest.raises(Shredded):
                sealing.unseal(
                    db, CITIZEN, disputes._scope(gone.id), sealing.VERSION + bytes(60), aad=gone.id.encode()
                )
    for chain in (CITIZEN, "agency:revenue"):
        closed = [said for said in country.history(open_door, chain) if said.get("kind") == "dispute-closed"]
        assert [one["data"]["dispute"] for one in closed] == [open_.id]
