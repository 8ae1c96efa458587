"""Loads a register's file batch by batch, so that it can be killed at any moment and run again."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from io import BufferedReader
from itertools import islice
from pathlib import Path

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.events import Actor, new_id, record
from registry_sync import holding, intake, quarantine
from registry_sync.batch import Item
from registry_sync.errors import FileUnusable, ImportRunning
from registry_sync.events import ImportFinished
from registry_sync.intake import Placed
from registry_sync.tables import import_run
from registry_sync.wire import lines, registers, tax
from registry_sync.wire.lines import Piece
from registry_sync.wire.shapes import Bad

BATCH = 500
ANALYZE_FROM = 1_000
LOADED = "person, person_identifier, person_block, attribute_document, source_record, data_key"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Counts:
    """What became of a file's records: read = new + changed + unchanged + repeated + quarantined.

    Of the new ones, `matched` were found to be somebody's by an identifier, `merged` by comparison, and
    `people` made somebody known. `settled` counts records of earlier files that left quarantine.
    """

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    repeated: int = 0
    quarantined: int = 0
    matched: int = 0
    merged: int = 0
    people: int = 0
    settled: int = 0


@dataclass
class _Run:
    id: str
    source: str
    sha256: str
    size: int
    position: int
    line: int
    counts: Counter[str]
    reasons: Counter[str]


def import_file(
    database: Database, path: Path, *, source: str, progress: Progress | None = None, batch: int = BATCH
) -> Counts:
    """Load a register's file and return what became of its records.

    Each batch is one transaction that also says how far it got; a file that was cut off goes on from
    there, and its counts too. `progress` is called with bytes done and bytes in all. Raises
    SourceUnknown, FileUnusable, ImportRunning, and OSError if the file cannot be read.
    """
    registers.named(source)
    with path.open("rb") as file:
        header = _header(file, source)
        start = file.tell()
        run = _begin(database, source, file, start)
        file.seek(run.position)
        if progress:
            progress(run.position, run.size)
        pieces = _pieces(file, source, run.line, header)
        while some := list(islice(pieces, batch)):
            _load(database, run, some, header)
            if progress:
                progress(run.position, run.size)
    _finish(database, run)
    return Counts(**{field.name: run.counts[field.name] for field in fields(Counts)})


def _header(file: BufferedReader, source: str) -> tuple[str, ...]:
    if source != tax.NAME:
        return ()
    found = tax.header(file.readline(lines.LINE_LIMIT))
    if found is None:
        raise FileUnusable(detail=source)
    return tuple(found)


def _pieces(file: BufferedReader, source: str, line: int, header: tuple[str, ...]) -> Iterator[Piece]:
    if not header:
        return lines.plain(file, line=line)
    return lines.quoted(file, line=line, is_row=lambda row: len(tax.cells(row) or ()) == len(header))


def _begin(database: Database, source: str, file: BufferedReader, start: int) -> _Run:
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    unfinished = (
        select(import_run)
        .where(import_run.c.source == source, import_run.c.sha256 == digest)
        .where(import_run.c.finished_at.is_(None))
        .order_by(import_run.c.started_at)
    )
    with database.writing() as db:
        row = db.execute(unfinished).first()
        if row:
            return _Run(
                row.id,
                source,
                digest,
                size,
                row.position,
                row.line,
                Counter(row.counts),
                Counter(row.reasons),
            )
        run = _Run(new_id(), source, digest, size, start, 2 if start else 1, Counter(), Counter())
        values = {**asdict(run), "started_at": clock.now()}
        db.execute(insert(import_run).values(values))
    return run


def _load(database: Database, run: _Run, pieces: list[Piece], header: tuple[str, ...]) -> None:
    register = registers.named(run.source)
    items = [
        Item(
            piece.content,
            register.read(piece.content, header) if piece.whole else Bad("too-long"),
            piece.line,
            header,
            0 if piece.whole else piece.end,
        )
        for piece in pieces
        if piece.content.strip()  # an empty line is no record
    ]
    position, line = pieces[-1].end, pieces[-1].line + pieces[-1].content.count(b"\n")
    with database.writing() as db:
        placed = intake.take(db, run.source, items, run=run.id, actor=Actor("registry", run.source))
        counts, reasons = run.counts + _counted(placed), run.reasons + _reasons(placed)
        moved = db.execute(
            update(import_run)
            .where(import_run.c.id == run.id, import_run.c.position == run.position)
            .values(position=position, line=line, counts=dict(counts), reasons=dict(reasons))
            .returning(import_run.c.id)
        ).all()
        if not moved:
            raise ImportRunning
    run.position, run.line, run.counts, run.reasons = position, line, counts, reasons


def _counted(placed: list[Placed]) -> Counter[str]:
    counts = Counter({"read": len(placed)})
    for one in placed:
        counts[one.outcome] += 1
        if one.outcome == "new" and one.how:
            counts["people" if one.how == "founded" else one.how] += 1
    return counts


def _reasons(placed: list[Placed]) -> Counter[str]:
    return Counter(one.bad.reason for one in placed if one.bad)


def _finish(database: Database, run: _Run) -> None:
    if registers.named(run.source).FOUNDS_PEOPLE:
        run.counts["settled"] = quarantine.retry_waiting(database, actor=Actor("registry", run.source))
    with database.writing() as db:
        finished = db.execute(
            update(import_run)
            .where(import_run.c.id == run.id, import_run.c.finished_at.is_(None))
            .values(finished_at=clock.now(), counts=dict(run.counts))
            .returning(import_run.c.id)
        ).all()
        if not finished:
            return
        event = ImportFinished(
            source=run.source,
            run=run.id,
            sha256=run.sha256,
            counts={name: number for name, number in sorted(run.counts.items()) if number},
            reasons=dict(sorted(run.reasons.items())),
        )
        record(db, event, actor=Actor("registry", run.source), about=[holding.owner(run.source)])
        _analyze(db, run)


def _analyze(db: Session, run: _Run) -> None:
    # Without fresh statistics PostgreSQL plans these tables as if they were empty (DESIGN 7).
    loaded = run.counts["new"] + run.counts["changed"]
    if loaded >= ANALYZE_FROM and db.get_bind().dialect.name == "postgresql":
        db.execute(text(f"ANALYZE {LOADED}"))
