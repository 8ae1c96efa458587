"""The checkpoints that enough witnesses cosigned: only these are published where a quorum is asked for."""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger.tables import checkpoint, cosigned

_NEWEST = (
    select(cosigned)
    .where(cosigned.c.log == bindparam("log"), cosigned.c.rule == bindparam("rule"))
    .order_by(cosigned.c.size.desc())
    .limit(1)
)
_PUT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(cosigned),
    "postgresql": postgresql.insert(cosigned),
}
_KEEP = {
    name: put.on_conflict_do_update(
        index_elements=["log", "size"],
        set_={"note": put.excluded.note, "at": put.excluded.at, "rule": put.excluded.rule},
    )
    for name, put in _PUT.items()
}
_SIGNED = select(checkpoint.c.root).where(
    checkpoint.c.log == bindparam("log"), checkpoint.c.size == bindparam("size")
)


def newest(db: Session, log: int, rule: str) -> tuple[int, bytes, datetime, str] | None:
    """Size, root, time and note of the largest tree of a log that was cosigned as this rule wants."""
    row = db.execute(_NEWEST, {"log": log, "rule": rule}).first()
    return None if row is None else (row.size, row.root, row.at, row.note)


def keep(db: Session, log: int, size: int, note: str, *, at: datetime, rule: str) -> bool:
    """Keep the cosigned note of a checkpoint that is there; False if it is not, or no longer."""
    root = db.scalar(_SIGNED, {"log": log, "size": size})
    if root is None:
        return False
    values = {"log": log, "size": size, "root": root, "at": at, "note": note, "rule": rule}
    db.execute(_KEEP[db.get_bind().dialect.name], values)
    return True
