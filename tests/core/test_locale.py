"""The catalogues of core/locale."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from core import language

CATALOGUES = sorted(language.LOCALE_FOLDER.glob("*/LC_MESSAGES/erti.po"))
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


def test_georgian_is_there() -> None:
    """A person who reads Georgian is asked to sign in in Georgian."""
    language.speak("ka")
    try:
        assert language.gettext("Sign in") == "შესვლა"
    finally:
        language.speak(language.SOURCE_LANGUAGE)
