"""Erasing: what is gone is gone, what is not meant stays, nothing is lost in between, and all of it is on the record."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.events import Disclosed, StaffLooked
from consent.ledger import erasure, fsck, logs, openings, retention, shredding, signer, subjects
from consent.ledger.disclosures import Disclosure
from consent.ledger.errors import AlreadyOrdered, ErasureUnknown, MustBeKept, NothingToErase
from consent.ledger.tables import entry, request
from consent.ledger.tables import erasure as table
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record, waiting
from keys import epochs, sealing
from keys.custody import FolderCustody
from keys.errors import KeysBusy
from keys.ring import Keyring
from service.app import open_house

CITIZEN, OTHER = "K7QD2M9XWT4BC", "4RZ8N1PV6HJ3E"
ME, CLERK = Actor("citizen", CITIZEN), Actor("staff", "00000001")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
Travel = Callable[[datetime], None]


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Travel:
    """Give a way to set the house's clock, which then stands still."""

    def to(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    return to


@pytest.fixture
def years(travel: Travel, database: Database) -> Database:
    """A house whose ledger was opened in 2019, with two looks a year at each of two citizens until 2026."""
    with database.writing() as db:
        travel(datetime(2019, 1, 1, tzinfo=UTC))
        logs.opened(db)
    for year in range(2019, 2027):
        travel(datetime(year, 5, 1, tzinfo=UTC))
        for citizen in (CITIZEN, OTHER):
            for number in range(2):
                look(database, citizen, f"secret {citizen} {year} {number}")
        assert database.parts.sequencer.drain(timeout=30)
    travel(NOW)
    signer.sign_if_due(database)
    return database


def look(database: Database, citizen: str, reason: str) -> None:
    """Record that staff looked at somebody."""
    seen = StaffLooked(
        staff="00000001",
        office="north",
        reason=reason,
        attributes=("name",),
        request_id="r",
        outcome="released",
    )
    with database.writing() as db:
        record(db, seen, actor=CLERK, about=[citizen])


def history(database: Database, citizen: str) -> list[dict[str, Any] | None]:
    """What can be read of a chain, by a process that has just started; None for each entry that cannot."""
    assert database.parts.sequencer.drain(timeout=30)
    kept = database.parts.keys
    database.parts.keys = Keyring(FolderCustody(database.parts.settings.data_dir / "keys"))
    try:
        with database.reading() as db:
            return [found.facts for found in subjects.chain(db, citizen)]
    finally:
        database.parts.keys = kept


def reasons(database: Database, citizen: str) -> list[str]:
    """The reasons of the looks that can be read."""
    found = history(database, citizen)
    return [facts["data"]["reason"] for facts in found if facts and facts["kind"] == "staff-looked"]


def erase(database: Database, year: int, **how: Any) -> erasure.Erasure:
    """Erase a year of the citizen's, by court order unless said otherwise."""
    with database.writing() as db:
        found = erasure.order(db, CITIZEN, year, **{"basis": erasure.COURT, "actor": CLERK, **how})
    return erasure.carry_out(database, found)


def rows(database: Database) -> list[Any]:
    """The citizen's rows."""
    with database.reading() as db:
        label = subjects.label_of(database.parts, CITIZEN)
        return list(db.execute(select(entry).where(entry.c.label == label).order_by(entry.c.seq)))


def test_a_year_is_erased_and_the_rest_stays(years: Database) -> None:
    """Of the erased year's entries only place and commitment are left, other years and people stay readable, and the ledger
    adds up."""
    done = erase(years, 2021, reference="3/1234-26", reason="The court said so")

    assert (done.entries, done.year, done.whole, done.basis) == (2, 2021, True, "court")
    assert len(reasons(years, OTHER)) == 16
    assert [reason.split()[2] for reason in reasons(years, CITIZEN)] == [
        str(year) for year in range(2019, 2027) if year != 2021 for _twice in range(2)
    ]
    gone = [row for row in rows(years) if row.erasure]
    assert [row.seq for row in gone] == [5, 6]
    for row in gone:
        left = {name for name, value in row._mapping.items() if value is not None}
        assert left == {"log", "leaf_index", "leaf_type", "commitment", "label", "seq", "erasure"}
    assert fsck.check(years) == []


def test_an_erasure_is_on_the_record(years: Database) -> None:
    """The citizen reads who erased what on which basis; the public record names the basis and the number, and nobody."""
    erased = erase(years, 2021, reference="3/1234-26", reason="The court said so")
    last = history(years, CITIZEN)[-1]
    assert last is not None
    assert last["kind"] == "history-erased"
    assert last["actor"] == {"kind": "staff", "id": "00000001"}
    assert last["data"] == {
        "erasure": erased.id, "basis": "court", "year": 2021, "whole": True, "entries": 2,
        "reference": "3/1234-26", "reason": "The court said so",
    }  # fmt: skip
    with years.reading() as db:
        said = json.loads(db.scalar(select(entry.c.payload).where(entry.c.kind == "entries-erased")) or b"")
        row = db.execute(select(table)).one()
    assert set(said) == {"at", "data", "event", "kind", "v"}
    assert said["data"] == {"erasure": erased.id, "basis": "court", "entries": 2}
    assert (row.chain, row.places, row.reference, row.reason, row.actor_id) == (None,) * 5


def test_single_entries_are_erased_and_their_neighbours_stay(years: Database) -> None:
    """One entry of a year goes; the others of that year open under a new key, and no key is left that opened the one."""
    wanted = next(row for row in rows(years) if row.seq == 16)
    before = sealing_key(years, "ledger:2026")
    done = erase(years, 2026, places=[(wanted.log, wanted.leaf_index)])

    assert (done.entries, done.whole) == (1, False)
    assert f"secret {CITIZEN} 2026 1" not in reasons(years, CITIZEN)
    assert len(reasons(years, CITIZEN)) == 15
    assert sealing_key(years, "ledger:2026") is None
    assert sealing_key(years, "ledger:2026:1") not in (None, before)
    with years.reading() as db, pytest.raises(NothingToErase):
        erasure.check(db, CITIZEN, 2026, basis="court", places=[(wanted.log, wanted.leaf_index)])
    look(years, CITIZEN, "afterwards")
    assert reasons(years, CITIZEN)[-1] == "afterwards"
    assert fsck.check(years) == []


def sealing_key(database: Database, scope: str) -> bytes | None:
    """The wrapped data key of the citizen in a scope."""
    with database.reading() as db:
        found = db.connection().exec_driver_sql(
            f"SELECT wrapped FROM data_key WHERE owner = '{CITIZEN}' AND scope = '{scope}'"
        )
        row = found.first()
        return None if row is None else bytes(row[0])


def test_the_running_year_goes_on_under_a_new_key(years: Database) -> None:
    """After this year's entries were erased a second process, which still has the old key at hand, loses nothing: what it
    records and what it reads out is readable."""
    other = open_house(years.parts.settings)
    try:
        look(other, CITIZEN, "before")
        disclose(other, "before")
        look(other, CITIZEN, "waits meanwhile")
        erase(years, 2026)
        look(other, CITIZEN, "after")
        disclose(other, "after")
    finally:
        other.close()
    found = [facts for facts in history(years, CITIZEN)[14:] if facts]
    said = [facts["data"].get("reason") or facts["data"].get("case") or facts["kind"] for facts in found]
    assert sorted(said) == ["after", "after", "history-erased", "waits meanwhile"]
    assert not any(facts["data"].get("unreadable") for facts in found)
    assert fsck.check(years) == []


def disclose(database: Database, case: str) -> None:
    """Put a read by law into the ledger through a process's sequencer."""
    event = Disclosed(
        agency="revenue", client="revenue-portal", purpose="tax", purpose_version=1, basis="law", attributes=("name",),
        channel="standing", request_id=case, outcome="released", case=case,
    )  # fmt: skip
    about = Disclosure(
        event=event, about=[CITIZEN], actor=SYSTEM, basis="law", client="revenue-portal", request_id=case
    )
    database.parts.sequencer.start()
    database.parts.sequencer.submit(about).wait(10)
    database.parts.sequencer.stop()


def test_claimed_requests_go_with_their_entries(years: Database) -> None:
    """Which client used which request ID for an erased entry is forgotten as well."""
    disclose(years, "r-1")
    with years.reading() as db:
        assert db.execute(select(request)).all()
    erase(years, 2026)
    with years.reading() as db:
        assert db.execute(select(request)).all() == []


def test_what_is_recorded_at_the_same_moment_is_not_lost(years: Database) -> None:
    """A transaction that has sealed an event under the old key and not committed yet makes the erasure wait; the event
    is then sealed under the new key, and stays."""
    other, sealed, go = open_house(years.parts.settings), threading.Event(), threading.Event()
    seen = StaffLooked(
        staff="1", office="o", reason="in between", attributes=(), request_id="r", outcome="released"
    )

    def work() -> None:
        with other.writing() as db:
            record(db, seen, actor=CLERK, about=[CITIZEN])
            sealed.set()
            go.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    assert sealed.wait(10)
    if years.is_sqlite:  # where writers take turns, it has committed before the erasure begins
        go.set()
    with years.writing() as db:
        ordered = erasure.order(db, CITIZEN, 2026, basis="court", actor=CLERK)
    if not years.is_sqlite:
        with years.reading() as db:
            row = db.execute(select(table)).one()
        with pytest.raises(KeysBusy):
            shredding.do(years, row)
    go.set()
    thread.join()
    erasure.carry_out(years, ordered)
    other.close()
    assert reasons(years, CITIZEN)[-1] == "in between"
    assert fsck.check(years) == []


def test_an_interrupted_erasure_goes_on(years: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between sealing the neighbours anew and destroying the key loses nothing, and the worker finishes the work."""
    wanted = next(row for row in rows(years) if row.seq == 16)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(shredding, "_finish", lambda *_all: 1 / 0)
        erase(years, 2026, places=[(wanted.log, wanted.leaf_index)])
    look(years, CITIZEN, "in between")
    assert len(reasons(years, CITIZEN)) == 17

    assert erasure.carry_out_all(years) == 1

    assert erasure.carry_out_all(years) == 0
    assert len(reasons(years, CITIZEN)) == 16
    assert reasons(years, CITIZEN)[-1] == "in between"
    assert fsck.check(years) == []


def test_a_wish_before_the_time_is_refused_in_words(years: Database) -> None:
    """What the law wants kept is not erased on the citizen's wish, and the refusal says until when."""
    with years.writing() as db:
        ready = {one.year: one.free_from.year for one in erasure.years(db, CITIZEN)}
        assert ready == {year: year + 7 for year in range(2019, 2027)}  # staff's looks are kept for six years
        with pytest.raises(MustBeKept, match="until the end of 2027"):
            erasure.order(db, CITIZEN, 2021, basis=erasure.WISH, actor=ME)
    done = erase(years, 2019, basis=erasure.WISH, actor=ME)
    assert done.entries == 2


@pytest.mark.parametrize(
    ("citizen", "year", "places"),
    [(CITIZEN, 2018, []), ("0000000000000", 2026, []), ("office:erti", 2026, []), (CITIZEN, 2026, [(1, 1)]),
     (CITIZEN, 2026, [(1, 2**40)]), (CITIZEN, 2026, [(1, n) for n in range(300)])],
)  # fmt: skip
def test_only_a_citizens_own_entries_are_erased(
    years: Database, citizen: str, year: int, places: list[tuple[int, int]]
) -> None:
    """Years without entries, strangers, offices, and places that are somebody else's are refused, and nothing is ordered."""
    with years.writing() as db, pytest.raises(NothingToErase):
        erasure.order(db, citizen, year, basis="court", actor=CLERK, places=places)
    with years.reading() as db:
        assert erasure.listing(db) == []
        with pytest.raises(ErasureUnknown):
            erasure.read(db, "x")


def test_an_erasure_is_ordered_once(years: Database) -> None:
    """A second order for a year that is being erased is refused; after it was done there is nothing to erase."""
    with years.writing() as db:
        ordered = erasure.order(db, CITIZEN, 2020, basis="court", actor=CLERK)
        with pytest.raises(AlreadyOrdered):
            erasure.order(db, CITIZEN, 2020, basis="court", actor=CLERK)
    assert erasure.carry_out(years, ordered) == erasure.carry_out(years, ordered)
    with years.writing() as db, pytest.raises(NothingToErase):
        erasure.order(db, CITIZEN, 2020, basis="court", actor=CLERK)


def test_the_worker_erases_what_is_due(years: Database, travel: Travel) -> None:
    """Once every entry of somebody's year is past its time the worker erases that year, for all citizens, and no other."""
    assert erasure.carry_out_all(years) == 0
    travel(datetime(2030, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
    assert erasure.carry_out_all(years) == 0
    travel(datetime(2030, 1, 1, tzinfo=UTC))
    assert erasure.carry_out_all(years) == 2
    assert erasure.carry_out_all(years) == 0
    for citizen in (CITIZEN, OTHER):
        assert next(iter(reasons(years, citizen))).split()[2] == "2020"
        assert len(reasons(years, citizen)) == 14
    with years.reading() as db:
        assert {one.basis for one in erasure.listing(db)} == {"retention"}
    assert fsck.check(years) == []


def test_the_longest_time_counts_for_a_year(
    years: Database, travel: Travel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year that holds one entry which is kept for longer stays whole, and does not stand in the way of others."""
    with years.writing() as db:
        first = select(entry.c.leaf_index).where(entry.c.kind == "staff-looked").order_by(entry.c.leaf_index)
        db.execute(
            update(entry).where(entry.c.leaf_index == db.scalar(first.limit(1))).values(basis="treaty")
        )
    rule = retention.Rule("", "treaty", 10, 30)
    monkeypatch.setattr(retention, "STANDARD", retention.Policy((rule, *retention.STANDARD.rules)))
    travel(datetime(2030, 1, 1, tzinfo=UTC))
    assert erasure.carry_out_all(years) == 1
    assert (len(reasons(years, CITIZEN)), len(reasons(years, OTHER))) == (16, 14)


def test_an_erasure_is_final_when_every_epoch_of_its_time_is_gone(years: Database, travel: Travel) -> None:
    """Done is not final: that it is beyond recovery is said only once the epochs up to its day are destroyed."""
    with years.writing() as db:
        epochs.begin(db, actor=SYSTEM)
    done = erase(years, 2021)
    assert done.erased_at == NOW
    assert done.final_since is None
    with years.writing() as db:
        assert erasure.awaiting(db) == 1
        epochs.begin(db, actor=SYSTEM)
    epochs.rewrap_all(years)
    for number in (2, 1):
        with years.reading() as db:
            assert erasure.of(db, CITIZEN)[0].final_since is None
        with years.writing() as db:
            epochs.destroy(db, number, actor=SYSTEM)
    travel(NOW + timedelta(seconds=31))
    with years.reading() as db:
        assert erasure.awaiting(db) == 0
        assert erasure.of(db, CITIZEN)[0].final_since == NOW + timedelta(seconds=30)
        assert erasure.of(db, OTHER) == []
    assert len(reasons(years, CITIZEN)) == 14


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"erasure": None}, "its content is gone, and no erasure says so"),
        ({"erasure": "another"}, "its content is gone, and no erasure says so"),
        ({"opening": b"2021" + b"\1" * 60}, "it was erased, and its content is back"),
    ],
)
def test_what_an_operator_does_to_erased_entries_is_found(
    years: Database, values: dict[str, Any], says: str
) -> None:
    """An entry emptied without an erasure, and one that came back, is found by the ledger's own check."""
    erase(years, 2021)
    gone = next(row for row in rows(years) if row.erasure)
    with years.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == gone.leaf_index).values(**values))
    assert any(says in str(finding) for finding in fsck.check(years))


def test_a_key_destroyed_off_the_record_is_found(years: Database) -> None:
    """Destroying a data key without an erasure is found, and so is an erasure whose public record says something else."""
    erase(years, 2021)
    with years.writing() as db:
        db.execute(update(table).values(entries=3))
        sealing.shred(db, CITIZEN, openings.scope(2022))
    found = [str(finding) for finding in fsck.check(years)]
    assert any("its key is gone, and no erasure says so" in finding for finding in found)
    assert any("it says 3 entries, and 2 are marked" in finding for finding in found)
    assert any("its public record says something else" in finding for finding in found)


def test_waiting_events_are_not_lost_in_the_dark(years: Database) -> None:
    """Events that wait while their year is erased are read out of the ledger like all others."""
    look(years, CITIZEN, "waiting")
    with years.reading() as db:
        assert len(db.execute(select(waiting)).all()) == 1
    assert erase(years, 2026).entries == 2
    assert reasons(years, CITIZEN)[-1] == "waiting"
