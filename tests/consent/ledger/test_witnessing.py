from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from consent.ledger import (
    api,
    bundle,
    freezing,
    fsck,
    note,
    policy,
    quorum,
    signer,
    tables,
    witnessing,
)
from consent.ledger.errors import LedgerBusy, SignerRefused
from consent.ledger.sequencer import Sequencer
from consent.ledger.witness import key
from consent.ledger.witness.core import Witness
from core import clock, events
from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from tests.consent.ledger.machines import elsewhere, forget_head, grow
from tests.consent.ledger.reading import CITIZEN, Moved, disclosure
from tests.consent.ledger.witnesses import running, served, witness
from tests.ports import free_port
from verifier import erti_verify

NAMES = ("audit", "university", "ngo")


@pytest.fixture
def ports() -> dict[str, int]:
    """Where each witness will listen."""
    return {name: free_port() for name in NAMES}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, ports: dict[str, int]) -> Settings:
    """Settings that want two of three witnesses; the last one signs with its Ed25519 key."""
    lines = []
    for number, (name, port) in enumerate(ports.items()):
        made = key.make(tmp_path / "witnesses" / name, f"{name}.example/w")
        signs = made.signers[0 if number == 2 else 1].key
        lines.append(f"witness {name} {signs.text()} http://127.0.0.1:{port}\n")
    file = tmp_path / "witness-policy"
    file.write_text(f"{''.join(lines)}group two 2 {' '.join(NAMES)}\nquorum two\n")
    return settings.model_copy(
        update={"witness_policy": file, "outbound_private_hosts": ("127.0.0.1",), "witness_seconds": 2.0}
    )


@pytest.fixture
def witnesses(database: Database, tmp_path: Path) -> dict[str, Witness]:
    """Three witnesses of the house's log, none of them running."""
    house = database.parts
    logs = quorum.Policy(logs=policy.log_keys(house, house.settings.ledger_origin), quorum="none")
    return {name: witness(tmp_path / "witnesses" / name, f"{name}.example/w", logs) for name in NAMES}


@contextmanager
def up(witnesses: dict[str, Witness], ports: dict[str, int], *names: str) -> Iterator[None]:
    """Run some of the witnesses."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(running(witnesses[name], ports[name]))
        yield


def known(made: Witness, database: Database) -> int:
    """What a witness knows of the log."""
    with made.memory.held(database.parts.settings.ledger_origin) as held:
        return held.seen().size


def turn(database: Database) -> signer.Signed | None:
    """Sign and cosign as the worker does; returns what is published then."""
    signer.sign_if_due(database)
    signer.cosign(database)
    with database.reading() as db:
        return signer.published(db)


def opened(database: Database, signed: signer.Signed) -> erti_verify.Checkpoint:
    """The published checkpoint, as the citizen's verifier reads it."""
    trust = policy.text(database.parts, database.parts.settings.ledger_origin).encode()
    return erti_verify.open_checkpoint(signed.note, erti_verify.read_policy(trust))


def test_what_two_of_three_cosigned_is_published(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """With one witness down the checkpoint is cosigned by the other two, served, written as a file and accepted
    by the verifier; the third catches up when it is back, and its line is added."""
    with up(witnesses, ports, "audit", "ngo"):
        for count in (1, 300, 2):
            grow(database, ledger, count)
            published = turn(database)
            assert published is not None
            with database.reading() as db:
                newest = signer.newest(db)
                assert newest is not None
                assert newest.size == published.size
            found = opened(database, published)
            assert (found.size, found.witnesses) == (newest.size, ("audit", "ngo"))
            assert abs((found.signed_at or 0) - time.time()) < 60
            assert (signer.folder(database) / "checkpoint").read_text() == published.note
            app = FastAPI()
            app.include_router(api.router)
            app.state.database = database
            with TestClient(app) as web:
                assert web.get("/ledger/checkpoint").text == published.note
    with up(witnesses, ports, *NAMES):
        grow(database, ledger, 1)
        signer.sign_if_due(database)
        for _ in range(100):
            signer.cosign(database)
            with database.reading() as db:
                now = signer.published(db)
            if now and len(opened(database, now).witnesses) == 3:
                break
            time.sleep(0.1)
        assert now is not None
        assert opened(database, now).witnesses == ("audit", "ngo", "university")


def test_without_a_quorum_the_last_cosigned_checkpoint_stays(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """With two witnesses down nothing new is published, bundles are put off, and after ten minutes without a
    cosigned checkpoint nothing is released, however many were signed."""
    with up(witnesses, ports, "audit", "ngo"):
        before = turn(database)
        assert before is not None
    with up(witnesses, ports, "audit"):
        grow(database, ledger, 1)
        after = turn(database)
        assert after == before
        with database.reading() as db:
            newest = signer.newest(db)
            assert newest is not None
            assert newest.size > before.size
            assert signer.fresh(db)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bundle, "SECONDS_FOR_CHECKPOINT", 0.2)
            with pytest.raises(LedgerBusy):
                bundle.make(database, CITIZEN)
        long_ago = clock.now() - timedelta(seconds=601)
        with database.writing() as db:
            db.execute(tables.cosigned.update().values(at=long_ago))
        with database.reading() as db:
            assert not signer.fresh(db)
        ledger.start()
        with pytest.raises(LedgerBusy):
            ledger.submit(disclosure()).wait()


def test_bundles_are_cosigned(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """A citizen's bundle carries the quorum; without enough cosignatures, or with one that was altered, the
    verifier does not accept it, and says which of the two it is."""
    with up(witnesses, ports, "audit", "ngo"):
        with database.writing() as db:
            events.record(db, Moved(number=1), actor=SYSTEM, about=(CITIZEN,))
        ledger.drain(timeout=10)
        turn(database)
        made = bundle.make(database, CITIZEN)
    trust = erti_verify.read_policy(
        policy.text(database.parts, database.parts.settings.ledger_origin).encode()
    )
    history = erti_verify.read_bundle(made, trust)
    assert history.witnesses == ("audit", "ngo")
    with database.reading() as db:
        newest = signer.newest(db)
    assert newest is not None
    with pytest.raises(erti_verify.Rejected, match="UNWITNESSED"):
        erti_verify.open_checkpoint(newest.note, trust)
    with database.reading() as db:
        cosigned = signer.published(db)
    assert cosigned is not None
    lines = cosigned.note.splitlines(keepends=True)
    with pytest.raises(erti_verify.Rejected, match=r"UNWITNESSED.*audit"):
        erti_verify.open_checkpoint("".join(lines[:-1]), trust)
    last = note.parse_lines(lines[-1])[0]
    forged = note.Signature(last.name, last.key_id, last.blob[:-1] + bytes([last.blob[-1] ^ 1])).line()
    with pytest.raises(erti_verify.Rejected, match=r"ALTERED.*ngo\.example"):
        erti_verify.open_checkpoint("".join(lines[:-1]) + forged, trust)


def lying(answer: Response, seconds: float = 0) -> Starlette:
    """A witness that always answers the same, and takes its time."""

    def add_checkpoint(_request: Request) -> Response:
        time.sleep(seconds)
        return answer

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


FORGED = note.Signature("university.example/w", b"abcd", bytes(72)).line()


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Response("999999999\n", 409, headers={"Content-Type": "text/x.tlog.size"}), 0),
        (Response("-1\n", 409), 0),
        (PlainTextResponse(FORGED), 0),
        (PlainTextResponse("no signature at all"), 0),
        (Response(b"\xff\xfe" * 100), 0),
        (PlainTextResponse("", 422), 0),
        (PlainTextResponse("x" * 2_000_000), 0),
        (PlainTextResponse(FORGED), 30),
    ],
)
def test_one_witness_that_lies_or_sleeps_changes_nothing(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int],
    answer: Response, seconds: float,
) -> None:  # fmt: skip
    """Whatever one of three witnesses answers, or if it does not, the other two make the quorum, in time, and
    nothing of its answer is kept; the next checkpoints are signed too."""
    with up(witnesses, ports, "audit", "ngo"), served(lying(answer, seconds), ports["university"]):
        turn(database)
        patient = database.parts.settings.model_copy(update={"witness_seconds": 8.0})
        database.parts.settings = patient
        for _ in range(2):
            grow(database, ledger, 2)
            began = time.monotonic()
            published = turn(database)
            assert time.monotonic() - began < patient.witness_seconds / 2
            assert published is not None
            assert opened(database, published).witnesses == ("audit", "ngo")
            assert "university" not in published.note
        with database.reading() as db:
            newest = signer.newest(db)
        assert newest is not None
        assert newest.size == published.size


def test_a_witness_behind_and_a_witness_that_forgot_are_led_on(
    database: Database,
    ledger: Sequencer,
    witnesses: dict[str, Witness],
    ports: dict[str, int],
    tmp_path: Path,
) -> None:
    """A witness that missed checkpoints, and one that knows less than we think, get the proof from where they
    say they are."""
    with up(witnesses, ports, "audit", "university"):
        turn(database)
        grow(database, ledger, 5)
        turn(database)
    fresh = witness(tmp_path / "fresh", "audit.example/other", witnesses["audit"].policy)
    fresh.key = witnesses["audit"].key
    with running(fresh, ports["audit"]), up(witnesses, ports, "ngo"):
        witnessing._STATES.clear()
        grow(database, ledger, 5)
        published = turn(database)
    assert published is not None
    assert opened(database, published).witnesses == ("audit", "ngo")
    assert known(fresh, database) == known(witnesses["ngo"], database) == published.size
    assert known(witnesses["university"], database) < published.size


def other_database(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The same database from a machine without a guard file."""
    return elsewhere(database.parts.settings, tmp_path_factory.mktemp("other"), database)


def test_a_signer_without_its_guard_asks_the_witnesses(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """Adopting needs two of three witnesses to answer, and to know exactly what the database signed last."""
    with up(witnesses, ports, "audit", "ngo"):
        grow(database, ledger, 2)
        turn(database)
    with up(witnesses, ports, "audit"), pytest.raises(SignerRefused, match=r"too few witnesses answer.* ngo"):
        signer.adopt(other_database(database, tmp_path_factory))
    with up(witnesses, ports, "audit", "ngo"):
        with database.reading() as db:
            signed = signer.newest(db)
        other = other_database(database, tmp_path_factory)
        assert signer.adopt(other) == signed
        with database.writing() as db:  # an older copy: the last two checkpoints are not in it
            db.execute(tables.lease.delete())
        grow(database, ledger, 2)
        assert turn(other) is not None
        newer = known(witnesses["audit"], database)
        with database.writing() as db:
            db.execute(tables.checkpoint.delete().where(tables.checkpoint.c.size == newer))
        third = other_database(database, tmp_path_factory)
        with pytest.raises(SignerRefused, match=f"cosigned more .audit {newer}, ngo {newer}"):
            signer.adopt(third)


def test_a_signer_whose_guard_is_old_too_is_stopped_by_witnesses(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """If database and guard file are both put back, as with a machine's snapshot, the witnesses still know."""
    with up(witnesses, ports, "audit", "ngo"):
        turn(database)
        guard = signer.guard_path(database).read_bytes()
        with database.reading() as db:
            old = signer.newest(db)
        assert old is not None
        grow(database, ledger, 3)
        turn(database)
        signer.guard_path(database).write_bytes(guard)
        forget_head(database, 4)
        witnessing._STATES.clear()  # as a process that starts anew
        grow_by_hand(database)
        with pytest.raises(SignerRefused, match=r"witnesses cosigned more \(audit"):
            signer.sign_if_due(database)


def grow_by_hand(database: Database) -> None:
    """Make the next signing due."""
    with database.writing() as db:
        db.execute(tables.checkpoint.update().values(at=clock.now() - timedelta(seconds=3600)))


def test_a_first_start_asks_too(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """Before its very first signature a signer asks with the empty tree; while too few answer it signs nothing."""
    with pytest.raises(SignerRefused, match="too few witnesses answer"):
        signer.sign_if_due(database)
    with database.reading() as db:
        assert signer.newest(db) is None
    with up(witnesses, ports, "audit", "ngo"):
        assert turn(database) is not None


def test_changing_the_rule_publishes_only_what_fits_it(
    database: Database,
    ledger: Sequencer,
    witnesses: dict[str, Witness],
    ports: dict[str, int],
    tmp_path: Path,
) -> None:
    """What was cosigned under another quorum is not published under a stricter one."""
    with up(witnesses, ports, "audit", "ngo"):
        assert turn(database) is not None
    text = (tmp_path / "witness-policy").read_text().replace("group two 2", "group two 3")
    (tmp_path / "stricter").write_text(text)
    house = database.parts
    house.settings = house.settings.model_copy(update={"witness_policy": tmp_path / "stricter"})
    with database.reading() as db:
        assert signer.published(db) is None
    with up(witnesses, ports, *NAMES):
        witnessing._STATES.clear()
        published = turn(database)
    assert published is not None
    assert len(opened(database, published).witnesses) == 3


def test_witnesses_are_not_called_at_private_addresses_unasked(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """Without the setting that names the host, a witness at a private address is not called."""
    house = database.parts
    house.settings = house.settings.model_copy(update={"outbound_private_hosts": ()})
    with up(witnesses, ports, *NAMES):
        with pytest.raises(SignerRefused, match="too few"):
            signer.sign_if_due(database)
        assert known(witnesses["audit"], database) == 0
        assert httpx.get(f"http://127.0.0.1:{ports['audit']}/", trust_env=False).status_code == 200


def test_labels_are_no_part_of_what_witnesses_see(witnesses: dict[str, Witness]) -> None:
    """A witness keeps sizes, roots and notes, and nothing else."""
    columns = witnesses["audit"].memory._db.execute("SELECT name FROM pragma_table_info('seen')").fetchall()
    assert [name for (name,) in columns] == ["origin", "size", "root", "note", "at"]


def test_the_check_of_the_ledger_looks_at_cosigned_notes(
    database: Database, ledger: Sequencer, witnesses: dict[str, Witness], ports: dict[str, int]
) -> None:
    """A cosigned note that was exchanged for another tree's is found."""
    with up(witnesses, ports, "audit", "ngo"):
        first = turn(database)
        grow(database, ledger, 2)
        second = turn(database)
    assert first is not None
    assert second is not None
    assert fsck.check(database) == []
    with database.writing() as db:
        db.execute(
            tables.cosigned.update().where(tables.cosigned.c.size == second.size).values(note=first.note)
        )
    assert [str(found) for found in fsck.check(database)] == [
        f"cosigned checkpoint {second.size}: its note is of another tree, or not signed by every log key"
    ]


def test_witnesses_are_told_of_every_log(database: Database, ledger: Sequencer) -> None:
    """The policy for witnesses holds the keys of every log, so that a new year's log is cosigned from the start."""
    freezing.freeze(database, origin="ledger.erti.example/2027")
    with database.reading() as db:
        told = quorum.read(signer.policy_for_witnesses(db).encode())
    assert len(told.logs) == 4
    assert {log.name for log in told.logs} == {"ledger.erti.example/2026", "ledger.erti.example/2027"}


def test_a_bundle_shows_how_witnesses_saw_the_year_before_end(
    database: Database, ledger: Sequencer, tmp_path: Path, ports: dict[str, int]
) -> None:
    """After the turn of the year there is no bundle before the old log's end is cosigned; then it is in it, and accepted."""
    ledger.start()
    origin = "ledger.erti.example/2027"
    keys = [
        key
        for one in (database.parts.settings.ledger_origin, origin)
        for key in policy.log_keys(database.parts, one)
    ]
    follow = quorum.Policy(logs=keys, quorum="none")
    watch = {name: witness(tmp_path / "witnesses" / name, f"{name}.example/w", follow) for name in NAMES}
    with up(watch, ports, *NAMES):
        ledger.submit(disclosure()).wait()
        turn(database)
    freezing.freeze(database, origin=origin)
    with up(watch, ports, *NAMES):
        ledger.submit(disclosure()).wait()
        turn(database)
        turn(database)
        made = bundle.make(database, CITIZEN)
    with database.reading() as db:
        trust = erti_verify.read_policy(signer.policy_text(db).encode())
    history = erti_verify.read_bundle(made, trust)
    assert [entry.number for entry in history.entries] == [1, 1]
    assert len(history.trees) == 2
    with database.writing() as db:
        db.execute(tables.cosigned.delete().where(tables.cosigned.c.log == 1))
    with pytest.raises(LedgerBusy):
        bundle.make(database, CITIZEN)
