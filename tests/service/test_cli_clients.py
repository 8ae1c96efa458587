"""`erti clients`: what its commands say and do."""

import json
from pathlib import Path

import pytest

from tests.service.command_line import erti

SANDBOX = {"redirect_uris": ["http://localhost:3000/cb"], "client_name": "Try", "client_id": "try"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated store with one client in the sandbox."""
    folder = tmp_path_factory.mktemp("clients")
    assert erti(folder, "migrate").exit_code == 0
    file = folder / "client.json"
    file.write_text(json.dumps(SANDBOX))
    assert erti(folder, "clients", "import", str(file)).exit_code == 0
    return folder


def test_a_client_is_checked_in_words(store: Path) -> None:
    """The check names setting, reason and section, and ends with 1 only where a rule must be kept."""
    own = erti(store, "clients", "check", "try")
    assert own.exit_code == 0
    assert "require_pkce" in own.stdout
    assert "RFC 9700, 2.1.1" in own.stdout
    other = erti(store, "clients", "check", "try", "--profile", "fapi2", "--json")
    assert other.exit_code == 1
    assert {one["setting"] for one in json.loads(other.stdout)["broken"] if one["level"] == "must"} == {
        "token_endpoint_auth_method", "require_pkce", "redirect_uris",
    }  # fmt: skip
    assert erti(store, "clients", "check", "try", "--profile", "best").exit_code == 2
    assert erti(store, "clients", "check", "nobody").exit_code != 0


def test_a_developer_is_invited_and_uninvited(store: Path) -> None:
    """An initial access token is shown once, its invitation is listed until it is taken back, and only then."""
    made = erti(store, "clients", "invite", "sandbox", "sandbox-sign-in", "--uses", "2", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert len(told["token"]) > 40
    listed = json.loads(erti(store, "clients", "invitations", "--json").stdout)
    assert [(one["id"], one["uses"]) for one in listed] == [(told["id"], 2)]
    assert erti(store, "clients", "uninvite", told["id"]).exit_code == 0
    assert json.loads(erti(store, "clients", "invitations", "--json").stdout) == []
    assert erti(store, "clients", "uninvite", told["id"]).exit_code == 2
    assert erti(store, "clients", "invite", "sandbox", "no-such-purpose").exit_code != 0
