"""Signs checkpoints: one signer at a time, and never a tree that does not extend what was signed before."""

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger import (
    cosigned,
    journal,
    logs,
    map_roots,
    map_store,
    note,
    policy,
    proofs,
    publish,
    tiles,
    tree,
    witnessing,
)
from consent.ledger.errors import SignerRefused
from consent.ledger.guard import Guard
from consent.ledger.logs import Log
from consent.ledger.tables import checkpoint, lease
from core import clock
from core.database import Database, parts

LEASE = "signer"
LEASE_SECONDS = 15
RENEW_SECONDS = 60
CHUNK = 10_000

_NEWEST = (
    select(checkpoint).where(checkpoint.c.log == bindparam("log")).order_by(checkpoint.c.size.desc()).limit(1)
)
_PUT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(checkpoint),
    "postgresql": postgresql.insert(checkpoint),
}
_PUT_NOTE = {
    name: put.on_conflict_do_update(
        index_elements=["log", "size"], set_={"note": put.excluded.note, "at": put.excluded.at}
    )
    for name, put in _PUT.items()
}
_TAKE = {
    "sqlite": sqlite.insert(lease).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(lease).on_conflict_do_nothing(),
}
_RENEW = (
    update(lease)
    .where(
        lease.c.name == bindparam("lease"),
        (lease.c.holder == bindparam("me")) | (lease.c.until < bindparam("now")),
    )
    .values(holder=bindparam("me"), until=bindparam("later"))
    .returning(lease.c.holder)
)


@dataclass(frozen=True)
class Signed:
    """A checkpoint as it was signed."""

    size: int
    root: bytes
    at: datetime
    note: str


def newest(db: Session, log: int | None = None) -> Signed | None:
    """The checkpoint of a log signed last, None before the first; of the log that grows, if none is named."""
    if log is None:
        log = found.number if (found := logs.find(db)) else logs.FIRST
    row = db.execute(_NEWEST, {"log": log}).first()
    return None if row is None else Signed(row.size, row.root, row.at, row.note)


def published(db: Session, log: int | None = None) -> Signed | None:
    """The newest checkpoint that others are shown: signed, and cosigned by a quorum where witnesses are asked for.

    Of the log that grows, if none is named. Witnesses that fail leave the last one that they cosigned.
    """
    rules = witnessing.rule(parts(db))
    if not rules.required:
        return newest(db, log)
    if log is None:
        log = found.number if (found := logs.find(db)) else logs.FIRST
    row = cosigned.newest(db, log, rules.digest())
    return None if row is None else Signed(*row)


def fresh(db: Session) -> bool:
    """Tell whether somebody signs: what is published is young enough, or, before the first, the ledger is.

    Only what the database holds counts, so that a process that starts anew does not buy time. Nor does a clock
    that is set back: what seems to come from a time ahead is not trusted for longer.
    """
    signed = published(db)
    since = signed.at if signed else logs.opened_at(db)
    limit = parts(db).settings.checkpoint_stale_seconds
    return since is not None and abs((clock.now() - since).total_seconds()) <= limit


def policy_text(db: Session) -> str:
    """The trust policy file that `erti-verify` reads, for the log that grows."""
    return policy.text(parts(db), logs.current(db).origin)


def policy_for_witnesses(db: Session) -> str:
    """The keys of every open log there is, also of those of past years, for witnesses.

    What the law withholds they are not shown: its log's hash in the open one is what they cosign (ADR 23).
    """
    return policy.for_witnesses(parts(db), [log.origin for log in logs.listing(db)])


def policy_fingerprint(db: Session) -> str:
    """The trust policy's fingerprint, as it stands on activation letters."""
    return policy.fingerprint(policy_text(db))


def sign_if_due(database: Database) -> Signed | None:
    """Publish tiles and sign a checkpoint of each log that grew, or whose last one is a minute old.

    Before that the root of the citizen map is added as the log's last leaf, so that whoever holds a checkpoint
    can be shown everything up to it (DESIGN 6). None if nothing is due or another process signs; otherwise
    the open one signed last. Raises SignerRefused when what the database holds does not extend what was
    signed before, or another signer's checkpoints are there and were not adopted.
    """
    if not _all_due(database):
        return None
    done: list[Signed | None] = []
    refused: SignerRefused | None = None
    with _only_one_here(home(database)) as alone:
        # Looked at again: since then another process may have signed more than there was, and is done.
        for log in _all_due(database) if alone else ():
            try:
                signed = _sign(database, log)
                done += [signed] if log.kind == logs.OPEN else []
            except SignerRefused as error:  # what is wrong with one log does not hold up the others
                refused = refused or error
    if refused is not None:
        raise refused
    return done[-1] if done else None


def cosign(database: Database) -> None:
    """Have witnesses cosign the newest checkpoint of each log that this machine signs, and publish it then.

    For the worker, after signing: nobody else waits for witnesses.
    """
    if not witnessing.rule(database.parts).required:
        return
    with database.reading() as db:
        heads = [
            witnessing.Head(log.number, signed.at, signed.note)
            for log in logs.listing(db)
            if (signed := newest(db, log.number)) and _holds(db, database, log)
        ]
    for head in heads:
        witnessing.cosign(database, head, folder(database, head.log))


def _holds(db: Session, database: Database, log: Log) -> bool:
    """Tell whether this machine is the one that signs a log."""
    path = guard_path(database, log.number)
    holder = db.scalar(select(lease.c.holder).where(lease.c.name == lease_name(log.number)))
    return path.exists() and Guard.from_bytes(path.read_bytes()).signer == holder


def adopt(database: Database, *, clock_was_ahead: bool = False) -> Signed | None:
    """Make this machine the signer from now on, starting at the newest checkpoints in the database.

    For an operator who moved the ledger: what was signed elsewhere after them is not known here, unless
    witnesses are asked for: then a quorum of them must answer, and know nothing else than these checkpoints.
    `clock_was_ahead` lets the next checkpoints have earlier times than those.
    Raises SignerRefused if they do not, or the rows do not lead to the checkpoints' roots.
    """
    signed = None
    with _only_one_here(home(database)) as alone:
        if not alone:
            raise SignerRefused(detail="another process here is signing")
        with database.reading() as db:
            every = logs.every(db)
        for log in every:
            adopted = _adopt(database, log, clock_was_ahead=clock_was_ahead)
            signed = adopted if log.kind == logs.OPEN else signed
    return signed


def _adopt(database: Database, log: Log, *, clock_was_ahead: bool) -> Signed | None:
    with database.reading() as db:
        signed = newest(db, log.number)
        edge = _grown(db, log.number, tree.Frontier(), signed.size if signed else 0)
        if signed and edge.root() != signed.root:
            raise SignerRefused(detail="the rows do not lead to the newest checkpoint's root")
    if log.kind == logs.OPEN:
        witnessing.confirm(database, log.number, log.origin, last=signed.note if signed else None)
    with database.reading() as db:
        publish.write(db, folder(database, log.number), log.number, 0, edge.size)
    at = clock.now() if clock_was_ahead or signed is None else signed.at
    guard = Guard(secrets.token_hex(8), log.origin, edge, at)
    tiles.replace(guard_path(database, log.number), guard.to_bytes())
    if clock_was_ahead:
        with database.writing() as db:  # otherwise nobody could sign until the clock gets there
            db.execute(update(lease).where(lease.c.name == lease_name(log.number)).values(until=at))
    return signed


def home(database: Database) -> Path:
    """Where the logs' files are, each log's in a folder of its own."""
    return database.parts.settings.data_dir / "ledger"


def folder(database: Database, log: int = logs.FIRST) -> Path:
    """Where a log's files are: below it the checkpoint and tiles, beside them the signer's own."""
    return home(database) / str(log)


def guard_path(database: Database, log: int = logs.FIRST) -> Path:
    """The signer's guard file for a log."""
    return folder(database, log) / "signer-guard.json"


def guard_of(database: Database, log: int) -> Guard | None:
    """What this machine signed last of a log; None if it never did. Raises SignerRefused if the file is damaged."""
    path = guard_path(database, log)
    return Guard.from_bytes(path.read_bytes()) if path.exists() else None


def _all_due(database: Database) -> list[Log]:
    with database.reading() as db:
        return [log for log in logs.every(db) if _due(db, log) or _is_older(database, log)]


def _due(db: Session, log: Log) -> bool:
    signed = newest(db, log.number)
    if signed is None or signed.size != log.size:
        return True
    return not log.frozen and not 0 <= _age(signed) < RENEW_SECONDS


def _is_older(database: Database, log: Log) -> bool:
    """Tell whether more was signed here than there is: then it is time to refuse, however young the checkpoint."""
    guard = guard_of(database, log.number)
    return guard is not None and guard.frontier.size > log.size


def _age(signed: Signed) -> float:
    return (clock.now() - signed.at).total_seconds()


@contextmanager
def _only_one_here(place: Path) -> Iterator[bool]:
    """Hold this machine's signer lock; yields False if another process has it."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "signer.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _sign(database: Database, log: Log) -> Signed | None:
    guard, first = _guard(database, log)
    if not _hold_lease(database, log, guard.signer):
        return None
    with database.reading() as db:
        last = newest(db, log.number)
    _refuse_unless(guard, last, log.size)
    guard.moment(last.at if last else None)
    if log.kind == logs.OPEN:  # witnesses are shown nothing else
        witnessing.vouch(database, log.number, log.origin, last=last.note if last else None, size=log.size)
    if not log.frozen:
        map_roots.write(database, log)
    with database.reading() as db:
        state = map_store.state(db, log.number)
        size = (state.root_index or 0) + 1
        _refuse_unless(guard, newest(db, log.number), size)
        edge = _grown(db, log.number, guard.frontier, size)
        if edge.root() != state.tree_root:
            raise SignerRefused(detail=f"the rows up to {size} do not lead to the root they had")
        published = 0 if first else guard.frontier.size
        journal.write(db, log, published, edge.size)
        publish.write(db, folder(database, log.number), log.number, published, edge.size)
    # From here on this size and root are what we stand by, even if we die before the note is stored.
    guard = replace(guard, frontier=edge, at=guard.moment(last.at if last else None))
    tiles.replace(guard_path(database, log.number), guard.to_bytes())
    return _store(database, log, guard)


def _guard(database: Database, log: Log) -> tuple[Guard, bool]:
    """The guard, and whether it is new: on the very first signing there is none yet."""
    path = guard_path(database, log.number)
    if path.exists():
        guard = Guard.from_bytes(path.read_bytes())
        if guard.origin != log.origin:
            raise SignerRefused(detail="the signer's guard file is of another ledger")
        return guard, guard.frontier.size == 0
    with database.reading() as db:
        if newest(db, log.number) is not None:
            raise SignerRefused(
                detail="checkpoints were signed elsewhere; `erti ledger signer adopt` moves it"
            )
    guard = Guard(secrets.token_hex(8), log.origin, tree.Frontier())
    tiles.replace(path, guard.to_bytes())
    return guard, True


def lease_name(log: int) -> str:
    """The name of a log's signer lease."""
    return f"{LEASE}:{log}"


def _hold_lease(database: Database, log: Log, me: str) -> bool:
    with database.writing() as db:
        first = {"name": lease_name(log.number), "holder": me, "until": clock.now()}
        db.execute(_TAKE[db.get_bind().dialect.name], first)
        return _renewed(db, log, me)


def _renewed(db: Session, log: Log, me: str) -> bool:
    now = clock.now()
    values = {
        "lease": lease_name(log.number),
        "me": me,
        "now": now,
        "later": now + timedelta(seconds=LEASE_SECONDS),
    }
    return db.execute(_RENEW, values).first() is not None


def _refuse_unless(guard: Guard, signed: Signed | None, size: int) -> None:
    """The largest of guard and database must be in the tree; raises SignerRefused for anything else."""
    kept = guard.frontier
    if size < kept.size:
        raise SignerRefused(
            detail=f"the ledger has {size} entries, {kept.size} were signed: it is an older copy; "
            "`erti ledger recover` brings back what is missing"
        )
    if signed is None:
        return
    if signed.size > kept.size:
        raise SignerRefused(detail=f"a checkpoint of {signed.size} exists, this signer's last is {kept.size}")
    if signed.size == kept.size and signed.root != kept.root():
        raise SignerRefused(detail=f"two roots for {kept.size} entries")


def _grown(db: Session, log: int, start: tree.Frontier, size: int) -> tree.Frontier:
    """The frontier at `size`, grown from the rows themselves. Raises LookupError if one is missing."""
    edge = tree.Frontier(start.size, list(start.hashes))
    while edge.size < size:
        edge.extend(proofs.hashes(db, log, 0, edge.size, min(edge.size + CHUNK, size)))
    return edge


def _store(database: Database, log: Log, guard: Guard) -> Signed | None:
    """Sign and store what the guard says, unless the lease was lost on the way."""
    head, at = (
        note.Checkpoint(guard.origin, guard.frontier.size, guard.frontier.root()),
        guard.at or clock.now(),
    )
    text = note.sign(head, policy.signers(database.parts, log.origin), at=clock.seconds(at))
    values = {"log": log.number, "size": head.size, "root": head.root, "at": at, "note": text}
    with database.writing() as db:
        if not _renewed(db, log, guard.signer):
            return None
        db.execute(_PUT_NOTE[db.get_bind().dialect.name], values)
    if not witnessing.rule(database.parts).required:  # otherwise it is published once it is cosigned
        tiles.replace(folder(database, log.number) / "checkpoint", text.encode())
    return Signed(head.size, head.root, at, text)
