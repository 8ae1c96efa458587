"""The organisations that may ask: who they are, and how a citizen reaches them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from consent import declarations
from consent.errors import AgencyUnknown, FileRefused
from consent.events import AgencyPut
from consent.tables import agency as table
from core import clock
from core.database import parts
from core.events import Actor, record

_COLUMNS = (table.c.id, table.c.names, table.c.kind, table.c.contact, table.c.state, table.c.covered_since)
_FIND = select(*_COLUMNS).where(table.c.id == bindparam("id"))


@dataclass(frozen=True)
class Agency:
    """One agency. `kind` is public or private; `state` is active or suspended.

    `covered_since` is the day (YYYY-MM-DD) from which on every look of the agency at what Erti serves is in the
    citizens' histories; None while it still gets some of it past Erti.
    """

    id: str
    names: dict[str, str]
    kind: str
    contact: str
    state: str
    covered_since: str | None

    @property
    def is_company(self) -> bool:
        """True for a private company, which is told less than an agency of the state."""
        return self.kind == "private"

    def name(self, language: str) -> str:
        """Return its name in a language, or in the first that it has."""
        return self.names.get(language) or next(iter(self.names.values()), self.id)


def chain(agency_id: str) -> str:
    """Return the name of the agency's own chain in the ledger."""
    return f"agency:{agency_id}"


def find(db: Session, agency_id: str) -> Agency | None:
    """Return an agency, or None."""
    row = db.execute(_FIND, {"id": agency_id}).first()
    return Agency(**row._asdict()) if row else None


def read(db: Session, agency_id: str) -> Agency:
    """Return an agency; raises AgencyUnknown."""
    found = find(db, agency_id)
    if found is None:
        raise AgencyUnknown(detail=agency_id[:64])
    return found


def listing(db: Session) -> list[Agency]:
    """Return every agency in the order of their IDs."""
    return [Agency(**row._asdict()) for row in db.execute(select(*_COLUMNS).order_by(table.c.id))]


def put(db: Session, spec: Mapping[str, Any], *, actor: Actor) -> Agency:
    """Let an agency join, or change what is known of it; the same again changes and records nothing.

    `spec` is what a file holds: id, names by language, kind, contact, state if it is not active, `covered: false`
    if histories do not cover it yet, or `covered_since` if they do since another day than it joined. Raises FileRefused.
    """
    reader = declarations.Reader(parts(db).settings.languages)
    found = declarations.agency(reader, spec, "agency")
    if reader.mistakes:
        raise FileRefused(reader.mistakes)
    at, before = clock.now(), find(db, found["id"])
    if found.pop("covered") and not found["covered_since"]:
        since = before.covered_since if before else None
        found["covered_since"] = since or at.date().isoformat()
    wanted = Agency(**found)
    if wanted == before:
        return wanted
    if before is None:
        db.execute(insert(table).values(**found, created_at=at, changed_at=at))
    else:
        db.execute(update(table).where(table.c.id == wanted.id).values(**found, changed_at=at))
    event = AgencyPut(
        agency=wanted.id,
        names=wanted.names,
        contact=wanted.contact,
        agency_kind=wanted.kind,
        state=wanted.state,
        covered_since=wanted.covered_since,
    )
    record(db, event, actor=actor, about=[chain(wanted.id)])
    return wanted
