"""What the ledger need not keep: claimed request IDs that are old, and most of the old checkpoints."""

from datetime import timedelta
from typing import Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from consent.ledger import logs
from consent.ledger.tables import checkpoint, request
from core import clock

REQUEST_DAYS: Final = 30
CHECKPOINTS_KEPT: Final = 1_000
ROWS_AT_ONCE: Final = 500

_REQUESTS = delete(request).where(request.c.at < bindparam("before"))
_OF_LOG = checkpoint.c.log == bindparam("of")
_SIZES = select(checkpoint.c.size).where(_OF_LOG).order_by(checkpoint.c.size.desc())
_OLD = select(checkpoint.c.size, checkpoint.c.at).where(_OF_LOG, checkpoint.c.size <= bindparam("up_to"))
_CHECKPOINTS = delete(checkpoint).where(_OF_LOG, checkpoint.c.size.in_(bindparam("sizes", expanding=True)))


def purge(db: Session) -> None:
    """Delete claims older than REQUEST_DAYS, and of each log's checkpoints all but the newest and each day's last.

    Entries, chains and tree stay whole: a request ID that comes back after that is a new read.
    """
    db.execute(_REQUESTS, {"before": clock.now() - timedelta(days=REQUEST_DAYS)})
    for log in logs.every(db):
        sizes = _superfluous(db, log.number)
        for start in range(0, len(sizes), ROWS_AT_ONCE):
            db.execute(_CHECKPOINTS, {"of": log.number, "sizes": sizes[start : start + ROWS_AT_ONCE]})


def _superfluous(db: Session, log: int) -> list[int]:
    up_to = db.scalar(_SIZES.offset(CHECKPOINTS_KEPT).limit(1), {"of": log})
    if up_to is None:
        return []
    old = db.execute(_OLD.order_by(checkpoint.c.size), {"of": log, "up_to": up_to}).all()
    last_of_day = {row.at.date(): row.size for row in old}
    return [row.size for row in old if last_of_day[row.at.date()] != row.size]
