"""The five promises of Erti, each as briefly as it can be shown; `run.py` breaks them to see these tests fail."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from pydantic import ValidationError
from sqlalchemy import select, text

from consent import decisions, disclosure, notices
from consent.disclosure import NotReleased, Released, StaffAsk
from consent.grants import Grant
from consent.ledger import bundle, entries, policy, signer
from consent.ledger.errors import LedgerBusy
from consent.ledger.tables import entry
from core.database import Database
from core.settings import Settings
from idp.oidc import tokens
from idp.signals import bodies, outbox, streams, vocabulary
from registry_sync import holding
from registry_sync.tables import quarantined_record
from tests import factories
from tests.consent import country, secrecy
from tests.consent.country import CITIZEN, ME, ask
from tests.idp.signals.receiver import deliver
from verifier import erti_verify


@pytest.fixture
def nation(house: Database) -> Database:
    """Give a running house with two agencies, their purposes, and one citizen with attributes."""
    with house.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
    return house


def allow(database: Database, *names: str) -> Grant:
    """Let the citizen allow the revenue agency some attributes."""
    with database.writing() as db:
        return country.allow(db, *names)


# 1. One door


def test_a_value_leaves_after_its_entry_only(nation: Database) -> None:
    """A released value comes with the place of its entry, and the entry is in the ledger."""
    allow(nation, "given_name")
    found = disclosure.release(nation, ask("given_name"))
    assert isinstance(found, Released)
    with nation.reading() as db:
        row = db.execute(select(entry).where(entry.c.leaf_index == found.receipt.index)).one()
    assert (row.kind, row.event_id) == ("disclosed", found.receipt.event_id)


def test_without_a_ledger_no_value_leaves(nation: Database) -> None:
    """When the ledger does not take entries, the door stays shut."""
    allow(nation, "given_name")
    nation.parts.sequencer.stop()
    with pytest.raises(LedgerBusy):
        disclosure.release(nation, ask("given_name"))


def test_many_values_leave_after_their_entries_only(nation: Database) -> None:
    """Each value of a batch comes with the place of an entry of its own, which is in the ledger."""
    allow(nation, "given_name")
    (found,) = disclosure.release_all(nation, [ask("given_name")])
    assert isinstance(found, Released)
    with nation.reading() as db:
        row = db.execute(select(entry).where(entry.c.leaf_index == found.receipt.index)).one()
    assert (row.kind, row.event_id) == ("disclosed", found.receipt.event_id)


def test_no_value_leaves_inside_a_write_transaction(nation: Database) -> None:
    """Asking the door while a write transaction is open fails at once."""
    allow(nation, "given_name")
    with nation.writing(), pytest.raises(RuntimeError):
        disclosure.release(nation, ask("given_name"))


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        (ask("given_name", "employer"), "attribute-not-agreed"),
        (ask("given_name", "address"), "attribute-outside-purpose"),
        (ask("given_name", agency="health"), "purpose-of-another-agency"),
        (ask("given_name", channel="sign-in", acr=country.LOW), "assurance-too-low"),
        (ask("given_name", purpose="revenue-assessment"), "case-missing"),
        (ask("given_name", purpose="revenue-assessment", case="A-7"), "official-missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_door_refuses(nation: Database, asked: disclosure.Ask, rule: str) -> None:
    """What was not agreed to, not named, not one's own, too weakly signed in for, without a case or without an official is refused."""
    allow(nation, "given_name")
    found = disclosure.release(nation, asked)
    assert isinstance(found, NotReleased)
    assert found.rule == rule


# 2. Whole history


def history_file(database: Database, folder: Path) -> tuple[Path, Path]:
    """Write the citizen's bundle and the trust policy."""
    assert database.parts.sequencer.drain()
    signer.sign_if_due(database)
    made, trusted = folder / "history.json", folder / "policy.txt"
    made.write_bytes(bundle.make(database, CITIZEN))
    trusted.write_text(policy.text(database.parts, database.parts.settings.ledger_origin), encoding="utf-8")
    return made, trusted


def test_the_bundle_holds_every_entry(
    nation: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verifier accepts the bundle, and everything that happened to the citizen is in it, in order."""
    given = allow(nation, "given_name")
    disclosure.release(nation, ask("given_name"))
    disclosure.release(nation, ask("employer"))
    with nation.writing() as db:
        decisions.withdraw(db, given, actor=ME)
    made, trusted = history_file(nation, tmp_path)
    assert erti_verify.main([str(made), "--policy", str(trusted)]) == 0, capsys.readouterr().out
    kinds = [json.loads(one["record"])["kind"] for one in json.loads(made.read_bytes())["logs"][0]["entries"]]
    assert kinds == ["grant-given", "disclosed", "disclosed", "grant-withdrawn"]


def forged(made: Path, gone: int) -> bytes:
    """Return a bundle without one of its entries, with number and head made to fit again."""
    shorter: dict[str, Any] = json.loads(made.read_bytes())
    inner = shorter["logs"][0]
    del inner["entries"][gone]
    head = entries.first_head(bytes.fromhex(shorter["label"]))
    for one in inner["entries"]:
        nonce = base64.b64decode(one["nonce"])
        head = entries.next_head(head, entries.commitment(nonce, one["record"].encode()))
    inner |= {"n": len(inner["entries"]), "head": entries.base64_of(head)}
    return rfc8785.dumps(shorter)


@pytest.mark.parametrize(
    ("gone", "reason"),
    [(0, "number 1 is left out"), (1, "number 2 is left out"), (2, "later ones are left out")],
)
def test_a_missing_entry_is_noticed(
    nation: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], gone: int, reason: str
) -> None:
    """A bundle from which an entry was taken, and all else made to fit, is not accepted, and the reason says so."""
    allow(nation, "given_name")
    for _read in range(2):
        disclosure.release(nation, ask("given_name"))
    made, trusted = history_file(nation, tmp_path)
    made.write_bytes(forged(made, gone))
    assert erti_verify.main([str(made), "--policy", str(trusted)]) != 0
    said = "".join(capsys.readouterr())
    assert "MISSING" in said
    assert reason in said


def test_rows_changed_behind_the_ledgers_back_are_noticed(
    nation: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody with the database in hand cannot drop the newest entry: the signed checkpoint gives them away."""
    allow(nation, "given_name")
    found = disclosure.release(nation, ask("given_name"))
    assert isinstance(found, Released)
    history_file(nation, tmp_path)
    with nation.writing() as db:
        db.execute(
            text("UPDATE ledger_entry SET opening = NULL WHERE leaf_index = :at"), {"at": found.receipt.index}
        )
        db.execute(
            text("UPDATE ledger_entry SET commitment = :zero WHERE leaf_index = :at"),
            {"zero": bytes(32), "at": found.receipt.index},
        )
    made, trusted = tmp_path / "history.json", tmp_path / "policy.txt"
    made.write_bytes(bundle.make(nation, CITIZEN))
    assert erti_verify.main([str(made), "--policy", str(trusted)]) != 0
    assert "does not stand at place" in "".join(capsys.readouterr())


# 3. Stop means stop


def test_a_withdrawal_ends_tokens_in_its_own_transaction(nation: Database) -> None:
    """While the withdrawing transaction is still open its tokens are dead in it; afterwards they are for all."""
    portal = factories.client(nation)
    given = allow(nation, "given_name")
    token = factories.access_token(nation, portal, CITIZEN, given.grant_id)
    with nation.reading() as db:
        assert tokens.live(db, token)
    with nation.writing() as db:
        decisions.withdraw(db, given, actor=ME)
        assert tokens.live(db, token) is None
    with nation.reading() as db:
        assert tokens.live(db, token) is None


def test_after_a_withdrawal_nothing_is_read(nation: Database) -> None:
    """The read that worked before the withdrawal is refused after it."""
    given = allow(nation, "given_name")
    assert isinstance(disclosure.release(nation, ask("given_name")), Released)
    with nation.writing() as db:
        decisions.withdraw(db, given, actor=ME)
    found = disclosure.release(nation, ask("given_name"))
    assert isinstance(found, NotReleased)
    assert found.rule == "no-grant"


def test_a_withdrawal_between_check_and_entry_stops_the_read(nation: Database) -> None:
    """A read that was found allowed, and whose grant ends before its entry is made, is refused."""
    given = allow(nation, "given_name")
    sequencer = nation.parts.sequencer
    submit = sequencer.submit

    def withdraw_first(asked: Any) -> Any:
        sequencer.submit = submit
        with nation.writing() as db:
            decisions.withdraw(db, given, actor=ME)
        return submit(asked)

    sequencer.submit = withdraw_first
    found = disclosure.release(nation, ask("given_name"))
    assert isinstance(found, NotReleased)
    assert found.rule == "grant-ended"


def test_a_token_that_nobody_asks_about_lives_five_minutes() -> None:
    """No setting lets a JWT access token, which an agency may check alone, outlive a withdrawal for longer."""
    with pytest.raises(ValidationError):
        Settings(jwt_access_token_seconds=301)


def listening(database: Database) -> None:
    """Let the revenue portal want to be told, at an address where nobody listens."""
    portal = factories.client(database)
    push = {"method": vocabulary.PUSH, "endpoint_url": "https://portal.invalid/events"}
    with database.writing() as db:
        streams.create(db, portal, bodies.declared({"delivery": push}), actor=ME)


def test_the_agency_is_told_by_the_withdrawals_own_transaction(nation: Database) -> None:
    """The notice to the agency is written with the withdrawal: there before its commit, and gone with it if that fails."""
    listening(nation)
    given = allow(nation, "given_name")
    with pytest.raises(RuntimeError), nation.writing() as db:
        decisions.withdraw(db, given, actor=ME)
        assert outbox.backlog(db).waiting == 1
        raise RuntimeError
    with nation.reading() as db:
        assert outbox.backlog(db).waiting == 0
        assert not notices.latest(db, [given])


def test_a_notice_waits_until_it_is_acknowledged(nation: Database) -> None:
    """An agency that cannot be reached is tried again, and the citizen is not told that it knows."""
    listening(nation)
    given = allow(nation, "given_name")
    with nation.writing() as db:
        after = decisions.withdraw(db, given, actor=ME)
    assert deliver(nation) == 0
    with nation.reading() as db:
        told = notices.latest(db, [after])[after.grant_id]
        assert (told.state, told.tries) == (notices.WAITING, 1)
        assert outbox.backlog(db).waiting == 1


def test_a_one_time_permission_is_read_once(nation: Database) -> None:
    """Who allowed one read has allowed one: the next is refused by a rule of its own, and both are on record."""
    with nation.writing() as db:
        country.publish(db, country.purpose(limits={"once": True}))
    allow(nation, "given_name")
    assert isinstance(disclosure.release(nation, ask("given_name")), Released)
    again = disclosure.release(nation, ask("given_name"))
    assert isinstance(again, NotReleased)
    assert again.rule == "grant-used-up"
    said = [one["data"]["outcome"] for one in country.history(nation) if one["kind"] == "disclosed"]
    assert said == ["released", "refused"]


# 4. Nobody invisible


def test_what_was_asked_too_stands_in_the_citizens_history(nation: Database) -> None:
    """An agency that is given less than it asked for cannot hide what else it wanted."""
    allow(nation, "given_name")
    assert isinstance(disclosure.release(nation, ask("given_name", "employer", narrow=True)), Released)
    assert country.last(nation)["withheld"] == ["employer"]


def test_a_look_by_staff_stands_in_the_citizens_history(nation: Database) -> None:
    """Who looked, from which office and why, is in the history of the citizen who was looked at."""
    looked = StaffAsk(
        staff="tamar",
        office="registrar",
        reason="asked by letter 17",
        citizen=CITIZEN,
        attributes=("given_name",),
    )
    assert isinstance(disclosure.staff(nation, looked), Released)
    said = country.last(nation)
    assert (said["kind"], said["staff"], said["reason"]) == ("staff-looked", "tamar", "asked by letter 17")


def test_a_read_by_law_stands_in_the_citizens_history(nation: Database) -> None:
    """A read that rests on a law shows the citizen which law, for which case."""
    found = disclosure.release(
        nation, ask("given_name", purpose="revenue-assessment", case="A-7", official="o-1")
    )
    assert isinstance(found, Released)
    said = country.last(nation)
    assert (said["kind"], said["basis"], said["case"]) == ("disclosed", "law", "A-7")


def test_a_refused_read_stands_in_the_citizens_history(nation: Database) -> None:
    """Who tried and was refused is seen as well, with the rule that refused."""
    disclosure.release(nation, ask("given_name"))
    said = country.last(nation)
    assert (said["kind"], said["outcome"], said["rule"]) == ("disclosed", "refused", "no-grant")


def test_what_the_law_withholds_is_told_when_it_is_due(
    nation: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that a law keeps back is not in the history before its day, and stands there after it, with its time proved."""
    with nation.writing() as db:
        country.publish(db, country.purpose("revenue-inquiry", **secrecy.INQUIRY))
    secrecy.inquire(nation)
    secrecy.an_hour_later(monkeypatch, nation)
    assert secrecy.verified(nation).entries == []
    secrecy.later(monkeypatch, nation, days=secrecy.DAYS, minutes=1)
    secrecy.work(nation)
    (told,) = secrecy.verified(nation).entries
    assert secrecy.shown(told)["data"]["read"]["data"]["case"] == "I-7"
    assert told.withheld
    assert told.withheld.proved - told.withheld.at < 2 * 3600


# 5. Nothing lost


def test_each_line_of_a_register_is_kept_or_held_with_its_reason(nation: Database, tmp_path: Path) -> None:
    """Of good and broken lines none disappears: the counts add up, and what was refused is held whole."""
    broken = '{"identifier": "not a list", "name"'
    counts = factories.load(nation, tmp_path, factories.civil(), broken, factories.civil(name={}))
    assert counts.read == 3
    assert counts.new + counts.quarantined == 3
    assert counts.quarantined == 2
    with nation.reading() as db:
        rows = db.execute(select(quarantined_record).where(quarantined_record.c.source == "civil")).all()
        held = {holding.opened(db, "civil", row.content, row.sealed).raw: row.reason for row in rows}
    assert len(held) == 2
    assert held[f"{broken}\n".encode()]


def test_what_is_committed_survives_the_power_going(nation: Database) -> None:
    """A commit returns after the disk has it: on SQLite every one is flushed, on PostgreSQL no session says otherwise."""
    with nation.writing() as db:
        if nation.is_sqlite:
            assert db.execute(text("PRAGMA synchronous")).scalar() == 2
        else:
            changed = db.execute(
                text(
                    "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_commit' AND source IN ('session', 'client')"
                )
            )
            assert changed.scalar() == 0


def test_every_recorded_event_reaches_the_ledger(nation: Database) -> None:
    """What a transaction recorded is an entry soon after it committed; nothing is dropped on the way."""
    assert nation.parts.sequencer.drain()
    given = allow(nation, "given_name")
    for _turn in range(3):
        given = allow(nation, "given_name")
    with nation.writing() as db:
        decisions.withdraw(db, given, actor=ME)
    kinds = [facts["kind"] for facts in country.history(nation)]
    assert kinds == ["grant-given"] + ["grant-extended"] * 3 + ["grant-withdrawn"]
