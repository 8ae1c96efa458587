"""`erti ledger`: how the ledger stands, and whether everything in it adds up."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select

from consent.ledger import fsck as checking
from consent.ledger import signer
from consent.ledger.tables import head
from core.events import waiting
from service.commands.store import FAILED, opened, out, show

app = typer.Typer(no_args_is_help=True, help="The ledger: status, check, publish, trust policy.")
signer_app = typer.Typer(no_args_is_help=True, help="Which machine signs checkpoints.")
app.add_typer(signer_app, name="signer")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@app.command("status")
def status(as_json: Json = False) -> None:
    """Show the size, the last checkpoint and what waits."""
    with opened() as database, database.reading() as db:
        size = db.scalar(select(head.c.size)) or 0
        pending = db.scalar(select(func.count()).select_from(waiting)) or 0
        signed = signer.newest(db)
    figures = {
        "size": size,
        "waiting": pending,
        "checkpoint": signed.size if signed else None,
        "signed_at": signed.at if signed else None,
    }
    when = f"{signed.at:%Y-%m-%d %H:%M:%S} UTC" if signed else "never"
    show(
        figures,
        as_json=as_json,
        text=f"{size:,} entries, {pending:,} waiting; last checkpoint "
        f"{signed.size if signed else 0:,}, {when}",
    )


@app.command("fsck")
def fsck(as_json: Json = False) -> None:
    """Recompute everything from the rows: indexes, commitments, chains, labels, the root."""
    with opened() as database:
        findings = checking.check(database)
    text = "\n".join(f"- {finding}" for finding in findings) or "Everything adds up."
    show({"findings": [str(finding) for finding in findings]}, as_json=as_json, text=text)
    if findings:
        raise typer.Exit(FAILED)


@app.command("publish")
def publish(as_json: Json = False) -> None:
    """Write the tiles and sign a checkpoint now, if this process can get the signer's lease."""
    with opened() as database:
        done = signer.sign_if_due(database)
    show(
        {"signed": bool(done)},
        as_json=as_json,
        text="signed" if done else "nothing to sign, or another signer holds the lease",
    )


@app.command("policy")
def policy(
    file: Annotated[Path | None, typer.Argument(help="Write it here; standard output if left out.")] = None,
) -> None:
    """Write the trust policy that `erti-verify` needs; its fingerprint stands on every activation letter."""
    with opened() as database, database.reading() as db:
        text, fingerprint = signer.policy_text(db), signer.policy_fingerprint(db)
    if file:
        file.write_text(text, "utf-8")
        out.print(f"{file}: fingerprint {fingerprint}")
    else:
        out.out(text, end="")


@signer_app.command("adopt")
def adopt(as_json: Json = False) -> None:
    """Make this machine the signer, from the newest checkpoint in the database on.

    For a ledger that moved: whatever was signed elsewhere after that checkpoint is not known here, so stop
    the old signer first, and compare `erti ledger status` on both.
    """
    with opened() as database:
        signed = signer.adopt(database)
    size = signed.size if signed else 0
    show({"size": size}, as_json=as_json, text=f"this machine signs from now on, from size {size:,} upwards")
