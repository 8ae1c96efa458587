"""Two institutions on the command line: one runs a ledger, the other a witness and a mirror, and both are needed once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from consent.ledger import note, quorum
from tests.ports import free_port, wait_for, within
from tests.service.command_line import erti


@contextmanager
def started(*words: str, **variables: str) -> Iterator[None]:
    """Run a command of ours as a process until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", "service", *words], env={**os.environ, **variables})
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def enrol(folder: Path, name: str, **settings: str) -> None:
    """Make something happen that is recorded."""
    words = ("citizens", "enrol", "--username", name, "--password-stdin", "--json")
    assert erti(folder, *words, stdin="correct horse battery", **settings).exit_code == 0


@pytest.mark.slow
def test_a_witness_a_mirror_and_a_restore_by_commands_alone(tmp_path: Path) -> None:
    """`erti witness key` and `serve`, `erti ledger policy`, `mirror`, `publish`, `recover` and `fsck` do what their help
    says: the served checkpoint is cosigned, the mirror takes it, an older backup is refused, and comes back whole."""
    folder, copy, own = tmp_path / "ledger", tmp_path / "mirror", tmp_path / "witness"
    port, other = free_port(), free_port()
    made = erti(folder, "witness", "key", "--data", str(own), "--name", "audit.example/w1")
    assert made.exit_code == 0
    line = [line for line in made.stdout.splitlines() if line.startswith("witness ")][1]
    rule = tmp_path / "witnesses"
    rule.write_text(
        line.replace("https://audit.example/w1", f"http://127.0.0.1:{other}") + "\nquorum audit.example\n"
    )
    settings = {
        "ERTI_WITNESS_POLICY": str(rule),
        "ERTI_OUTBOUND_PRIVATE_HOSTS": '["127.0.0.1"]',
        "ERTI_ISSUER": f"http://localhost:{port}",
    }
    assert erti(folder, "migrate", **settings).exit_code == 0
    assert erti(folder, "ledger", "policy", str(tmp_path / "policy"), **settings).exit_code == 0
    for_witness = erti(folder, "ledger", "policy", "--for-witnesses", **settings).stdout
    (tmp_path / "logs").write_text(for_witness)
    trusted = quorum.read((tmp_path / "policy").read_bytes())
    environment = {**settings, "ERTI_DATA_DIR": str(folder), "ERTI_DATABASE_URL": ""}
    serve = ("witness", "serve", "--data", str(own), "--policy", str(tmp_path / "logs"), "--port", str(other))
    url, mirror = f"http://127.0.0.1:{port}/ledger", ("ledger", "mirror")

    def size() -> int:
        answer = httpx.get(f"{url}/checkpoint", trust_env=False, timeout=10)
        if answer.status_code != 200:
            return 0
        head, signed = note.open_checkpoint(answer.text, [*trusted.logs, *trusted.witness_keys()])
        assert trusted.met(list(signed))
        return head.size

    with started(*serve):
        wait_for(f"http://127.0.0.1:{other}/")
        with started("serve", "--port", str(port), **environment), started("worker", **environment):
            wait_for(f"http://localhost:{port}/healthz")
            enrol(folder, "first@example.org", **settings)
            assert within(60, lambda: size() > 1)
        shutil.copy(folder / "erti.db", tmp_path / "backup.db")
        before = size_of(folder, settings)
        with started("serve", "--port", str(port), **environment), started("worker", **environment):
            wait_for(f"http://localhost:{port}/healthz")
            assert erti(folder, "keys", "rotate", "--now", **settings).exit_code == 0
            assert within(60, lambda: size() > before)
            words = (*mirror, url, str(copy), "--policy", str(tmp_path / "policy"))
            answer = erti(tmp_path / "elsewhere", *words, "--json", **settings)
            assert answer.exit_code == 0, answer.stderr
            mirrored = json.loads(answer.stdout)["size"]
            assert mirrored > before
        for path in folder.glob("erti.db*"):
            path.unlink()
        shutil.copy(tmp_path / "backup.db", folder / "erti.db")
        refused = erti(folder, "ledger", "publish", **settings)
        assert refused.exit_code == 1
        assert "older copy" in refused.stderr
        assert "erti ledger recover" in refused.stderr
        recovered = erti(folder, "ledger", "recover", "--mirror", str(copy), "--json", **settings)
        assert recovered.exit_code == 0, recovered.stderr
        assert json.loads(recovered.stdout)["logs"][0]["size"] >= mirrored
        checked = erti(folder, "ledger", "fsck", **settings)
        assert checked.stdout.strip() == "Everything adds up.", checked.stdout
        assert erti(folder, "ledger", "publish", **settings).exit_code == 0
        status = json.loads(erti(folder, "ledger", "status", "--json", **settings).stdout)
        assert status["published"] == status["checkpoint"] >= mirrored


def size_of(folder: Path, settings: dict[str, str]) -> int:
    """How many entries the ledger has."""
    return int(json.loads(erti(folder, "ledger", "status", "--json", **settings).stdout)["size"])


def test_mistakes_are_said_in_a_sentence(tmp_path: Path) -> None:
    """No key, no log line, no policy and no quorum each get a sentence and a usage error."""
    (tmp_path / "empty").write_text("quorum none\n")
    words = ("witness", "serve", "--data", str(tmp_path / "w"), "--policy")
    assert "erti witness key" in erti(tmp_path, *words, str(tmp_path / "empty")).stderr
    erti(tmp_path, "witness", "key", "--data", str(tmp_path / "w"), "--name", "a.example/w")
    assert "nothing to witness" in erti(tmp_path, *words, str(tmp_path / "empty")).stderr
    assert "cannot be read" in erti(tmp_path, *words, str(tmp_path / "missing")).stderr
    wrong = erti(tmp_path, "witness", "key", "--data", str(tmp_path / "w"), "--name", "b.example/w")
    assert (wrong.exit_code, "does not change its name" in wrong.stderr) == (2, True)
    (tmp_path / "broken").write_text("quorum nobody\n")
    refused = erti(tmp_path, "ledger", "status", ERTI_WITNESS_POLICY=str(tmp_path / "broken"))
    assert (refused.exit_code, "ERTI_WITNESS_POLICY" in refused.stderr) == (2, True)
