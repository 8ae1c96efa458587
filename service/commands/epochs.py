"""`erti keys epoch`: the keys that wrap all other keys, begun, moved to, and destroyed."""

from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from keys import epochs
from service.commands.store import FAILED, OPERATOR, err, fail, opened, out, show

HELP = """Sealing epochs: begin, rewrap, destroy, list.

Every value at rest is sealed under a data key of its owner, and every data key is wrapped by the key of a sealing epoch.
Erasing somebody destroys their data keys; old backups still hold them, wrapped. So an erasure is final only when every
epoch up to that day is destroyed:

1. `erti keys epoch begin`: a new epoch wraps from now on.
2. `erti keys epoch rewrap`: every key that lives moves to it. (The worker does so too, little by little.)
3. Take a backup. Those from before cannot be opened after the next step; that is what it is for.
4. `erti keys epoch destroy N`: the old epoch's key is destroyed, on disk or token.

Copies of the key folder are not known here. Destroy the old epoch's key in them too.
"""
app = typer.Typer(no_args_is_help=True, help=HELP)
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the epochs, the newest first, with how many keys each still wraps."""
    with opened() as database, database.reading() as db:
        found = epochs.listing(db)
    if as_json:
        show([vars(epoch) for epoch in found], as_json=True, text="")
        return
    table = Table("epoch", "state", "wraps", "begun", "destroyed")
    for epoch in found:
        destroyed = f"{epoch.destroyed_at:%Y-%m-%d %H:%M} UTC" if epoch.destroyed_at else ""
        begun = f"{epoch.begun_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(str(epoch.number), epoch.state, f"{epoch.wrapped:,} keys", begun, destroyed)
    out.print(table)


@app.command("begin")
def begin(as_json: Json = False) -> None:
    """Begin an epoch. New keys are wrapped by it at once; the others stay where they are until `rewrap`."""
    with opened() as database, database.writing() as db:
        number = epochs.begin(db, actor=OPERATOR)
    text = f"epoch {number} wraps from now on; `erti keys epoch rewrap` moves the other keys to it"
    show({"epoch": number}, as_json=as_json, text=text)


@app.command("rewrap")
def rewrap(as_json: Json = False) -> None:
    """Wrap every key of older epochs anew. Can be interrupted and started again; nothing else stops meanwhile."""
    with opened() as database:
        if as_json:
            moved = epochs.rewrap_all(database)
        else:
            with Progress(console=err) as bar:
                task = bar.add_task("keys", total=None)
                moved = epochs.rewrap_all(
                    database, lambda done, total: bar.update(task, completed=done, total=total)
                )
    show({"moved": moved}, as_json=as_json, text=f"{moved:,} keys moved to the newest epoch")


@app.command("destroy")
def destroy(
    number: Annotated[int, typer.Argument(help="The epoch's number, as `erti keys epoch list` shows it.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask: a backup was taken after the rewrap.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Destroy the key of an old epoch that wraps nothing any more. Nobody can undo this.

    Backups from before its keys were moved cannot be opened afterwards, and erasures up to then become final.
    """
    question = "Backups from before the rewrap cannot be opened afterwards. Is there a newer one, and shall it be done?"
    if not yes and not typer.confirm(question, err=True):
        raise fail("nothing was destroyed", FAILED)
    with opened() as database, database.writing() as db:
        epochs.destroy(db, number, actor=OPERATOR)
    show(
        {"epoch": number, "state": epochs.DESTROYED},
        as_json=as_json,
        text=f"the key of epoch {number} is destroyed",
    )
