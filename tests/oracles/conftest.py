"""A real log, signed by the real signer, and two strangers who judge it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from consent import decisions, disclosure
from consent.ledger import entries, note, policy, proofs, signer
from core.database import Database
from core.settings import Settings
from service.app import begin, open_house
from tests import machine
from tests.consent import country
from tests.engines import Sqlite

HERE = Path(__file__).parent
ORIGIN = "ledger.erti.example/2026"
EARLY, READS = 130, 400  # so that the earlier tree ends within a tile and the later one has a full one
Judge = Callable[["Log"], dict[str, Any]]


@dataclass
class Log:
    """A log's folder, what it is called and signed with, and what its owner claims about it."""

    folder: Path
    vkey: str
    origin: str = ORIGIN
    claims: dict[str, Any] = field(default_factory=dict)

    def copy(self, folder: Path) -> "Log":
        """Return the same log in another folder, to be tampered with."""
        shutil.copytree(self.folder, folder)
        return Log(folder, self.vkey, self.origin, json.loads(json.dumps(self.claims)))


def build(database: Database, folder: Path) -> Log:
    """Let a citizen decide and agencies read until the log has a full tile, and sign it twice."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, country.CITIZEN)
        grant = country.allow(db, "given_name", "income_bracket")
    for number in range(READS):
        if number == EARLY:
            database.parts.sequencer.drain()
            early = signer.sign_if_due(database)
        disclosure.release(database, country.ask("given_name"))
    with database.writing() as db:
        decisions.withdraw(db, grant, actor=country.ME)
    database.parts.sequencer.drain()
    late = signer.sign_if_due(database)
    assert early is not None
    assert late is not None
    assert early.size < late.size
    shutil.copytree(signer.folder(database), folder, ignore=shutil.ignore_patterns("signer*"))
    with database.reading() as db:
        claims = claims_of(db, early.note, early.size, late.size)
    claims["witnesses"] = cosigned(folder / "checkpoint")
    return Log(
        folder,
        policy.log_keys(database.parts, database.parts.settings.ledger_origin)[0].text(),
        claims=claims,
    )


def claims_of(db: Session, earlier: str, old: int, new: int) -> dict[str, Any]:
    """Return the proofs that the ledger itself makes: from the earlier tree, and of every entry."""
    tiles = proofs.Tiles(db, 1, new)
    return {
        "earlier": earlier,
        "consistency": [entries.base64_of(step) for step in proofs.consistency(db, 1, old, new)],
        "inclusion": [
            {"index": index, "path": [entries.base64_of(step) for step in tiles.inclusion(index)]}
            for index in range(new)
        ],
    }


def cosigned(checkpoint: Path) -> list[str]:
    """Let two witnesses of our own cosign a checkpoint; returns their keys."""
    text = checkpoint.read_text()
    head = note.Checkpoint.parse(note.split(text)[0])
    witnesses = [note.CosignatureSigner(f"witness.example/{name}", name.encode() * 32) for name in "ab"]
    checkpoint.write_text(text + "".join(one.sign(head, at=1_790_000_000).line() for one in witnesses))
    return [one.key.text() for one in witnesses]


@pytest.fixture(scope="session")
def log(sqlite: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """Give a log with a full tile, once for this pytest process; nobody may change it."""
    home = tmp_path_factory.mktemp("oracles")
    settings = Settings(
        issuer="https://id.erti.example",
        database_url=sqlite.fresh(home / "erti.db"),
        data_dir=home,
        ledger_origin=ORIGIN,
        argon2_memory_kib=64,
        argon2_passes=1,
    )
    database = open_house(settings)
    begin(database)
    database.parts.sequencer.start()
    yield build(database, home / "published")
    database.parts.sequencer.stop()
    database.close()


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Give the oracle in Go, built from its source here and now."""
    program = tmp_path_factory.mktemp("go") / "oracle"
    built = subprocess.run(
        ["go", "build", "-o", program, "."],
        cwd=HERE / "go",
        env={**os.environ, "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return lambda log: judged([str(program)], log)


@pytest.fixture(scope="session")
def aics() -> Judge:
    """Give the oracle aics-tlog, in the environment that was set up for it."""
    python = machine.aics()
    assert python is not None
    return lambda log: judged([python, "-I", str(HERE / "aics_judge.py")], log)


def judged(command: list[str], log: Log) -> dict[str, Any]:
    """Return a program's verdict about a log; its exit code says the same."""
    done = subprocess.run(
        [*command, str(log.folder), log.origin, log.vkey],
        input=json.dumps(log.claims),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == verdict["ok"], done
    return verdict
