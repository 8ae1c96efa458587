"""`erti citizens`: load people from registers, make activation codes and test citizens."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from admin import approvals
from consent.ledger import signer
from core.settings import Settings
from idp import enrol
from idp.errors import NobodyActs
from idp.login import activation, children
from idp.login.children import Presence
from registry_sync import erasure, people
from registry_sync.sources import importing
from service.commands.store import OPERATOR, USAGE, err, fail, opened, out, settings, show

app = typer.Typer(no_args_is_help=True, help="People: load them from registers, let them in.")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="civil.jsonl (DCI person records) or tax.csv", exists=True)],
    source: Annotated[str, typer.Option(help="Name of the register: civil or tax.")],
    as_json: Json = False,
) -> None:
    """Load a register's file. Run it again at any time: what is there already is left alone.

    Records that cannot be used go to quarantine, whole, with the reason; `/admin` shows them.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
    )
    with opened() as database, bar:
        task = bar.add_task(f"Loading {source}", total=None)
        counts = importing.import_file(
            database,
            file,
            source=source,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    figures = asdict(counts)
    words = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in figures.items())
    show(figures, as_json=as_json, text=f"{source}: {words}")


@app.command("enrol")
def enrol_(
    username: Annotated[str, typer.Option(help="Name to sign in with.")],
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    claims: Annotated[Path | None, typer.Option(help="JSON file of standard OpenID claims.")] = None,
    as_json: Json = False,
) -> None:
    """Make a test citizen at the lowest assurance. Refused in production."""
    if not password_stdin:
        raise fail("give the password on standard input, with --password-stdin", USAGE)
    password = sys.stdin.readline().rstrip("\n")
    try:
        given = json.loads(claims.read_text("utf-8")) if claims else {}
    except ValueError as error:
        raise fail(f"{claims} is not JSON: {error}", USAGE) from error
    with opened() as database, database.writing() as db:
        citizen = enrol.enrol(db, username, password, given, actor=OPERATOR)
    show({"citizen_id": citizen}, as_json=as_json, text=f"{username} is citizen {people.grouped(citizen)}")


@app.command("activate")
def activate(
    citizen_id: Annotated[str, typer.Argument(help="The citizen ID, with or without hyphens.")],
    letter: Annotated[Path | None, typer.Option(help="Write the printable letter to this HTML file.")] = None,
    parent: Annotated[
        str,
        typer.Option(help="For a child: the citizen ID of the parent or guardian who is there and agrees."),
    ] = "",
    nobody_acts: Annotated[
        str,
        typer.Option(
            help="For a child for whom no register names anybody: why, for a second official to agree."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make an activation code without a counter; an older one stops working.

    Nobody compares the person with a document, so what is set up with it stays at the lowest assurance, and the citizen's
    history says that an operator made it. A clerk makes a full letter in the console, under Letters.

    A child gets one with a parent or guardian whom a register names; where it names nobody, once a second official has
    agreed in the console.
    """
    compact = people.compact(citizen_id)
    if compact is None:
        raise fail("that is not a citizen ID: its check character does not fit.", USAGE)
    representative = people.compact(parent) or ""
    if parent and not representative:
        raise fail("--parent is not a citizen ID: its check character does not fit.", USAGE)
    found = settings()
    if nobody_acts:
        _ask_for_a_second(found, compact, nobody_acts, as_json=as_json)
        return
    presence = Presence(representative, "other" if representative else "")
    with opened(found) as database, database.writing() as db:
        if people.find(db, compact) is None:
            raise fail(f"no such citizen: nobody here has the citizen ID {people.grouped(compact)}.")
        code = activation.make_code(db, compact, seen=None, actor=OPERATOR, presence=presence)
        if letter:
            page = activation.letter(db, compact, code, fingerprint=signer.policy_fingerprint(db))
            letter.write_text(page, "utf-8")
    show(
        {"citizen_id": compact, "code": code},
        as_json=as_json,
        text=f"Citizen ID {people.grouped(compact)}, activation code {code}: open {found.issuer}/activate",
    )


def _ask_for_a_second(found: Settings, citizen: str, why: str, *, as_json: bool) -> None:
    with opened(found) as database, database.writing() as db:
        if not isinstance(children.bar(db, citizen, children.ALONE), NobodyActs):
            raise fail(
                "the person is of age, a register names who acts, or a colleague agreed already.", USAGE
            )
        wanted = approvals.ask_from_command_line(db, approvals.EXEMPT_CHILD, {"citizen": citizen}, reason=why)
    text = f"Asked. When an official has agreed at {found.issuer}/admin/approvals, run this again without --nobody-acts."
    show({"citizen_id": citizen, "approval": wanted.id}, as_json=as_json, text=text)


@app.command("erase")
def erase(
    citizen_id: Annotated[str, typer.Argument(help="The citizen ID, with or without hyphens.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; there is no way back.")] = False,
) -> None:
    """Erase a citizen's data, look-ups and account for good. The history's entries stay, as the law on records asks."""
    compact = people.compact(citizen_id)
    if compact is None:
        raise fail("that is not a citizen ID: its check character does not fit.", USAGE)
    if not yes and not typer.confirm(f"Erase {people.grouped(compact)}? Nobody can undo this."):
        raise typer.Exit
    with opened() as database, database.writing() as db:
        erasure.erase(db, compact, actor=OPERATOR)
    out.print(f"{people.grouped(compact)} is erased")
