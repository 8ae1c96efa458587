"""The catalogues of core/locale."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from core import language

CATALOGUES = sorted(language.LOCALE_FOLDER.glob("*/LC_MESSAGES/erti.po"))
PACKAGES = ("core", "keys", "registry_sync", "consent", "idp", "admin", "service")
PLACE = re.compile(r"{(\w*)}")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_places_survive_translation(path: Path) -> None:
    """Every translation has exactly the {places} of its source text, so that filling them cannot fail."""
    with path.open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    assert messages
    wrong = [
        message.id
        for message in messages
        if set(PLACE.findall(str(message.string))) != set(PLACE.findall(str(message.id)))
    ]
    assert wrong == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_nothing_fuzzy_or_empty(path: Path) -> None:
    """No catalogue holds a guess or a blank: what is not translated is left out and shown in the source language."""
    with path.open("rb") as file:
        left = [
            message.id for message in read_po(file) if message.id and (message.fuzzy or not message.string)
        ]
    assert left == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
@pytest.mark.slow
def test_every_text_is_translated_and_nothing_else(path: Path) -> None:
    """Whatever people can read is there in every language, and no translation outlives its text."""
    root = language.LOCALE_FOLDER.parents[1]
    with (language.LOCALE_FOLDER / "babel.cfg").open() as file:
        method_map, options_map = parse_mapping_cfg(file)
    shown = {
        text
        for package in PACKAGES
        for _file, _line, text, _comments, _context in extract_from_dir(
            root / package, method_map, options_map
        )
    }
    with path.open("rb") as file:
        translated = {message.id for message in read_po(file) if message.id}
    assert (sorted(map(str, shown - translated)), sorted(map(str, translated - shown))) == ([], [])


def test_georgian_is_there() -> None:
    """A person who reads Georgian is asked to sign in in Georgian."""
    language.speak("ka")
    try:
        assert language.gettext("Sign in") == "შესვლა"
    finally:
        language.speak(language.SOURCE_LANGUAGE)
