"""Each "no" has a reference number, kept for a while, so that whoever helps can find what it was about."""

import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Column, Integer, String, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import clock
from core.database import Base, Database, Moment, parts

log = structlog.get_logger("erti.refusals")
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing that is misread or misheard
CHARACTERS, GROUP = 8, 4
KEPT_A_MINUTE, KEPT_OF_ONE_NETWORK = 600, 60
_MISREAD = str.maketrans("OIL", "011", " -\u00a0\u2010\u2011\u2013")
_SHAPE = re.compile(f"[{ALPHABET}]{{{CHARACTERS}}}")

table = Table(
    "refusal",
    Base.metadata,
    Column("reference", String(16), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("code", String(64), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("client", String(128), nullable=False),
    Column("route", String(200), nullable=False),
    Column("status", Integer, nullable=False),
    Column("told", String(500), nullable=False),
)


@dataclass(frozen=True)
class Refusal:
    """What is kept of a "no": never whom it was told, nor anything that they sent.

    `code` is one of docs/errors.md, or `form` for a form that came back; then `rule` names the form and the fields
    that were wrong. `client` is the system that sent the person here, where known; `route` is the pattern of the
    address; `told` are the words they read, in English and with {places} instead of figures.
    """

    reference: str
    at: datetime
    code: str
    rule: str
    client: str
    route: str
    status: int
    told: str


def new_reference() -> str:
    """Return a new reference number: 40 random bits, as they are read out, e.g. ``7KQD-2M9X``."""
    drawn = "".join(secrets.choice(ALPHABET) for _place in range(CHARACTERS))
    return f"{drawn[:GROUP]}-{drawn[GROUP:]}"


def compact(typed: str) -> str | None:
    """Return a reference number as it is stored from how somebody wrote it down, or None if it is none."""
    if len(typed) > 64:
        return None
    tidy = typed.strip().upper().translate(_MISREAD)
    return f"{tidy[:GROUP]}-{tidy[GROUP:]}" if _SHAPE.fullmatch(tidy) else None


def find(db: Session, reference: str) -> Refusal | None:
    """Return what is kept under a reference number, or None: never kept, or its time is over."""
    since = clock.now() - _kept_for(db)
    row = db.execute(select(table).where(table.c.reference == reference, table.c.at > since)).first()
    return Refusal(**row._asdict()) if row else None


def purge(db: Session) -> int:
    """Delete what was kept for long enough; returns how many."""
    gone = db.execute(delete(table).where(table.c.at <= clock.now() - _kept_for(db)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _kept_for(db: Session) -> timedelta:
    return timedelta(days=parts(db).settings.refusal_days)


class Book:
    """Where a process writes its refusals down; beyond so many a minute, and so many of one network, it does not.

    `network` tells the network of a request.
    """

    def __init__(self, database: Database, *, network: Callable[[Any], str]) -> None:
        self._database = database
        self._network = network
        self._guard = threading.Lock()
        self._minute = 0
        self._kept: Counter[str] = Counter()

    def keep(self, refusal: Refusal, *, asker: Any) -> bool:
        """Keep a refusal in a transaction of its own and tell whether it was; a "no" is given whether or not it can be.

        `asker` is the request that it answers.
        """
        if self._database.in_writing():
            log.warning("refusal not kept", reason="a transaction is open", reference=refusal.reference)
            return False
        if not self._may(self._network(asker)):
            return False
        try:
            with self._database.writing() as db:
                db.execute(insert(table).values(**vars(refusal)))
        except SQLAlchemyError as error:
            log.warning("refusal not kept", reason=type(error).__name__, reference=refusal.reference)
            return False
        return True

    def _may(self, network: str) -> bool:
        minute = clock.seconds(clock.now()) // 60
        with self._guard:
            if minute != self._minute:
                self._minute = minute
                self._kept.clear()
            if self._kept.total() >= KEPT_A_MINUTE or self._kept[network] >= KEPT_OF_ONE_NETWORK:
                return False
            self._kept[network] += 1
            return True
