"""Recomputes the whole ledger from its rows and says everything that does not add up."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from consent.ledger import entries, erased, fsck_processes, logs, map_store, withheld_check
from consent.ledger.fsck_merge import Finding, Run
from consent.ledger.fsck_pieces import Chains, Entries, Notes, Requests
from consent.ledger.fsck_processes import Workers
from consent.ledger.fsck_range import ROWS, Names, Part, Range
from consent.ledger.logs import Log
from consent.ledger.rows import Query
from consent.ledger.subjects import EVERYTHING
from consent.ledger.tables import checkpoint, cosigned, entry, head, node, subject
from consent.ledger.withheld_check import Seen
from core.database import Database

# What is worth a process of its own, in entries; and how many of them the label of a chain costs.
ENOUGH: Final = 50_000
LABEL_COSTS: Final = 50
LABELS_AT_ONCE: Final = 100
NOTES_AT_ONCE: Final = 200
REQUESTS_AT_ONCE: Final = 20_000
_T = TypeVar("_T")
Known = Callable[[Session, Sequence[str]], set[str]]
Progress = Callable[[int, int], None]

_COUNTS = select(entry.c.log, func.count()).group_by(entry.c.log)
_CHAINS = select(subject.c.chain).distinct().order_by(subject.c.chain)
_SUBJECTS = Query("SELECT chain, label, n, head FROM ledger_subject WHERE log = :log ORDER BY chain")
_SIZES = {
    what: select(table.c.size, table.c.root).where(table.c.log == bindparam("log")).order_by(table.c.size)
    for what, table in (("checkpoint", checkpoint), ("cosigned checkpoint", cosigned))
}
_NODES = select(node.c.level, node.c.number, node.c.hash).where(node.c.log == bindparam("log"))
_MAPPED = Query("SELECT label, n, head FROM ledger_map_leaf WHERE log = :log")
_CLAIMED = Query("SELECT count(*), min(at), max(at) FROM ledger_request")


def check(
    database: Database,
    progress: Progress | None = None,
    known: Known | None = None,
    *,
    openings: bool = True,
    jobs: int | None = None,
    rows: int = ROWS,
) -> list[Finding]:
    """Check every row of the ledger against every other; an empty list means that everything adds up.

    Recomputed, log by log: indexes 0 to n-1, commitments from openings, each chain's numbers, heads and
    label, the tree's stored nodes, frontier and root, every root of the citizen map, every signed checkpoint,
    that each year's log names the one before as it ended, every claimed request, that what is gone was erased, and
    that what the law withholds may be withheld, was fixed at the time, and is revealed when due (`withheld_check`).
    `progress` is told how many entries and labels are done and how many there are. `known` says which of some
    citizen IDs belong to somebody: with it, a chain under a name that is nobody's is found too. Without `openings`
    nothing is opened and no label computed anew: that shows that nothing was taken out, altered or put elsewhere,
    and no more. `jobs` processes do the work, as many as there are processors if none is named and it is worth it,
    up to `rows` entries at a time; all see the ledger as it was when this began.
    """
    count = _worth(database, openings=openings) if jobs is None else jobs
    with fsck_processes.started(database, count) as (db, workers):
        check_of = _Check(db, workers, progress, known, openings=openings, rows=min(rows, ROWS))
        check_of.labels()
        for log in logs.every(db):
            check_of.one_log(log)
        check_of.what_is_about_all()
        return check_of.findings


def _worth(database: Database, *, openings: bool) -> int:
    """How many processes the work is worth, and there are processors for."""
    with database.reading() as db:
        work = db.scalar(select(func.sum(head.c.size))) or 0
        if openings:
            work += LABEL_COSTS * (db.scalar(select(func.count()).select_from(subject)) or 0)
    return max(1, min(len(os.sched_getaffinity(0)), int(work) // ENOUGH))


class _Check:
    """One check under way: who does the pieces, and what they have come to."""

    def __init__(
        self,
        db: Session,
        workers: Workers,
        progress: Progress | None,
        known: Known | None,
        *,
        openings: bool,
        rows: int,
    ) -> None:
        self.findings: list[Finding] = []
        self._db, self._workers, self._progress, self._known = db, workers, progress, known
        self._openings, self._rows = openings, rows
        self._seen, self._gone = Seen(), erased.Seen(db)
        self._counts: dict[int, int] = {row[0]: row[1] for row in db.execute(_COUNTS)}
        self._names = list(db.scalars(_CHAINS)) if openings else []
        self._labels: dict[str, bytes] = {}
        self._done, self._of = 0, sum(self._counts.values()) + len(self._names)

    def labels(self) -> None:
        """Compute the label of every chain anew."""
        pieces = (Chains(names) for names in _slices(self._names, LABELS_AT_ONCE))
        for piece, found in self._workers.each(pieces):
            self._labels.update(zip(piece.names, found, strict=True))
            self._tell(len(found))

    def one_log(self, log: Log) -> None:
        """Check one log: its signed notes, its rows, and what the tables say of them."""
        names = {label: chain for chain, label, _n, _head in _SUBJECTS.all(self._db, log=log.number)}
        signed, seen = self._sizes("checkpoint", log), self._sizes("cosigned checkpoint", log)
        run = Run(
            log, names, map_store.state(self._db, log.number).applied, signed, self.findings, self._seen
        )
        pieces = [*_notes("checkpoint", log, signed), *_notes("cosigned checkpoint", log, seen)]
        for _piece, found in self._workers.each(pieces):
            for where, says in found:
                run.says(where, says)
        for size, root in seen.items():
            if signed.get(size) != root:
                run.says(f"cosigned checkpoint {size}", "no checkpoint of that size and root is here")
        for part in self._parts(log):
            run.take(part)
            self._gone.add(log, part.gone)
            self._tell(len(part.indexes))
        self._chains(run)
        self._map(run)
        self._tree(run)
        self._first_leaf(run)

    def what_is_about_all(self) -> None:
        """Check what goes from log to log: what is withheld, what was claimed, what is gone."""
        if self._openings:
            self._say(withheld_check.findings(self._db, self._seen))
        for _piece, lost in self._workers.each(self._requests()):
            self._say(lost)
        self._say(self._gone.unaccounted(self._db))

    def _tell(self, more: int) -> None:
        self._done += more
        if self._progress:
            self._progress(self._done, self._of)

    def _say(self, found: Iterable[tuple[str, str]]) -> None:
        self.findings += [Finding(where, says) for where, says in found]

    def _sizes(self, what: str, log: Log) -> dict[int, bytes]:
        return {row.size: row.root for row in self._db.execute(_SIZES[what], {"log": log.number})}

    def _parts(self, log: Log) -> Iterator[Part]:
        """Every row of a log, range by range; not more ranges than there are rows, whatever their indexes say."""
        count = self._counts.get(log.number, 0)
        starts = range(0, count, self._rows)
        ranges = (self._range(log, start, min(start + self._rows, count)) for start in starts)
        for _piece, part in self._workers.each(Entries(one) for one in ranges):
            yield part
        names, start = Names(), count
        while (part := self._range(log, start, EVERYTHING).check(self._db, names)).indexes:
            yield part
            start = part.indexes[-1] + 1

    def _range(self, log: Log, start: int, stop: int) -> Range:
        return Range(log.number, log.kind, start, stop, self._openings)

    def _requests(self) -> Iterator[Requests]:
        """Slices of the time in which requests were claimed."""
        ((count, first, last),) = _CLAIMED.all(self._db)
        if count:
            wide = (last - first) // (count // REQUESTS_AT_ONCE + 1) + 1
            for since in range(first, last + 1, wide):
                yield Requests(since, since + wide)

    def _chains(self, run: Run) -> None:
        for name, kept, n, last in _SUBJECTS.all(self._db, log=run.log.number):
            label = self._labels[name] if self._openings else kept
            where = f"chain {label.hex()[:16]}"
            if label != kept:
                run.says(where, f"it is kept under another label, {kept.hex()[:16]}")
            chain = run.chains.get(kept)
            if chain != (n, last):
                run.says(where, f"its head says {n} entries, the rows lead to {chain[0] if chain else 0}")
        if self._known:
            self._people(run, self._known)

    def _people(self, run: Run, known: Known) -> None:
        """A chain is a citizen's who exists, or an agency's, source's or office's, whose name has a colon."""
        people = {name: label for label, name in run.names.items() if ":" not in name}
        for name in sorted(people.keys() - known(self._db, list(people))):
            run.says(f"chain {people[name].hex()[:16]}", "it is of nobody who is known")

    def _map(self, run: Run) -> None:
        """The map in the tables is that of the entries before the leaf up to which it says it is."""
        if run.applied == run.frontier.size:
            run.mapped = run.chains
        stored = {label: (n, last) for label, n, last in _MAPPED.all(self._db, log=run.log.number)}
        if stored != run.mapped:
            run.says("citizen map", f"it is not that of the {run.applied} entries it says it holds")

    def _tree(self, run: Run) -> None:
        edge, log = run.frontier, run.log
        if (log.size, log.root, log.frontier) != (edge.size, edge.root(), edge.to_bytes()):
            run.says("head", f"size, root or frontier differ from those of the {edge.size} rows")
        rows = self._db.execute(_NODES, {"log": log.number})
        stored = {(level, number): made for level, number, made in rows}
        for level, number in sorted(stored.keys() | run.nodes.keys()):
            if stored.get((level, number)) != run.nodes.get((level, number)):
                run.says(f"node {level}/{number}", "it is not the root of the entries below it")
        for size in run.checkpoints:
            run.says(f"checkpoint {size}", f"the ledger has only {edge.size} entries")

    def _first_leaf(self, run: Run) -> None:
        """Leaf 0 of a log that follows another names that one as it ended."""
        log = run.log
        before = [one for one in logs.listing(self._db, log.kind) if one.number < log.number]
        if not before:
            return
        last = before[-1]
        ended = {"origin": last.origin, "size": last.size, "root": entries.base64_of(last.root)}
        if not last.frozen or logs.leaf0(self._db, log.number).get("previous") != ended:
            run.says("entry 0", f"it does not name {last.origin} as that log ended")


def _notes(what: str, log: Log, sizes: Iterable[int]) -> Iterator[Notes]:
    for some in _slices([*sizes], NOTES_AT_ONCE):
        yield Notes(what, log.number, log.origin, some[0], some[-1])


def _slices(values: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (values[at : at + size] for at in range(0, len(values), size))
