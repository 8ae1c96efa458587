"""Makes what tests begin with: people from a register, and a citizen's sign-in at a client with its tokens."""

import json
import secrets
from pathlib import Path
from typing import Any

from core import sessions
from core.database import Database
from core.events import SYSTEM
from idp.oidc import clients, families, tokens
from idp.oidc.client import Client
from registry_sync.sources import importing
from registry_sync.sources.importing import Counts

SUBSTANTIAL = "urn:erti:loa:substantial"


def civil(**changes: Any) -> dict[str, Any]:
    """Return a person record in the civil register's shape, of somebody new each time."""
    number = secrets.randbelow(9 * 10**10) + 10**10
    return {
        "identifier": [{"identifier_type": "UIN", "identifier_value": str(number)}],
        "name": {"surname": f"Beridze{number}", "given_name": "Nino"},
        "sex": "female",
        "birth_date": f"19{50 + number % 50}-04-{1 + number % 28:02}",
        "birth_place": "Tbilisi",
        "address": [{"address_line1": "Old Market Square 1", "locality": "Vashliani"}],
        "marital_status": "single",
        "household_size": 2,
        "last_updated": "2025-10-28",
        **changes,
    }


def load(database: Database, folder: Path, *lines: dict[str, Any] | str) -> Counts:
    """Load lines of a civil register (records, or text as it stands) through the importer."""
    file = folder / f"civil-{secrets.token_hex(4)}.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return importing.import_file(database, file, source="civil", progress=lambda *_: None)


def client(database: Database, client_id: str = "portal", **changes: Any) -> Client:
    """Register a confidential client of the revenue agency."""
    metadata = {
        "client_id": client_id,
        "client_name": "Portal",
        "agency": "revenue",
        "redirect_uris": [f"https://{client_id}.example/signed-in"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"],
        "scope": "openid profile attributes",
        "sign_in_purpose": "revenue-sign-in",
        "client_secret": secrets.token_urlsafe(32),
        **changes,
    }
    with database.writing() as db:
        return clients.put(db, metadata, actor=SYSTEM)[0]


def access_token(database: Database, at: Client, citizen: str, *grants: str) -> str:
    """Sign a citizen in at a client and return the access token, which relies on these grants."""
    with database.writing() as db:
        session, _token = sessions.begin(
            db,
            subject=citizen,
            kind="citizen",
            acr=SUBSTANTIAL,
            amr=("pwd", "otp"),
            user_agent="test",
            network="192.0.2.1",
        )
        family = families.begin(
            db,
            at,
            session,
            scopes=("openid", "profile"),
            attributes=("given_name",),
            resources=(),
            nonce="",
            grants=grants,
        )
        issuer = database.parts.settings.issuer
        made, _seconds = tokens.issue_access(db, at, scope=family.scope, audience=issuer, family=family)
    return made
