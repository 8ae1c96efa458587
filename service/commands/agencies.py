"""`erti agencies` and `erti clients`: who may ask, with which systems, for what."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from consent import importing
from idp.oidc import clients
from idp.signals import streams
from service.commands.store import OPERATOR, USAGE, fail, opened, show

agencies_app = typer.Typer(no_args_is_help=True, help="Agencies, their clients and purposes.")
clients_app = typer.Typer(no_args_is_help=True, help="Clients: the systems of agencies.")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@agencies_app.command("import")
def import_agencies(
    file: Annotated[Path, typer.Argument(help="YAML file of agencies, purposes and clients.", exists=True)],
    as_json: Json = False,
) -> None:
    """Load agencies, purposes and clients. All of the file is taken, or none of it."""
    document = _read(file)
    with opened() as database, database.writing() as db:
        counts = importing.load(db, document, actor=OPERATOR)
        secrets = clients.load(db, document, actor=OPERATOR)
        streams.load(db, document, actor=OPERATOR)
    result: dict[str, Any] = {**counts, "clients": len(document.get("clients", [])), "secrets": secrets}
    lines = [", ".join(f"{value} {name}" for name, value in result.items() if name != "secrets")]
    lines += [f"client secret of {name}, shown this once: {secret}" for name, secret in secrets.items()]
    show(result, as_json=as_json, text="\n".join(lines))


@clients_app.command("import")
def import_clients(
    file: Annotated[Path, typer.Argument(help="JSON or YAML file of RFC 7591 client metadata.", exists=True)],
    as_json: Json = False,
) -> None:
    """Load clients; `client_id` and `client_secret` may be preset, to move from another provider."""
    document = _read(file)
    listed = document.get("clients", document if isinstance(document, list) else [document])
    with opened() as database, database.writing() as db:
        secrets = clients.load(db, {"clients": listed}, actor=OPERATOR)
        streams.load(db, {"clients": listed}, actor=OPERATOR)
    lines = [f"{len(listed)} clients"]
    lines += [f"client secret of {name}, shown this once: {secret}" for name, secret in secrets.items()]
    show({"clients": len(listed), "secrets": secrets}, as_json=as_json, text="\n".join(lines))


def _read(file: Path) -> Any:
    text = file.read_text("utf-8")
    try:
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise fail(f"{file} cannot be read: {error}", USAGE) from error
