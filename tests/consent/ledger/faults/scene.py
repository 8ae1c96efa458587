"""Lets processes of a house die or fail at a chosen call to the system, and holds the house to what they had said."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from consent.ledger import bundle, fsck, note, policy, publish, signer, tiles
from consent.ledger.tables import checkpoint, head
from core.database import Database
from tests import ports
from tests.consent.ledger.auditor import Auditor
from tests.consent.ledger.faults import child
from tests.service_process import REPOSITORY
from verifier import erti_verify

# Every call by which a process changes a file, a folder or what a database server holds.
CALLS = [
    "openat",
    "write",
    "pwrite64",
    "pwritev",
    "sendto",
    "fsync",
    "fdatasync",
    "ftruncate",
    "link",
    "unlink",
    "rename",
    "mkdir",
    "flock",
]
PATIENCE = 60


@dataclass(frozen=True)
class Call:
    """The nth call of a name that a thread makes in its round; "3+" is the third and all after it."""

    thread: str
    name: str
    nth: int | str


@dataclass
class Judge:
    """What was ever said by any process, and whether the house stands by it."""

    database: Database
    folder: Path
    auditor: Auditor
    roots: dict[int, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    answered: int = 0
    place: int = 0

    def hear(self) -> list[dict[str, Any]]:
        """What was said since the last time, as far as it was said whole."""
        file = self.folder / "said.jsonl"
        data = file.read_bytes()[self.place :] if file.exists() else b""
        lines = [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
        self.place += len(data)
        return [json.loads(line) for line in lines]

    def holds(self) -> None:
        """Every answer has its one entry, where it said; no gap; the signer goes on; one root for a size."""
        said = self.hear()
        sequencer = self.database.parts.sequencer
        assert sequencer.drain(timeout=20)
        self.auditor.follow()
        for one in said:
            if "request" in one:
                self.answered += 1
                assert self.auditor.released[one["request"]] == 1, one
                assert self.auditor.whose[one["request"]] == one["citizen"]
            elif "size" in one:
                self._signed(one["size"], one["root"])
            else:
                self.failed.append(one["error"])
        assert not [name for name, count in self.auditor.released.items() if count > 1]
        self._files(signed_now=False)
        signer.sign_if_due(self.database)
        self._files(signed_now=True)

    def _signed(self, size: int, root: str) -> None:
        assert self.roots.setdefault(size, root) == root, f"two checkpoints of {size} entries"

    def _files(self, *, signed_now: bool) -> None:
        """Rows, checkpoint file, guard and tiles say the same."""
        house, folder = self.database.parts, signer.folder(self.database)
        with self.database.snapshot() as db:
            rows = db.execute(select(checkpoint).where(checkpoint.c.log == 1)).all()
            size = db.scalar(select(head.c.size).where(head.c.log == 1)) or 0
            for row in rows:
                self._signed(row.size, row.root.hex())
                kept, _by = note.open_checkpoint(
                    row.note, policy.log_keys(house, house.settings.ledger_origin)
                )
                assert (kept.size, kept.root) == (row.size, row.root)
            for path in folder.glob("tile/**/*"):
                if path.is_file() and not path.name.startswith(".new-"):
                    tile = tiles.parse(path.relative_to(folder).as_posix())
                    assert path.read_bytes() == publish.contents(db, 1, tile), path
        if (folder / "checkpoint").exists():
            public, _by = note.open_checkpoint(
                (folder / "checkpoint").read_text(), policy.log_keys(house, house.settings.ledger_origin)
            )
            self._signed(public.size, public.root.hex())
        if guard := signer.guard_of(self.database, 1):
            if guard.frontier.size:
                self._signed(guard.frontier.size, guard.frontier.root().hex())
            newest = max((row.size for row in rows), default=0)
            assert guard.frontier.size >= newest
            assert not signed_now or guard.frontier.size == newest == size

    def closes(self) -> None:
        """The auditor finds nothing, and every citizen's bundle verifies."""
        assert fsck.check(self.database) == []
        with self.database.reading() as db:
            rules = erti_verify.read_policy(signer.policy_text(db).encode())
        for citizen in child.CITIZENS:
            history = erti_verify.read_bundle(bundle.make(self.database, citizen), rules)
            assert erti_verify.verdict_of(history) == ["VALID-COMPLETE"]


@dataclass
class Scene:
    """A process that forks one more for each round, and the judge of all of them."""

    nursery: subprocess.Popen[str]
    judge: Judge
    folder: Path
    number: int = 0
    main: int = 0

    def round(
        self, call: Call | None = None, *, fault: str = "", trace: Path | None = None, room: int = 0
    ) -> int:
        """One round of a process of its own: a fault strikes at the call. Returns how the process ended.

        With `room` no file may grow beyond so many bytes.
        """
        born = self._born()
        if room:
            resource.prlimit(born["pid"], resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        options = []
        if call:
            options = [f"-etrace={call.name}", f"-einject={call.name}:{fault}:when={call.nth}"]
            thread = born[call.thread]
        elif trace:
            options, thread = [f"-etrace={','.join(CALLS)}", "-f"], born["pid"]
        tracer = None
        if options:
            command = ["strace", "-qq", "-o", str(trace or "/dev/null"), "-p", str(thread), *options]
            tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            threads = [born["pid"], born["sequencer"]] if trace else [thread]
            assert ports.within(PATIENCE, lambda: all(_watched(one) for one in threads)), "nobody watches"
        assert ports.within(PATIENCE, self._let_go), "it does not wait"
        ended = int(json.loads(self._line())["ended"])
        if tracer:
            tracer.wait(PATIENCE)
        return ended

    def _let_go(self) -> bool:
        """Tell the process that it may begin; True as well if it is no more."""
        try:
            os.close(os.open(self.folder / f"go-{self.number}", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return not Path(f"/proc/{self.main}/wchan").exists()
        return True

    def calls(self) -> Counter[tuple[str, str]]:
        """How often each thread makes each call in a round."""
        trace = self.folder / "trace"
        assert self.round(trace=trace) == 0
        found: Counter[tuple[str, str]] = Counter()
        for line in trace.read_text().splitlines():
            if match := re.match(r"(\d+) +(\w+)\(", line):
                thread = "pid" if int(match[1]) == self.main else "sequencer"
                found[thread, match[2]] += 1
        return found

    def _born(self) -> dict[str, int]:
        self.number += 1
        order = {"number": str(self.number), "folder": str(self.folder)}
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(order) + "\n")
        self.nursery.stdin.flush()
        born: dict[str, int] = json.loads(self._line())
        self.main = born["pid"]
        return born

    def _line(self) -> str:
        assert self.nursery.stdout is not None
        return self.nursery.stdout.readline()


def sample(counted: Counter[tuple[str, str]], most: int) -> list[Call]:
    """Every call of a round; of a thread's calls of one name at most so many, evenly spread, always the same."""
    return [
        Call(thread, name, 1 + int(place * max(1.0, count / most)))
        for (thread, name), count in sorted(counted.items())
        for place in range(min(most, count))
    ]


@contextmanager
def staged(database: Database, folder: Path, *front: str, deadline: int = 3) -> Iterator[Scene]:
    """Give a scene on a database in which the small country is founded; `front` is put before the command, and reads
    wait so many seconds for their entry."""
    settings = database.parts.settings
    environment = os.environ | {
        "ERTI_ISSUER": settings.issuer,
        "ERTI_DATA_DIR": str(settings.data_dir),
        "ERTI_DATABASE_URL": settings.database_url,
        "ERTI_RELEASE_DEADLINE_SECONDS": str(deadline),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # waits are by a clock that nobody sets
    }
    place = folder / "scene"
    place.mkdir(parents=True)
    with (place / "log").open("w") as log:
        nursery = subprocess.Popen(
            [*front, sys.executable, "-m", "tests.consent.ledger.faults.child"],
            env=environment,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Scene(nursery, Judge(database, place, Auditor(database)), place)
    finally:
        assert nursery.stdin is not None
        with nursery:
            nursery.stdin.close()
            nursery.wait(PATIENCE)


def _watched(thread: int) -> bool:
    """Whether somebody traces a thread, or a fault has struck it already, which had not waited for the word to go."""
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        return True
    return not re.search(r"^TracerPid:\t0$", status, re.MULTILINE)
