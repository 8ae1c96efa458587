"""How the demo's country comes to be: tables, people, agencies, and letters for its sample citizens."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from joserfc import jwt
from joserfc.jwk import ECKey
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import importing as agencies
from consent.ledger import signer
from consent.tables import mandate
from core import clock
from core.database import Database, parts
from core.events import SYSTEM
from core.settings import Settings
from idp import accounts
from idp.login import activation
from idp.login.activation import Seen
from idp.oidc import clients
from idp.signals import streams, vocabulary
from registry_sync import inbox, trust
from registry_sync import people as persons
from registry_sync.sources import importing
from service import migrations
from service.app import begin, open_house
from service.demo import country

AGENCIES = Path(__file__).parent / "agencies.yaml"
SECRETS = "client-secrets.json"
REGISTRY_KEYS = "registry-keys.json"
REGISTRY_PRIVATE = "registry-private.json"
POLICY = "trust-policy.txt"
LETTERS = "letters"
CODES = "activation-codes.json"
MAIL = "mail"
FOUNDED = "founded"
SAMPLES = 3
COUNTER = Seen(
    "Hall Vashliani, counter 1", "demo", "identity-card"
)  # nobody was there: the people are invented
EVENTS_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Introduction:
    """A sample citizen as the demo presents them."""

    citizen_id: str
    code: str | None
    note: str = ""

    @property
    def line(self) -> str:
        """What to type for this citizen."""
        name = persons.grouped(self.citizen_id)
        way_in = f"activation code {self.code}" if self.code else "(activated already)"
        return f"citizen ID {name}   {way_in}{self.note}"


def found(settings: Settings, *, people: int, port: int, console: Console) -> None:
    """Make the country on the first start; on later ones only bring the tables up to date.

    A first start that was cut off goes on where it stopped: every step can be done twice.
    """
    database = open_house(settings)
    migrations.upgrade(database)
    begin(database)
    if not (settings.data_dir / FOUNDED).exists():
        folder = settings.data_dir / "country"
        folder.mkdir(exist_ok=True)
        country.write(folder, people=people, seed=1)
        _import(database, folder, console)
        _admit_agencies(database, settings.data_dir, port)
        _registry_keys(settings.data_dir)
        with database.reading() as db:
            (settings.data_dir / POLICY).write_text(signer.policy_text(db), "utf-8")
        (settings.data_dir / FOUNDED).touch()
    with database.writing() as db:
        if _a_parent(db, []) is None:
            _name_a_parent(db, settings)
    database.close()


def _name_a_parent(db: Session, settings: Settings) -> None:
    """Let the civil register say of one child who its parent is: a bulk import says that of nobody (ADR 40)."""
    folder = settings.data_dir / "country"
    registers = settings.model_copy(update={"registry_keys": settings.data_dir / REGISTRY_KEYS})
    youngest = f"{clock.now().year - settings.age_of_consent + 2}"
    shown = country.read_truth(folder).showcase
    for line in (folder / country.CIVIL_FILE).read_text("utf-8", errors="replace").splitlines():
        try:
            child = json.loads(line)
            parent = child["parent1_identifier"]
            identifier = child["identifier"][0]["identifier_value"]
            fits = child["birth_date"] > youngest and parent["identifier_value"] not in shown
        except (ValueError, LookupError, TypeError):  # some lines are broken, as in a true register
            continue
        if fits and all(
            persons.by_identifier(db, "UIN", one) for one in (identifier, parent["identifier_value"])
        ):
            said = message(
                settings, "representative", identifier, {"representative": [parent], "relation": "parent"}
            )
            inbox.receive(db, trust.verify(registers, said.encode()))
            if _a_parent(db, []):
                return


def introductions(db: Session) -> list[Introduction]:
    """Return the sample citizens, the last a parent; each without an account has a code that works, and a letter to print."""
    home = parts(db).settings.data_dir
    (home / LETTERS).mkdir(mode=0o700, exist_ok=True)
    (home / CODES).touch(mode=0o600)
    codes: dict[str, str] = json.loads((home / CODES).read_text("utf-8") or "{}")
    truth = country.read_truth(home / "country")
    samples = [persons.by_identifier(db, "UIN", identifier) for identifier in truth.showcase[:SAMPLES]]
    people = [Introduction(citizen, _code(db, citizen, codes)) for citizen in samples if citizen]
    parent = _a_parent(db, [one.citizen_id for one in people])
    if parent:
        people.append(Introduction(parent, _code(db, parent, codes), "   (a parent)"))
    (home / CODES).write_text(json.dumps(codes), "utf-8")
    return people


def _code(db: Session, citizen: str, codes: dict[str, str]) -> str | None:
    """Return a code for a citizen without an account: the one of an earlier start while it works, else a new one."""
    if accounts.find(db, citizen) is not None:
        return None
    if citizen not in codes or not activation.opens(db, citizen, codes[citizen]):
        codes[citizen] = code = activation.make_code(db, citizen, seen=COUNTER, actor=SYSTEM)
        fingerprint = signer.policy_fingerprint(db)
        page = activation.letter(db, citizen, code, fingerprint=fingerprint, office=COUNTER.office)
        (parts(db).settings.data_dir / LETTERS / f"{citizen}.html").write_text(page, "utf-8")
    return codes[citizen]


def _a_parent(db: Session, others: list[str]) -> str | None:
    """Return somebody who acts for a child, by the register's word; the same at each start."""
    acting = select(mandate.c.holder).where(
        mandate.c.ground == "parent", mandate.c.state == "given", mandate.c.holder.not_in(others)
    )
    return db.scalar(acting.order_by(mandate.c.holder).limit(1))


def _import(database: Database, folder: Path, console: Console) -> None:
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bar:
        for source, name in (("civil", country.CIVIL_FILE), ("tax", country.TAX_FILE)):
            task = bar.add_task(f"Founding the country: {source} register", total=None)
            show = partial(_show, bar, task)
            importing.import_file(database, folder / name, source=source, progress=show)


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _admit_agencies(database: Database, folder: Path, port: int) -> None:
    file = folder / SECRETS
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(
            json.dumps({f"{name}-portal": secrets.token_urlsafe(32) for name in ("revenue", "health")})
        )
    known = json.loads(file.read_text("utf-8"))
    text = AGENCIES.read_text("utf-8")
    for offset in (1, 2):
        text = text.replace(f"http://localhost:{8000 + offset}", f"http://localhost:{port + offset}")
    document = yaml.safe_load(text)
    for client in document["clients"]:
        client["client_secret"] = known[client["client_id"]]
        client["signals"] = {"delivery": _events_to(client, known)}
    with database.writing() as db:
        agencies.load(db, document, actor=SYSTEM)
        clients.load(db, document, actor=SYSTEM)
        streams.load(db, document, actor=SYSTEM)


def events_token(client_secret: str) -> str:
    """Return what a portal of the demo wants to hear from whoever tells it something."""
    return hashlib.sha256(f"events {client_secret}".encode()).hexdigest()


def _events_to(client: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
    # By number, for `localhost` may be another address first than the one that the portal listens at.
    home = client["client_uri"].replace("localhost", EVENTS_HOST).rstrip("/")
    return {
        "method": vocabulary.PUSH,
        "endpoint_url": f"{home}/events",
        "authorization_header": f"Bearer {events_token(known[client['client_id']])}",
    }


def message(settings: Settings, kind: str, identifier: str, payload: dict[str, Any]) -> str:
    """Return a message of the demo's civil register, signed as a registry signs (RFC 8417)."""
    key = ECKey.import_key(json.loads((settings.data_dir / REGISTRY_PRIVATE).read_text("utf-8")))
    at = clock.seconds(clock.now())
    about = {"identifier": [{"identifier_type": "UIN", "identifier_value": identifier}]}
    claims = {
        "iss": "civil",
        "aud": settings.issuer,
        "iat": at,
        "toe": at,
        "jti": secrets.token_urlsafe(16),
        "events": {f"urn:erti:registry:{kind}": {**about, **payload}},
    }
    return jwt.encode({"alg": "ES256", "typ": "secevent+jwt", "kid": "civil-demo"}, claims, key)


def _registry_keys(folder: Path) -> None:
    # The demo's civil register signs its events with this; a real one sends only its public key.
    key = ECKey.generate_key("P-256", {"kid": "civil-demo", "alg": "ES256", "use": "sig"})
    private = folder / REGISTRY_PRIVATE
    private.touch(mode=0o600)
    private.write_text(json.dumps(key.as_dict(private=True)))
    public = {**key.as_dict(private=False), "iss": "civil"}
    (folder / REGISTRY_KEYS).write_text(json.dumps({"keys": [public]}))
