"""The command line refuses what cannot be meant, in a sentence, with a code of its own, and makes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import Settings
from tests.engines import Postgres
from tests.ports import free_port
from tests.service.command_line import erti

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", ["check", "serve", "migrate"])
def test_a_settings_file_that_is_not_there_is_refused(tmp_path: Path, command: str) -> None:
    """A slip of the pen in ERTI_CONFIG never means the defaults: the file is named, and nothing is made."""
    data = tmp_path / "data"
    answer = erti(data, command, ERTI_CONFIG=str(tmp_path / "typo.toml"))
    assert (answer.exit_code, "typo.toml, and no such file" in answer.stderr) == (2, True)
    (tmp_path / "broken.toml").write_text("issuer = ")
    answer = erti(data, command, ERTI_CONFIG=str(tmp_path / "broken.toml"))
    assert (answer.exit_code, "which cannot be read" in answer.stderr) == (2, True)
    assert not data.exists()


def test_a_variable_that_is_no_setting_is_told(tmp_path: Path) -> None:
    """A misspelled variable gets a line with what was meant, and stops nothing."""
    answer = erti(tmp_path, "check", "--json", ERTI_ISUER="https://id.example", ERTI_QQQ="1")
    assert answer.exit_code == 1
    assert "ERTI_ISUER is no setting and does nothing. Did you mean ERTI_ISSUER?" in answer.stderr
    assert "ERTI_QQQ is no setting and does nothing.\n" in answer.stderr


def test_what_is_judged_is_said(tmp_path: Path) -> None:
    """`erti check` names file, mode and database, without the database's password."""
    config = tmp_path / "erti.toml"
    config.write_text('database_url = "postgresql+psycopg://erti:secret@127.0.0.1/erti"\n')
    words = erti(tmp_path, "check", ERTI_CONFIG=str(config), ERTI_DATABASE_URL="sqlite:////nowhere.db").stdout
    assert str(config) in words
    assert "mode development" in words
    assert "sqlite:////nowhere.db" in words, "variables come before the file"
    said = json.loads(
        erti(tmp_path, "check", "--json", ERTI_DATABASE_URL="postgresql+psycopg://u:secret@h/d").stdout
    )
    assert (said["file"], said["database"]) == (None, "postgresql+psycopg://u:***@h/d")


def test_every_file_that_is_named_is_looked_for(tmp_path: Path) -> None:
    """`erti check` says which of the files named in settings are not there; no such setting is forgotten."""
    files = [
        name
        for name, field in Settings.model_fields.items()
        if "Path" in str(field.annotation) and name not in ("data_dir", "ledger_journal", "places_file")
    ]
    names = {f"ERTI_{name.upper()}": str(tmp_path / "absent") for name in files}
    said = json.loads(erti(tmp_path, "check", "--json", **names).stdout)["unsafe"]
    for name in names:
        assert (
            f"{name} names {tmp_path / 'absent'}, which cannot be read (No such file or directory)." in said
        )


def test_lists_are_written_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in a variable is words with commas between them, or JSON; anything else is refused in one sentence."""
    for given in ("localhost, other", '["localhost", "other"]'):
        monkeypatch.setenv("ERTI_OUTBOUND_PRIVATE_HOSTS", given)
        assert Settings().outbound_private_hosts == ("localhost", "other")
    monkeypatch.setenv("ERTI_OUTBOUND_PRIVATE_HOSTS", "")
    monkeypatch.setenv("ERTI_OFFICE_HOURS", "9,17")
    assert (Settings().outbound_private_hosts, Settings().office_hours) == ((), (9, 17))
    for name, wrong in (("OFFICE_HOURS", "nine"), ("LANGUAGES", '["en"'), ("OFFICE_DAYS", "[[1]]")):
        answer = erti(
            tmp_path,
            "check",
            **{f"ERTI_{name}": wrong, "ERTI_OFFICE_HOURS": "9,17"} | {f"ERTI_{name}": wrong},
        )
        assert (answer.exit_code, f"ERTI_{name}" in answer.stderr) == (2, True)
        assert len(answer.stderr.splitlines()) == 1


def test_a_store_that_is_not_there_is_named_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command on no database names it and makes no file; beside a demo it says how to reach the demo's."""
    monkeypatch.chdir(tmp_path)
    answer = erti(tmp_path / "var", "keys", "list")
    assert answer.exit_code == 1
    assert (
        f"there is no database at sqlite:///{tmp_path / 'var' / 'erti.db'}. Run `erti migrate`"
        in answer.stderr
    )
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "var" / "demo").mkdir(parents=True)
    (tmp_path / "var" / "demo" / "erti.db").touch()
    assert "ERTI_DATA_DIR=var/demo" in erti(tmp_path / "var", "keys", "list").stderr
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["demo"]


def test_a_database_that_is_away_is_said_in_a_sentence(tmp_path: Path) -> None:
    """`erti migrate` says as the others do that the database does not answer, or that its address is none."""
    for address, words in (
        (f"postgresql+psycopg://u@127.0.0.1:{free_port()}/erti", "the database does not answer"),
        ("erti", "ERTI_DATABASE_URL is no address"),
        ("nosuch://u@h/erti", "ERTI_DATABASE_URL"),
    ):
        for command in (("migrate",), ("ledger", "status")):
            answer = erti(tmp_path, *command, ERTI_DATABASE_URL=address)
            assert answer.exit_code in (1, 2), answer.exception
            assert words in answer.stderr
            assert isinstance(answer.exception, SystemExit)


@pytest.mark.postgres
def test_a_database_that_cannot_hold_every_name_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    """A database in SQL_ASCII is refused with the words that make one in UTF8, before a table is made."""
    with postgres.empty(options="TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'") as address:
        answer = erti(tmp_path, "migrate", ERTI_DATABASE_URL=address)
    assert answer.exit_code == 1
    assert "keeps text in SQL_ASCII" in answer.stderr
    assert "createdb -E UTF8 -T template0 erti" in answer.stderr


def test_a_mirror_that_gets_no_answer_accuses_nobody(tmp_path: Path) -> None:
    """Exit code 1 of a mirror is the proof of a contradiction: no answer is 3, wrong settings are 2."""
    folder = tmp_path / "store"
    assert erti(folder, "migrate").exit_code == 0
    assert erti(folder, "ledger", "policy", str(tmp_path / "policy")).exit_code == 0
    words = ("ledger", "mirror", f"https://127.0.0.1:{free_port()}/ledger", str(tmp_path / "copy"))
    policy = ("--policy", str(tmp_path / "policy"))
    answer = erti(tmp_path / "m", *words, *policy, ERTI_OUTBOUND_PRIVATE_HOSTS="127.0.0.1")
    assert (answer.exit_code, "does not answer" in answer.stderr) == (3, True)
    assert erti(tmp_path / "m", *words, *policy, ERTI_THREADS="none").exit_code == 2
    assert erti(tmp_path / "m", *words, "--policy", str(tmp_path / "none")).exit_code == 2


def test_a_crash_is_no_answer() -> None:
    """What nobody foresaw leaves with a code of its own, with its traceback, and never with 1."""
    code = (
        "from service import cli\n"
        "@cli.app.command('crash')\n"
        "def crash() -> None:\n"
        "    raise ValueError('unforeseen')\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "crash"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "unforeseen" in done.stderr) == (70, True)
