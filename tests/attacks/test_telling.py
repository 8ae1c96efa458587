"""Attempts to learn who has an account by what the service does, or how long it works, for a name."""

import random
import statistics
import time
from typing import Any

import pytest
from sqlalchemy import event

from core.database import Database
from core.limits import limit_counter
from core.settings import Settings
from idp.login import hashing
from tests.idp.login.person import Person

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WRONG = "not the right words at all"
TURNS = 20
# What is asked with a name, and what else is sent along.
DOORS: dict[str, dict[str, str]] = {
    "/login": {"password": WRONG},
    "/login/recovery": {"recovery__code": "0000-0000-0000-0000"},
    "/recover": {},
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let one hash take as long as what else a guess does."""
    return settings.model_copy(update={"argon2_memory_kib": 4096})


class Watch:
    """What the service asks the database and hashes, and how long the process works, for one form."""

    def __init__(self, database: Database, stranger: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database, self.stranger = database, stranger
        self.did: list[str] = []
        event.listen(database.engine, "before_cursor_execute", lambda *seen: self.did.append(seen[2]))
        original = hashing.Pool.check

        def check(pool: hashing.Pool, verifier: str | None, secret: bytes) -> Any:
            self.did.append("a hash")
            return original(pool, verifier, secret)

        monkeypatch.setattr(hashing.Pool, "check", check)

    def ask(self, door: str, name: str) -> tuple[list[str], float]:
        """Send the form for a name, uncounted; return what was done, and the seconds of the process's own work."""
        with self.database.writing() as db:
            db.execute(limit_counter.delete())
        page = self.stranger.page
        self.did.clear()
        began = time.process_time()
        answer = self.stranger.send(door, username=name, **DOORS[door])
        took = time.process_time() - began
        assert answer.status_code in (303, 400)
        self.stranger.page = page
        return list(self.did), took


@pytest.mark.parametrize("door", DOORS)
def test_attempt_to_tell_names_apart_by_the_work(
    nino: Person, person: Any, database: Database, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    """For a name that is there and one that is not the same is asked and hashed, and in shuffled turns neither mostly takes more work."""
    stranger = person("203.0.113.9")
    stranger.open("/login")
    watch = Watch(database, stranger, monkeypatch)
    for name in ("nobody", "nino"):
        watch.ask(door, name)
    there, nobody = watch.ask(door, "nino"), watch.ask(door, "nobody")
    assert there[0] == nobody[0]
    assert ("a hash" in there[0]) == (door == "/login")
    names = ["nino", "nobody"] * TURNS
    random.Random(7).shuffle(names)
    took: dict[str, list[float]] = {"nino": [], "nobody": []}
    for name in names:
        took[name].append(watch.ask(door, name)[1])
    more = statistics.mean(
        (one > other) + (one == other) / 2 for one in took["nino"] for other in took["nobody"]
    )
    assert 0.15 < more < 0.85  # 0.5 says nothing at all


def test_attempt_to_try_names_with_one_letter(nino: Any, person: Any, letter: Any) -> None:
    """Who is about to open an account is told of twenty names a day whether they are taken, and of no more."""
    stranger = person("203.0.113.9")
    stranger.begin_activation(*letter())
    stranger.open("/activate/password")
    told = [
        stranger.send("/activate/password", username="nino", password="").status_code for _name in range(21)
    ]
    assert told == [400] * 20 + [429]
