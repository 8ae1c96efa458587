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
from consent.ledger import entries, freezing, logs, note, policy, proofs, signer
from consent.ledger.signer import Signed
from core.database import Database
from core.settings import Settings
from service.app import begin, open_house
from tests import machine
from tests.consent import country
from tests.engines import Sqlite

HERE = Path(__file__).parent
ORIGIN, FOLLOWING = "ledger.erti.example/2026", "ledger.erti.example/2027"
EARLY, READS = 130, 270  # so that the earlier tree ends within a tile and the later one has a full one
Judge = Callable[["Log"], dict[str, Any]]


@dataclass
class Log:
    """A log's folder, what it is called and signed with, and what its owner claims about it."""

    folder: Path
    vkey: str
    origin: str
    claims: dict[str, Any] = field(default_factory=dict)

    def copy(self, folder: Path) -> "Log":
        """Return the same log in another folder, to be tampered with."""
        shutil.copytree(self.folder, folder)
        return Log(folder, self.vkey, self.origin, json.loads(json.dumps(self.claims)))


def build(database: Database, folder: Path) -> list[Log]:
    """Let a citizen decide and agencies read until the log has a full tile, freeze it, and begin the next; sign in between."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, country.CITIZEN)
        grant = country.allow(db, "given_name", "income_bracket")
    early = [read(database, EARLY)]
    read(database, READS)
    with database.writing() as db:
        grant = decisions.withdraw(db, grant, attributes=["income_bracket"], actor=country.ME)
    database.parts.sequencer.drain()
    freezing.freeze(database, origin=FOLLOWING)
    early.append(read(database, 2))
    with database.writing() as db:
        decisions.withdraw(db, grant, actor=country.ME)
    database.parts.sequencer.drain()
    signer.sign_if_due(database)
    with database.reading() as db:
        return [
            published(database, db, log, earlier, folder / str(log.number))
            for log, earlier in zip(logs.listing(db), early, strict=True)
        ]


def read(database: Database, count: int) -> Signed:
    """Let an agency read so often; returns the checkpoint that was signed then."""
    for _ in range(count):
        disclosure.release(database, country.ask("given_name"))
    database.parts.sequencer.drain()
    signed = signer.sign_if_due(database)
    assert signed is not None
    return signed


def published(database: Database, db: Session, log: logs.Log, earlier: Signed, folder: Path) -> Log:
    """Return a log as the world sees it, with the proofs that the ledger itself makes: of growth, and of every entry."""
    shutil.copytree(signer.folder(database, log.number), folder, ignore=shutil.ignore_patterns("signer*"))
    newest = signer.newest(db, log.number)
    assert newest is not None
    assert earlier.size < newest.size == log.size
    tiles = proofs.Tiles(db, log.number, log.size)
    growth = proofs.consistency(db, log.number, earlier.size, log.size)
    claims = {
        "earlier": earlier.note,
        "consistency": [entries.base64_of(step) for step in growth],
        "inclusion": [
            {"index": index, "path": [entries.base64_of(step) for step in tiles.inclusion(index)]}
            for index in range(log.size)
        ],
        "witnesses": cosigned(folder / "checkpoint"),
    }
    return Log(folder, policy.log_keys(database.parts, log.origin)[0].text(), log.origin, claims)


def cosigned(checkpoint: Path) -> list[str]:
    """Let two witnesses of our own cosign a checkpoint; returns their keys."""
    text = checkpoint.read_text()
    head = note.Checkpoint.parse(note.split(text)[0])
    witnesses = [note.CosignatureSigner(f"witness.example/{name}", name.encode() * 32) for name in "ab"]
    checkpoint.write_text(text + "".join(one.sign(head, at=1_790_000_000).line() for one in witnesses))
    return [one.key.text() for one in witnesses]


@pytest.fixture(scope="session")
def log(years: list[Log]) -> Log:
    """Give a log with a full tile; nobody may change it."""
    return years[0]


@pytest.fixture(scope="session")
def years(sqlite: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Log]]:
    """Give the log of a year that was frozen, and the one that grows now, once for this pytest process."""
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
        env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"},
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
