"""One transaction that extends the ledger: place entries, chain them, grow the tree."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from consent.ledger import entries, logs, openings, subjects, tree, withheld
from consent.ledger.disclosures import (
    GRANT_ENDED,
    RETRY_WINDOW,
    Disclosure,
    Integrated,
    Item,
    Later,
    Outcome,
    Refused,
    Repeated,
    Reused,
)
from consent.ledger.reliance import CheckGrants, Relied
from consent.ledger.rows import Writer
from consent.ledger.subjects import Chain, Labels
from consent.ledger.tables import entry, head, node, request, subject
from core import clock
from core.database import among, parts, texts
from core.events import CLEAR_FIELDS, waiting
from keys.errors import Shredded
from keys.quick import randomness
from keys.ring import Keyring

log = structlog.get_logger("erti.ledger")


_TAKE_IDS = delete(waiting).where(waiting.c.id.in_(bindparam("ids", expanding=True))).returning(*waiting.c)
_TAKE_CHAINS = {
    engine: delete(waiting).where(named).returning(*waiting.c)
    for engine, named in among(waiting.c.chain, "chains").items()
}
_CLAIMS = among(request.c.request_id, "requests")
_CLAIMED = {
    engine: select(request, entry.c.commitment).where(
        named, _CLAIMS[engine], entry.c.log == request.c.log, entry.c.leaf_index == request.c.leaf_index
    )
    for engine, named in among(request.c.client, "clients").items()
}
_COLUMNS = [column for column in entry.c if column is not entry.c.erasure]
_NAMES = [column.name for column in _COLUMNS]
_PUT_ENTRY, _PUT_NODE, _PUT_REQUEST = (
    Writer(entry, _COLUMNS),
    Writer(node, [*node.c]),
    Writer(request, [*request.c]),
)
_PUT_SUBJECT = Writer(subject, [*subject.c], replaced=("n", "head"))
_PUT_HEAD = update(head).where(head.c.log == bindparam("of"))


_Claims = dict[tuple[str, str], tuple[bytes, datetime, Integrated]]
MAP_ROOT = "map-root"


@dataclass
class Batch:
    """A log, locked, while one batch is added. Everything is written by `write`."""

    db: Session
    log: int
    labels: Labels
    frontier: tree.Frontier
    chains: dict[str, Chain] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    keys: str = openings.LEDGER
    due: list[dict[str, Any]] = field(default_factory=list)
    commitment_of: Callable[[bytes, bytes], bytes] = entries.commitment

    def __post_init__(self) -> None:
        """Have the randomness of the transaction at hand."""
        self.random = randomness(self.db)

    @classmethod
    def begin(cls, db: Session, labels: Labels, kind: str = logs.OPEN) -> "Batch":
        """Lock the log of a kind that grows: nobody else extends it until this transaction ends."""
        log = logs.lock(db, kind)
        edge = tree.Frontier.from_bytes(log.frontier)
        if kind == logs.OPEN:
            return cls(db, log.number, labels, edge)
        return cls(
            db, log.number, labels, edge, keys=openings.WITHHELD, commitment_of=entries.split_commitment
        )

    @property
    def size(self) -> int:
        """How many leaves the log has with those of this batch."""
        return self.frontier.size + len(self.leaves)

    def know(self, names: Sequence[str]) -> None:
        """Load the chains and their keys, all at once."""
        missing = sorted({name for name in names if name not in self.chains})
        if missing:
            self.chains.update(subjects.standing(self.db, self.log, missing, self.labels))
            if self.keys == openings.LEDGER:
                for name, number in openings.ready(self.db, missing, clock.now().year).items():
                    self.chains[name].generation = number

    def add(self, name: str, draft: entries.Draft, event_id: str, clear: Mapping[str, Any]) -> Integrated:
        """Place one entry at the end of a chain and of the tree. `clear` are the CLEAR_FIELDS."""
        chain, place = self.chains[name], self.size
        record = draft.record(label=chain.label, seq=chain.n + 1, previous=chain.head)
        nonce = self.random.take(entries.NONCE_BYTES)
        commitment = self.commitment_of(nonce, record)
        chain.n, chain.head = chain.n + 1, entries.next_head(chain.head, commitment)
        # The key is that of the year in which it happened; what is withheld has a key of its own until it is told.
        alone = self.keys == openings.WITHHELD
        number = withheld.key_number(self.log, place) if alone else chain.generation
        key = openings.scope(draft.month[:4], number, kind=self.keys)
        self.touched.add(name)
        self._grow(entries.COMMITMENT, commitment)
        self.rows.append(
            {
                "log": self.log,
                "leaf_index": place,
                "leaf_type": entries.COMMITMENT,
                "commitment": commitment,
                "payload": None,
                "label": chain.label,
                "seq": chain.n,
                "event_id": event_id,
                "kind": draft.kind,
                "month": draft.month,
                "opening": subjects.seal_opening(self.db, name, key, (self.log, place), nonce, record),
                **clear,
            }
        )
        return Integrated(place, event_id, commitment, self.log)

    def add_public(self, body: dict[str, Any], clear: Mapping[str, Any]) -> None:
        """Place one public record."""
        names = {"event_id": body["event"], "kind": body["kind"], "month": body["at"][:7]}
        names |= {column: clear.get(column) for column in CLEAR_FIELDS}
        self._add_in_clear(entries.PUBLIC, entries.public_record(body), names)

    def add_map_root(self, payload: bytes, month: str) -> int:
        """Place a root of the citizen map; returns its index."""
        return self._add_in_clear(entries.MAP_ROOT, payload, {"kind": MAP_ROOT, "month": month})

    def _add_in_clear(self, leaf_type: int, payload: bytes, names: dict[str, Any]) -> int:
        place = self.size
        self._grow(leaf_type, payload)
        row = {"log": self.log, "leaf_index": place, "leaf_type": leaf_type, "payload": payload}
        self.rows.append(dict.fromkeys(_NAMES) | row | names)
        return place

    def _grow(self, leaf_type: int, content: bytes) -> None:
        self.leaves.append(tree.leaf_hash(entries.leaf(leaf_type, content)))

    def claim(self, item: Item, placed: Integrated) -> bytes:
        """Remember that a client's request ID led to this entry; returns what it is claimed for."""
        found = item.disclosure
        asked = _asked(self.db, found)
        self.claims.append(
            {
                "client": found.client,
                "request_id": found.request_id,
                "body_hmac": asked,
                "event_id": placed.event_id,
                "log": placed.log,
                "leaf_index": placed.index,
                "at": item.at,
            }
        )
        return asked

    def write(self) -> None:
        """Write everything added; the commit is the caller's."""
        if not self.rows:
            return
        db, log = self.db, self.log
        nodes = self.frontier.extend(self.leaves)
        self.leaves.clear()
        _PUT_ENTRY.put(db, self.rows)
        changed = [self.chains[name] for name in sorted(self.touched)]
        _PUT_SUBJECT.put(
            db, [{"log": log, "chain": c.name, "label": c.label, "n": c.n, "head": c.head} for c in changed]
        )
        _PUT_NODE.put(db, [{"log": log, "level": n.level, "number": n.index, "hash": n.hash} for n in nodes])
        _PUT_REQUEST.put(db, self.claims)
        withheld.keep(db, self.due)
        size, root, edge = self.frontier.size, self.frontier.root(), self.frontier.to_bytes()
        db.execute(_PUT_HEAD, {"of": self.log, "size": size, "root": root, "frontier": edge})


def integrate_waiting(db: Session, labels: Labels, ids: Sequence[int]) -> int:
    """Take waiting events by their row IDs into the ledger; returns how many were still there."""
    batch = Batch.begin(db, labels)
    rows = db.execute(_TAKE_IDS, {"ids": list(ids)}).mappings().all()
    add_waiting(batch, rows)
    batch.write()
    return len(rows)


def integrate(db: Session, labels: Labels, items: Sequence[Item], check_grants: CheckGrants) -> list[Outcome]:
    """Take disclosures into the ledger, after what waits about the same people. One outcome for each.

    Grants are read, and held, before the waiting events are taken: a withdrawal is then either
    committed, seen here and placed before the refusal it causes, or it waits for this batch. What the law
    withholds goes into its own log in the same transaction, and takes in nothing that waits. Whoever locks
    logs of both kinds locks the open one first.
    """
    about = {
        kind: sorted(
            {name for item in items if item.disclosure.log == kind for name in item.disclosure.about}
        )
        for kind in (logs.OPEN, logs.WITHHELD)
    }
    batches = {kind: Batch.begin(db, labels, kind) for kind, names in about.items() if names}
    grants = check_grants(db, [pair for item in items for pair in item.relies_on])
    if names := about[logs.OPEN]:
        add_waiting(batches[logs.OPEN], _waiting_about(db, names))
    for kind, batch in batches.items():
        batch.know(about[kind])
    claimed = _claimed(db, items)
    outcomes = [_decide(batches[item.disclosure.log], item, grants, claimed) for item in items]
    grants.write(db)
    for batch in batches.values():
        batch.write()
    return outcomes


def _waiting_about(db: Session, names: Sequence[str]) -> Sequence[Mapping[Any, Any]]:
    found = db.execute(_TAKE_CHAINS[db.get_bind().dialect.name], {"chains": texts(db, names)})
    return found.mappings().all()


def _claimed(db: Session, items: Sequence[Item]) -> _Claims:
    pairs = {item.claim for item in items if item.claim}
    if not pairs:
        return {}
    asked = {
        "clients": texts(db, sorted({client for client, _request in pairs})),
        "requests": texts(db, sorted({request_id for _client, request_id in pairs})),
    }
    return {
        (row.client, row.request_id): (
            row.body_hmac,
            row.at,
            Repeated(row.leaf_index, row.event_id, row.commitment, row.log),
        )
        for row in db.execute(_CLAIMED[db.get_bind().dialect.name], asked)
        if (row.client, row.request_id) in pairs
    }


def _asked(db: Session, found: Disclosure) -> bytes:
    """What a request ID is claimed for. Unkeyed, it could be guessed: citizen IDs and attributes are few."""
    keys: Keyring = parts(db).keys
    said = (found.client.encode(), found.request_id.encode(), found.body_sha256)
    return keys.mac("ledger request").digest(b"\0".join(said))


def _decide(
    batch: Batch,
    item: Item,
    grants: Relied,
    claimed: _Claims,
) -> Outcome:
    found = item.disclosure
    failing = [(pair[0], state) for pair in item.relies_on if (state := grants[pair]) != "ok"]
    if any(state == "locked" for _name, state in failing):
        return Later()
    ended = failing[0][0] if failing else None
    if ended is None and item.claim in claimed:
        body, first, before = claimed[item.claim]
        same = hmac.compare_digest(body, _asked(batch.db, found))
        return before if same and abs(item.at - first) <= RETRY_WINDOW else Reused()
    if rule := grants.take(found.grant_id) if ended is None else _ended(ended):
        _add(batch, item, *item.refused(rule))
        return Refused(rule)
    placed = _add(batch, item, item.draft, item.clear)
    if item.claim:
        again = Repeated(placed.index, placed.event_id, placed.commitment, placed.log)
        claimed[item.claim] = (batch.claim(item, placed), item.at, again)
    return placed


def _ended(name: str) -> str:
    return f"{name.partition(':')[0]}-ended" if ":" in name else GRANT_ENDED


def _add(batch: Batch, item: Item, draft: entries.Draft, clear: Mapping[str, Any]) -> Integrated:
    """Add an item's entry to every chain it is about; returns the first."""
    placed = [batch.add(name, draft, item.event_id, clear) for name in item.disclosure.about]
    if until := item.disclosure.disclose_after:
        batch.due += [withheld.row(one.log, one.index, until) for one in placed]
    return placed[0]


def add_waiting(batch: Batch, rows: Sequence[Mapping[Any, Any]]) -> None:
    """Add waiting events to the open log in their order. Raises what is wrong with one of them; see `aside`."""
    rows = sorted(rows, key=lambda row: row["id"])
    batch.know([row["chain"] for row in rows if not row["public"]])
    taken: set[tuple[str, str]] = set()
    for row in rows:
        # A chain holds an event once. Two of a kind would fail the whole batch, and the next one, for good.
        one = (row["event_id"], "" if row["public"] else row["chain"])
        if one in taken:
            continue
        taken.add(one)
        if not row["public"]:
            clear = {name: row[name] for name in CLEAR_FIELDS}
            batch.add(row["chain"], entries.Draft(_body(batch.db, row)), row["event_id"], clear)
        else:
            batch.add_public(json.loads(row["sealed"]), row)


def _body(db: Session, row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a waiting event says. Where its key was destroyed nobody will ever know, and its entry says that."""
    sealer = parts(db).sealer
    if sealer is None:
        raise RuntimeError("no sealer: waiting events cannot be opened")
    try:
        found: dict[str, Any] = json.loads(sealer.unseal(db, row["chain"], row["sealed"]))
        return found
    except Shredded:
        log.warning("event not readable", event_id=row["event_id"])
        return {
            "v": 1,
            "event": row["event_id"],
            "kind": row["kind"],
            "at": clock.wire(row["at"]),
            "actor": {"kind": "system", "id": "erti"},
            "data": {"unreadable": True},
        }
