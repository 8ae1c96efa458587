"""What citizens decided: one grant for each purpose they allowed, kept live or ended."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, or_, select
from sqlalchemy.orm import Session

from consent import allowances
from consent.allowances import STANDING, Allowance, Uses
from consent.errors import GrantUnknown
from consent.tables import INVALIDATING, LIVE_STATES
from consent.tables import grant as table
from core import clock
from core.database import among, texts


@dataclass(frozen=True)
class Grant:
    """A citizen's decision on a purpose.

    `state` is one of STATES; `attributes` is what is agreed to, `offered` what was asked; `version` counts
    the changes of its terms; `uses` is how often it was read, if anybody has to count.
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
    allowance: Allowance = STANDING
    uses: Uses = field(default_factory=Uses)

    @property
    def is_live(self) -> bool:
        """True while reads may rely on it."""
        return self.state in LIVE_STATES and self.expires_at > clock.now() and not self.is_used_up

    @property
    def is_used_up(self) -> bool:
        """True once the last of a limited number of reads was made, noted in its state or not yet."""
        return self.state == "used-up" or self.uses.left(self.allowance) == 0

    @property
    def state_now(self) -> str:
        """The state as a citizen should read it: what has run out has ended, noted or not yet."""
        if self.state in LIVE_STATES and self.is_used_up:
            return "used-up"
        if self.state in LIVE_STATES and not self.is_live:
            return "expired"
        return "invalidated" if self.state == INVALIDATING else self.state


# What became of a decision. The first three are live; the others are over, each for a reason of its own:
# by the citizen, by time, by its last read, by the agency, by an authority, by a death or an erasure.
STATES: Final = (
    *LIVE_STATES, "declined", "withdrawn", "expired", "used-up", "ended-by-agency", "invalidated", "ended",
)  # fmt: skip
_ALL = select(table)
_LIVE = _ALL.where(
    table.c.citizen == bindparam("citizen"),
    table.c.purpose == bindparam("purpose"),
    or_(*(table.c.state == state for state in LIVE_STATES)),
    table.c.expires_at > bindparam("at", type_=table.c.expires_at.type),
    or_(table.c.most_reads.is_(None), table.c.used < table.c.most_reads),
)
_SPENT = (
    _ALL.where(
        table.c.citizen == bindparam("citizen"),
        table.c.purpose == bindparam("purpose"),
        table.c.state.in_((*LIVE_STATES, "used-up")),
        table.c.used >= table.c.most_reads,
        table.c.expires_at > bindparam("at", type_=table.c.expires_at.type),
    )
    .order_by(table.c.used_at.desc())
    .limit(1)
)
_HELD = select(
    table.c.grant_id,
    table.c.version,
    table.c.state,
    table.c.expires_at,
    table.c.limits,
    table.c.used,
    table.c.use_window,
    table.c.used_in_window,
    table.c.used_at,
)
_NAMED = among(table.c.grant_id, "grants")
_FOUND = _HELD.where(_NAMED["sqlite"])
_SHARED = _HELD.where(_NAMED["postgresql"]).with_for_update(read=True, skip_locked=True)
_COUNTED = _HELD.where(_NAMED["postgresql"]).with_for_update(key_share=True, skip_locked=True)
AT_ONCE = 500


def live(db: Session, *, citizen: str, purpose: str) -> Grant | None:
    """Return the grant that reads for this purpose may rely on now, or None."""
    row = db.execute(_LIVE, {"citizen": citizen, "purpose": purpose, "at": clock.now()}).first()
    return grant(row) if row else None


def spent(db: Session, *, citizen: str, purpose: str) -> Grant | None:
    """Return the grant for this purpose whose last read was made most recently, or None.

    Nothing more is read under it; but whoever made that read may ask once more for its answer.
    """
    row = db.execute(_SPENT, {"citizen": citizen, "purpose": purpose, "at": clock.now()}).first()
    return grant(row) if row else None


def usable_of_many(db: Session, *, citizens: Iterable[str], purpose: str) -> dict[str, Grant]:
    """Like `live`, and where there is none `spent`, for many citizens by citizen ID, with few queries."""
    wanted, found = list(dict.fromkeys(citizens)), dict[str, Grant]()
    for start in range(0, len(wanted), AT_ONCE):
        query = _ALL.where(
            table.c.citizen.in_(wanted[start : start + AT_ONCE]),
            table.c.purpose == purpose,
            table.c.state.in_((*LIVE_STATES, "used-up")),
            table.c.expires_at > clock.now(),
        )
        for one in (grant(row) for row in db.execute(query.order_by(table.c.used_at))):
            if one.citizen not in found or one.is_live or not found[one.citizen].is_live:
                found[one.citizen] = one
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
    """Say of each (grant ID, version) whether something may rely on it at this moment.

    ``ok``: live and unchanged, and it stays so until the caller's transaction ends. ``ended``: ended,
    expired or changed. ``used-up``: its last read was made. ``locked``: a decision on it is under way in
    another transaction; ask again after.
    """
    wanted = sorted(set(pairs))
    return standings(wanted, *held_rows(db, {grant_id for grant_id, _version in wanted}))


def standings(
    pairs: Iterable[tuple[str, int]], held: Mapping[str, Row[*tuple[Any, ...]]], there: Collection[str]
) -> dict[tuple[str, int], str]:
    """Say the same of rows that `held_rows` returned."""
    found: dict[tuple[str, int], str] = {}
    for grant_id, version in pairs:
        row = held.get(grant_id)
        if row is None:
            found[grant_id, version] = "locked" if grant_id in there else "ended"
        else:
            found[grant_id, version] = _standing(row, version)
    return found


def held_rows(
    db: Session, grant_ids: Iterable[str], *, to_count: bool = False
) -> tuple[dict[str, Row[*tuple[Any, ...]]], set[str]]:
    """Return the rows of these grants that no other transaction is changing, and the IDs that exist at all.

    They stay as they are until the caller's transaction ends; `to_count` holds them for a change by the
    caller. On PostgreSQL rows are read FOR SHARE (or FOR NO KEY UPDATE) SKIP LOCKED, so that nothing is
    waited for; SQLite has one writer, the caller.
    """
    names = sorted(set(grant_ids))
    if not names:
        return {}, set()
    named = {"grants": texts(db, names)}
    if db.get_bind().dialect.name == "sqlite":
        rows: dict[str, Row[*tuple[Any, ...]]] = {row[0]: row for row in db.execute(_FOUND, named)}
        return rows, set(rows)
    rows = {row[0]: row for row in db.execute(_COUNTED if to_count else _SHARED, named)}
    missing = [name for name in names if name not in rows]
    there = db.scalars(select(table.c.grant_id).where(table.c.grant_id.in_(missing))) if missing else ()
    return rows, set(rows) | set(there)


def _standing(row: Row[*tuple[Any, ...]], version: int) -> str:
    if row.version != version or row.expires_at <= clock.now():
        return "ended"
    if row.state not in LIVE_STATES:
        return "used-up" if row.state == "used-up" else "ended"
    return "used-up" if row.limits and uses(row).left(limits(row)) == 0 else "ok"


def limits(row: Row[*tuple[Any, ...]]) -> Allowance:
    """Return the limits in a row of the table."""
    return allowances.of(row.limits)


def uses(row: Row[*tuple[Any, ...]]) -> Uses:
    """Return the count in a row of the table."""
    return Uses(row.used, row.use_window, row.used_in_window, row.used_at)


def grant(row: Row[*tuple[Any, ...]]) -> Grant:
    """Return a row of the table as a grant."""
    facts: Mapping[str, Any] = row._asdict()
    plain = {
        name: value
        for name, value in facts.items()
        if name not in ("limits", "most_reads", "used", "use_window", "used_in_window", "used_at")
    }
    return Grant(
        **{
            **plain,
            "attributes": frozenset(facts["attributes"]),
            "offered": frozenset(facts["offered"]),
            "allowance": limits(row),
            "uses": uses(row),
        }
    )


def values(found: Grant) -> dict[str, Any]:
    """Return a grant as a row of the table."""
    facts = {**vars(found), "attributes": sorted(found.attributes), "offered": sorted(found.offered)}
    allowance, counted = facts.pop("allowance"), facts.pop("uses")
    return {
        **facts,
        "limits": allowance.document(),
        "most_reads": allowance.reads,
        "used": counted.used,
        "use_window": counted.window,
        "used_in_window": counted.in_window,
        "used_at": counted.at,
    }
