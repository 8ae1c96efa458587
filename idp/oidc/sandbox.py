"""Where a developer's client stands outside production when its metadata names no agency: a sandbox."""

from typing import Any

from sqlalchemy.orm import Session

from consent import agencies, assurance, disclosure, purposes
from core.database import parts
from core.events import Actor
from idp.oidc import claims

AGENCY = "sandbox"
PURPOSE = "sandbox-sign-in"
DAYS = 30


def ready(db: Session, *, actor: Actor) -> tuple[str, str]:
    """Make the sandbox's agency and sign-in purpose if they are not there; return their IDs."""
    languages = parts(db).settings.languages
    if agencies.find(db, AGENCY) is None:
        spec: dict[str, Any] = {
            "id": AGENCY,
            "names": dict.fromkeys(languages, "Sandbox"),
            "kind": "public",
            "contact": "For trying things out. Nobody answers here.",
        }
        agencies.put(db, spec, actor=actor)
    if purposes.find(db, PURPOSE) is None:
        standard = {name for names in claims.BY_SCOPE.values() for name in names}
        text = {
            "title": "Sandbox",
            "why": "To try out a client that is being built. This is not a real service.",
            "refused": "Nothing happens: this is not a real service.",
        }
        spec = {
            "id": PURPOSE,
            "agency": AGENCY,
            "attributes": [
                {"name": name, "required": True} for name in sorted(standard & set(disclosure.CATALOGUE))
            ],
            "texts": dict.fromkeys(languages, text),
            "basis": {"kind": "consent"},
            "retention_days": DAYS,
            "valid_days": DAYS,
            "acr": assurance.LEVELS[0],
        }
        purposes.publish(db, spec, actor=actor)
    return AGENCY, PURPOSE
