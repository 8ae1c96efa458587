"""Why an agency may ask for which attributes: immutable, versioned, published for everyone to read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import rfc8785
from sqlalchemy import Row, bindparam, func, insert, select
from sqlalchemy.orm import Session

from consent import agencies, allowances, declarations
from consent.allowances import Allowance
from consent.errors import FileRefused, Mistake, PurposeUnknown
from consent.events import PurposePublished
from consent.tables import purpose as table
from core import clock
from core.database import parts
from core.events import Actor, record
from core.language import _

_COLUMNS = (table.c.version, table.c.declaration, table.c.sha256)
_CURRENT = select(*_COLUMNS).where(table.c.id == bindparam("id")).order_by(table.c.version.desc()).limit(1)
_VERSION = select(*_COLUMNS).where(table.c.id == bindparam("id"), table.c.version == bindparam("version"))


class Wanted(NamedTuple):
    """One attribute of a purpose, and whether the purpose can do without it."""

    name: str
    required: bool


@dataclass(frozen=True)
class Purpose:
    """One version of a purpose. Lengths are in days; `acr` is the lowest assurance of sign-in."""

    id: str
    version: int
    agency: str
    attributes: tuple[Wanted, ...]
    texts: dict[str, dict[str, str]]
    basis: dict[str, Any]
    retention_days: int
    valid_days: int
    acr: str
    sha256: str
    limits: dict[str, Any] = field(default_factory=dict)

    @property
    def allowance(self) -> Allowance:
        """How often and when it may be read for; what a citizen agrees to is never more."""
        return allowances.of(self.limits)

    @property
    def by_law(self) -> bool:
        """True when a law allows the read, so that no consent is asked."""
        return bool(self.basis["kind"] == "law")

    @property
    def law(self) -> str | None:
        """The law in words, act and article, or None where consent is the basis."""
        return f"{self.basis['act']}, {self.basis['article']}" if self.by_law else None

    @property
    def withheld_days(self) -> int:
        """For how many days a law keeps reads out of the history of whom they are about; 0 for nearly all purposes."""
        return int(self.basis.get("withhold", {}).get("days", 0))

    @property
    def withholding_law(self) -> str | None:
        """The law that lets reads be withheld, in words; None where they are not."""
        law = self.basis.get("withhold")
        return f"{law['act']}, {law['article']}" if law else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its attributes, in the order declared."""
        return tuple(wanted.name for wanted in self.attributes)

    @property
    def required(self) -> frozenset[str]:
        """The names of the attributes that it cannot do without."""
        return frozenset(wanted.name for wanted in self.attributes if wanted.required)

    def language(self, language: str) -> str:
        """Return the language in which its texts are read by someone who reads `language`."""
        return language if language in self.texts else next(iter(self.texts))

    def text(self, language: str) -> dict[str, str]:
        """Return title, why and refused, in a language or else in the first that it has."""
        return self.texts[self.language(language)]

    def text_sha256(self, language: str) -> str:
        """Return the SHA-256 of exactly what a citizen reads in a language, over JCS (RFC 8785)."""
        read: dict[str, Any] = {
            "purpose": self.id,
            "version": self.version,
            "sha256": self.sha256,
            "language": self.language(language),
            "text": self.text(language),
        }
        return hashlib.sha256(rfc8785.dumps(read)).hexdigest()


def current(db: Session, purpose_id: str) -> Purpose:
    """Return the newest version of a purpose; raises PurposeUnknown."""
    found = find(db, purpose_id)
    if found is None:
        raise PurposeUnknown(detail=purpose_id[:64])
    return found


def find(db: Session, purpose_id: str, version: int | None = None) -> Purpose | None:
    """Return a version of a purpose, the newest by default, or None."""
    if version is None:
        row = db.execute(_CURRENT, {"id": purpose_id}).first()
    else:
        row = db.execute(_VERSION, {"id": purpose_id, "version": version}).first()
    return _purpose(row) if row else None


def read(db: Session, purpose_id: str, version: int) -> Purpose:
    """Return one version of a purpose; raises PurposeUnknown."""
    found = find(db, purpose_id, version)
    if found is None:
        raise PurposeUnknown(detail=f"{purpose_id[:64]} {version}")
    return found


def versions(db: Session, purpose_id: str) -> list[Purpose]:
    """Return every version of a purpose, the newest first."""
    query = select(*_COLUMNS).where(table.c.id == purpose_id).order_by(table.c.version.desc())
    return [_purpose(row) for row in db.execute(query)]


def listing(db: Session, *, agency: str | None = None) -> list[Purpose]:
    """Return the newest version of every purpose, or of one agency's, in the order of their IDs."""
    newest = select(table.c.id, func.max(table.c.version).label("version")).group_by(table.c.id).subquery()
    query = select(*_COLUMNS).join(
        newest, (table.c.id == newest.c.id) & (table.c.version == newest.c.version)
    )
    if agency is not None:
        query = query.where(table.c.agency == agency)
    return [_purpose(row) for row in db.execute(query.order_by(table.c.id))]


def publish(db: Session, spec: Mapping[str, Any], *, actor: Actor) -> Purpose:
    """Publish a purpose, or a new version of it if anything changed; returns the newest version.

    `spec` is what a file holds. Nothing is ever edited: grants go on under the version they were given
    for. Raises FileRefused.
    """
    reader = declarations.reader(parts(db).settings)
    declared = declarations.purpose(reader, spec, "purpose")
    if not reader.mistakes and agencies.find(db, declared["agency"]) is None:
        reader.wrong("purpose.agency", _("is not an agency that is known"))
    if reader.mistakes:
        raise FileRefused(reader.mistakes)
    before = find(db, declared["id"])
    if before is not None and before.agency != declared["agency"]:
        raise FileRefused([Mistake("purpose.agency", _("belongs to another agency, and cannot move"))])
    digest = hashlib.sha256(rfc8785.dumps(declared)).hexdigest()
    if before is not None and before.sha256 == digest:
        return before
    version = before.version + 1 if before else 1
    db.execute(
        insert(table).values(
            id=declared["id"],
            version=version,
            agency=declared["agency"],
            declaration=declared,
            sha256=digest,
            published_at=clock.now(),
        )
    )
    event = PurposePublished(
        agency=declared["agency"],
        purpose=declared["id"],
        version=version,
        sha256=digest,
        declaration=declared,
    )
    record(db, event, actor=actor)
    return read(db, declared["id"], version)


def _purpose(row: Row[*tuple[Any, ...]]) -> Purpose:
    declared: dict[str, Any] = dict(row.declaration)
    declared["attributes"] = tuple(Wanted(one["name"], one["required"]) for one in declared["attributes"])
    return Purpose(version=row.version, sha256=row.sha256, **declared)
