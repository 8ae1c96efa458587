"""What citizens decided: one grant for each purpose they allowed, kept live or ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, or_, select
from sqlalchemy.orm import Session

from consent.errors import GrantUnknown
from consent.tables import LIVE_STATES
from consent.tables import grant as table
from core import clock


@dataclass(frozen=True)
class Grant:
    """A citizen's decision on a purpose.

    `state` is given, narrowed, declined, withdrawn, expired or ended; `attributes` is what is agreed to,
    `offered` what was asked; `version` counts its changes.
    """

    grant_id: str
    citizen: str
    agency: str
    client_id: str
    purpose: str
    purpose_version: int
    text_sha256: str
    language: str
    attributes: frozenset[str]
    offered: frozenset[str]
    state: str
    given_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    version: int

    @property
    def is_live(self) -> bool:
        """True while reads may rely on it."""
        return self.state in LIVE_STATES and self.expires_at > clock.now()


_ALL = select(table)
_LIVE = _ALL.where(
    table.c.citizen == bindparam("citizen"),
    table.c.purpose == bindparam("purpose"),
    or_(*(table.c.state == state for state in LIVE_STATES)),
    table.c.expires_at > bindparam("at", type_=table.c.expires_at.type),
)
AT_ONCE = 500
_UNEXPIRED = select(table.c.grant_id, table.c.version, table.c.state, table.c.expires_at)


def live(db: Session, *, citizen: str, purpose: str) -> Grant | None:
    """Return the grant that reads for this purpose may rely on now, or None."""
    row = db.execute(_LIVE, {"citizen": citizen, "purpose": purpose, "at": clock.now()}).first()
    return grant(row) if row else None


def live_of_many(db: Session, *, citizens: Iterable[str], purpose: str) -> dict[str, Grant]:
    """Like `live` for many citizens, by citizen ID, with few queries."""
    wanted, found = list(dict.fromkeys(citizens)), {}
    for start in range(0, len(wanted), AT_ONCE):
        query = _ALL.where(
            table.c.citizen.in_(wanted[start : start + AT_ONCE]),
            table.c.purpose == purpose,
            or_(*(table.c.state == state for state in LIVE_STATES)),
            table.c.expires_at > clock.now(),
        )
        found.update({row.citizen: grant(row) for row in db.execute(query)})
    return found


def latest(db: Session, *, citizen: str, purpose: str) -> Grant | None:
    """Return the last decision that allowed this purpose, live or not, or None."""
    row = db.execute(
        _ALL.where(table.c.citizen == citizen, table.c.purpose == purpose, table.c.state != "declined")
        .order_by(table.c.given_at.desc(), table.c.grant_id)
        .limit(1)
    ).first()
    return grant(row) if row else None


def find(db: Session, grant_id: str) -> Grant | None:
    """Return a grant by the handle that agencies hold, or None."""
    row = db.execute(_ALL.where(table.c.grant_id == grant_id)).first()
    return grant(row) if row else None


def read(db: Session, grant_id: str, *, citizen: str) -> Grant:
    """Return a citizen's own grant; raises GrantUnknown, for another's too."""
    found = find(db, grant_id)
    if found is None or found.citizen != citizen:
        raise GrantUnknown(detail=grant_id[:32])
    return found


def of(db: Session, citizen: str) -> list[Grant]:
    """Return a citizen's decisions, the newest first."""
    rows = db.execute(
        _ALL.where(table.c.citizen == citizen).order_by(table.c.given_at.desc(), table.c.grant_id)
    )
    return [grant(row) for row in rows]


def relied_on(db: Session, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Say of each (grant ID, version) whether a read may rely on it at this moment.

    ``ok``: live and unchanged, and it stays so until the caller's transaction ends. ``ended``: ended,
    expired or changed. ``locked``: a decision on it is under way in another transaction; ask again after.
    On PostgreSQL rows are read FOR SHARE SKIP LOCKED; SQLite has one writer, the caller.
    """
    wanted = sorted(set(pairs))
    names = sorted({grant_id for grant_id, _version in wanted})
    if not names:
        return {}
    at = clock.now()
    query = _UNEXPIRED.where(table.c.grant_id.in_(names))
    if db.get_bind().dialect.name == "sqlite":
        held: Mapping[str, Row[*tuple[Any, ...]]] = {row.grant_id: row for row in db.execute(query)}
        there = set(held)
    else:
        held = {row.grant_id: row for row in db.execute(query.with_for_update(read=True, skip_locked=True))}
        missing = [name for name in names if name not in held]
        there = set(held) | set(
            db.scalars(select(table.c.grant_id).where(table.c.grant_id.in_(missing))) if missing else ()
        )
    found: dict[tuple[str, int], str] = {}
    for grant_id, version in wanted:
        row = held.get(grant_id)
        if row is None:
            found[grant_id, version] = "locked" if grant_id in there else "ended"
        else:
            stands = row.version == version and row.state in LIVE_STATES and row.expires_at > at
            found[grant_id, version] = "ok" if stands else "ended"
    return found


def grant(row: Row[*tuple[Any, ...]]) -> Grant:
    """Return a row of the table as a grant."""
    facts = row._asdict()
    return Grant(
        **{
            **facts,
            "attributes": frozenset(facts["attributes"]),
            "offered": frozenset(facts["offered"]),
        }
    )
