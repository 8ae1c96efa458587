"""Any sequence of decisions, reads, crashes, restarts, erasures and turns of the year leaves complete histories."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update

from consent import decisions, disclosure, endings, grants
from consent.ledger import bundle, erasure, freezing, fsck, logs, signer, tiles
from consent.tables import grant as grant_table
from core import clock
from core.events import Actor
from core.settings import Settings
from service.app import begin, open_house
from tests.conftest import ISSUER
from tests.consent import country
from tests.engines import Postgres, Sqlite
from verifier import erti_verify

CITIZENS = (country.CITIZEN, country.OTHER)
COURT = Actor("staff", "00000001")
PURPOSE, LAW = "revenue-sign-in", "revenue-assessment"
EXAMPLES = int(os.environ.get("ERTI_HISTORIES", "6"))
LETTERS = ("given_name", "income_bracket", "employer")
WHO = st.sampled_from(CITIZENS)


class House(RuleBasedStateMachine):
    """A house, and beside it a list for each citizen of what must be in their history, in order."""

    address: Callable[[Path], str]

    @initialize()
    def found(self) -> None:
        """Two citizens, nothing decided."""
        self.folder = tempfile.TemporaryDirectory(prefix="erti-machine-")
        place = Path(self.folder.name)
        self.settings = Settings(
            issuer=ISSUER, database_url=type(self).address(place / "erti.db"), data_dir=place, database_pool=3,
            argon2_memory_kib=64, argon2_passes=1, release_deadline_seconds=20.0,
        )  # fmt: skip
        self.model: dict[str, list[str]] = {citizen: [] for citizen in CITIZENS}
        self.erased: dict[str, int] = dict.fromkeys(CITIZENS, 0)
        self.last: dict[str, tuple[disclosure.Ask, int]] = {}
        self.years, self.ids = itertools.count(2027), itertools.count()
        self.start()
        with self.database.writing() as db:
            country.found(db)
            for citizen in CITIZENS:
                country.be_born(db, citizen)

    def start(self) -> None:
        """A process begins."""
        self.database = open_house(self.settings)
        begin(self.database)
        self.database.parts.sequencer.start()

    def live(self, citizen: str) -> grants.Grant | None:
        """What the citizen allows now."""
        with self.database.reading() as db:
            return grants.live(db, citizen=citizen, purpose=PURPOSE)

    @rule(who=WHO, more=st.sets(st.sampled_from(LETTERS[1:])))
    def allow(self, who: str, more: set[str]) -> None:
        """The citizen allows: anew, more or less than before."""
        with self.database.writing() as db:
            country.allow(db, "given_name", *more, citizen=who)
        self.model[who].append("grant-given")

    @rule(who=WHO, whole=st.booleans())
    def withdraw(self, who: str, whole: bool) -> None:
        """The citizen takes it back, whole or one attribute."""
        if held := self.live(who):
            one = None if whole else {min(held.attributes)}
            with self.database.writing() as db:
                decisions.withdraw(db, held, actor=Actor("citizen", who), attributes=one)
            self.model[who].append("grant-withdrawn")

    @rule(who=WHO)
    def expire(self, who: str) -> None:
        """Time ends what the citizen allowed."""
        if held := self.live(who):
            past = clock.now() - timedelta(seconds=1)
            with self.database.writing() as db:
                db.execute(
                    update(grant_table).where(grant_table.c.grant_id == held.grant_id).values(expires_at=past)
                )
            with self.database.writing() as db:
                endings.expire(db)
            self.model[who].append("grant-ended")

    @rule(who=WHO, law=st.booleans())
    def read(self, who: str, law: bool) -> None:
        """An agency reads, by consent or by law; a refusal is in the history as well."""
        more: dict[str, Any] = {}
        if law:
            more = {"purpose": LAW, "case": "A-1", "official": "o-1"}
        ask = country.ask(citizen=who, request_id=f"r-{next(self.ids)}", **more)
        answer = disclosure.release(self.database, ask)
        released = isinstance(answer, disclosure.Released)
        self.model[who].append("released" if released else "refused")
        if isinstance(answer, disclosure.Released):
            self.last[who] = ask, answer.receipt.index
        held = self.live(who)
        assert released == (law or (held is not None and "given_name" in held.attributes))

    @rule(who=WHO)
    def repeat(self, who: str) -> None:
        """The agency asks once more for what it was given: the same entry, or a refusal with one of its own."""
        if who in self.last:
            ask, index = self.last[who]
            answer = disclosure.release(self.database, ask)
            if isinstance(answer, disclosure.Released):
                assert answer.receipt.index == index
            else:
                self.model[who].append("refused")

    @rule()
    def sign(self) -> None:
        """The signer's turn."""
        signer.sign_if_due(self.database)

    @rule(left=st.integers(0, 5))
    def fail_to_sign(self, left: int) -> None:
        """The disk takes so many files more, then no other: the signer stops wherever that is."""
        count, whole = itertools.count(), tiles._temporary

        def full(path: Path, data: bytes, mode: int = 0o644) -> Path:
            if next(count) >= left:
                raise OSError(errno.ENOSPC, "No space left on device")
            return whole(path, data, mode)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tiles, "_temporary", full)
            with contextlib.suppress(OSError):
                signer.sign_if_due(self.database)

    @rule()
    def crash(self) -> None:
        """The process is gone with all it knew; another begins."""
        self.database.close()
        lost = self.database.parts.sequencer
        self.start()
        lost.stop()

    @rule()
    @precondition(lambda self: not any(self.erased.values()))
    def turn_the_year(self) -> None:
        """The year's log is closed, and the next begins."""
        assert self.database.parts.sequencer.drain(timeout=20)
        freezing.freeze(self.database, origin=f"ledger.erti.example/{next(self.years)}")
        self.last.clear()

    @rule(who=WHO)
    def erase(self, who: str) -> None:
        """A court orders that one entry of the citizen is erased: the last read."""
        if who not in self.last:
            return
        _ask, index = self.last.pop(who)
        with self.database.writing() as db:
            log = logs.current(db).number
            ordered = erasure.order(
                db, who, clock.now().year, basis=erasure.COURT, actor=COURT, places=[(log, index)]
            )
        done = erasure.carry_out(self.database, ordered)
        assert done.entries == 1
        self.erased[who] += 1

    def teardown(self) -> None:
        """Everybody's history is complete, and is what the model says."""
        if not hasattr(self, "database"):
            return
        try:
            assert self.database.parts.sequencer.drain(timeout=20)
            signer.sign_if_due(self.database)
            assert fsck.check(self.database) == []
            with self.database.reading() as db:
                rules = erti_verify.read_policy(signer.policy_text(db).encode())
            for citizen in CITIZENS:
                self.check(citizen, rules)
        finally:
            self.database.parts.sequencer.stop()
            self.database.close()
            self.folder.cleanup()

    def check(self, citizen: str, rules: erti_verify.Policy) -> None:
        """The bundle verifies, and lists exactly the model's entries that were not erased."""
        history = erti_verify.read_bundle(bundle.make(self.database, citizen), rules)
        gone = self.erased[citizen]
        wanted = ["VALID-COMPLETE"] + ([f"ERASED {gone}"] if gone else [])
        assert erti_verify.verdict_of(history) == wanted
        told = [_said(entry.record) for entry in history.entries]
        listed = [name for name in told if name not in (None, "history-erased")]
        assert told.count(None) == gone
        if not gone:
            assert listed == self.model[citizen]
        assert len(told) - told.count("history-erased") == len(self.model[citizen])


def _said(facts: dict[str, Any] | None) -> str | None:
    if facts is None:
        return None
    if facts["kind"].startswith("grant-"):
        return "grant-given" if facts["kind"] in GIVEN else str(facts["kind"])
    return str(facts["data"].get("outcome") or facts["kind"])


GIVEN = ("grant-given", "grant-narrowed", "grant-extended")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_any_history_is_complete(engine: str, request: pytest.FixtureRequest) -> None:
    """After any sequence of grants, reads, withdrawals, crashes and restarts, every citizen's bundle verifies and lists
    exactly the model's entries."""
    if engine == "sqlite":
        store: Sqlite = request.getfixturevalue("sqlite")
        machine = type("OnSqlite", (House,), {"address": staticmethod(store.fresh)})
    else:
        server: Postgres = request.getfixturevalue("postgres")
        made = []

        def fresh(_path: Path) -> str:
            made.append(server.fresh())
            return made[-1].__enter__()

        machine = type("OnPostgres", (House,), {"address": staticmethod(fresh)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
