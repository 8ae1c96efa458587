"""How the two example portals join: random secrets, their addresses, and the programs that run them."""

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
AGENCIES = HERE / "agencies.yaml"
PORTALS = HERE.parents[1] / "examples" / "portal"
HOMES = {"revenue-portal": "http://localhost:8001", "health-portal": "http://localhost:8002"}
_CONFIGURATIONS = {"revenue-portal": "revenue.toml", "health-portal": "health.toml"}


@dataclass(frozen=True)
class Portal:
    """One example portal, ready to start: `command` with `environment` on top of the caller's own."""

    client_id: str
    url: str
    command: list[str]
    environment: dict[str, str]


def write(folder: Path, *, issuer: str, homes: dict[str, str] | None = None) -> tuple[Path, list[Portal]]:
    """Write agencies.yaml for `erti agencies import` into `folder`, secrets included, and say how to start the portals.

    `homes` gives each portal's address by client ID; HOMES when left out. A secret made before is kept, so a second
    start needs no second import. The file is readable by its owner alone. Raises OSError if `folder` cannot be written.
    """
    homes = HOMES | (homes or {})
    file = folder / "agencies.yaml"
    known = _secrets(file)
    plan: dict[str, Any] = yaml.safe_load(AGENCIES.read_text("utf-8"))
    portals = []
    for client in plan["clients"]:
        name, home = client["client_id"], homes[client["client_id"]]
        _move(client, HOMES[name], home)
        client["client_secret"] = known.get(name) or secrets.token_urlsafe(32)
        environment = {
            "PORTAL_ISSUER": issuer,
            "PORTAL_URL": home,
            "PORTAL_CLIENT_SECRET": client["client_secret"],
        }
        command = [sys.executable, str(PORTALS / "portal.py"), str(PORTALS / _CONFIGURATIONS[name])]
        portals.append(Portal(name, home, command, environment))
    folder.mkdir(parents=True, exist_ok=True)
    _write_private(file, yaml.safe_dump(plan, allow_unicode=True, sort_keys=False))
    return file, portals


def _secrets(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    clients = yaml.safe_load(file.read_text("utf-8"))["clients"]
    return {client["client_id"]: client["client_secret"] for client in clients}


def _move(client: dict[str, Any], old: str, new: str) -> None:
    """Put every address of a client under its new home."""
    client["client_uri"] = client["client_uri"].replace(old, new)
    for key in ("redirect_uris", "post_logout_redirect_uris"):
        client[key] = [uri.replace(old, new) for uri in client[key]]


def _write_private(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(file)
