"""`erti ledger`: how the ledger stands, and whether everything in it adds up."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from sqlalchemy import func, select

from consent.ledger import aside, freezing, logs, signer
from consent.ledger import fsck as checking
from consent.ledger import policy as ledger_policy
from consent.ledger.fsck_merge import Finding
from core.events import waiting
from registry_sync import people
from service.commands import erasing, mirror
from service.commands.store import FAILED, err, opened, out, show

app = typer.Typer(no_args_is_help=True, help="The ledger: status, check, publish, trust policy.")
signer_app = typer.Typer(no_args_is_help=True, help="Which machine signs checkpoints.")
app.add_typer(signer_app, name="signer")
app.command("erase", help=erasing.HELP)(erasing.erase)
app.command("erasures")(erasing.erasures)
app.command("mirror")(mirror.copy)
app.command("recover")(mirror.recover)
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@app.command("status")
def status(as_json: Json = False) -> None:
    """Show the size, the last checkpoint and what waits."""
    with opened() as database, database.reading() as db:
        log = logs.current(db)
        pending = db.scalar(select(func.count()).select_from(waiting)) or 0
        kept = aside.count(db)
        signed, published = signer.newest(db), signer.published(db)
    figures = {
        "log": log.number,
        "origin": log.origin,
        "size": log.size,
        "waiting": pending,
        "set_aside": kept,
        "checkpoint": signed.size if signed else None,
        "signed_at": signed.at if signed else None,
        "published": published.size if published else None,
    }
    when = f"{signed.at:%Y-%m-%d %H:%M:%S} UTC" if signed else "never"
    show(
        figures,
        as_json=as_json,
        text=f"{log.origin}: {log.size:,} entries, {pending:,} waiting, {kept:,} set aside; last checkpoint "
        f"{signed.size if signed else 0:,}, {when}; published {published.size if published else 0:,}",
    )


@app.command("fsck")
def fsck(
    hashes: Annotated[
        bool,
        typer.Option(
            "--hashes", help="Only tree, chains, map and checkpoints: open nothing, compute no label anew."
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="So many processes; as there are processors if left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute everything from the rows: indexes, commitments, chains, labels, the root.

    What is set aside is a finding too: it happened, and its entry is missing.
    """
    with opened() as database:
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("entries and labels", total=None)
            findings = checking.check(
                database,
                lambda done, total: bar.update(task, completed=done, total=total),
                people.known,
                openings=not hashes,
                jobs=jobs,
            )
        with database.reading() as db:
            findings += [
                Finding("set aside", f"{one.kind} of {one.at:%Y-%m-%d %H:%M:%S} UTC: {one.reason}")
                for one in aside.listing(db)
            ]
    text = "\n".join(f"- {finding}" for finding in findings) or "Everything adds up."
    show({"findings": [str(finding) for finding in findings]}, as_json=as_json, text=text)
    if findings:
        raise typer.Exit(FAILED)


@app.command("retry")
def retry(as_json: Json = False) -> None:
    """Try again to take in events that were set aside because they could not be written down as they were.

    They are kept, sealed, and each has an entry in its history that says so. The worker tries once an hour too.
    """
    with opened() as database:
        done, left = database.parts.sequencer.try_again()
    lines = [
        f"- {one.kind} of {one.at:%Y-%m-%d %H:%M:%S} UTC is still set aside: {one.reason}" for one in left
    ]
    figures = {
        "taken": done,
        "left": [{"kind": one.kind, "at": one.at, "reason": one.reason} for one in left],
    }
    show(figures, as_json=as_json, text="\n".join([f"{done:,} taken in, {len(left):,} left", *lines]))
    if left:
        raise typer.Exit(FAILED)


@app.command("publish")
def publish(as_json: Json = False) -> None:
    """Sign what has grown and ask the witnesses now, without waiting for a worker's next turn.

    Writes the tiles and a checkpoint of each log that grew, and publishes it once as many witnesses cosigned as
    the policy asks for. Does nothing where another process signs; `erti ledger status` shows what is published.
    """
    with opened() as database:
        done = signer.sign_if_due(database)
        signer.cosign(database)
    show(
        {"signed": bool(done)},
        as_json=as_json,
        text="signed" if done else "nothing new to sign here, or another signer holds the lease",
    )


@app.command("freeze")
def freeze(
    following: Annotated[
        str, typer.Option("--next", help="Origin line of the log to start, e.g. ledger.example.gov/2027.")
    ],
    as_json: Json = False,
) -> None:
    """Close the log of the year for good and start the next, which names it as it ended.

    Nothing is interrupted: what comes after goes into the new log. Its keys are named after its origin, so the
    trust policy changes: publish `erti ledger policy` and its fingerprint anew, where citizens can compare it without
    asking this server (the gazette, a counter); letters printed before show the old one, and /about/fingerprints
    says what to compare. A running `erti worker` signs
    the old log's last checkpoint; its files stay as they are and can be moved to any static host.
    """
    with opened() as database:
        log = freezing.freeze(database, origin=following)
    show(
        {"log": log.number, "origin": log.origin},
        as_json=as_json,
        text=f"log {log.number} has begun: {log.origin}. Publish the new trust policy (erti ledger policy).",
    )


@app.command("policy")
def policy(
    file: Annotated[Path | None, typer.Argument(help="Write it here; standard output if left out.")] = None,
    for_witnesses: Annotated[
        bool,
        typer.Option("--for-witnesses", help="The keys of every log, for `erti witness serve`, instead."),
    ] = False,
) -> None:
    """Write the trust policy that `erti-verify` needs; its fingerprint stands on the letters printed since the log began."""
    with opened() as database, database.reading() as db:
        text = signer.policy_for_witnesses(db) if for_witnesses else signer.policy_text(db)
    fingerprint = ledger_policy.fingerprint(text)
    if file:
        file.write_text(text, "utf-8")
        out.print(f"{file}: fingerprint {fingerprint}")
    else:
        out.out(text, end="")


@signer_app.command("adopt")
def adopt(
    clock_was_ahead: Annotated[
        bool,
        typer.Option(
            "--clock-was-ahead", help="Checkpoints were signed by a clock that was ahead: go on from now."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make this machine the signer, from the newest checkpoint in the database on.

    For a ledger that moved: whatever was signed elsewhere after that checkpoint is not known here, so stop
    the old signer first, and compare `erti ledger status` on both.
    """
    with opened() as database:
        signed = signer.adopt(database, clock_was_ahead=clock_was_ahead)
    size = signed.size if signed else 0
    show({"size": size}, as_json=as_json, text=f"this machine signs from now on, from size {size:,} upwards")
