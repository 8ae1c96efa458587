"""`erti ledger mirror` and `recover`: a second copy of the log, and what it is good for when a backup was put back."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from consent.ledger import mirror, quorum, recovery
from consent.ledger.mirror import Unavailable, Untrue
from consent.ledger.quorum import BadPolicy
from core import outbound
from core.outbound import CallRefused
from core.settings import Settings
from service.commands.store import FAILED, USAGE, err, fail, opened, settings, show

MOST_BYTES = 32 * 1024 * 1024  # 256 entries of 65,535 bytes, and some
FOUND = 200
NO_ANSWER = 3
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


def copy(
    url: Annotated[str, typer.Argument(help="Where the log's files are, e.g. https://id.example.gov/ledger")],
    folder: Annotated[Path, typer.Argument(help="Your copy; made on the first call.")],
    policy: Annotated[
        Path, typer.Option(help="The trust policy, compared with a fingerprint that reached you another way.")
    ],
    as_json: Json = False,
) -> None:
    """Copy a log's checkpoint, entries and tiles, and check all of it before anything is kept.

    For a second institution; it needs nothing of the service. Call it every few minutes (cron, a systemd
    timer): it fetches what is new, makes sure that the log only grew, and goes on where it stopped. The
    folder can be served as it is by any web server, as a log of its own (C2SP tlog-tiles). It holds
    commitments and public records, and nothing about anybody.

    Exit code 1 means that the log's files contradict what it signed, or what you copied before. The
    checkpoint that says so is kept in the folder: that file is the proof. Settings or a folder that cannot be
    used are code 2, and code 3 means that the log did not answer: call it again.
    """
    found = settings()
    try:
        trusted = quorum.read(policy.read_bytes())
    except BadPolicy as error:
        raise fail(str(error), USAGE) from error
    except OSError as error:
        raise fail(f"{policy} cannot be read: {error.strerror}", USAGE) from error
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("entries", total=None)
        try:
            now = mirror.update(
                folder,
                trusted,
                lambda path: _fetch(found, f"{url.rstrip('/')}/{path}"),
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        except Unavailable as error:
            raise fail(f"{error}. Nothing is lost: call it again", NO_ANSWER) from error
        except Untrue as error:
            raise fail(str(error), FAILED) from error
        except OSError as error:
            raise fail(f"{error.filename} cannot be written ({error.strerror})", USAGE) from error
    size = now.edge.size
    show(
        {"origin": now.origin, "size": size},
        as_json=as_json,
        text=f"{now.origin}: {size:,} entries, all checked",
    )


def recover(
    folder: Annotated[
        Path, typer.Option("--mirror", help="A mirror of the log, made by `erti ledger mirror`.", exists=True)
    ],
    as_json: Json = False,
) -> None:
    """Bring the ledger back to what was signed, after an older backup of the database was put back.

    Stop `erti serve` and `erti worker` first. The rows come from the journal (ERTI_LEDGER_JOURNAL), and are kept
    only if they lead to the root that the mirror's checkpoint has, and this machine's guard file. What was
    recorded since the backup was put back is added again at the end. Then run `erti ledger fsck`.

    Only the ledger is brought back. The kinds of entries are listed: what they tell of permissions and accounts
    since the backup has to be done again in the rest of the database (docs/restore.md).
    """
    with opened() as database, Progress(console=err, transient=True) as bar:
        task = bar.add_task("mirror", total=None)
        done = recovery.recover(
            database, folder, lambda count, total: bar.update(task, completed=count, total=total)
        )
    facts = [
        {
            "origin": one.origin,
            "from": one.start,
            "size": one.size,
            "kinds": dict(one.kinds),
            "again": one.again,
        }
        for one in done
    ]
    lines = [
        f"{one.origin}: entries {one.start:,} to {one.size:,} are back, {one.again:,} added again"
        + "".join(f"\n  {count:,} {kind}" for kind, count in sorted(one.kinds.items()))
        for one in done
    ]
    show({"logs": facts}, as_json=as_json, text="\n".join(lines))


def _fetch(found: Settings, url: str) -> bytes:
    try:
        answer = outbound.fetch(found, "GET", url, limit=MOST_BYTES)
    except CallRefused as error:
        if error.detail == "scheme":
            raise fail(
                f"{url} is not called: only public https addresses are. In a trial name its host in "
                "ERTI_OUTBOUND_PRIVATE_HOSTS (docs/witness.md)",
                USAGE,
            ) from error
        raise Unavailable(f"{url} does not answer ({error.detail})") from error
    if answer.status != FOUND:
        raise Unavailable(f"{url} answers {answer.status}")
    return answer.body
