"""`erti passwords`: the list of passwords that nobody may choose."""

import sys
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core.database import Parts
from core.settings import Settings
from idp.errors import BreachedListWrong, PasswordUnfit
from idp.login import password
from idp.login.breached import listed, making
from service.commands.store import USAGE, err, fail, settings, show

app = typer.Typer(
    no_args_is_help=True, help="Passwords that nobody may choose, because attackers try them first."
)
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@app.command("build")
def build(
    source: Annotated[
        Path,
        typer.Argument(help="One password or SHA-1 hash a line; - reads standard input.", allow_dash=True),
    ],
    to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("breached.bin"),
    as_json: Json = False,
) -> None:
    """Make a list of breached passwords from a file of them.

    Erti comes with a list of 1.4 million, all of 12 characters or more,
    since shorter ones are refused anyway. A longer list catches more.

    The file has one of two forms, told apart by its first line: plain
    passwords in UTF-8, one a line, as in rockyou.txt; or SHA-1 hashes in
    hexadecimal, with or without ":count" behind, as Have I Been Pwned
    publishes them (its downloader can make the one file wanted here).

    The list holds no password, only shortened hashes: 3 bytes for each
    up to 2 million, 5 for a thousand million. It is mapped into memory,
    so all processes of a machine share it. While it is made, its folder
    needs 7 bytes more for each. Order and repetition do not matter.

    Then set ERTI_BREACHED_PASSWORDS to the file and start Erti again.

    Example: erti passwords build pwned.txt --to /srv/erti/breached.bin
    """
    if str(source) != "-" and not source.is_file():
        raise fail(f"{source} is not a file that can be read", USAGE)
    if not to.parent.is_dir():
        raise fail(f"the folder {to.parent} does not exist", USAGE)
    try:
        if str(source) == "-":
            read, kind = _build(sys.stdin.buffer, to, 0)
        else:
            with source.open("rb") as file:
                read, kind = _build(file, to, source.stat().st_size)
        made = listed.Listed(to)
    except BreachedListWrong as problem:
        raise fail(f"no list was made of {source}: {problem.detail}") from problem
    except OSError as error:
        raise fail(f"{error.filename or to} cannot be read or written ({error.strerror})") from error
    figures = {"file": str(to), "kind": kind, **vars(read), "bytes": made.size, "mistaken": made.mistaken}
    show(
        figures,
        as_json=as_json,
        text=f"{to}: {read.kept:,} passwords in {made.size:,} bytes, from {read.lines:,} lines of {kind} "
        f"({read.short:,} too short to be chosen, {read.skipped:,} not readable). "
        f"Set ERTI_BREACHED_PASSWORDS={to.absolute()} and start the service again.",
    )


@app.command("info")
def info(
    file: Annotated[
        Path | None, typer.Argument(help="A list made by `build`; without it, the one in use.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how many passwords a list holds, and how often it is mistaken. Fails if the file cannot be used."""
    used = file or settings().breached_passwords or listed.SHIPPED
    try:
        found = listed.Listed(used)
    except BreachedListWrong as problem:
        raise fail(str(problem.detail)) from problem
    figures = {"file": str(used), "passwords": len(found), "bytes": found.size, "mistaken": found.mistaken}
    odds = f"one good password in {1 / found.mistaken:,.0f}" if len(found) else "none"
    show(
        figures,
        as_json=as_json,
        text=f"{used}: {len(found):,} passwords in {found.size:,} bytes; by mistake it refuses {odds}.",
    )


@app.command("check")
def check(as_json: Json = False) -> None:
    """Read one password from standard input and say whether it may be chosen. Exit code 1 if not.

    It is neither kept nor logged. Names of a person are not known here, so they are not compared.
    """
    typed = sys.stdin.readline().rstrip("\r\n")
    reason = _reason(settings(), typed)
    show(
        {"fit": not reason, "reason": reason}, as_json=as_json, text=reason or "This password may be chosen."
    )
    if reason:
        raise typer.Exit(1)


def _reason(found: Settings, typed: str) -> str:
    try:
        password.fit(Parts(settings=found), typed)
    except (PasswordUnfit, BreachedListWrong) as problem:
        return f"{problem.text}{f' ({problem.detail})' if problem.detail else ''}"
    return ""


def _build(file: BinaryIO, to: Path, size: int) -> tuple[making.Read, str]:
    first = next(making.lines(file), b"")
    hashes = making.are_hashes(first)
    bar = Progress(
        TextColumn("Reading"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[lines]:,} lines"),
        TimeRemainingColumn(), console=err,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=size or None, lines=0)

        def told(lines: int) -> None:
            bar.update(task, completed=file.tell() if size else 0, lines=lines)

        read = making.build(
            chain([first] if first else [], making.lines(file)),
            to,
            hashes=hashes,
            shortest=password.SHORTEST,
            progress=told,
        )
    return read, "hashes" if hashes else "passwords"
