"""Which logs there are: the open one that grows, those of past years, and the one for what the law withholds."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from consent.ledger import entries, policy, tree
from consent.ledger.errors import LedgerBusy, LedgerMismatch
from consent.ledger.tables import entry, head
from core import clock
from core.database import Parts, parts
from keys import vrf

OPEN, WITHHELD = "open", "withheld"
FIRST = 1
# Logs of what is withheld are numbered apart, so that the numbers of the open ones tell nothing of them.
FIRST_WITHHELD = 10_001
_FIRST = {OPEN: FIRST, WITHHELD: FIRST_WITHHELD}
_ALL = select(head).order_by(head.c.log)
_CURRENT = (
    select(head)
    .where(head.c.kind == bindparam("kind"), head.c.frozen.is_(False))
    .order_by(head.c.log.desc())
    .limit(1)
)
_LOCK = _CURRENT.with_for_update()
_ORIGIN = select(head.c.origin).where(head.c.log == bindparam("log"))
_LEAF0 = select(entry.c.payload).where(entry.c.log == bindparam("log"), entry.c.leaf_index == 0)
_BEGIN: dict[str, ReturningInsert[int]] = {
    "sqlite": sqlite.insert(head).on_conflict_do_nothing().returning(head.c.log),
    "postgresql": postgresql.insert(head).on_conflict_do_nothing().returning(head.c.log),
}
_TRIES = 3
# The numbers of the logs that are not withheld, for queries that show people what is theirs.
SHOWN = select(head.c.log).where(head.c.kind == OPEN)


@dataclass(frozen=True)
class Log:
    """One log as it stands: its number, origin line, size in leaves, root hash and frontier."""

    number: int
    kind: str
    origin: str
    frozen: bool
    size: int
    root: bytes
    frontier: bytes


def listing(db: Session, kind: str = OPEN) -> list[Log]:
    """Return the logs of a kind, the oldest first: those of past years are frozen, the last one grows."""
    return [log for log in every(db) if log.kind == kind]


def every(db: Session) -> list[Log]:
    """Return every log of every kind, the oldest first."""
    return [_log(row) for row in db.execute(_ALL)]


def find(db: Session, kind: str = OPEN) -> Log | None:
    """Return the log of a kind that grows, or None before the first start."""
    row = db.execute(_CURRENT, {"kind": kind}).first()
    return None if row is None else _log(row)


def current(db: Session, kind: str = OPEN) -> Log:
    """Return the log of a kind that grows. Raises LedgerMismatch before the first start."""
    found = find(db, kind)
    if found is None:
        raise LedgerMismatch(detail=f"no {kind} log was opened")
    return found


def lock(db: Session, kind: str = OPEN) -> Log:
    """Lock the log of a kind that grows: nobody else extends it until this transaction ends.

    Raises LedgerMismatch before the first start, LedgerBusy if logs change hands faster than we can look.
    """
    for _try in range(_TRIES):
        row = db.execute(_LOCK, {"kind": kind}).first()
        if row is not None:
            return _log(row)
        # On PostgreSQL a row that was frozen while we waited for it is gone from the answer: look again.
        current(db, kind)
    raise LedgerBusy(overload=True, detail="the log is being frozen")


def opened(db: Session) -> bool:
    """Open the ledger if this is the first start: write leaf 0 of the first logs; True if they were written now.

    There is always a log for what the law withholds, so that its existence tells nothing. On later starts checks that one of the logs here has the settings' origin and that leaf 0 of the one that
    grows names the keys of this house. Raises LedgerMismatch.
    """
    house = parts(db)
    log = find(db)
    begun = log is None and begin(db, kind=OPEN, origin=house.settings.ledger_origin)
    if find(db, WITHHELD) is None:
        begin(db, kind=WITHHELD, origin=f"{house.settings.ledger_origin}/withheld")
    if log is None:
        return begun
    if house.settings.ledger_origin not in {one.origin for one in listing(db)}:
        raise LedgerMismatch(detail="leaf 0 has another origin")
    said = leaf0(db, log.number)
    wrong = [name for name, value in _identity(house, log.origin).items() if said.get(name) != value]
    if wrong:
        raise LedgerMismatch(detail=f"leaf 0 has another {', '.join(wrong)}")
    return False


def begin(db: Session, *, kind: str, origin: str, previous: Log | None = None) -> bool:
    """Start a log with its leaf 0; False if another process has just started one of this kind.

    `previous` is the log that this one follows, as it stands for good: leaf 0 names its origin, size and root.
    """
    house = parts(db)
    number = max((log.number for log in listing(db, kind)), default=_FIRST[kind] - 1) + 1
    at = clock.wire(clock.now())
    follows: dict[str, Any] = {}
    if previous is not None:
        root = entries.base64_of(previous.root)
        follows = {"previous": {"origin": previous.origin, "size": previous.size, "root": root}}
    identity = _identity(house, origin)
    payload = entries.public_record({**identity, **follows, "v": 1, "kind": "ledger-opened", "at": at})
    edge = tree.Frontier()
    edge.append(tree.leaf_hash(entries.leaf(entries.PUBLIC, payload)))
    values = {"log": number, "kind": kind, "origin": origin, "frozen": False}
    grown = {"size": 1, "root": edge.root(), "frontier": edge.to_bytes()}
    if db.execute(_BEGIN[db.get_bind().dialect.name], values | grown).first() is None:
        return False
    row = {"log": number, "leaf_index": 0, "leaf_type": entries.PUBLIC, "payload": payload}
    db.execute(insert(entry), row | {"kind": "ledger-opened", "month": at[:7]})
    return True


def origin(db: Session, log: int) -> str:
    """Return the origin line of a log."""
    return str(db.scalar(_ORIGIN, {"log": log}) or "")


def leaf0(db: Session, log: int) -> dict[str, Any]:
    """Return what leaf 0 of a log says; empty if the log has none."""
    said: dict[str, Any] = json.loads(db.scalar(_LEAF0, {"log": log}) or b"{}")
    return said


def opened_at(db: Session) -> datetime | None:
    """When the log that grows was opened, as its leaf 0 says; None before that."""
    log = find(db)
    at = leaf0(db, log.number).get("at") if log else None
    return None if at is None else datetime.fromisoformat(at)


def _identity(house: Parts, origin: str) -> dict[str, Any]:
    public = entries.base64_of(vrf.public(policy.vrf_secret(house)))
    return {
        "origin": origin,
        "log_keys": [key.text() for key in policy.log_keys(house, origin)],
        "vrf": {"suite": vrf.SUITE, "public": public},
    }


def _log(row: Row[*tuple[Any, ...]]) -> Log:
    return Log(row.log, row.kind, row.origin, row.frozen, row.size, row.root, row.frontier)
