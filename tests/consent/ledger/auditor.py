"""Follows a growing ledger from its rows, and holds it to what clients were answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import select

from consent.ledger import entries, logs, subjects, tree
from consent.ledger.tables import entry, subject
from core.database import Database


@dataclass
class Auditor:
    """Reads each row once; what it keeps is recomputed from the rows and from nothing else.

    `released` counts the entries of each request ID, and `whose` says in whose chain the entry stands.
    """

    database: Database
    edge: tree.Frontier = field(default_factory=tree.Frontier)
    chains: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    released: Counter[str] = field(default_factory=Counter)
    whose: dict[str, str] = field(default_factory=dict)

    def follow(self) -> None:
        """Read what is new. Asserts indexes without gap, linear chains, and that the rows lead to the root."""
        with self.database.snapshot() as db:
            now = logs.current(db)
            names = {
                row.label: row.chain for row in db.execute(select(subject).where(subject.c.log == now.number))
            }
            rows = db.execute(
                select(entry)
                .where(entry.c.log == now.number, entry.c.leaf_index >= self.edge.size)
                .order_by(entry.c.leaf_index)
            ).mappings()
            for row in rows:
                assert row["leaf_index"] == self.edge.size, "a gap in the indexes"
                self.edge.append(tree.leaf_hash(subjects.leaf_data(row)))
                if row["leaf_type"] == entries.COMMITMENT:
                    name = names[row["label"]]
                    opened = subjects.open_opening(db, name, (now.number, row["leaf_index"]), row["opening"])
                    self._link(name, row["label"], row["seq"], row["commitment"], opened)
            assert (self.edge.size, self.edge.root()) == (now.size, now.root), "the rows lead elsewhere"

    def _link(
        self, name: str, label: bytes, seq: int, commitment: bytes, opened: tuple[bytes, bytes]
    ) -> None:
        n, before = self.chains.get(label, (0, entries.first_head(label)))
        assert entries.commitment(*opened) == commitment
        said = subjects.Opened(0, seq, commitment, *opened).facts
        assert said is not None
        place = (label.hex(), n + 1, entries.base64_of(before))
        assert (said["chain"], said["seq"], said["prev"]) == place, "a chain that is not linear"
        self.chains[label] = (n + 1, entries.next_head(before, commitment))
        if said["data"].get("outcome") == "released" and "request_id" in said["data"]:
            self.released[said["data"]["request_id"]] += 1
            self.whose[said["data"]["request_id"]] = name
