"""The pieces of a check that `fsck` hands out: each is done by one process on its own, in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from consent.ledger import fsck_range, note, policy
from consent.ledger.fsck_range import Part, Range
from consent.ledger.note import BadNote
from consent.ledger.rows import Query
from consent.ledger.subjects import Labels
from core.database import parts

Finding = tuple[str, str]
_NOTES: Final = {
    what: Query(
        f"SELECT size, root, note FROM {table} WHERE log = :log AND size BETWEEN :first AND :last ORDER BY size"  # noqa: S608
    )
    for what, table in (("checkpoint", "ledger_checkpoint"), ("cosigned checkpoint", "ledger_cosigned"))
}
_LOST: Final = Query(
    "SELECT ledger_request.client, ledger_request.request_id FROM ledger_request "
    "LEFT JOIN ledger_entry ON ledger_entry.log = ledger_request.log "
    "AND ledger_entry.leaf_index = ledger_request.leaf_index AND ledger_entry.event_id = ledger_request.event_id "
    "WHERE ledger_entry.leaf_index IS NULL AND ledger_request.at >= :since AND ledger_request.at < :until "
    "ORDER BY ledger_request.client, ledger_request.request_id"
)


@dataclass
class Hands:
    """What one process has at hand: its view of the database, and what it need not find out twice."""

    db: Session
    names: fsck_range.Names = field(default_factory=fsck_range.Names)
    keys: dict[str, list[note.VerifierKey]] = field(default_factory=dict)


class Piece(Protocol):
    """One piece of work; sent to the process that does it, as its result is sent back."""

    def do(self, hands: Hands) -> Any:
        """Do it."""


@dataclass(frozen=True)
class Entries:
    """The entries of a range."""

    range: Range

    def do(self, hands: Hands) -> Part:
        """Check them."""
        return self.range.check(hands.db, hands.names)


@dataclass(frozen=True)
class Chains:
    """The names of some chains."""

    names: Sequence[str]

    def do(self, hands: Hands) -> list[bytes]:
        """Compute their labels anew, in this order."""
        labels = Labels(
            parts(hands.db)
        )  # not those of the process, which may have read them from the database
        return [labels.of(name) for name in self.names]


@dataclass(frozen=True)
class Notes:
    """The signed notes of a log's checkpoints in a range of sizes."""

    what: str
    log: int
    origin: str
    first: int
    last: int

    def do(self, hands: Hands) -> list[Finding]:
        """Check that each is of the tree its row says, and signed by every log key."""
        if self.origin not in hands.keys:
            hands.keys[self.origin] = policy.log_keys(parts(hands.db), self.origin)
        keys, found = hands.keys[self.origin], []
        rows = _NOTES[self.what].all(hands.db, log=self.log, first=self.first, last=self.last)
        for size, root, text in rows:
            where = f"{self.what} {size}"
            try:
                signed, by = note.open_checkpoint(text, keys)
            except BadNote as error:
                found.append((where, str(error)))
                continue
            if (signed.size, signed.root) != (size, root) or len(by) != len(keys):
                found.append((where, "its note is of another tree, or not signed by every log key"))
        return found


@dataclass(frozen=True)
class Requests:
    """The requests that were claimed from one moment to before another, in microseconds since 1970."""

    since: int
    until: int

    def do(self, hands: Hands) -> list[Finding]:
        """Find those whose entry is not there."""
        lost = _LOST.all(hands.db, since=self.since, until=self.until)
        return [
            (f"request {request_id} of {client}", "its entry is not there") for client, request_id in lost
        ]
