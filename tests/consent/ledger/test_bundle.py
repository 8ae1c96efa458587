from __future__ import annotations

import itertools
import json
import shutil
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from consent.ledger import bundle, fsck, logs, policy, signer
from consent.ledger.errors import LedgerBusy
from consent.ledger.sequencer import Integrated, Sequencer
from consent.ledger.tables import entry
from core import events
from core.database import Database, Parts
from core.events import SYSTEM
from core.settings import Settings
from keys import sealing
from tests.consent.ledger.conftest import Furnish, Grants, signing
from tests.consent.ledger.reading import CITIZEN, OTHER, Moved, Proclaimed, disclosure
from tests.engines import Sqlite
from verifier import erti_verify


def trust(database: Database) -> erti_verify.Policy:
    """The trust policy, as the verifier reads it."""
    return erti_verify.read_policy(
        policy.text(database.parts, database.parts.settings.ledger_origin).encode()
    )


@pytest.mark.usefixtures("worker")
def test_a_real_history_is_accepted(database: Database, ledger: Sequencer) -> None:
    """The bundle of a citizen with recorded events and reads is accepted and shows each of them."""
    ledger.start()
    with database.writing() as db:
        events.record(db, Moved(number=1), actor=SYSTEM, about=(CITIZEN, OTHER))
        events.record(db, Proclaimed(text="x"), actor=SYSTEM)
    for _ in range(20):
        ledger.submit(disclosure(CITIZEN)).wait()
        ledger.submit(disclosure(OTHER)).wait()
    history = erti_verify.read_bundle(bundle.make(database, CITIZEN), trust(database))
    assert erti_verify.verdict_of(history) == ["VALID-COMPLETE"]
    assert [e.record["kind"] for e in history.entries if e.record] == ["moved"] + ["read"] * 20


@pytest.mark.usefixtures("worker")
def test_the_bundle_holds_what_still_waited(database: Database, ledger: Sequencer) -> None:
    """What was recorded a moment before the download is in it, although nobody had integrated it yet."""
    with database.writing() as db:
        events.record(db, Moved(number=7), actor=SYSTEM, about=(CITIZEN,))
    history = erti_verify.read_bundle(bundle.make(database, CITIZEN), trust(database))
    assert [e.record["data"] for e in history.entries if e.record] == [{"number": 7}]


@pytest.mark.usefixtures("worker")
def test_a_history_without_entries(database: Database, ledger: Sequencer) -> None:
    """Somebody about whom nothing is recorded gets a bundle that holds and is empty."""
    history = erti_verify.read_bundle(bundle.make(database, CITIZEN), trust(database))
    assert history.entries == []


@pytest.mark.usefixtures("worker")
def test_destroyed_openings_leave_a_history_that_holds(database: Database, ledger: Sequencer) -> None:
    """After a citizen's keys are destroyed the entries are still proved, and counted as erased; that it was done off the
    record is found by the ledger's own check."""
    ledger.start()
    for _ in range(3):
        ledger.submit(disclosure()).wait()
    with database.writing() as db:
        assert sealing.shred(db, CITIZEN)
    made = bundle.make(database, CITIZEN)
    assert b"income" not in made
    history = erti_verify.read_bundle(made, trust(database))
    assert erti_verify.verdict_of(history) == ["VALID-COMPLETE", "ERASED 3"]
    assert {finding.says for finding in fsck.check(database)} == {"its key is gone, and no erasure says so"}


def test_a_bundle_needs_a_checkpoint_that_covers_it(
    database: Database, ledger: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nobody signs, the download is put off, with advice when to come back, and the newest entries are not
    left out."""
    signer.sign_if_due(database)
    ledger.start()
    ledger.submit(disclosure()).wait()
    monkeypatch.setattr(bundle, "SECONDS_FOR_CHECKPOINT", 0.2)
    with pytest.raises(LedgerBusy) as refused:
        bundle.make(database, CITIZEN)
    assert refused.value.overload
    assert refused.value.retry_after == bundle.RETRY_SECONDS
    signer.sign_if_due(database)
    history = erti_verify.read_bundle(bundle.make(database, CITIZEN), trust(database))
    assert len(history.entries) == 1


@pytest.mark.parametrize("signed_before", [False, True])
def test_a_web_machine_never_signs(
    database: Database, ledger: Sequencer, furnish: Furnish, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch, signed_before: bool,
) -> None:  # fmt: skip
    """A process with a data folder of its own waits for the worker's checkpoint: it neither becomes the first
    signer nor is refused for not being the signer, and its folder stays without a guard."""
    folder = tmp_path_factory.mktemp("web")
    shutil.copytree(database.parts.settings.data_dir / "keys", folder / "keys")
    web = Database(Parts(database.parts.settings.model_copy(update={"data_dir": folder})), url=database.url)
    furnish(web).start()
    if signed_before:
        signer.sign_if_due(database)
    web.parts.sequencer.submit(disclosure()).wait()
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "SECONDS_FOR_CHECKPOINT", 0.2)
        with pytest.raises(LedgerBusy):
            bundle.make(web, CITIZEN)
    with signing(database):
        made = bundle.make(web, CITIZEN)
    assert len(erti_verify.read_bundle(made, trust(database)).entries) == 1
    assert not signer.folder(web).exists()
    web.parts.sequencer.stop()
    web.close()


@pytest.mark.usefixtures("worker")
def test_bundles_made_while_the_ledger_grows(database: Database, ledger: Sequencer) -> None:
    """Bundles asked for in the middle of traffic about the same citizen all hold, and never shrink."""
    ledger.start()
    stop = threading.Event()

    def traffic() -> None:
        while not stop.is_set():
            ledger.submit(disclosure(CITIZEN)).wait(10)

    threads = [threading.Thread(target=traffic) for _ in range(3)]
    for thread in threads:
        thread.start()
    found = [erti_verify.read_bundle(bundle.make(database, CITIZEN), trust(database)) for _ in range(4)]
    stop.set()
    for thread in threads:
        thread.join()
    for before, after in itertools.pairwise(found):
        erti_verify.check_earlier(after, before)


@pytest.mark.usefixtures("worker")
def test_altered_rows_never_make_a_bundle_that_is_accepted(database: Database, ledger: Sequencer) -> None:
    """An operator who changes a commitment in the database gives the citizen a bundle that is rejected."""
    ledger.start()
    placed = [ledger.submit(disclosure()).wait() for _ in range(3)][1]
    assert isinstance(placed, Integrated)
    bundle.make(database, CITIZEN)
    with database.writing() as db:
        db.execute(update(entry).where(entry.c.leaf_index == placed.index).values(commitment=bytes(32)))
    with pytest.raises(erti_verify.Rejected, match="ALTERED"):
        erti_verify.read_bundle(bundle.make(database, CITIZEN), trust(database))


OPERATION = st.one_of(
    st.tuples(st.just("event"), st.integers(0, 3)),
    st.tuples(st.just("read"), st.integers(0, 3)),
    st.tuples(st.just("repeat"), st.integers(0, 3)),
    st.tuples(st.just("refused"), st.integers(0, 3)),
    st.tuples(st.just("both"), st.integers(0, 3)),
    st.tuples(st.just("sign"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(OPERATION, min_size=1, max_size=30))
def test_every_history_is_exactly_what_happened(
    plan: list[tuple[str, int]], sqlite: Sqlite, tmp_path_factory: pytest.TempPathFactory, furnish: Furnish,
    grants: Grants,
) -> None:  # fmt: skip
    """After any sequence of events, reads, repeats, refusals and restarts, each citizen's bundle lists
    exactly what happened to them, in order."""
    folder = tmp_path_factory.mktemp("model")
    url = sqlite.fresh(folder / "erti.db")
    database = Database(Parts(Settings(database_url=url, data_dir=folder, database_pool=5)))
    ledger = furnish(database)
    with database.writing() as db:
        logs.opened(db)
    ledger.start()
    model: dict[str, list[str]] = {f"citizen-{n}": [] for n in range(5)}
    last = None
    for step, (what, who) in enumerate(plan):
        name, beside = f"citizen-{who}", f"citizen-{who + 1}"
        if what == "event":
            with database.writing() as db:
                events.record(db, Moved(number=step), actor=SYSTEM, about=(name,))
            model[name].append("moved")
        elif what in ("read", "both"):
            about = (name, beside) if what == "both" else (name,)
            last = disclosure(*about, grant="g1")
            assert isinstance(ledger.submit(last).wait(10), Integrated)
            for one in about:
                model[one].append("read released")
        elif what == "repeat" and last is not None:
            ledger.submit(last).wait(10)
        elif what == "refused":
            grants["g1", 1] = "ended"
            ledger.submit(disclosure(name, grant="g1")).wait(10)
            grants["g1", 1] = "ok"
            model[name].append("read refused")
        elif what == "sign":
            signer.sign_if_due(database)
        elif what == "restart":
            ledger.stop()
            ledger = furnish(database)
            ledger.start()
    assert ledger.drain()
    signer.sign_if_due(database)
    for name, expected in model.items():
        history = erti_verify.read_bundle(bundle.make(database, name), trust(database))
        shown = [
            f"{e.record['kind']} {e.record['data'].get('outcome', '')}".strip()
            for e in history.entries
            if e.record
        ]
        assert shown == expected
    assert fsck.check(database) == []
    ledger.stop()
    database.close()


@pytest.mark.usefixtures("worker")
def test_a_bundle_is_canonical_json(database: Database, ledger: Sequencer) -> None:
    """The bundle's bytes are the one canonical form of what they say."""
    made = bundle.make(database, CITIZEN)
    assert (
        json.dumps(json.loads(made), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        == made.decode()
    )
