"""What every command needs first: settings, an open house, and errors said in a sentence."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import OperationalError

from consent.ledger import quorum
from consent.ledger.quorum import BadPolicy
from core.database import Database
from core.errors import Problem
from core.events import Actor
from core.settings import Settings
from registry_sync import trust
from service import logs, migrations
from service.app import begin, open_house

FAILED, USAGE = 1, 2
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
OPERATOR = Actor("system", "command-line")


def fail(sentence: str, code: int = FAILED) -> typer.Exit:
    """Say what is wrong and what to do; raise what this returns."""
    err.print(f"[red]erti:[/red] {sentence}", soft_wrap=True)
    return typer.Exit(code)


def unwritable(error: OSError) -> typer.Exit:
    """Say which file or folder could not be written, and what to set; raise what this returns."""
    return fail(
        f"{error.filename} cannot be written ({error.strerror}). Set ERTI_DATA_DIR to a folder that can."
    )


def settings(**given: Any) -> Settings:
    """Read the settings, with those given on the command line in front."""
    try:
        found = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        words = "; ".join(
            f"ERTI_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors()
        )
        raise fail(f"a setting is not right. {words}", USAGE) from error
    logs.start(found.log_format)
    return found


@contextmanager
def opened(given: Settings | None = None, *, running: bool = False) -> Iterator[Database]:
    """Open the house for one command; problems become sentences and exit codes.

    `running` starts this process's sequencer, for commands that read through the door.
    """
    found = given or settings()
    try:
        trust.keys(found.registry_keys)
    except ValueError as error:
        raise fail(
            f"ERTI_REGISTRY_KEYS: {found.registry_keys} is not a set of public keys: {error}", USAGE
        ) from error
    try:
        quorum.of(found.witness_policy)
    except BadPolicy as error:
        raise fail(f"ERTI_WITNESS_POLICY: {error}", USAGE) from error
    try:
        database = open_house(found)
        if migrations.current(database) != migrations.newest():
            raise fail("the database is not at this version's tables. Run `erti migrate` first.")
        begin(database)
        if running:
            database.parts.sequencer.start()
        try:
            yield database
        finally:
            if running:
                database.parts.sequencer.stop()
            database.close()
    except Problem as problem:
        raise fail(
            f"{problem.text} ({problem.code}{f': {problem.detail}' if problem.detail else ''})"
        ) from problem
    except OSError as error:
        raise unwritable(error) from error
    except OperationalError as error:
        raise fail(f"the database does not answer: {error.orig}") from error


def show(data: Any, *, as_json: bool, text: str) -> None:
    """Print a result: JSON for scripts, words for people."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
    else:
        out.print(text, soft_wrap=True)
