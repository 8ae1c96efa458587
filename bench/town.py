"""A small town to measure: people from a register, an agency with a client, standing grants, open sessions."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from consent import capacity, decisions
from consent import importing as agencies
from consent.ledger import signer
from core import sessions
from core.database import Database
from core.events import SYSTEM, Actor
from core.settings import Settings
from idp import enrol
from idp.oidc import clients
from registry_sync import people
from registry_sync.sources import importing
from service import migrations
from service.app import begin, open_house
from service.demo import country

CLIENT, REDIRECT = "bench-portal", "http://localhost:9/signed-in"
PURPOSE = "bench-sign-in"
ATTRIBUTES = ("given_name", "family_name", "birthdate", "income_bracket")
SUBSTANTIAL = "urn:erti:loa:substantial"
PASSWORD = "correct horse battery staple"
CITIZENS, ACCOUNTS = 200, 24


@dataclass(frozen=True)
class Town:
    """What the load needs to know: a client and its secret, citizens with grants and sessions, test accounts."""

    secret: str
    citizens: tuple[str, ...]
    sessions: tuple[str, ...]
    accounts: tuple[str, ...]


def write_registers(folder: Path, people_count: int) -> tuple[Path, Path]:
    """Write the registers of a country; return the civil file and the tax file."""
    country.write(folder, people=people_count, seed=7)
    return folder / country.CIVIL_FILE, folder / country.TAX_FILE


def open_tables(settings: Settings) -> None:
    """Make the tables of an empty database, and what every first start makes."""
    database = open_house(settings)
    migrations.upgrade(database)
    begin(database)
    database.close()


def found(settings: Settings, civil_file: Path, tax_file: Path) -> Town:
    """Put agency, client, grants, sessions and accounts into a database whose civil register is loaded."""
    database = open_house(settings)
    importing.import_file(database, tax_file, source="tax", progress=lambda *_: None)
    secret = secrets.token_urlsafe(32)
    document = _document(secret)
    with database.writing() as db:
        agencies.load(db, document, actor=SYSTEM)
        clients.load(db, document, actor=SYSTEM)
        citizens = _deciding(db, civil_file)[:CITIZENS]
        for citizen in citizens:
            decisions.decide(
                db,
                citizen=citizen,
                client_id=CLIENT,
                purpose=PURPOSE,
                allowed=set(ATTRIBUTES),
                lang="en",
                actor=Actor("citizen", citizen),
            )
    tokens = tuple(_session(database, citizen) for citizen in citizens)
    accounts = tuple(_account(database, number) for number in range(ACCOUNTS))
    database.parts.sequencer.drain(timeout=30)
    signer.sign_if_due(database)
    database.close()
    return Town(secret, citizens, tokens, accounts)


def _session(database: Database, citizen: str) -> str:
    with database.writing() as db:
        _found, token = sessions.begin(
            db,
            subject=citizen,
            kind="citizen",
            acr=SUBSTANTIAL,
            amr=("pwd", "otp"),
            user_agent="bench",
            network="127.0.0.1",
        )
    return token


def _account(database: Database, number: int) -> str:
    username = f"bench{number}"
    with database.writing() as db:
        enrol.enrol(db, username, PASSWORD, {"given_name": "Bench"}, actor=SYSTEM)
    return username


def _deciding(db: Session, civil_file: Path) -> tuple[str, ...]:
    """The citizen IDs of people in a civil register, in its order, without those who died, and those for whom others decide."""
    found: dict[str, None] = {}
    for line in civil_file.read_bytes().splitlines():
        try:
            identifiers = json.loads(line)["identifier"]
        except (ValueError, KeyError, TypeError):
            continue  # the register has broken lines, on purpose
        for each in identifiers if isinstance(identifiers, list) else []:
            if not isinstance(each, dict):
                continue
            kind, value = str(each.get("identifier_type")), str(each.get("identifier_value"))
            citizen = people.by_identifier(db, kind, value)
            person = people.find(db, citizen) if citizen else None
            if person and person.state == people.LIVING and capacity.bar(db, person.citizen_id) is None:
                found[person.citizen_id] = None
    return tuple(found)


def _document(secret: str) -> dict[str, object]:
    text = {"title": "Bench", "why": "To be measured.", "refused": "Nothing happens."}
    return {
        "agencies": [
            {
                "id": "bench",
                "names": {"en": "Bench", "ka": "Bench"},
                "kind": "public",
                "contact": "bench@bench.example",
            }
        ],
        "purposes": [
            {
                "id": PURPOSE,
                "agency": "bench",
                "attributes": [{"name": name, "required": True} for name in ATTRIBUTES],
                "texts": {"en": text, "ka": text},
                "basis": {"kind": "consent"},
                "retention_days": 1,
                "valid_days": 30,
                "acr": SUBSTANTIAL,
            }
        ],
        "clients": [
            {
                "client_id": CLIENT,
                "agency": "bench",
                "client_name": "Bench",
                "redirect_uris": [REDIRECT],
                "token_endpoint_auth_method": "client_secret_basic",
                "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
                "response_types": ["code"],
                "scope": "openid profile attributes",
                "sign_in_purpose": PURPOSE,
                "client_secret": secret,
            }
        ],
    }
