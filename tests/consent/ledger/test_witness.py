from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.ledger import note, tree
from consent.ledger.witness import core, key
from consent.ledger.witness.core import Cosigned, NotConsistent, OtherSize, Rate, TooOften, Witness
from consent.ledger.witness.memory import FILE, Forgetful, Memory
from tests.consent.ledger.witnesses import ORIGIN, Log, running, witness
from tests.ports import free_port, wait_for

LOG = Log()
FORK = Log("b")


@pytest.fixture
def made(tmp_path: Path) -> Witness:
    """A witness of the log."""
    return witness(tmp_path / "w", "audit.example/w1", LOG.policy())


def post(url: str, body: bytes) -> httpx.Response:
    """Ask for a cosignature."""
    return httpx.post(f"{url}/add-checkpoint", content=body, trust_env=False, timeout=30)


def cosigned(made: Witness, size: int, lines: str) -> list[int | None]:
    """When the witness's two keys signed, each verified."""
    checkpoint = LOG.checkpoint(size)
    found = note.parse_lines(lines)
    keys = [signer.key for signer in made.key.signers]
    assert [(line.name, line.key_id) for line in found] == [(k.name, k.key_id) for k in keys]
    return [note.verify(checkpoint.text(), k, line) for k, line in zip(keys, found, strict=True)]


def test_a_log_that_grows_is_cosigned(made: Witness) -> None:
    """Over HTTP, growth from nothing, by a proof, and not at all, gets both cosignatures, with their time."""
    with running(made) as url:
        for old, size in [(0, 3), (3, 300), (300, 300), (300, 301)]:
            answer = post(url, LOG.request(old, size))
            assert answer.status_code == 200, answer.text
            times = cosigned(made, size, answer.text)
            assert all(at is not None and at > 1_700_000_000 for at in times)
        with httpx.Client(trust_env=False) as client:
            assert made.key.signers[1].key.text() in client.get(url).text


def test_each_refusal_has_the_protocols_status(made: Witness) -> None:
    """Every "no" of C2SP tlog-witness has its status, and none of them changes what the witness knows."""
    stranger = Log(origin="other.example")
    unsigned = Log(signers=[note.Ed25519Signer(ORIGIN, b"x" * 32)])
    wrong = LOG.request(5, 9).replace(b"old 5\n", b"old 5\n" + note.encode(bytes(32)).encode() + b"\n")
    with running(made) as url:
        assert post(url, LOG.request(0, 5)).status_code == 200
        conflict = post(url, LOG.request(4, 9))
        assert (conflict.status_code, conflict.text) == (409, "5\n")
        assert conflict.headers["content-type"] == "text/x.tlog.size"
        assert (post(url, FORK.request(5, 5)).status_code, made_size(made)) == (409, 5)
        for body, status in [
            (FORK.request(5, 9), 422),
            (wrong, 422),
            (stranger.request(0, 5), 404),
            (unsigned.request(5, 9), 403),
            (LOG.request(9, 5), 400),
            (LOG.request(5, 9).replace(b"old 5", b"old 05"), 400),
            (b"", 400),
            (b"old 5\n" + b"x" * core.MOST_BYTES, 400),
        ]:
            assert post(url, body).status_code == status, body[:60]
        assert post(url, LOG.request(5, 9)).status_code == 200


def made_size(made: Witness) -> int:
    """What the witness knows of the log."""
    with made.memory.held(ORIGIN) as held:
        return held.seen().size


def test_a_forged_line_beside_the_logs_own_is_passed_over(made: Witness) -> None:
    """Lines under strangers' names, even the witness's own, neither help nor are kept as cosignatures."""
    forged = note.Signature(made.key.name, made.key.signers[0].key.key_id, bytes(72)).line()
    answer = made.add(core.parse(LOG.request(0, 5) + forged.encode()))
    assert isinstance(answer, Cosigned)
    cosigned(made, 5, answer.lines)
    log_forged = note.Signature(ORIGIN, LOG.signers[0].key.key_id, bytes(64)).line()
    assert isinstance(made.add(core.parse(LOG.request(5, 9) + log_forged.encode())), core.NotSigned)
    assert made_size(made) == 5


def test_of_two_trees_of_one_size_one_is_cosigned(tmp_path: Path) -> None:
    """However two different trees of one size race, over two connections to one file, exactly one is cosigned."""
    for turn in range(20):
        folder = tmp_path / str(turn)
        pair = [witness(folder, "audit.example/w1", LOG.policy()) for _ in range(2)]
        assert isinstance(pair[0].add(core.parse(LOG.request(0, 4))), Cosigned)
        shared = Log("a")
        bodies = [core.parse(shared.request(4, 9)), core.parse(_forked_after(4, 9))]
        outcomes: list[object] = [None, None]
        ready = threading.Barrier(2)

        def ask(
            number: int, pair: list[Witness] = pair, bodies: list[core.Request] = bodies,
            outcomes: list[object] = outcomes, ready: threading.Barrier = ready,
        ) -> None:  # fmt: skip
            ready.wait()
            outcomes[number] = pair[number].add(bodies[number])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Cosigned", "OtherSize"]


class _Forked(Log):
    """The log up to four leaves, and others after them."""

    def _leaf(self, index: int) -> bytes:
        return tree.leaf_hash(f"{'a' if index < 4 else 'c'} {index}".encode())


def _forked_after(old: int, size: int) -> bytes:
    return _Forked().request(old, size)


def test_both_sides_of_a_fork_are_not_cosigned(made: Witness) -> None:
    """A tree that grew otherwise than the one cosigned is not cosigned at any size, whatever the proof."""
    assert isinstance(made.add(core.parse(LOG.request(0, 6))), Cosigned)
    assert isinstance(made.add(core.parse(_forked_after(6, 9))), NotConsistent)
    assert made.add(core.parse(_forked_after(6, 6))) == OtherSize(6)
    assert made.add(core.parse(LOG.request(0, 5))) == OtherSize(6)


def test_a_new_process_remembers(made: Witness, tmp_path: Path) -> None:
    """What was cosigned is known after the witness starts anew, and its key is the same."""
    assert isinstance(made.add(core.parse(LOG.request(0, 6))), Cosigned)
    made.memory.close()
    again = witness(tmp_path / "w", "audit.example/w1", LOG.policy())
    assert again.key.signers[1].key == made.key.signers[1].key
    assert again.add(core.parse(LOG.request(0, 7))) == OtherSize(6)


def test_the_file_itself_refuses_to_shrink(made: Witness, tmp_path: Path) -> None:
    """Not even by hand can a log's record be made smaller, changed at its size, or taken out."""
    assert isinstance(made.add(core.parse(LOG.request(0, 6))), Cosigned)
    file = sqlite3.connect(tmp_path / "w" / FILE)
    for statement in ("UPDATE seen SET size = 5", "UPDATE seen SET root = zeroblob(32)", "DELETE FROM seen"):
        with pytest.raises(sqlite3.IntegrityError):
            file.execute(statement)


def test_a_log_may_not_ask_without_end(tmp_path: Path) -> None:
    """A log that asks more often than it may has to wait; strangers' requests do not use up its turns."""
    made = witness(tmp_path, "audit.example/w1", LOG.policy(), rate=Rate(0.5, 2))
    stranger = Log(signers=[note.Ed25519Signer(ORIGIN, b"x" * 32)])
    for _ in range(5):
        assert isinstance(made.add(core.parse(stranger.request(0, 5))), core.NotSigned)
    outcomes = [made.add(core.parse(LOG.request(0, 5))) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Cosigned, OtherSize, TooOften]
    with running(made) as url:
        answer = post(url, LOG.request(5, 5))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


@contextmanager
def process(folder: Path) -> Iterator[tuple[str, int]]:
    """A witness as a program of its own; yields its address and its process ID."""
    key.make(folder, "audit.example/w1")
    policy, port = folder / "policy", free_port()
    policy.write_text("".join(f"log {signer.key.text()}\n" for signer in LOG.signers) + "quorum none\n")
    command = [sys.executable, "-m", "service", "witness", "serve", "--data", str(folder)]
    started = subprocess.Popen([*command, "--policy", str(policy), "--port", str(port)])
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(20)


def test_a_write_that_fails_is_not_cosigned(tmp_path: Path) -> None:
    """When the disk takes no more, the witness gives no cosignature, none afterwards either, and a witness
    started anew knows what it knew."""
    with process(tmp_path) as (url, number):
        assert post(url, LOG.request(0, 5)).status_code == 200
        full = (tmp_path / f"{FILE}-wal").stat().st_size + 100
        endless = resource.RLIM_INFINITY
        resource.prlimit(number, resource.RLIMIT_FSIZE, (full, endless))
        assert post(url, LOG.request(5, 9)).status_code == 503
        resource.prlimit(number, resource.RLIMIT_FSIZE, (endless, endless))
        assert post(url, LOG.request(5, 9)).status_code == 503
    again = Witness(key.load(tmp_path), LOG.policy(), Memory(tmp_path))
    assert again.add(core.parse(LOG.request(0, 9))) == OtherSize(5)
    assert isinstance(again.add(core.parse(LOG.request(5, 9))), Cosigned)


@pytest.mark.needs("strace")
def test_a_sync_that_fails_is_not_cosigned(tmp_path: Path) -> None:
    """When the disk says that it could not sync, no cosignature is given, and none until a new start."""
    with process(tmp_path) as (url, number):
        assert post(url, LOG.request(0, 5)).status_code == 200
        inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
        command = ["strace", "-f", "-p", str(number), "-o", str(tmp_path / "trace"), *inject]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            assert post(url, LOG.request(5, 9)).status_code == 503
            tracer.send_signal(signal.SIGTERM)
            tracer.wait(20)
        assert "EIO" in (tmp_path / "trace").read_text()
        assert post(url, LOG.request(5, 9)).status_code == 503


def test_a_statement_that_fails_is_not_cosigned(made: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a statement fails, nothing of it is kept, and nothing is signed by this process any more."""
    assert isinstance(made.add(core.parse(LOG.request(0, 5))), Cosigned)
    with pytest.raises(Forgetful), made.memory.held(ORIGIN) as held:
        held.keep(9, bytes(32), "", at=0)
        held.keep(4, bytes(32), "", at=0)  # the trigger refuses: as good as any other error of the file
    with pytest.raises(Forgetful, match="anew"):
        made.add(core.parse(LOG.request(5, 9)))


def test_a_key_file_that_others_read_is_refused(tmp_path: Path) -> None:
    """A witness does not start with a key that others can read, that is damaged, or under another name."""
    key.make(tmp_path, "audit.example/w1")
    with pytest.raises(key.BadKey, match="does not change its name"):
        key.make(tmp_path, "other.example/w1")
    path = tmp_path / key.FILE
    path.chmod(0o644)
    with pytest.raises(key.BadKey, match="600"):
        key.load(tmp_path)
    path.write_text("{}")
    path.chmod(0o600)
    with pytest.raises(key.BadKey, match="not a witness's key"):
        key.load(tmp_path)
    with pytest.raises(key.BadKey, match="no spaces"):
        key.make(tmp_path / "new", "audit example")
    assert not (tmp_path / "new" / key.FILE).exists()


PIECES = st.sampled_from(
    ["old ", "0", "7", "\n", "\n\n", note.encode(bytes(32)), ORIGIN, "— ", " ", "=", "é"]
)


@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=14).map(lambda p: "".join(p).encode())))
def test_any_request_is_read_or_refused(body: bytes) -> None:
    """Whatever is posted, it is a request of the protocol or refused with the parser's own error."""
    try:
        asked = core.parse(body)
    except core.BadRequest:
        return
    lines = "".join(f"{note.encode(step)}\n" for step in asked.proof)
    assert f"old {asked.old}\n{lines}\n{asked.note}".encode() == body
