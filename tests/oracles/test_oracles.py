"""Two programs that others wrote read our log as strangers: one on golang.org/x/mod/sumdb, one on PyPI's aics-tlog.

aics-tlog asks for Python 3.12 and runs in an environment of its own. Where a machine has none (Debian 12 has 3.11),
the same package runs on 3.11: all of it does, not only its tree.
"""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consent.ledger import note
from tests.oracles.conftest import Judge, Log

ORACLES = [
    pytest.param("go", marks=pytest.mark.needs("go")),
    pytest.param("aics", marks=pytest.mark.needs("aics")),
]


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Give the oracle that a test is run with."""
    found: Judge = request.getfixturevalue(request.param)
    return found


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def bundle(log: Log) -> None:
    """Alter an entry that was published."""
    flip(log.folder / "tile/entries/000", 200)


def last_bundle(log: Log) -> None:
    """Alter an entry at the right edge."""
    flip(next((log.folder / "tile/entries/001.p").iterdir()), 40)


def tile(log: Log) -> None:
    """Alter a hash in a full tile."""
    flip(log.folder / "tile/0/000", 77)


def parent_tile(log: Log) -> None:
    """Alter the hash of a full tile in the row above."""
    flip(log.folder / "tile/1/000.p/1", 3)


def right_edge(log: Log) -> None:
    """Alter a hash in the tile at the right edge."""
    flip(next((log.folder / "tile/0/001.p").iterdir()), 9)


def lost_tile(log: Log) -> None:
    """Lose a tile."""
    (log.folder / "tile/0/000").unlink()


def lost_bundle(log: Log) -> None:
    """Lose the entries of a tile."""
    (log.folder / "tile/entries/000").unlink()


def swapped_entries(log: Log) -> None:
    """Exchange two neighbouring entries, and their hashes with them."""
    path = log.folder / "tile/entries/000"
    data = path.read_bytes()
    at = data.index(b"\x00\x21\x01")  # two commitments of one length follow each other from here on
    path.write_bytes(data[:at] + data[at + 35 : at + 70] + data[at : at + 35] + data[at + 70 :])
    tile = log.folder / "tile/0/000"
    first = len(log_entries(data[:at])) * 32
    hashes = tile.read_bytes()
    tile.write_bytes(
        hashes[:first] + hashes[first + 32 : first + 64] + hashes[first : first + 32] + hashes[first + 64 :]
    )


def log_entries(data: bytes) -> list[bytes]:
    """Return the entries of a bundle."""
    found = []
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        found.append(data[2:end])
        data = data[end:]
    return found


def checkpoint_text(log: Log) -> None:
    """Change the root in the checkpoint and leave its signature."""
    path = log.folder / "checkpoint"
    origin, size, root, rest = path.read_text().split("\n", 3)
    other = base64.b64encode(bytes(32)).decode()
    assert other != root
    path.write_text(f"{origin}\n{size}\n{other}\n{rest}")


def foreign_signature(log: Log) -> None:
    """Sign the checkpoint with another key of the same name."""
    path = log.folder / "checkpoint"
    head = note.Checkpoint.parse(note.split(path.read_text())[0])
    path.write_text(note.sign(head, [note.Ed25519Signer(log.origin, b"f" * 32)], at=1))


def other_key(log: Log) -> None:
    """Trust another key."""
    log.vkey = note.Ed25519Signer(log.origin, b"f" * 32).key.text()


def other_origin(log: Log) -> None:
    """Take the log for another one."""
    log.origin = "ledger.erti.example/2027"


def smaller_tree(log: Log) -> None:
    """Serve the earlier checkpoint as the present one, and claim that the present one came before."""
    path = log.folder / "checkpoint"
    now, log.claims["earlier"] = path.read_text(), log.claims["earlier"]
    path.write_text(log.claims["earlier"])
    log.claims["earlier"] = now
    log.claims["inclusion"] = []


def consistency(log: Log) -> None:
    """Change the way from the earlier tree."""
    log.claims["consistency"][0] = base64.b64encode(bytes(32)).decode()


def cut_consistency(log: Log) -> None:
    """Leave out the last step of the way from the earlier tree."""
    log.claims["consistency"].pop()


def forged_earlier(log: Log) -> None:
    """Claim an earlier checkpoint that the log's key never signed."""
    log.claims["earlier"] = log.claims["earlier"].replace("\n1", "\n2", 1)


def inclusion(log: Log) -> None:
    """Claim the proof of an entry for its neighbour."""
    log.claims["inclusion"][7]["path"] = log.claims["inclusion"][9]["path"]


def long_inclusion(log: Log) -> None:
    """Add a step to a proof."""
    log.claims["inclusion"][7]["path"].append(log.claims["inclusion"][7]["path"][0])


def beyond(log: Log) -> None:
    """Claim a proof of an entry that is not there."""
    log.claims["inclusion"].append({**log.claims["inclusion"][-1], "index": len(log.claims["inclusion"])})


ATTACKS = (
    bundle, last_bundle, tile, parent_tile, right_edge, lost_tile, lost_bundle, swapped_entries, checkpoint_text,
    foreign_signature, other_key, other_origin, smaller_tree, consistency, cut_consistency, forged_earlier, inclusion,
    long_inclusion, beyond,
)  # fmt: skip


@pytest.mark.parametrize("judge", ORACLES, indirect=True)
def test_a_stranger_finds_our_logs_whole(judge: Judge, years: list[Log]) -> None:
    """Of a frozen log and of the one after it, checkpoint, tiles, entries, our proofs and the way from an earlier checkpoint hold."""
    assert len(years[0].claims["inclusion"]) > 256
    for log in years:
        count = len(log.claims["inclusion"])
        assert log.claims["consistency"]
        assert judge(log) == {"ok": True, "size": count, "leaves": count, "claims": count}


@pytest.mark.parametrize("judge", ORACLES, indirect=True)
def test_one_year_is_not_another(judge: Judge, years: list[Log]) -> None:
    """The next year's log is refused under the name and key of the year before."""
    verdict = judge(Log(years[1].folder, years[0].vkey, years[0].origin, years[1].claims))
    assert verdict["ok"] is False


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: str(attack.__name__))
@pytest.mark.parametrize("judge", ORACLES, indirect=True)
def test_a_stranger_finds_what_was_tampered_with(
    judge: Judge, log: Log, tmp_path: Path, attack: Callable[[Log], None]
) -> None:
    """Each way of tampering with a log that is otherwise whole is refused, and nothing else of it was changed."""
    mine = log.copy(tmp_path / "log")
    attack(mine)
    assert changed(log, mine) or (mine.vkey, mine.origin, mine.claims) != (log.vkey, log.origin, log.claims)
    verdict = judge(mine)
    assert verdict["ok"] is False
    assert verdict["error"]
    shutil.rmtree(mine.folder)


def changed(log: Log, mine: Log) -> bool:
    """Tell whether any file differs."""
    files = {path.relative_to(log.folder) for path in log.folder.rglob("*") if path.is_file()}
    return any(
        not (mine.folder / name).exists()
        or (mine.folder / name).read_bytes() != (log.folder / name).read_bytes()
        for name in files
    )


@pytest.mark.needs("aics")
@pytest.mark.parametrize("wrong", ["witness.example/c", "witness.example/a"])
def test_a_stranger_counts_our_witnesses(aics: Judge, log: Log, tmp_path: Path, wrong: str) -> None:
    """aics-tlog verifies our witnesses' cosignatures (C2SP cosignature/v1), and misses one that is not there or is another's."""
    mine = log.copy(tmp_path / "log")
    mine.claims["witnesses"][0] = note.CosignatureSigner(wrong, b"c" * 32).key.text()
    verdict = aics(mine)
    assert verdict["ok"] is False
    assert "witness" in verdict["error"] or "cosign" in verdict["error"] or "quorum" in verdict["error"]


@pytest.mark.parametrize("judge", ORACLES, indirect=True)
def test_a_verdict_needs_the_claims(judge: Judge, log: Log) -> None:
    """Without claims the files alone are judged, and are whole."""
    nothing: dict[str, Any] = {"earlier": "", "consistency": [], "inclusion": [], "witnesses": []}
    bare = Log(log.folder, log.vkey, log.origin, nothing)
    verdict = judge(bare)
    assert (verdict["ok"], verdict["claims"]) == (True, 0)
    assert json.loads(json.dumps(verdict))["leaves"] == len(log.claims["inclusion"])
