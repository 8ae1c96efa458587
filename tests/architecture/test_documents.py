"""What the documents say is there is there: links, make targets, settings."""

import re
from pathlib import Path

import pytest

from core.settings import Settings
from service.metrics import Metrics
from tests.architecture import house

DOCUMENTS = [path for path in house.tracked() if path.suffix == ".md"]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=house.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link inside the repository names a file that is there."""
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=house.name)
def test_commands_of_make_exist(document: Path) -> None:
    """Every `make` command that a document gives is a target of the Makefile."""
    targets = set(
        re.findall(r"^([a-z-]+):", (house.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=house.name)
def test_settings_exist(document: Path) -> None:
    """Every variable of ours that a document names is a setting, or the name of the settings file."""
    known = {f"ERTI_{name.upper()}" for name in Settings.model_fields} | {"ERTI_CONFIG", "ERTI_TEST_STRICT"}
    assert set(re.findall(r"\bERTI_[A-Z_]+[A-Z]\b", document.read_text(encoding="utf-8"))) <= known


def test_figures_that_operators_watch_exist() -> None:
    """Every figure that docs/operate.md tells operators to watch is one that `/metrics` gives."""
    text = (house.ROOT / "docs/operate.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(erti_[a-z_]+[a-z])(?:_…)?`", text))
    figures = Metrics().text().decode()
    assert named
    assert not [name for name in named if f"# HELP {name}" not in figures]


def test_help_lists_every_command() -> None:
    """Every target of the Makefile that people may call has a line in its help."""
    text = (house.ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()
    silent = [name for name in phony if not re.search(rf"^{name}:.*## ", text, re.MULTILINE)]
    assert set(silent) == {"setup-run", "setup-test"}


@pytest.mark.parametrize("folder", ["consent/ledger", "idp/oidc"])
def test_every_room_is_named(folder: str) -> None:
    """The architecture's tables of the two largest packages name each of their modules once, and none that is not there."""
    text = (house.ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.split(f"The rooms of `{folder}`")[1].split("\n## ")[0]
    named = re.findall(r"`(\w+)/?`", "\n".join(line for line in table.splitlines() if line.startswith("|")))
    plumbing = {"__init__", "api", "errors", "events", *({"tables"} if folder == "idp/oidc" else ())}
    there = {path.stem for path in (house.ROOT / folder).glob("*.py")} - plumbing
    rooms = {path.parent.name for path in (house.ROOT / folder).glob("*/__init__.py")}
    assert sorted(named) == sorted({*there, *rooms})
