from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import delete, func, select, update

from consent.ledger import bundle, freezing, fsck, logs, note, policy, signer
from consent.ledger.errors import BadOrigin, OriginTaken
from consent.ledger.sequencer import Integrated, Sequencer
from consent.ledger.tables import entry, head, map_leaf
from core import events
from core.database import Database
from core.events import SYSTEM
from tests.consent.ledger.conftest import Furnish
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved, disclosure
from verifier import erti_verify

NEXT = "ledger.erti.example/2027"


def trusted(database: Database) -> erti_verify.Policy:
    """The trust policy of the log that grows, as the verifier reads it."""
    with database.reading() as db:
        return erti_verify.read_policy(signer.policy_text(db).encode())


@pytest.fixture
def second_year(database: Database, ledger: Sequencer) -> Database:
    """A ledger whose first log was frozen with three entries of a citizen, and which goes on in the second."""
    ledger.start()
    for _ in range(3):
        ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    freezing.freeze(database, origin=NEXT)
    for _ in range(2):
        ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    return database


def test_a_history_goes_on_over_the_turn_of_the_year(second_year: Database) -> None:
    """A bundle holds the entries of both years, each complete, under the new log's policy alone."""
    history = erti_verify.read_bundle(bundle.make(second_year, CITIZEN), trusted(second_year))
    assert erti_verify.verdict_of(history) == ["VALID-COMPLETE"]
    assert [found.number for found in history.entries] == [1, 2, 3, 1, 2]
    assert fsck.check(second_year) == []


def test_an_older_letter_finds_its_fingerprint(second_year: Database) -> None:
    """The verifier prints the fingerprint of the old log's own policy, and says that the new one is to be compared elsewhere."""
    trust = trusted(second_year)
    history = erti_verify.read_bundle(bundle.make(second_year, CITIZEN), trust)
    on_the_letter = policy.fingerprint(
        policy.text(second_year.parts, second_year.parts.settings.ledger_origin)
    )
    said = erti_verify.report(history, trust)
    assert on_the_letter != trust.fingerprint
    assert f"{on_the_letter}  {second_year.parts.settings.ledger_origin}" in said
    assert "is not checked" in said
    assert on_the_letter in erti_verify.as_json(trust, [], history, "")


def test_who_is_new_has_nothing_in_the_year_before(second_year: Database) -> None:
    """For somebody with entries in the new year only, the old log's map says that nothing is there."""
    second_year.parts.sequencer.submit(disclosure(OTHER)).wait()
    signer.sign_if_due(second_year)
    history = erti_verify.read_bundle(bundle.make(second_year, OTHER), trusted(second_year))
    assert [found.origin for found in history.entries] == [NEXT]
    assert len(history.trees) == 2


def test_a_frozen_log_is_signed_once_more_and_never_again(second_year: Database) -> None:
    """The old log's last checkpoint covers all of it, names the next log and its keys, and nothing is added."""
    with second_year.reading() as db:
        old, new = logs.listing(db)
        last = signer.newest(db, old.number)
        said = json.loads(
            db.scalar(select(entry.c.payload).where(entry.c.log == old.number, entry.c.kind == freezing.KIND))
            or b"{}"
        )
    assert last is not None
    assert (old.frozen, new.frozen) == (True, False)
    assert (last.size, last.root) == (old.size, old.root)
    keys = [key.text() for key in policy.log_keys(second_year.parts, NEXT)]
    assert said["next"] == {"origin": NEXT, "log_keys": keys}
    note.open_checkpoint(last.note, policy.log_keys(second_year.parts, old.origin))
    second_year.parts.sequencer.submit(disclosure()).wait()
    assert signer.sign_if_due(second_year)
    with second_year.reading() as db:
        assert signer.newest(db, old.number) == last
        assert logs.listing(db)[0] == old


def test_an_origin_is_used_once(second_year: Database) -> None:
    """A log cannot be started under the origin of another, which would make two trees of one name."""
    for origin in (NEXT, second_year.parts.settings.ledger_origin):
        with pytest.raises(OriginTaken):
            freezing.freeze(second_year, origin=origin)


def test_later_starts_find_the_log_that_grows(second_year: Database) -> None:
    """A start after the turn of the year opens nothing anew, whichever of the two origins the settings name."""
    for origin in (NEXT, "ledger.erti.example/2026"):
        second_year.parts.settings = second_year.parts.settings.model_copy(update={"ledger_origin": origin})
        with second_year.writing() as db:
            assert not logs.opened(db)


def test_an_origin_that_no_key_can_have_is_refused(second_year: Database) -> None:
    """A log is not begun under an origin with a space or a plus sign, and the log that grows goes on growing."""
    for origin in ("", "next year", "a+b", "a\nb"):
        with pytest.raises(BadOrigin):
            freezing.freeze(second_year, origin=origin)
    with second_year.reading() as db:
        assert [log.frozen for log in logs.listing(db)] == [True, False]


def test_a_bundle_kept_from_a_year_that_was_closed_since_is_compared(
    database: Database, ledger: Sequencer
) -> None:
    """With the new year's policy alone, a bundle of the old year counts as an earlier one, and a forged one does not."""
    ledger.start()
    ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    kept = bundle.make(database, CITIZEN)
    freezing.freeze(database, origin=NEXT)
    ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    policy_now = trusted(database)
    now = erti_verify.read_bundle(bundle.make(database, CITIZEN), policy_now)
    before = erti_verify.read_earlier(kept, policy_now, now)
    erti_verify.check_earlier(now, before)
    now.entries = [entry for entry in now.entries if entry.origin == NEXT]
    with pytest.raises(erti_verify.Rejected, match="was in the earlier bundle and is gone"):
        erti_verify.check_earlier(now, before)
    now.keys[before.trees[0].origin] = policy_now.logs
    with pytest.raises(erti_verify.Unusable, match="does not hold by itself: UNKNOWN-KEY"):
        erti_verify.read_earlier(kept, policy_now, now)


@pytest.mark.parametrize("forged", ["unfrozen", "shortened"])
def test_a_year_that_did_not_end_so_is_found(second_year: Database, forged: str) -> None:
    """fsck finds an old log that was opened again, or that ends otherwise than the next one says."""
    with second_year.writing() as db:
        if forged == "unfrozen":
            db.execute(update(head).where(head.c.log == 1).values(frozen=False))
        else:
            size = logs.listing(db)[0].size
            db.execute(delete(entry).where(entry.c.log == 1, entry.c.leaf_index == size - 1))
    assert any("log 2, entry 0" in str(one) or "head" in str(one) for one in fsck.check(second_year))


def test_reads_go_on_while_the_log_is_frozen(database: Database, furnish: Furnish) -> None:
    """Two processes that release while a third freezes: no read is lost or twice, and both logs add up."""
    first, second = furnish(database), furnish(database)
    with database.writing() as db:
        logs.opened(db)
    first.start()
    second.start()
    stop = threading.Event()
    placed: list[tuple[int, int]] = []
    failed: list[BaseException] = []

    def read(sequencer: Sequencer) -> None:
        while not stop.is_set():
            try:
                found = sequencer.submit(disclosure()).wait(20)
                assert isinstance(found, Integrated)
                placed.append((found.log, found.index))
            except BaseException as error:
                failed.append(error)
                return

    threads = [threading.Thread(target=read, args=(one,)) for one in (first, second) for _ in range(2)]
    for thread in threads:
        thread.start()
    for year in (2027, 2028):
        before = len(placed)
        while len(placed) < before + 8 and not failed:
            stop.wait(0.01)
        freezing.freeze(database, origin=f"ledger.erti.example/{year}")
    before = len(placed)
    while len(placed) < before + 8 and not failed:
        stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(placed)) == len(placed)
    assert {log for log, _index in placed} == {1, 2, 3}
    signer.sign_if_due(database)
    history = erti_verify.read_bundle(bundle.make(database, CITIZEN), trusted(database))
    assert len(history.entries) == len(placed)
    assert fsck.check(database) == []


def test_the_map_is_followed_in_steps(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map brought up to date in many small steps, or all at once, has the root that fsck computes."""
    monkeypatch.setattr("consent.ledger.map_store.ROWS_AT_ONCE", 7)
    monkeypatch.setattr("consent.ledger.map_store.FEW", 3)
    for size in (40, 1, 25):
        with database.writing() as db:
            for number in range(size):
                events.record(db, Moved(number=number), actor=SYSTEM, about=(f"citizen-{number % 19}",))
        assert ledger.drain(timeout=30)
        signer.sign_if_due(database)
        assert fsck.check(database) == []
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(map_leaf)) == 19
        signed = signer.newest(db)
    assert signed is not None
    assert signed.size == 1 + 66 + 3
    for number in range(19):
        made = bundle.make(database, f"citizen-{number}")
        assert erti_verify.verdict_of(erti_verify.read_bundle(made, trusted(database))) == ["VALID-COMPLETE"]


def test_a_bundle_proves_that_the_log_extends_an_earlier_one(database: Database, ledger: Sequencer) -> None:
    """With the size of a tree kept from before, the bundle proves that the log of now extends it."""
    ledger.start()
    ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    before = erti_verify.read_bundle(bundle.make(database, CITIZEN), trusted(database))
    for _ in range(300):
        ledger.submit(disclosure(OTHER))
    ledger.submit(disclosure()).wait(20)
    signer.sign_if_due(database)
    size = before.trees[0].size
    now = erti_verify.read_bundle(bundle.make(database, CITIZEN, earlier=size), trusted(database))
    erti_verify.check_earlier(now, before)
    assert now.extends
    beyond = erti_verify.read_bundle(bundle.make(database, CITIZEN, earlier=10**6), trusted(database))
    assert beyond.earlier is None
