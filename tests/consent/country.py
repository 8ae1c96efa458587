"""A small country for tests of consent: two agencies, their purposes, and a citizen's decisions."""

import hashlib
import uuid
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from consent import decisions, importing, purposes
from consent.disclosure import Ask
from consent.grants import Grant
from consent.ledger import subjects
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor
from registry_sync import attributes, people, tables
from registry_sync.wire.shapes import Identity

CITIZEN, OTHER, DEAD = "K7QD2M9XWT4BC", "4RZ8N1PV6HJ3E", "9C5YKQ0T2XGMW"
VALUES: dict[str, Any] = {"given_name": "Nino", "address": {"locality": "Vashliani"}}
INCOME: dict[str, Any] = {"income_bracket": "B", "employer": "The Mill"}
ME = Actor("citizen", CITIZEN)
LOW, SUBSTANTIAL, HIGH = (f"urn:erti:loa:{level}" for level in ("low", "substantial", "high"))


def agency(name: str = "revenue", **changes: Any) -> dict[str, Any]:
    """Return an agency's declaration."""
    return {
        "id": name,
        "names": {"en": f"Office of {name}", "ka": f"სამსახური {name}"},
        "kind": "public",
        "contact": f"help@{name}.example",
        **changes,
    }


def purpose(name: str = "revenue-sign-in", **changes: Any) -> dict[str, Any]:
    """Return a purpose's declaration: given name required, income bracket and employer optional."""
    return {
        "id": name,
        "agency": "revenue",
        "attributes": [
            {"name": "given_name", "required": True},
            {"name": "income_bracket", "required": False},
            {"name": "employer", "required": False},
        ],
        "texts": {
            "en": {"title": "Your account", "why": "To open it.", "refused": "Come to any office."},
            "ka": {"title": "თქვენი ანგარიში", "why": "გასახსნელად.", "refused": "მოდით ოფისში."},
        },
        "basis": {"kind": "consent"},
        "retention_days": 365,
        "valid_days": 365,
        "acr": SUBSTANTIAL,
        **changes,
    }


LAW = {"kind": "law", "act": "Tax Code", "article": "72(1)", "url": "https://laws.example/tax#72"}


def document() -> dict[str, Any]:
    """Return a file's content: two agencies, a purpose by consent for each, and one by law."""
    return {
        "agencies": [agency("revenue"), agency("health")],
        "purposes": [
            purpose(),
            purpose("health-sign-in", agency="health"),
            purpose("revenue-assessment", basis=dict(LAW), acr=LOW),
        ],
    }


def found(db: Session) -> None:
    """Put the agencies and purposes in place."""
    importing.load(db, document(), actor=SYSTEM)


def publish(db: Session, spec: dict[str, Any]) -> None:
    """Publish a purpose."""
    purposes.publish(db, spec, actor=SYSTEM)


def allow(db: Session, *names: str, purpose: str = "revenue-sign-in", citizen: str = CITIZEN) -> Grant:
    """Let the citizen allow attributes."""
    return decisions.decide(
        db,
        citizen=citizen,
        client_id="portal",
        purpose=purpose,
        allowed=set(names),
        lang="en",
        actor=Actor("citizen", citizen),
    )


def be_born(db: Session, citizen: str, *, state: str = "living", number: str = "") -> None:
    """Put a person into the registers' copy, with values from two registers and an identifier."""
    identity = people.sealed(db, citizen, Identity(given="Nino", born="1990-02-03"))
    at = clock.now()
    db.execute(
        insert(tables.person).values(
            citizen_id=citizen,
            state=state,
            state_as_of="2026-01-31",
            numbered=True,
            identity=identity,
            matched_at=at,
            changed_at=at,
        )
    )
    blind = people.identifier(db, "UIN", number or f"number of {citizen}")
    db.execute(insert(tables.person_identifier).values(blind=blind, kind="UIN", citizen_id=citizen))
    attributes.put(db, citizen, "civil", VALUES, as_of="2026-01-31")
    attributes.put(db, citizen, "tax", INCOME, as_of="2025-12-31")


def digest(text: str = "") -> str:
    """Return the hash of a body."""
    return hashlib.sha256(text.encode()).hexdigest()


def ask(*names: str, **changes: Any) -> Ask:
    """Return what the revenue portal asks of the door about the citizen."""
    facts: dict[str, Any] = {
        "citizen": CITIZEN,
        "agency": "revenue",
        "client": "portal",
        "purpose": "revenue-sign-in",
        "attributes": names or ("given_name",),
        "request_id": str(uuid.uuid4()),
        "body_sha256": digest("body"),
    }
    return Ask(**(facts | changes))


def history(database: Database, chain: str = CITIZEN) -> list[dict[str, Any]]:
    """Return what a chain of the ledger says, oldest first, once nothing waits for it."""
    assert database.parts.sequencer.drain(chain)
    with database.reading() as db:
        return [entry.facts or {} for entry in subjects.chain(db, chain)]


def last(database: Database, chain: str = CITIZEN) -> dict[str, Any]:
    """Return the data of the newest entry of a chain, with its kind."""
    facts = history(database, chain)[-1]
    return {"kind": facts["kind"], **facts["data"]}
