"""A small country for tests of consent: two agencies, their purposes, and a citizen's decisions."""

from typing import Any

from sqlalchemy.orm import Session

from consent import decisions, importing
from consent.grants import Grant
from core.events import SYSTEM, Actor

CITIZEN = "K7QD2M9XWT4BC"
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
