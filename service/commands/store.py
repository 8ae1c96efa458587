"""What every command needs first: settings, an open house, and errors said in a sentence."""

import difflib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from consent.ledger import quorum
from consent.ledger.quorum import BadPolicy
from core.database import Database
from core.errors import Problem
from core.events import Actor
from core.settings import FILE_VARIABLE, PREFIX, FileWrong, Settings
from registry_sync import trust
from service import logs, migrations
from service.app import begin, open_house

FAILED, USAGE = 1, 2
NOT_OURS = (FILE_VARIABLE, "ERTI_TEST_STRICT")  # variables that are no settings, and are read all the same
DEMO = Path("var/demo")
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
        raise fail(f"a setting is not right. {escape(words)}", USAGE) from error
    except FileWrong as error:
        raise fail(f"{escape(str(error))}.", USAGE) from error
    logs.start(found.log_format)
    return found


def warn_of_unknown() -> None:
    """Say which variables look like settings and are none, so that a slip of the pen does not go unseen."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name in known or name in NOT_OURS:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        err.print(
            f"[yellow]erti:[/yellow] {escape(name)} is no setting and does nothing.{hint}", soft_wrap=True
        )


def store_of(found: Settings) -> str:
    """Name a database so that it can be shown: without its password."""
    try:
        return make_url(found.store).render_as_string(hide_password=True)
    except ArgumentError as error:
        raise fail(
            "ERTI_DATABASE_URL is no address of a database. One is postgresql+psycopg://user@host/erti", USAGE
        ) from error


def house(found: Settings) -> Database:
    """Open the house; says in words if the database cannot hold every text."""
    store_of(found)
    try:
        database = open_house(found)
    except NoSuchModuleError as error:
        raise fail(f"ERTI_DATABASE_URL: {error}. Write postgresql+psycopg://…", USAGE) from error
    encoding = migrations.encoding(database)
    if encoding != "UTF8":
        raise fail(
            f"the database {store_of(found)} keeps text in {encoding}, which does not hold every name. Make one "
            "in UTF8: createdb -E UTF8 -T template0 erti"
        )
    return database


@contextmanager
def in_sentences() -> Iterator[None]:
    """Turn what can go wrong with a store into sentences and exit codes."""
    try:
        yield
    except Problem as problem:
        raise fail(
            f"{problem.text} ({problem.code}{f': {problem.detail}' if problem.detail else ''})"
        ) from problem
    except OSError as error:
        raise unwritable(error) from error
    except OperationalError as error:
        raise fail(f"the database does not answer: {str(error.orig).strip()}") from error


def _migrated_or_fail(found: Settings) -> None:
    """Raise, in words, if there is no store, before anything is made where it would be."""
    file = make_url(found.store).database if found.store.startswith("sqlite") else None
    if file and file != ":memory:" and not Path(file).exists():
        raise _unready(found, "there is no database at")


def _unready(found: Settings, what: str) -> typer.Exit:
    elsewhere = (DEMO / "erti.db").exists() and found.data_dir.resolve() != DEMO.resolve()
    hint = f" The demo's is another: ERTI_DATA_DIR={DEMO} names it." if elsewhere else ""
    return fail(f"{what} {store_of(found)}. Run `erti migrate` first.{hint}")


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
    store_of(found)
    _migrated_or_fail(found)
    with in_sentences():
        database = house(found)
        if migrations.current(database) != migrations.newest():
            raise _unready(found, "this version's tables are not in")
        begin(database)
        if running:
            database.parts.sequencer.start()
        try:
            yield database
        finally:
            if running:
                database.parts.sequencer.stop()
            database.close()


def show(data: Any, *, as_json: bool, text: str) -> None:
    """Print a result: JSON for scripts, words for people."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
    else:
        out.print(text, soft_wrap=True)
