"""The command line says what it did, what is wrong and what to do, to people and to scripts."""

import contextlib
import json
import socket
import sqlite3
from pathlib import Path

import pytest

from admin import approvals, permissions
from consent.ledger import erasure
from core import clock, refusals
from core.events import SYSTEM
from core.settings import Settings
from idp.staff import accounts
from idp.staff.errors import InvitationSpent
from service.commands import run
from service.commands.store import opened
from tests import mapped
from tests.service.command_line import erti


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a migrated store that this module's tests share."""
    folder = tmp_path_factory.mktemp("store")
    assert erti(folder, "migrate").exit_code == 0
    return folder


def test_help_teaches(tmp_path: Path) -> None:
    """Help names the commands and where to start."""
    answer = erti(tmp_path, "--help")

    assert answer.exit_code == 0
    assert all(
        word in answer.stdout for word in ("serve", "worker", "migrate", "citizens", "demo", "Start with")
    )


def test_a_store_that_was_not_migrated_is_named(tmp_path: Path) -> None:
    """A command on an empty store says to migrate first, with exit code 1."""
    answer = erti(tmp_path, "keys", "list")

    assert answer.exit_code == 1
    assert "erti migrate" in answer.stderr


def test_a_store_of_another_version_is_named(tmp_path: Path) -> None:
    """`erti migrate` says in a sentence that it does not know the tables of another version, and leaves them."""
    assert erti(tmp_path, "migrate").exit_code == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "erti.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    answer = erti(tmp_path, "migrate")
    assert answer.exit_code == 1
    assert "another version of Erti (9999)" in answer.stderr


def test_keys_are_listed_and_rotated(store: Path) -> None:
    """After a rotation the new key signs, or is the one to encrypt to, and the old one retires; scripts read it as JSON."""
    before = json.loads(erti(store, "keys", "list", "--json").stdout)
    rotated = json.loads(erti(store, "keys", "rotate", "--now", "--json").stdout)
    after = {key["kid"]: key["state"] for key in json.loads(erti(store, "keys", "list", "--json").stdout)}

    old = next(key["kid"] for key in before if key["alg"] == "ES256")
    assert after[rotated["kid"]] == "active"
    assert after[old] == "retiring"
    replaced = json.loads(erti(store, "keys", "rotate", "--alg", "ECDH-ES", "--json").stdout)
    assert replaced["state"] == "active"  # nobody waits with a key to encrypt to


def test_a_test_citizen_can_be_enrolled(store: Path) -> None:
    """A test citizen gets a citizen ID; the same name again is refused in a sentence."""
    words = ("citizens", "enrol", "--username", "tester@example.org", "--password-stdin", "--json")
    answer = erti(store, *words, stdin="a long enough password\n")
    again = erti(store, *words, stdin="a long enough password\n")

    assert len(json.loads(answer.stdout)["citizen_id"]) == 13
    assert again.exit_code == 1
    assert "Traceback" not in again.stderr


def test_a_childs_code_takes_somebody_who_acts_or_a_second_official(store: Path, tmp_path: Path) -> None:
    """For a child whom no register connects with anybody there is no code, whoever is named; an official is asked, and only for a child."""
    ids = []
    for name, born in (("child@example.org", clock.now().year - 9), ("adult@example.org", 1990)):
        claims = tmp_path / "claims.json"
        claims.write_text(json.dumps({"birthdate": f"{born}-01-01"}))
        words = (
            "citizens",
            "enrol",
            "--username",
            name,
            "--password-stdin",
            "--json",
            "--claims",
            str(claims),
        )
        ids.append(json.loads(erti(store, *words, stdin="a long enough password\n").stdout)["citizen_id"])
    child, adult = ids
    for parent in ((), ("--parent", adult)):
        refused = erti(store, "citizens", "activate", child, *parent)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "no register names a living parent" in " ".join(refused.stderr.split())
    assert erti(store, "citizens", "activate", child, "--parent", "mother").exit_code == 2
    assert erti(store, "citizens", "activate", adult, "--nobody-acts", "why").exit_code == 2
    asked = erti(store, "citizens", "activate", child, "--nobody-acts", "in care", "--json")
    assert json.loads(asked.stdout)["approval"]
    assert erti(store, "citizens", "activate", child).exit_code == 1, "nobody has agreed yet"
    assert json.loads(erti(store, "citizens", "activate", adult, "--json").stdout)["code"]


def test_test_citizens_are_refused_in_production(store: Path) -> None:
    """Production has no test citizens."""
    words = ("citizens", "enrol", "--username", "p@example.org", "--password-stdin")
    answer = erti(
        store,
        *words,
        stdin="a long enough password\n",
        ERTI_MODE="production",
        ERTI_ISSUER="https://id.example",
    )

    assert answer.exit_code == 1
    assert "Traceback" not in answer.stderr


def test_a_port_in_use_is_named(store: Path) -> None:
    """Serving on a taken port says so and leaves."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = erti(store, "serve", "--port", port)

    assert answer.exit_code == 1
    assert f"port {port}" in answer.stderr
    assert "another port" in answer.stderr


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A data folder below a file is refused with its name and what to set."""
    (tmp_path / "file").write_text("")
    answer = erti(tmp_path / "file" / "data", "migrate")

    assert answer.exit_code == 1
    assert "ERTI_DATA_DIR" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_wrong_setting_is_named(store: Path) -> None:
    """A setting that cannot be is named by its variable, with exit code 2."""
    answer = erti(store, "check", ERTI_CODE_SECONDS="6000")

    assert answer.exit_code == 2
    assert "ERTI_CODE_SECONDS" in answer.stderr


def test_unsafe_settings_are_said_in_words(store: Path) -> None:
    """The defaults are not for production, and `erti check` says why."""
    answer = erti(store, "check", "--json")

    assert answer.exit_code == 1
    assert any("not https" in remark for remark in json.loads(answer.stdout)["unsafe"])
    answer = erti(store, "check", "--json", ERTI_CLIENT_CERTIFICATE_HEADER="Client-Cert")
    assert any("never believed" in remark for remark in json.loads(answer.stdout)["unsafe"])


def test_a_file_of_places_is_looked_at(store: Path, tmp_path: Path) -> None:
    """What is no file of places stops the start in words; `erti check` says so before, and says which is old."""
    (tmp_path / "wrong.mmdb").write_bytes(b"<html>")
    wrong = {"ERTI_PLACES_FILE": str(tmp_path / "wrong.mmdb")}
    answer = erti(store, "keys", "list", **wrong)
    assert answer.exit_code == 1
    assert "wrong.mmdb: not in MaxMind DB format" in answer.stderr
    assert "Download it anew" in answer.stderr
    remarks = json.loads(erti(store, "check", "--json", **wrong).stdout)["unsafe"]
    assert any("wrong.mmdb: not in MaxMind DB format" in remark for remark in remarks)
    good = {"ERTI_PLACES_FILE": str(mapped.write(tmp_path / "good.mmdb"))}
    remarks = json.loads(erti(store, "check", "--json", **good).stdout)["unsafe"]
    assert not any("PLACES" in remark for remark in remarks)
    old = {"ERTI_PLACES_FILE": str(mapped.write(tmp_path / "old.mmdb", made_at=1_700_000_000))}
    remarks = json.loads(erti(store, "check", "--json", **old).stdout)["unsafe"]
    assert any("14 November 2023" in remark for remark in remarks)


def test_a_database_that_proves_nothing_is_unsafe() -> None:
    """PostgreSQL on another machine has to show a certificate that is looked at; on this one it does not."""
    for address, unsafe in (
        ("postgresql+psycopg://db.example/erti", True),
        ("postgresql+psycopg://db.example/erti?sslmode=require", True),
        ("postgresql+psycopg://db.example/erti?sslmode=verify-full", False),
        ("postgresql+psycopg:///erti", False),
        ("postgresql+psycopg://127.0.0.1/erti", False),
        ("", False),
    ):
        remarks = run.unsafe(Settings(database_url=address))
        assert any("sslmode" in remark for remark in remarks) is unsafe, address


def test_the_ledger_adds_up(store: Path) -> None:
    """A young ledger passes its check and publishes a checkpoint; the policy can be written."""
    assert erti(store, "ledger", "publish").exit_code == 0
    assert erti(store, "ledger", "fsck").exit_code == 0
    policy = erti(store, "ledger", "policy", str(store / "policy.txt"))

    assert policy.exit_code == 0
    assert (store / "policy.txt").read_text().startswith("# Erti trust policy 1")


def test_what_the_ledger_set_aside_is_counted_and_tried_again(tmp_path: Path) -> None:
    """An event that no key opens is counted by status, found by fsck, and left by retry, each with what a script needs."""
    assert erti(tmp_path, "migrate").exit_code == 0
    assert erti(tmp_path, "ledger", "publish").exit_code == 0
    assert "0 taken in, 0 left" in erti(tmp_path, "ledger", "retry").stdout
    with contextlib.closing(sqlite3.connect(tmp_path / "erti.db")) as store, store:
        names = "event_id, kind, chain, public, at, sealed, reason, set_aside_at, told_by"
        values = ("e", "moved", "office:erti", False, 10**15, b"x", "BadSeal", 10**15, "t")
        store.execute(f"INSERT INTO ledger_aside ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    assert json.loads(erti(tmp_path, "ledger", "status", "--json").stdout)["set_aside"] == 1
    checked, tried = erti(tmp_path, "ledger", "fsck"), erti(tmp_path, "ledger", "retry", "--json")
    assert (checked.exit_code, tried.exit_code) == (1, 1)
    assert "set aside: moved of 2001-09-09" in checked.stdout
    assert [one["reason"] for one in json.loads(tried.stdout)["left"]] == ["BadSeal"]


def test_a_file_that_is_no_yaml_is_refused_whole(store: Path, tmp_path: Path) -> None:
    """A broken agencies file is named, and nothing of it is taken."""
    broken = tmp_path / "agencies.yaml"
    broken.write_text("agencies: [")
    answer = erti(store, "agencies", "import", str(broken))

    assert answer.exit_code == 2
    assert "cannot be read" in answer.stderr


def test_staff_are_invited_once(tmp_path: Path) -> None:
    """The first two people get a link each, and new ones until somebody joined; a bootstrap of others is refused."""
    erti(tmp_path, "migrate")
    first = erti(tmp_path, "staff", "bootstrap", "Ana Keys", "Beso Audit", "--json")
    links = json.loads(first.stdout)
    again = erti(tmp_path, "staff", "bootstrap", "Eve One", "Eve Two")

    assert len(set(links.values())) == 2
    assert again.exit_code == 1
    anew = json.loads(erti(tmp_path, "staff", "bootstrap", "Beso Audit", "Ana Keys", "--json").stdout)
    assert set(anew) == set(links)
    assert not set(anew.values()) & set(links.values())
    with opened(Settings(data_dir=tmp_path)) as database, database.writing() as db:
        with pytest.raises(InvitationSpent):
            accounts.accept(db, links["Ana Keys"].partition("=")[2])
        accounts.accept(db, anew["Ana Keys"].partition("=")[2])
    assert erti(tmp_path, "staff", "bootstrap", "Ana Keys", "Beso Audit").exit_code == 1
    unknown = erti(tmp_path, "citizens", "activate", "K7QD2M9XWT4BB")
    assert (unknown.exit_code, "no such citizen" in unknown.stderr) == (1, True)


def test_an_old_epoch_is_left_behind_and_destroyed(store: Path) -> None:
    """A new epoch begins, the keys move to it, and the old one's key file is gone; in use it is refused in a sentence."""
    number = json.loads(erti(store, "keys", "epoch", "begin", "--json").stdout)["epoch"]
    old = store / "keys" / f"epoch-{number - 1}.key"
    early = erti(store, "keys", "epoch", "destroy", str(number - 1), "--yes")
    assert early.exit_code == 1
    assert "still in use" in early.stderr
    assert json.loads(erti(store, "keys", "epoch", "rewrap", "--json").stdout)["moved"] > 0
    unsure = erti(store, "keys", "epoch", "destroy", str(number - 1), stdin="n\n")
    assert unsure.exit_code == 1
    assert "cannot be opened afterwards" in unsure.stderr
    assert old.exists()

    assert erti(store, "keys", "epoch", "destroy", str(number - 1), "--yes").exit_code == 0

    assert not old.exists()
    states = {
        epoch["number"]: epoch for epoch in json.loads(erti(store, "keys", "epoch", "list", "--json").stdout)
    }
    assert states[number - 1]["state"] == "destroyed"
    assert states[number]["state"] == "open"
    assert "destroyed" in erti(store, "keys", "epoch", "list").stdout
    assert json.loads(erti(store, "keys", "list", "--json").stdout)


def test_a_history_is_erased_by_two_people(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command only asks; once a registrar agrees the worker erases, and what was erased waits for its epoch to end."""
    enrolled = erti(store, "citizens", "enrol", "--username", "gone@example.org", "--password-stdin", "--json",
                    stdin="a long enough password\n")  # fmt: skip
    citizen = json.loads(enrolled.stdout)["citizen_id"]
    year = str(clock.now().year)
    erti(store, "ledger", "publish")
    erase = ("ledger", "erase", citizen, "--year", year, "--json")
    assert "needs --reference" in erti(store, *erase).stderr
    assert "is not a citizen ID" in erti(store, "ledger", "erase", "K7QD", "--all", "--wish").stderr
    assert "say which" in erti(store, "ledger", "erase", citizen, "--wish").stderr
    assert "until the end of" in erti(store, *erase, "--wish").stderr
    order = ("--reference", "3/1234-26", "--reason", "A court ordered it")
    would = json.loads(erti(store, *erase, *order, "--dry-run").stdout)["would_erase"]
    assert would[year] > 0
    assert json.loads(erti(store, "ledger", "erasures", "--json").stdout)["erasures"] == []

    asked = json.loads(erti(store, *erase, *order).stdout)

    assert [one["entries"] for one in asked] == [would[year]]
    assert json.loads(erti(store, "ledger", "erasures", "--json").stdout)["erasures"] == [], (
        "one is not enough"
    )
    monkeypatch.setenv("ERTI_DATA_DIR", str(store))
    with opened() as database:
        with database.writing() as db:
            accounts.accept(db, accounts.invite(db, "Second", "registrar", actor=SYSTEM).token)
            official = permissions.of(db, accounts.listing(db)[-1].id)
            approvals.agree(db, approvals.read(db, asked[0]["approval"]), official=official)
        assert erasure.carry_out_all(database) == 1
    found = json.loads(erti(store, "ledger", "erasures", "--json").stdout)
    assert (found["awaiting_finality"], found["erasures"][0]["basis"]) == (1, erasure.COURT)
    assert "not yet" in erti(store, "ledger", "erasures").stdout
    assert erti(store, "ledger", "fsck").exit_code == 0
    assert "public record says" in erti(store, "ledger", "erase", "--help").stdout


def test_support_says_what_a_number_was_about(store: Path) -> None:
    """`erti support` explains a reference number as it was heard, records the look-up, and says when it knows nothing."""
    with opened(Settings(data_dir=store)) as database:
        told = refusals.Refusal("7KQD-2M9X", clock.now(), "too-many", "", "portal", "/login", 429, "Wait.")
        refusals.Book(database, network=str).keep(told, asker="here")
    answer = erti(store, "support", "7kqd 2m9x", "--json")
    assert answer.exit_code == 0, answer.output
    said = json.loads(answer.stdout)
    assert (said["client"], said["told"]) == ("portal", "Wait.")
    assert "Waiting helps" in said["advice"]
    assert erti(store, "support", "0000-0000").exit_code == 1
    assert erti(store, "support", "what").exit_code == 2
