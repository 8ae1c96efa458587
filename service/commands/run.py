"""`erti serve`, `worker`, `migrate` and `check`: what operators start."""

import contextlib
import os
import signal
import socket
import threading
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn
from rich.markup import escape
from sqlalchemy import make_url
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from core import clock
from core.settings import FILE_VARIABLE, Settings
from idp import atlas
from idp.errors import PlacesWrong
from idp.login import attestation
from idp.oidc import certificates
from idp.oidc.trusted import Trusted
from service import migrations, tls, worker
from service.app import create_app, settle
from service.commands.store import (
    FAILED,
    USAGE,
    fail,
    house,
    in_sentences,
    opened,
    out,
    settings,
    show,
    store_of,
)
from service.migrations import UnknownTables
from service.tls import Files, Listening

# What is read; folders that are made where they are missing are not among it, and the file of places is looked into.
FILES = (
    "pkcs11_module",
    "witness_policy",
    "retention_file",
    "breached_passwords",
    "passkey_roots",
    "passkey_metadata_root",
    "client_ca",
    "software_statement_keys",
    "outbound_ca_file",
    "registry_keys",
)
PLACES_FOR = timedelta(days=180)
log = structlog.get_logger("erti.serve")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def serve(
    *,
    issuer: Annotated[str | None, typer.Option(help="Public address, e.g. https://id.example.gov")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65_535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; PostgreSQL is made for several.", min=1)] = 1,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM certificate chain, to terminate TLS here.", exists=True)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key of --tls-cert.", exists=True)] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(help="PEM authorities whose client certificates are taken.", exists=True),
    ] = None,
    mtls_port: Annotated[
        int | None,
        typer.Option(help="A second port, the only one to ask for client certificates.", min=1, max=65_535),
    ] = None,
) -> None:
    """Serve pages, OpenID Connect and the agencies' endpoints. `erti worker` must run beside it."""
    found = settings(issuer=issuer, client_ca=client_ca)
    listening = _listening(found, tls_cert, tls_key, mtls_port)
    _certificates_can_come(found, listening)
    alias = f"https://{urlsplit(found.issuer).hostname}:{mtls_port}" if mtls_port else ""
    _leave_in_environment(issuer=issuer, client_ca=client_ca, mtls_address=found.mtls_address or alias)
    ports = [port] if mtls_port is None else [port, mtls_port]
    for one in ports:
        free_or_fail(host, one)
    with opened(found):
        pass
    config = uvicorn.Config(
        listening.application if listening else tls.APPLICATION,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="service.tls:Loop",
        http=tls.Protocol,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        ssl_context_factory=listening.context if listening else None,
        timeout_graceful_shutdown=5,
        timeout_worker_healthcheck=60,  # a busy machine takes longer than uvicorn's five seconds to start a process
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockets = [socket.create_server((host, one), family=family) for one in ports]
    log.info(
        "listening",
        on=", ".join(f"{host}:{one}" for one in ports),
        version=version("erti"),
        mode=found.mode,
        database=store_of(found),
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl+C: by now everything is closed
        if workers > 1:
            Multiprocess(config, sockets).run()
        else:
            uvicorn.Server(config).run(sockets)


def application(listening: Listening | None = None) -> ASGIApp:
    """Build the application in a server process, from the environment that `serve` left."""
    app = create_app(settings())
    settle()
    return listening.watched(app, Trusted(app.state.database).certificates) if listening else app


def _leave_in_environment(**given: object) -> None:
    """Leave what was given here to `application`, so that each process reads the same settings."""
    os.environ |= {f"ERTI_{name.upper()}": str(value) for name, value in given.items() if value}


def _certificates_can_come(found: Settings, listening: Listening | None) -> None:
    """Say in words if clients' certificates are wanted that can neither be seen nor judged."""
    try:
        attestation.trusted(found)
    except attestation.UnreadableRoots as error:
        raise fail(str(error), USAGE) from error
    if found.client_ca and not certificates.readable(found.client_ca):
        raise fail(f"{found.client_ca} holds no certificates of authorities in PEM", USAGE)
    handed_over = found.client_certificate_header and found.trusted_proxies
    if listening is None and not handed_over and (found.client_ca or found.mtls_address):
        raise fail(
            "client certificates need --tls-cert and --tls-key, or ERTI_CLIENT_CERTIFICATE_HEADER with "
            "ERTI_TRUSTED_PROXIES",
            USAGE,
        )


def _listening(
    found: Settings, certificate: Path | None, key: Path | None, mtls_port: int | None
) -> Listening | None:
    """Return how to terminate TLS here, or None if something else does; says in words what does not fit."""
    if certificate is None or key is None:
        if certificate or key:
            raise fail("--tls-cert and --tls-key go together", USAGE)
        if mtls_port is not None:
            raise fail("--mtls-port needs --tls-cert and --tls-key", USAGE)
        return None
    listening = Listening(Files(certificate, key, found.client_ca), mtls_port=mtls_port)
    try:
        listening.context()
    except OSError as error:
        raise fail(
            f"{certificate}, {key}{f' or {found.client_ca}' if found.client_ca else ''} cannot be used for TLS "
            f"({error}). The key must be that of the certificate, and not sealed with a password.",
            USAGE,
        ) from error
    listening.doors.clear()
    return listening


def work() -> None:
    """Do the work nobody waits for: checkpoints, tiles, mail, rotation, clearing. Run at least one."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with opened() as database:
        settle()
        worker.run(database, stop)


def migrate() -> None:
    """Bring the database to this version's tables. Safe to run again."""
    found = settings()
    with in_sentences():
        database = house(found)
        before = migrations.current(database)
        try:
            migrations.upgrade(database)
        except UnknownTables as error:
            raise fail(
                f"the tables are those of another version of Erti ({error}), which is not known here."
            ) from error
        database.close()
    after = migrations.newest()
    out.print("nothing to do" if before == after else f"{before or 'empty'} -> {after}")


def check(as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Say in words which settings are unsafe for production. Exit code 1 if there are any."""
    found = settings()
    judged = {
        "file": os.environ.get(FILE_VARIABLE) or None,
        "mode": found.mode,
        "issuer": found.issuer,
        "database": store_of(found),
    }
    remarks = [*unsafe(found), *_missing(found), *_places(found)]
    head = (
        f"Settings from {judged['file'] or f'ERTI_ variables alone ({FILE_VARIABLE} names no file)'}; mode {found.mode}, "
        f"{found.issuer}, database {judged['database']}"
    )
    text = "\n".join(
        [head, *(f"- {remark}" for remark in remarks)] if remarks else [head, "Nothing unsafe found."]
    )
    show({**judged, "unsafe": remarks}, as_json=as_json, text=escape(text))
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
        "ERTI_DATABASE_URL leads to another machine without sslmode=verify-full: who stands between reads and changes.": (
            _unproven(given.store)
        ),
        "ERTI_TRUSTED_PROXIES is empty: behind a proxy all visitors would count as one, and share their limits.": (
            not given.trusted_proxies
        ),
        "ERTI_CLIENT_CERTIFICATE_HEADER is set and ERTI_TRUSTED_PROXIES is empty: the header is never believed.": bool(
            given.client_certificate_header and not given.trusted_proxies
        ),
        "ERTI_SMTP_URL is empty: citizens get no mail about changes to their account.": not given.smtp_url,
        "ERTI_REGISTRY_KEYS is empty: no registry can send events.": given.registry_keys is None,
        "ERTI_WITNESS_POLICY is empty: no other institution sees that everybody is shown the same ledger.": (
            given.witness_policy is None
        ),
        "ERTI_DPOP_NONCE is offered: whoever gets at a client's key for a moment can sign proofs for later.": (
            given.dpop_nonce != "required"
        ),
        "ERTI_OUTBOUND_PRIVATE_HOSTS names hosts: outbound calls may reach your own network.": bool(
            given.outbound_private_hosts
        ),
        "ERTI_ARGON2_MEMORY_KIB is below 19456: passwords are cheaper to guess than OWASP's minimum.": (
            given.argon2_memory_kib < 19_456
        ),
    }
    return [sentence for sentence, holds in remarks.items() if holds]


def _missing(given: Settings) -> list[str]:
    """Return which files the settings name that cannot be read, one sentence each."""
    remarks = []
    for name in FILES:
        path: Path | None = getattr(given, name)
        if path is None:
            continue
        try:
            path.open("rb").close()
        except OSError as error:
            remarks.append(f"ERTI_{name.upper()} names {path}, which cannot be read ({error.strerror}).")
    return remarks


def _places(given: Settings) -> list[str]:
    """Return what is wrong with the file of places: nothing, that it cannot be used, or that it is out of date."""
    try:
        found = atlas.of(given)
    except PlacesWrong as error:
        return [f"ERTI_PLACES_FILE cannot be used, and the service will not start: {error.detail}."]
    if found is None or clock.now() - found.made_at < PLACES_FOR:
        return []
    return [f"ERTI_PLACES_FILE is of {found.made_at:%d %B %Y}: networks have moved since. Download it anew."]


def _unproven(address: str) -> bool:
    """Tell whether a database is called over a network without looking at who answers (libpq, 32.19.1)."""
    url = make_url(address)
    return url.host not in (None, "", *LOOPBACK) and url.query.get("sslmode") != "verify-full"


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
