"""The ledger's room and the log's: how the ledger stands, whether it is whole, and the clear columns of its entries."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin.events import LedgerChecked
from admin.frame import Number, Place, show
from admin.permissions import ChecksLedger, Official, ReadsLedger, ReadsLog
from consent import agencies
from consent.ledger import entries, fsck, logs, signer, witnessing
from consent.ledger.logs import Log
from consent.ledger.signer import Signed
from consent.ledger.tables import entry
from consent.words import ANSWERS
from core.database import Database, parts
from core.errors import Missing
from core.events import Event, record, waiting
from core.web import Db, Form
from registry_sync import people

router = APIRouter(prefix="/admin")
ROWS = 25
BASES = ("consent", "law", "staff")
OUTCOMES = ("released", "refused", "given", "declined", "withdrawn", "ended", *ANSWERS, "overdue")
FILTERS = ("kind", "agency", "purpose", "basis", "outcome", "month")
_CLEAR = (
    entry.c.leaf_index,
    entry.c.leaf_type,
    entry.c.label,
    entry.c.seq,
    *(entry.c[name] for name in FILTERS),
)


# A root of the citizen map stands there each second, and says nothing to people.
_NO_ROOT = entry.c.leaf_type != entries.MAP_ROOT


@dataclass(frozen=True)
class LogRow:
    """One entry as everybody with the log may see it: its clear columns, and nothing that was sealed."""

    index: int
    public: bool
    chain: str
    seq: int | None
    kind: str
    agency: str
    purpose: str
    basis: str
    outcome: str
    month: str


@dataclass(frozen=True)
class LogStanding:
    """One log as it stands: its last checkpoint, and who cosigned the one that is published."""

    log: Log
    signed: Signed | None
    witnesses: tuple[str, ...]


@router.get("/ledger")
def ledger(request: Request, database: Db, official: ReadsLedger) -> Response:
    """Show how the ledger stands."""
    return _ledger_page(request, database, official, findings=None)


@router.post("/ledger/check")
def check(request: Request, database: Db, official: ChecksLedger, _form: Form) -> Response:
    """Read the whole ledger, recompute it, and show what is wrong."""
    findings = [str(finding) for finding in fsck.check(database, known=people.known)]
    with database.writing() as db:
        size = logs.current(db).size
        record(db, LedgerChecked(size=size, findings=len(findings)), actor=official.actor)
    return _ledger_page(request, database, official, findings=findings)


@router.get("/log")
def log(request: Request, database: Db, official: ReadsLog, before: Number = 0) -> Response:
    """Show the entries' clear columns, the newest first, narrowed by what the address asks for."""
    asked = {name: request.query_params.get(name, "")[:128] for name in FILTERS}
    narrowed = {name: value for name, value in asked.items() if value}
    with database.reading() as db:
        rows = _rows(db, narrowed, before)
        known = {
            "kind": sorted({kind.kind for kind in _kinds(Event)}),
            "agency": [agency.id for agency in agencies.listing(db)],
            "basis": BASES,
            "outcome": OUTCOMES,
        }
    older = rows[ROWS - 1].index if len(rows) > ROWS else None
    return show(
        request,
        official,
        "log.html",
        section="log",
        rows=rows[:ROWS],
        older=older,
        first=not before,
        query=urlencode(narrowed),
        asked=asked,
        known=known,
    )


@router.get("/log/{index}")
def log_entry(request: Request, database: Db, official: ReadsLog, index: Place) -> Response:
    """Show one entry's clear columns; of a public leaf also what it says."""
    with database.reading() as db:
        row = db.execute(
            select(*_CLEAR, entry.c.payload, entry.c.commitment).where(
                entry.c.log == logs.current(db).number, entry.c.leaf_index == index, _NO_ROOT
            )
        ).first()
    if row is None:
        raise Missing(detail="entry")
    said = json.dumps(json.loads(row.payload), indent=2, ensure_ascii=False) if row.payload else ""
    commitment = base64.b64encode(row.commitment).decode() if row.commitment else ""
    return show(
        request, official, "log_entry.html", section="log", row=_row(row), said=said, commitment=commitment
    )


def _ledger_page(
    request: Request, database: Database, official: Official, *, findings: list[str] | None
) -> Response:
    with database.reading() as db:
        standing = logs.find(db)
        signed = signer.newest(db)
        every = [_standing(db, log) for log in reversed(logs.every(db))]
        queue = db.scalar(select(func.count()).select_from(waiting)) or 0
    return show(
        request,
        official,
        "ledger.html",
        section="ledger",
        size=standing.size if standing else 0,
        root=base64.b64encode(standing.root).decode() if standing else "",
        signed=signed,
        logs=sorted(every, key=lambda one: (one.log.frozen, one.log.kind)),
        witnessed=witnessing.rule(database.parts).required,
        queue=queue,
        findings=findings,
    )


def _standing(db: Session, log: Log) -> LogStanding:
    published = signer.published(db, log.number) if log.kind == logs.OPEN else None
    lines = published.note.splitlines() if published else []
    # Each was verified before it was kept.
    named = {line.split(" ")[1] for line in lines if line.startswith("\N{EM DASH} ")}
    known = tuple(sorted(named & set(witnessing.rule(parts(db)).witnesses)))
    return LogStanding(log, signer.newest(db, log.number), known)


def _rows(db: Session, narrowed: dict[str, str], before: int) -> list[LogRow]:
    wanted: list[ColumnElement[bool]] = [entry.c[name] == value for name, value in narrowed.items()]
    wanted += [entry.c.log == logs.current(db).number, _NO_ROOT]
    if before:
        wanted.append(entry.c.leaf_index < before)
    query = select(*_CLEAR).where(*wanted).order_by(entry.c.leaf_index.desc()).limit(ROWS + 1)
    return [_row(row) for row in db.execute(query)]


def _kinds(event: type[Event]) -> list[type[Event]]:
    """Return every kind of event that the running service knows."""
    return [kind for sub in event.__subclasses__() for kind in (sub, *_kinds(sub))]


def _row(row: Any) -> LogRow:
    return LogRow(
        index=row.leaf_index,
        public=row.label is None,
        chain=row.label.hex()[:12] if row.label else "",
        seq=row.seq,
        **{name: getattr(row, name) or "" for name in FILTERS},
    )
