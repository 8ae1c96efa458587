"""Signs checkpoints: one signer at a time, and never a tree that does not extend what was signed before."""

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger import note, policy, proofs, publish, subjects, tiles, tree
from consent.ledger.errors import SignerRefused
from consent.ledger.tables import checkpoint, lease
from core import clock
from core.database import Database, parts

LEASE = "signer"
LEASE_SECONDS = 15
RENEW_SECONDS = 60
CHUNK = 10_000

_NEWEST = select(checkpoint).order_by(checkpoint.c.size.desc()).limit(1)
_PUT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(checkpoint),
    "postgresql": postgresql.insert(checkpoint),
}
_PUT_NOTE = {
    name: put.on_conflict_do_update(
        index_elements=["size"], set_={"note": put.excluded.note, "at": put.excluded.at}
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
        lease.c.name == LEASE,
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


@dataclass(frozen=True)
class Guard:
    """What this signer signed last. Its file is never restored from a backup (DESIGN 6)."""

    signer: str
    origin: str
    frontier: tree.Frontier

    def to_bytes(self) -> bytes:
        """The file's contents."""
        frontier = self.frontier.to_bytes().hex()
        facts = {"signer": self.signer, "origin": self.origin, "frontier": frontier}
        return json.dumps(facts, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> "Guard":
        """Read the file. Raises SignerRefused if it is not whole."""
        try:
            facts = json.loads(data)
            edge = tree.Frontier.from_bytes(bytes.fromhex(facts["frontier"]))
            return cls(facts["signer"], facts["origin"], edge)
        except (ValueError, KeyError, TypeError) as error:
            raise SignerRefused(detail="the signer's guard file is damaged") from error


def newest(db: Session) -> Signed | None:
    """The checkpoint signed last, None before the first."""
    row = db.execute(_NEWEST).first()
    return None if row is None else Signed(row.size, row.root, row.at, row.note)


def fresh(db: Session) -> bool:
    """Tell whether somebody signs: the newest checkpoint is young enough, or, before the first, the ledger is.

    Only what the database holds counts, so that a process that starts anew does not buy time.
    """
    signed = newest(db)
    since = signed.at if signed else subjects.opened_at(db)
    limit = parts(db).settings.checkpoint_stale_seconds
    return since is not None and (clock.now() - since).total_seconds() <= limit


def policy_text(db: Session) -> str:
    """The trust policy file that `erti-verify` reads."""
    return policy.text(parts(db))


def policy_fingerprint(db: Session) -> str:
    """The trust policy's fingerprint, as it stands on activation letters."""
    return policy.fingerprint(policy_text(db))


def sign_if_due(database: Database) -> Signed | None:
    """Publish tiles and sign a checkpoint if the ledger grew, or the last one is a minute old.

    None if nothing is due or another process signs. Raises SignerRefused when what the database holds
    does not extend what was signed before, or another signer's checkpoints are there and were not adopted.
    """
    with database.reading() as db:
        if not _due(db):
            return None
    with _only_one_here(folder(database)) as alone:
        return _sign(database) if alone else None


def adopt(database: Database) -> Signed | None:
    """Make this machine the signer from now on, starting at the newest checkpoint in the database.

    For an operator who moved the ledger: what was signed elsewhere after that checkpoint is not known here.
    Raises SignerRefused if the rows do not lead to that checkpoint's root.
    """
    path = guard_path(database)
    with _only_one_here(folder(database)) as alone:
        if not alone:
            raise SignerRefused(detail="another process here is signing")
        with database.reading() as db:
            signed = newest(db)
            edge = _grown(db, tree.Frontier(), signed.size if signed else 0)
        if signed and edge.root() != signed.root:
            raise SignerRefused(detail="the rows do not lead to the newest checkpoint's root")
        with database.reading() as db:
            publish.write(db, folder(database), 0, edge.size)
        tiles.replace(
            path, Guard(secrets.token_hex(8), database.parts.settings.ledger_origin, edge).to_bytes()
        )
    return signed


def folder(database: Database) -> Path:
    """Where the log's files are: below it the checkpoint and tiles, beside them the signer's own."""
    return database.parts.settings.data_dir / "ledger"


def guard_path(database: Database) -> Path:
    """The signer's guard file."""
    return folder(database) / "signer-guard.json"


def _due(db: Session) -> bool:
    row, signed = db.execute(subjects.HEAD).first(), newest(db)
    if row is None or row.size == 0:
        return False
    return signed is None or row.size != signed.size or _age(signed) >= RENEW_SECONDS


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


def _sign(database: Database) -> Signed | None:
    guard, first = _guard(database)
    if not _hold_lease(database, guard.signer):
        return None
    with database.reading() as db:
        signed, row = newest(db), db.execute(subjects.HEAD).one()
        _refuse_unless(guard, signed, row.size)
        edge = _grown(db, guard.frontier, row.size)
        if edge.root() != row.root:
            raise SignerRefused(detail=f"the rows up to {row.size} do not lead to the head's root")
        published = 0 if first else guard.frontier.size
        publish.write(db, folder(database), published, edge.size)
    # From here on this size and root are what we stand by, even if we die before the note is stored.
    tiles.replace(guard_path(database), replace(guard, frontier=edge).to_bytes())
    return _store(database, guard.signer, note.Checkpoint(guard.origin, edge.size, edge.root()))


def _guard(database: Database) -> tuple[Guard, bool]:
    """The guard, and whether it is new: on the very first signing there is none yet."""
    path, origin = guard_path(database), database.parts.settings.ledger_origin
    if path.exists():
        guard = Guard.from_bytes(path.read_bytes())
        if guard.origin != origin:
            raise SignerRefused(detail="the signer's guard file is of another ledger")
        return guard, guard.frontier.size == 0
    with database.reading() as db:
        if newest(db) is not None:
            raise SignerRefused(
                detail="checkpoints were signed elsewhere; `erti ledger signer adopt` moves it"
            )
    guard = Guard(secrets.token_hex(8), origin, tree.Frontier())
    tiles.replace(path, guard.to_bytes())
    return guard, True


def _hold_lease(database: Database, me: str) -> bool:
    with database.writing() as db:
        first = {"name": LEASE, "holder": me, "until": clock.now()}
        db.execute(_TAKE[db.get_bind().dialect.name], first)
        return _renewed(db, me)


def _renewed(db: Session, me: str) -> bool:
    now = clock.now()
    values = {"me": me, "now": now, "later": now + timedelta(seconds=LEASE_SECONDS)}
    return db.execute(_RENEW, values).first() is not None


def _refuse_unless(guard: Guard, signed: Signed | None, size: int) -> None:
    """The largest of guard and database must be in the tree; raises SignerRefused for anything else."""
    kept = guard.frontier
    if size < kept.size:
        raise SignerRefused(detail=f"the ledger has {size} entries, {kept.size} were signed")
    if signed is None:
        return
    if signed.size > kept.size:
        raise SignerRefused(detail=f"a checkpoint of {signed.size} exists, this signer's last is {kept.size}")
    if signed.size == kept.size and signed.root != kept.root():
        raise SignerRefused(detail=f"two roots for {kept.size} entries")


def _grown(db: Session, start: tree.Frontier, size: int) -> tree.Frontier:
    """The frontier at `size`, grown from the rows themselves. Raises LookupError if one is missing."""
    edge = tree.Frontier(start.size, list(start.hashes))
    while edge.size < size:
        edge.extend(proofs.hashes(db, 0, edge.size, min(edge.size + CHUNK, size)))
    return edge


def _store(database: Database, me: str, head: note.Checkpoint) -> Signed | None:
    """Sign and store, unless the lease was lost on the way."""
    at = clock.now()
    text = note.sign(head, policy.signers(database.parts), at=clock.seconds(at))
    values = {"size": head.size, "root": head.root, "at": at, "note": text}
    with database.writing() as db:
        if not _renewed(db, me):
            return None
        db.execute(_PUT_NOTE[db.get_bind().dialect.name], values)
    tiles.replace(folder(database) / "checkpoint", text.encode())
    return Signed(head.size, head.root, at, text)
