"""`erti serve`, `worker`, `migrate` and `check`: what operators start."""

import os
import signal
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from core.settings import Settings
from service import migrations, worker
from service.app import create_app, open_house
from service.commands.store import FAILED, USAGE, fail, opened, out, settings, show, unwritable
from service.migrations import UnknownTables


def serve(
    issuer: Annotated[str | None, typer.Option(help="Public address, e.g. https://id.example.gov")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; PostgreSQL is made for several.", min=1)] = 1,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM certificate chain, to terminate TLS here.", exists=True)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key of --tls-cert.", exists=True)] = None,
) -> None:
    """Serve pages, OpenID Connect and the agencies' endpoints. `erti worker` must run beside it."""
    if (tls_cert is None) != (tls_key is None):
        raise fail("--tls-cert and --tls-key go together", USAGE)
    if issuer:
        os.environ["ERTI_ISSUER"] = issuer  # so that worker processes read the same
    found = settings(issuer=issuer)
    free_or_fail(host, port)
    with opened(found):
        pass
    uvicorn.run(
        "service.commands.run:application",
        factory=True,
        host=host,
        port=port,
        workers=workers if workers > 1 else None,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        ssl_certfile=str(tls_cert) if tls_cert else None,
        ssl_keyfile=str(tls_key) if tls_key else None,
        timeout_graceful_shutdown=5,
    )


def application() -> object:
    """Build the application in a server process, from the environment that `serve` left."""
    return create_app(settings())


def work() -> None:
    """Do the work nobody waits for: checkpoints, tiles, mail, rotation, clearing. Run at least one."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with opened() as database:
        worker.run(database, stop)


def migrate() -> None:
    """Bring the database to this version's tables. Safe to run again."""
    found = settings()
    try:
        database = open_house(found)
        before = migrations.current(database)
        migrations.upgrade(database)
        database.close()
    except UnknownTables as error:
        raise fail(
            f"the tables are those of another version of Erti ({error}), which is not known here."
        ) from error
    except OSError as error:
        raise unwritable(error) from error
    after = migrations.newest()
    out.print("nothing to do" if before == after else f"{before or 'empty'} -> {after}")


def check(as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Say in words which settings are unsafe for production. Exit code 1 if there are any."""
    found = settings()
    remarks = unsafe(found)
    text = "\n".join(f"- {remark}" for remark in remarks) or "Nothing unsafe found."
    show({"unsafe": remarks}, as_json=as_json, text=text)
    if remarks:
        raise typer.Exit(FAILED)


def unsafe(given: Settings) -> list[str]:
    """Return what is unsafe about settings for production, one sentence each."""
    remarks = {
        "ERTI_MODE is development: test citizens and other conveniences are allowed.": given.mode
        != "production",
        "ERTI_ISSUER is not https: cookies and codes travel in clear.": not given.secure,
        "ERTI_DATABASE_URL is SQLite: fine for one machine, PostgreSQL is made for more.": "sqlite"
        in given.store,
        "ERTI_TRUSTED_PROXIES is empty: behind a proxy all visitors would count as one, and share their limits.": (
            not given.trusted_proxies
        ),
        "ERTI_SMTP_URL is empty: citizens get no mail about changes to their account.": not given.smtp_url,
        "ERTI_REGISTRY_KEYS is empty: no registry can send events.": given.registry_keys is None,
        "ERTI_WITNESS_POLICY is empty: no other institution sees that everybody is shown the same ledger.": (
            given.witness_policy is None
        ),
        "ERTI_OUTBOUND_PRIVATE_HOSTS names hosts: outbound calls may reach your own network.": bool(
            given.outbound_private_hosts
        ),
        "ERTI_ARGON2_MEMORY_KIB is below 19456: passwords are cheaper to guess than OWASP's minimum.": (
            given.argon2_memory_kib < 19_456
        ),
    }
    return [sentence for sentence, holds in remarks.items() if holds]


def free_or_fail(host: str, port: int) -> None:
    """Raise, in words, if a port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise fail(
                f"port {port} on {host} cannot be used ({error.strerror}). Stop what uses it, or choose another "
                "port with --port (make run PORT=9000)."
            ) from error
