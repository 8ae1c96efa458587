"""`erti demo`: a whole small country on this machine, with the service and two agencies' portals running."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated
from urllib.parse import urlsplit

import httpx
import typer
from rich.markup import escape

from consent.ledger import signer
from core.settings import Settings
from registry_sync.wire import messages
from service.commands.run import free_or_fail
from service.commands.store import USAGE, err, fail, opened, out
from service.commands.store import settings as read_settings
from service.demo import country, founding
from service.demo.mailbox import Mailbox
from service.migrations import UnknownTables

REPOSITORY = Path(__file__).resolve().parents[2]
PORTAL = REPOSITORY / "examples" / "portal"
MARKER = "made-by-erti-demo"
LOCK = "running"
START_SECONDS = 60
ACTING = "  8. Act for a child: sign out, activate the parent, sign in at the Health Insurance Fund, and choose for whom you are there."
EVENT_EXAMPLES = (
    """erti demo event death 38072135168 --payload '{"death_date": "2026-11-20"}'""",
    "erti demo event death-reversed 38072135168",
    """erti demo event name-change 38072135168 --payload '{"name": {"given_name": "Nino", "surname": "Beridze"}}'""",
    """erti demo event birth 99000000001 --payload '{"person": {"identifier": [{"identifier_type": "UIN", "identifier_value": "99000000001"}], "name": {"given_name": "Ana", "surname": "Beridze"}, "birth_date": "2026-11-20"}}'""",
    """erti demo event correction 38072135168 --payload '{"person": {"birth_date": "1990-05-17"}}'""",
    """erti demo event representative 99000000001 --payload '{"relation": "parent", "representative": [{"identifier_type": "UIN", "identifier_value": "38072135168"}]}'""",
    """erti demo event representative-ended 99000000001 --payload '{"relation": "parent", "representative": [{"identifier_type": "UIN", "identifier_value": "38072135168"}]}'""",
)
STOP_SECONDS = 10

app = typer.Typer(
    help="A small country on this machine: the service, two agencies' portals, sample citizens."
)


@dataclass(frozen=True)
class Child:
    """One process of the demo."""

    name: str
    process: subprocess.Popen[bytes]


@app.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw the demo's data away and start over.")
    ] = False,
    people: Annotated[int, typer.Option(help="How many people the first start makes.", min=20)] = 500,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("var/demo"),
    port: Annotated[
        int, typer.Option(help="Port of the service; the portals take the next two.", min=1, max=65_533)
    ] = 8000,
) -> None:
    """Start everything, print what to open, and run until Ctrl-C. A second start keeps the data."""
    if context.invoked_subcommand:
        return
    if not PORTAL.is_dir():
        raise fail("the example portals are not here. Run the demo from a checkout of the repository.", USAGE)
    _refuse_if_running(folder)
    for number in (port, port + 1, port + 2):
        free_or_fail("127.0.0.1", number)
    lock = _prepare_folder(folder, fresh=fresh, address=f"http://localhost:{port}")
    settings = read_settings(
        data_dir=folder.resolve(),
        issuer=f"http://localhost:{port}",
        database_url="",
        outbound_private_hosts=(founding.EVENTS_HOST,),
    )
    try:
        founding.found(settings, people=people, port=port, console=err)
    except UnknownTables as error:
        raise fail(
            f"the sample data in {folder} is of another version of Erti. Start over: make run FRESH=1"
        ) from error
    environment = {
        **os.environ,
        "ERTI_DATA_DIR": str(settings.data_dir),
        "ERTI_ISSUER": settings.issuer,
        "ERTI_DATABASE_URL": "",
        "ERTI_OUTBOUND_PRIVATE_HOSTS": json.dumps(settings.outbound_private_hosts),
        "ERTI_REGISTRY_KEYS": str(settings.data_dir / founding.REGISTRY_KEYS),
    }
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    mail = None
    if not settings.smtp_url:
        mail = Mailbox(settings.data_dir / founding.MAIL, _letter_came)
        environment["ERTI_SMTP_URL"] = mail.url
    try:
        with _running(settings, environment, port, lock) as children:
            _introduce(settings, port, mail=mail)
            _watch(children)
    except KeyboardInterrupt:
        err.print("Stopped.")


@app.command("country")
def make_country(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
    people: Annotated[int, typer.Option(help="How many people.", min=20)] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same country.")] = 1,
) -> None:
    """Write an invented country: civil.jsonl, tax.csv, and truth.json with what an import must find."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = country.write(folder, people=people, seed=seed)
    out.print(f"{folder}: {truth.civil_lines:,} civil records, {truth.tax_rows:,} tax rows")


@app.command("event", epilog="\n\n".join(EVENT_EXAMPLES))
def send_event(
    kind: Annotated[str, typer.Argument(help=f"What happened: {', '.join(messages.KINDS)}. Examples below.")],
    identifier: Annotated[str, typer.Argument(help="National identifier; /my/data shows it.")],
    payload: Annotated[str, typer.Option(help='JSON, e.g. {"death_date": "2026-11-20"}')] = "{}",
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(help="Port of the running service.")] = 8000,
) -> None:
    """Let the demo's civil register tell the running service that something happened."""
    if kind not in messages.KINDS:
        raise fail(f"{escape(kind)} is none of {', '.join(messages.KINDS)}.", USAGE)
    settings = read_settings(data_dir=folder.resolve(), issuer=f"http://localhost:{port}", database_url="")
    try:
        message = founding.message(settings, kind, identifier, json.loads(payload))
        answer = httpx.post(
            f"{settings.issuer}/registry/events",
            content=message,
            headers={"Content-Type": "application/secevent+jwt"},
            trust_env=False,
        )
    except ValueError as error:
        raise fail(f"--payload is not JSON: {error}", USAGE) from error
    except OSError as error:
        raise fail(f"{folder} holds no demo. Start it with `erti demo` first.", USAGE) from error
    except httpx.HTTPError as error:
        raise fail(f"{settings.issuer} does not answer. Start it with `erti demo` first.") from error
    if answer.status_code != httpx.codes.ACCEPTED:
        raise fail(f"refused with {answer.status_code}: {escape(answer.text)}")
    outcome = answer.headers.get("erti-outcome", "")
    out.print(f"{answer.status_code} {outcome}")
    if outcome == "quarantined":
        raise fail(
            "nothing changed: the register's message is put aside until somebody looks at it: /admin shows it."
        )


def _refuse_if_running(folder: Path) -> None:
    """Raise, in words, if a demo runs in this folder; makes nothing."""
    with contextlib.suppress(OSError), (folder / LOCK).open("r+") as file:
        _locked_or_fail(folder, file)


def _locked_or_fail(folder: Path, file: IO[str]) -> None:
    """Take the lock of a folder's demo. The kernel lets go of it when the last process of that demo is gone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise fail(
            f"a demo runs in {folder} already, at {file.read().strip() or 'an address it has not yet said'}. Stop it, "
            "or keep this one's data elsewhere: make run PORT=9000 ARGS='--folder var/second'"
        ) from error


def _prepare_folder(folder: Path, *, fresh: bool, address: str) -> IO[str]:
    """Make a folder ready, and return the lock on it, which our processes hold as long as one of them lives."""
    try:
        if fresh and folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
            raise fail(f"{folder} was not made by the demo, so it will not be deleted.", USAGE)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).touch()
        lock = (folder / LOCK).open("a+")
        _locked_or_fail(folder, lock)
        lock.truncate(0)
        lock.write(f"{address}\n")
        lock.flush()
        for found in folder.iterdir() if fresh else ():
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            elif found.name not in (LOCK, MARKER):
                found.unlink()
        return lock
    except OSError as error:
        raise fail(
            f"{folder} cannot be written ({error.strerror}). Give another folder with --folder, for "
            "example in your home (make run ARGS='--folder ~/erti-demo')."
        ) from error


@contextlib.contextmanager
def _running(
    settings: Settings, environment: dict[str, str], port: int, lock: IO[str]
) -> Iterator[list[Child]]:
    erti = [sys.executable, "-m", "service"]
    secrets = json.loads((settings.data_dir / founding.SECRETS).read_text("utf-8"))
    plan: list[tuple[str, list[str], dict[str, str]]] = [
        ("service", [*erti, "serve", "--port", str(port)], {}),
        ("worker", [*erti, "worker"], {}),
    ]
    for offset, name in enumerate(("revenue", "health"), start=1):
        plan.append(
            (
                f"{name} portal",
                [sys.executable, str(PORTAL / "portal.py"), str(PORTAL / f"{name}.toml")],
                {
                    "PORTAL_CLIENT_SECRET": secrets[f"{name}-portal"],
                    "PORTAL_EVENTS_TOKEN": founding.events_token(secrets[f"{name}-portal"]),
                    "PORTAL_ISSUER": settings.issuer,
                    "PORTAL_URL": f"http://localhost:{port + offset}",
                },
            )
        )
    children: list[Child] = []
    try:
        for name, command, extra in plan:
            # A session of its own, so that Ctrl-C reaches only us and we end the others in order.
            process = subprocess.Popen(
                command, env={**environment, **extra}, start_new_session=True, pass_fds=(lock.fileno(),)
            )
            children.append(Child(name, process))
        _wait_until_ready(
            children, [f"{settings.issuer}/readyz", *(f"http://localhost:{port + n}/" for n in (1, 2))]
        )
        yield children
    finally:
        _stop(children)


def _wait_until_ready(children: list[Child], addresses: list[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    waiting = list(addresses)
    while waiting:
        _fail_if_ended(children)
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(waiting[0], timeout=2, trust_env=False).status_code == httpx.codes.OK:
                waiting.pop(0)
                continue
        if time.monotonic() > deadline:
            raise fail(
                f"{waiting[0]} does not answer after {START_SECONDS} seconds; the lines above may say why."
            )
        time.sleep(0.1)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _watch(children: list[Child]) -> None:
    while True:
        _fail_if_ended(children)
        time.sleep(0.2)


def _fail_if_ended(children: list[Child]) -> None:
    for child in children:
        if (code := child.process.poll()) is not None:
            raise fail(f"the {child.name} ended by itself (exit code {code}); the lines above may say why.")


def _stop(children: list[Child]) -> None:
    # A second Ctrl-C must not leave half of them running.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    err.print("\nStopping…")
    for child in reversed(children):
        child.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()


def _letter_came(to: str, path: Path) -> None:
    err.print(f"Mail to {escape(to)}: {escape(str(_short(path)))}", soft_wrap=True)


def _introduce(settings: Settings, port: int, *, mail: Mailbox | None) -> None:
    with opened(settings) as database, database.writing() as db:
        people = founding.introductions(db)
        fingerprint = signer.policy_fingerprint(db)
    lines = [
        "[bold]Erti is running.[/bold] Open these in a browser:",
        "",
        f"  http://localhost:{port + 1}   Revenue Service, an agency's portal",
        f"  http://localhost:{port + 2}   Health Insurance Fund, another one",
        f"  http://localhost:{port}   Erti itself: data, sharing, history",
        "",
        "[bold]Try this[/bold]",
        "  1. Open the Revenue Service and choose “Sign in with Erti”, then “Activate”.",
        "  2. Use one of these citizens, as if a counter had printed their letter:",
        *(f"       {person.line}" for person in people),
        f"     Their letters stand in {_short(settings.data_dir / founding.LETTERS)} as pages to print.",
        "     Choose a passkey, or a password and an authenticator app.",
        "  3. See what is asked, with the values; allow it. You are signed in.",
        "  4. Open the Health Insurance Fund: no second sign-in, but its own consent.",
        f"  5. Look at http://localhost:{port}/my/history, then stop the sharing at /my/sharing.",
        "  6. In the portal, choose “Read again now”: it is refused.",
        f"  7. Download your history and check it:  .venv/bin/erti-verify FILE --policy {_short(settings.data_dir / founding.POLICY)}",
        f"     It must name the fingerprint that the letters name: {fingerprint}",
        *([ACTING] if any(person.note for person in people) else []),
        "",
        f"Mail that Erti writes to citizens becomes a file in {_short(mail.folder)}, named here as it comes."
        if mail
        else f"Mail goes to {urlsplit(settings.smtp_url).hostname}, as ERTI_SMTP_URL says.",
        "",
        f"Staff console: http://localhost:{port}/admin, for two people invited by",
        f"  ERTI_ISSUER={settings.issuer} ERTI_DATA_DIR={_short(settings.data_dir)} .venv/bin/erti staff bootstrap 'First Person' 'Second Person'",
        "",
        "Ctrl-C stops all of it; `make run` goes on with the same data, `make run FRESH=1` starts over.",
    ]
    out.print("", *lines, "", sep="\n", soft_wrap=True)


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
