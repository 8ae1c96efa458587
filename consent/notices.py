"""What became of telling agencies that a permission changed, as its citizen sees it; those who tell write it here."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

from consent.grants import Grant
from consent.tables import INVALIDATING
from consent.tables import notice as table
from core import clock

WAITING, RECEIVED, REFUSED, GIVEN_UP, DROPPED = "waiting", "received", "refused", "given-up", "dropped"
NONE = "none"
# What the agency need not be told of, or will be when the worker comes to it.
UNCHANGED = ("given", "extended", "declined", INVALIDATING)
# Of several systems of one agency, what stands first here is what the citizen is told.
_WORST_FIRST = (REFUSED, GIVEN_UP, WAITING, RECEIVED)


@dataclass(frozen=True)
class Told:
    """How an agency was told of a grant's last change.

    `state` is waiting, received, refused (by its system, as unusable), given-up, or none (it takes no notices).
    `tries` counts deliveries so far; `received_at` is when the last of its systems acknowledged.
    """

    state: str
    tries: int = 0
    told_at: datetime | None = None
    received_at: datetime | None = None


def begin(db: Session, notice_id: str, *, grant_id: str, event_id: str) -> None:
    """Keep that a system of the agency is to be told of a change, in the transaction of the change itself."""
    values = {"notice_id": notice_id, "grant_id": grant_id, "event_id": event_id}
    db.execute(insert(table).values(**values, state=WAITING, tries=0, told_at=clock.now()))


def tried(db: Session, notice_ids: Collection[str]) -> None:
    """Count one more try to deliver each of these."""
    if notice_ids:
        mine = table.c.notice_id.in_(sorted(notice_ids))
        db.execute(update(table).where(mine).values(tries=table.c.tries + 1))


def settle(db: Session, notice_ids: Collection[str], state: str) -> None:
    """Keep how it ended for each of these: received, refused, given-up or dropped."""
    if notice_ids:
        at = clock.now() if state == RECEIVED else None
        mine = table.c.notice_id.in_(sorted(notice_ids))
        db.execute(update(table).where(mine, table.c.state == WAITING).values(state=state, received_at=at))


def latest(db: Session, grants: Iterable[Grant]) -> dict[str, Told]:
    """Return, by grant ID, how its agency was told of the last change; only for grants that the agency is told of."""
    changed = [grant.grant_id for grant in grants if grant.state not in UNCHANGED]
    if not changed:
        return {}
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in db.execute(select(table).where(table.c.grant_id.in_(changed))):
        rows[row.grant_id].append(row)
    return {grant_id: _told(rows[grant_id]) for grant_id in changed}


def _told(rows: list[Row[Any]]) -> Told:
    kept = [row for row in rows if row.state != DROPPED]
    if not kept:
        return Told(NONE)
    newest = max(kept, key=lambda row: row.told_at)
    last = [row for row in kept if row.event_id == newest.event_id]
    state = next(state for state in _WORST_FIRST if any(row.state == state for row in last))
    times = [row.received_at for row in last if row.received_at is not None]
    return Told(
        state,
        tries=max(row.tries for row in last),
        told_at=newest.told_at,
        received_at=max(times) if state == RECEIVED and times else None,
    )
