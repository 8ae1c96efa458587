"""What one portal needs to know: the agency it speaks for, and how it joined the identity service."""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

NAMES = (
    "client_id",
    "client_secret",
    "issuer",
    "url",
    "events_token",
    "ca_file",
    "tls_cert",
    "tls_key",
    "host",
)


@dataclass(frozen=True)
class Reading:
    """One purpose under which the portal reads attributes on its own, the citizen being absent."""

    purpose: str
    title: str
    text: str
    shown: list[list[str]]


@dataclass(frozen=True)
class Portal:
    """One agency's portal."""

    client_id: str
    client_secret: str
    issuer: str
    url: str
    agency: str
    service: str
    headline: str
    intro: str
    facts: list[str]
    colour: str
    colour_dark: str
    emblem: str
    scope: str
    claims: list[str]
    shown: list[list[str]]
    advice: dict[str, str]
    standing: Reading | None = None
    law: Reading | None = None
    events_token: str = ""
    ca_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    host: str = field(default="127.0.0.1")

    @property
    def port(self) -> int:
        """The port to listen on: the one in the portal's own address."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def secure(self) -> bool:
        """Whether people reach this portal over TLS."""
        return self.url.startswith("https://")


def load(file: Path) -> Portal:
    """A portal from its TOML file; `PORTAL_…` variables win, and the secret comes from there alone.

    Raises SystemExit with a sentence that helps when the secret is missing.
    """
    values = tomllib.loads(file.read_text("utf-8"))
    for name in NAMES:
        given = os.environ.get(f"PORTAL_{name.upper()}")
        if given:
            values[name] = given
    if not values.get("client_secret"):
        raise SystemExit("Set PORTAL_CLIENT_SECRET to the secret this client was registered with.")
    for name in ("standing", "law"):
        if name in values:
            values[name] = Reading(**values[name])
    return Portal(**values)
