"""Brings a ledger that was restored from an older backup back to what was signed (ADR 22)."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger import (
    entries,
    freezing,
    journal,
    logs,
    map_store,
    mirror,
    policy,
    proofs,
    quorum,
    signer,
    subjects,
    tree,
    withheld_again,
    witnessing,
)
from consent.ledger.batch import Batch
from consent.ledger.errors import NotRecoverable
from consent.ledger.guard import Guard
from consent.ledger.logs import Log
from consent.ledger.note import Checkpoint
from consent.ledger.quorum import Policy
from consent.ledger.subjects import Labels
from consent.ledger.tables import (
    checkpoint,
    cosigned,
    entry,
    erasure,
    generation,
    head,
    map_leaf,
    map_node,
    map_state,
    node,
    request,
    subject,
)
from core.database import Database, Parts, parts
from core.events import CLEAR_FIELDS, waiting
from keys import sealing
from keys.errors import BadSeal, Shredded

CHUNK = 5000
_FROM = select(entry).where(entry.c.log == bindparam("log"), entry.c.leaf_index >= bindparam("start"))
_CHAIN = (
    select(entry.c.commitment)
    .where(entry.c.log == bindparam("log"), entry.c.label == bindparam("label"))
    .order_by(entry.c.seq)
)
_PUT_REQUEST = {
    "sqlite": sqlite.insert(request).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(request).on_conflict_do_nothing(),
}
_WAITED = delete(waiting).where(waiting.c.event_id == bindparam("event"), waiting.c.chain == bindparam("of"))
_WAITED_PUBLIC = delete(waiting).where(waiting.c.event_id == bindparam("event"), waiting.c.public.is_(True))
# What an erasure changes of an entry.
_LEFT = ("event_id", "kind", "month", "opening", "erasure", *CLEAR_FIELDS)
_DERIVED = (map_leaf, map_node, map_state)


@dataclass
class Recovered:
    """What was done to one log: from which entry on, how many came back of which kind, how many were added again."""

    origin: str
    start: int
    size: int
    kinds: Counter[str] = field(default_factory=Counter)
    again: int = 0


@dataclass
class _Found:
    """The rows that a log must have, and what belongs to them."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    chains: dict[bytes, str] = field(default_factory=dict)
    keys: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    erasures: dict[str, dict[str, Any]] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    rewritten: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)


def recover(
    database: Database, copy: Path, progress: Callable[[int, int], None] | None = None
) -> list[Recovered]:
    """Bring every log back to what was signed, from the journal, checked against a mirror in the folder `copy`.

    What is established before anything is kept:
    1. The mirror's entries lead to the root of its checkpoint, which our keys signed and a quorum cosigned.
    2. The rows put back, after those of the backup that are right, lead to exactly that root, and to the
       root in this machine's guard file if there is one; witnesses that were asked know no more.
    3. What was recorded after the backup was put back, before anybody noticed, is added again at the end.

    For a ledger that nobody else is writing to. Raises NotRecoverable, with words, and changes nothing then.
    """
    try:
        trusted = _own_policy(database)
        mirrored = mirror.check(copy, trusted, progress)
    except mirror.Untrue as error:
        raise NotRecoverable(detail=str(error)) from error
    with database.reading() as db:
        every = logs.every(db)
    if mirrored.origin not in {log.origin for log in every}:
        raise NotRecoverable(detail=f"the mirror is of {mirrored.origin}, which began after this backup")
    done = [_log(database, log, mirrored if log.origin == mirrored.origin else None, copy) for log in every]
    withheld_again.restore(database)
    return done


def _own_policy(database: Database) -> Policy:
    with database.reading() as db:
        keys = [key for log in logs.every(db) for key in policy.log_keys(database.parts, log.origin)]
    rules = witnessing.rule(database.parts)
    return quorum.Policy(keys, rules.witnesses, rules.groups, rules.quorum)


def _log(database: Database, log: Log, mirrored: Checkpoint | None, copy: Path) -> Recovered:
    house = database.parts
    guard = signer.guard_of(database, log.number)
    wanted = dict(_roots(guard, mirrored))
    found = _journalled(house, log)
    # Without a guard file the journal's last row counts: it was about to be signed, if it was not.
    size = max([*wanted, 0 if guard else max(found.rows, default=-1) + 1])
    with database.writing() as db:
        standing = logs.lock(db, log.kind) if not log.frozen else log
        found.rows = {place: row for place, row in found.rows.items() if place < size}
        start = _right(db, standing, found, mirrored, copy)
        done = Recovered(log.origin, start, max(size, start))
        strays = _take_out(db, standing, start) if start < standing.size else []
        _put_in(db, log.number, found, start, done)
        edge = _grow(db, log.number, done.size, wanted)
        _derive(db, log.number, edge, found, strays, start)
        if not log.frozen:
            done.again = _again(db, house, log, strays)
    return done


def _roots(guard: Guard | None, mirrored: Checkpoint | None) -> Iterator[tuple[int, bytes]]:
    if guard is not None:
        yield guard.frontier.size, guard.frontier.root()
    if mirrored is not None:
        if (
            guard is not None
            and guard.frontier.size == mirrored.size
            and guard.frontier.root() != mirrored.root
        ):
            raise NotRecoverable(detail=f"guard file and mirror have two roots for {mirrored.size} entries")
        yield mirrored.size, mirrored.root


def _journalled(house: Parts, log: Log) -> _Found:
    found = _Found()
    try:
        for frame in journal.read(house, log.number, log.origin):
            for row in frame.entries:
                found.rows[row["leaf_index"]] = row
            for place in range(frame.start, frame.stop):
                found.requests.pop(place, None)
            for claim in frame.requests:
                found.requests.setdefault(claim["leaf_index"], []).append(claim)
            found.chains |= {row["label"]: row["chain"] for row in frame.chains}
            whole = {row["chain"] for row in frame.generations}
            found.generations |= {row["chain"]: row["number"] for row in frame.generations}
            found.erasures |= {row["id"]: row for row in frame.erasures}
            found.rewritten |= {(row["log"], row["leaf_index"]): row for row in frame.rewritten}
            found.keys = {place: row for place, row in found.keys.items() if place[0] not in whole}
            found.keys |= {(row["owner"], row["scope"]): row for row in frame.keys}
    except journal.BadJournal as error:
        raise NotRecoverable(detail=str(error)) from error
    return found


def _right(db: Session, log: Log, found: _Found, mirrored: Checkpoint | None, copy: Path) -> int:
    """The first row of the database that is not what was signed; its size if all are."""
    place, public = 0, mirror.leaves(copy, 0, min(log.size, mirrored.size)) if mirrored else iter(())
    while place < log.size:
        for data in proofs.leaves(db, log.number, place, min(place + CHUNK, log.size)):
            signed = next(public, None)
            row = found.rows.get(place)
            kept = None if row is None else subjects.leaf_data(row)
            if signed is not None and kept is not None and signed != kept:
                raise NotRecoverable(detail=f"journal and mirror have different entries {place}")
            if data not in (signed or kept or data, kept or signed or data):
                return place
            place += 1
    return place


def _take_out(db: Session, log: Log, start: int) -> list[dict[str, Any]]:
    """Take out what was added after the backup was put back; returns it."""
    of = {"log": log.number, "start": start}
    names = _names(db, log.number)
    strays = [
        {**row, "chain": (name := names.get(row["label"])), "said": _said(db, name, row)}
        for row in db.execute(_FROM.order_by(entry.c.leaf_index), of).mappings().all()
    ]
    for table, column in ((entry, entry.c.leaf_index), (request, request.c.leaf_index)):
        db.execute(delete(table).where(table.c.log == log.number, column >= start))
    for table in (checkpoint, cosigned):
        db.execute(delete(table).where(table.c.log == log.number, table.c.size > start))
    return strays


def _said(db: Session, name: str | None, row: Mapping[Any, Any]) -> dict[str, Any] | None:
    """What an entry says, while the key that sealed it is still the one at hand; None if it is erased."""
    if name is None or row["opening"] is None:
        return None
    with suppress(Shredded, BadSeal):
        place = row["log"], row["leaf_index"]
        said: dict[str, Any] = json.loads(subjects.open_opening(db, name, place, row["opening"])[1])
        return said
    return None


def _put_keys(db: Session, found: _Found) -> None:
    """Put the keys of those days back, and destroy again those of what was erased since the backup.

    What waits was sealed after the backup was put back, perhaps under other keys, and is sealed anew.
    """
    sealer, plain = parts(db).sealer, {}
    if sealer is None:
        raise NotRecoverable(detail="no sealer")
    for row in db.execute(select(waiting).where(waiting.c.public.is_(False))).all():
        with suppress(Shredded, BadSeal):
            plain[row.id] = row.chain, sealer.unseal(db, row.chain, row.sealed)
    sealing.put_back(db, found.keys.values())
    for chain, number in found.generations.items():
        db.execute(delete(generation).where(generation.c.chain == chain))
        db.execute(insert(generation), {"chain": chain, "number": number})
        for kept in sealing.copies(db, [chain], "ledger:"):
            if (chain, kept["scope"]) not in found.keys:
                sealing.shred(db, chain, kept["scope"])
    for number, (chain, content) in plain.items():
        sealed = sealer.seal(db, chain, content)
        db.execute(update(waiting).where(waiting.c.id == number).values(sealed=sealed))


def _erase(db: Session, found: _Found) -> None:
    """Let entries be as they were left by the erasures since the backup, in every log."""
    for row in found.erasures.values():
        db.execute(delete(erasure).where(erasure.c.id == row["id"]))
        db.execute(insert(erasure), row)
    for (log, place), row in found.rewritten.items():
        left = {name: row[name] for name in _LEFT}
        here = entry.c.log == log, entry.c.leaf_index == place, entry.c.commitment == row["commitment"]
        db.execute(update(entry).where(*here).values(left))
        if row["erasure"] is not None:
            db.execute(delete(request).where(request.c.log == log, request.c.leaf_index == place))


def _names(db: Session, number: int) -> dict[bytes, str]:
    rows = db.execute(select(subject.c.label, subject.c.chain).where(subject.c.log == number))
    return {row.label: row.chain for row in rows}


def _put_in(db: Session, number: int, found: _Found, start: int, done: Recovered) -> None:
    missing = [place for place in range(start, done.size) if place not in found.rows]
    if missing:
        raise NotRecoverable(
            detail=f"{len(missing)} rows from {missing[0]} on are neither in this backup nor in the journal. The "
            "mirror proves that they were there and cannot say whose they were: take a newer backup, a standby or "
            "archived WAL, or freeze this log and start a new one"
        )
    _put_keys(db, found)
    for at in range(start, done.size, CHUNK):
        stop = min(at + CHUNK, done.size)
        db.execute(insert(entry), [found.rows[place] for place in range(at, stop)])
        kept = [place for place in range(at, stop) if (number, place) not in found.rewritten]
        claims = [claim for place in kept for claim in found.requests.get(place, [])]
        if claims:
            db.execute(_PUT_REQUEST[db.get_bind().dialect.name], claims)
    _erase(db, found)
    for place in range(start, done.size):
        row = found.rows[place]
        done.kinds[row["kind"]] += 1
        if row["kind"] == freezing.KIND:
            raise NotRecoverable(
                detail="the log was closed and the next begun after this backup: take a newer one"
            )
        if row["event_id"] is None:
            continue
        chain = found.chains.get(row["label"]) if row["label"] else None
        if chain is not None:
            db.execute(_WAITED, {"event": row["event_id"], "of": chain})
        elif row["label"] is None:
            db.execute(_WAITED_PUBLIC, {"event": row["event_id"]})


def _grow(db: Session, number: int, size: int, wanted: Mapping[int, bytes]) -> tree.Frontier:
    """Grow the tree from the rows and store its nodes. Raises NotRecoverable for another root."""
    db.execute(delete(node).where(node.c.log == number))
    edge = tree.Frontier()
    while edge.size < size:
        stop = min([edge.size + CHUNK, size, *(at for at in wanted if at > edge.size)])
        made = edge.extend(proofs.hashes(db, number, 0, edge.size, stop))
        if made:
            rows = [{"log": number, "level": n.level, "number": n.index, "hash": n.hash} for n in made]
            db.execute(insert(node), rows)
        if wanted.get(edge.size, edge.root()) != edge.root():
            raise NotRecoverable(detail=f"the rows do not lead to the root that {edge.size} entries had")
    return edge


def _derive(
    db: Session, number: int, edge: tree.Frontier, found: _Found, strays: list[dict[str, Any]], start: int
) -> None:
    """Make everything anew that follows from the rows: chains, head, citizen map."""
    back = [row for place, row in found.rows.items() if place >= start]
    labels = {row["label"] for row in (*strays, *back) if row["label"] is not None}
    known = _names(db, number)
    for label in sorted(labels):
        db.execute(delete(subject).where(subject.c.log == number, subject.c.label == label))
        n, link = 0, entries.first_head(label)
        for commitment in db.scalars(_CHAIN, {"log": number, "label": label}):
            n, link = n + 1, entries.next_head(link, commitment)
        if n:
            chain = known.get(label) or found.chains[label]
            values = {"log": number, "chain": chain, "label": label, "n": n, "head": link}
            db.execute(insert(subject), values)
    grown = {"size": edge.size, "root": edge.root(), "frontier": edge.to_bytes()}
    db.execute(update(head).where(head.c.log == number).values(grown))
    for table in _DERIVED:
        db.execute(delete(table).where(table.c.log == number))
    last = max((place for place in _map_roots(db, number)), default=None)
    if last is not None:
        map_store.apply(db, number, last)
        rows = proofs.hashes(db, number, 0, 0, last + 1)
        until = tree.Frontier()
        until.extend(rows)
        map_store.logged(db, number, last, until.root())


def _map_roots(db: Session, number: int) -> Iterator[int]:
    query = select(entry.c.leaf_index).where(entry.c.log == number, entry.c.leaf_type == entries.MAP_ROOT)
    return iter(db.scalars(query.order_by(entry.c.leaf_index.desc()).limit(1)))


def _again(db: Session, house: Parts, log: Log, strays: list[dict[str, Any]]) -> int:
    """Add what was recorded between the restore and now once more, at the end; repeats are left out."""
    batch, labels = None, Labels(house)
    added = 0
    for row in strays:
        if row["leaf_type"] == entries.MAP_ROOT or _there(db, row):
            continue
        batch = batch or Batch.begin(db, labels, log.kind)
        if row["leaf_type"] == entries.PUBLIC:
            batch.add_public(json.loads(row["payload"]), row)
            added += 1
            continue
        if row["said"] is not None:
            batch.know([row["chain"]])
            clear = {column: row[column] for column in CLEAR_FIELDS}
            batch.add(row["chain"], entries.Draft(row["said"]), row["event_id"], clear)
            added += 1
    if batch is not None:
        batch.write()
    return added


def _there(db: Session, row: Mapping[str, Any]) -> bool:
    query = select(entry.c.leaf_index).where(
        entry.c.log == row["log"],
        entry.c.event_id == row["event_id"],
        entry.c.label.is_not_distinct_from(row["label"]),
    )
    return db.execute(query.limit(1)).first() is not None
