"""Somebody with everything: every key, the database and the files; and the citizen who holds a policy and bundles."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from consent.ledger import (
    bundle,
    citizen_map,
    entries,
    logs,
    map_store,
    note,
    openings,
    policy,
    proofs,
    signer,
    subjects,
    tree,
)
from consent.ledger.tables import (
    checkpoint,
    entry,
    head,
    lease,
    map_leaf,
    map_node,
    map_state,
    node,
    request,
    subject,
)
from consent.ledger.witness.core import Cosigned, Outcome, Witness, parse
from core import clock
from core.database import Database
from verifier import erti_verify

Row = dict[str, Any]
LOG = logs.FIRST


@dataclass
class Citizen:
    """What a citizen has of their own: the trust policy from the letter, and bundles they kept."""

    database: Database
    name: str

    @property
    def policy(self) -> erti_verify.Policy:
        """The trust policy."""
        return erti_verify.read_policy(
            policy.text(self.database.parts, self.database.parts.settings.ledger_origin).encode()
        )

    def download(self) -> bytes:
        """The bundle as the service makes it from what the operator left in the database."""
        return bundle.make(self.database, self.name)

    def verdict(
        self, made: bytes, *, earlier: bytes | None = None, trust: erti_verify.Policy | None = None
    ) -> str:
        """The verifier's verdict word and reason."""
        trusted = trust or self.policy
        try:
            history = erti_verify.read_bundle(made, trusted)
            if earlier is not None:
                erti_verify.check_earlier(history, erti_verify.read_bundle(earlier, trusted))
        except erti_verify.Rejected as error:
            return f"{error.verdict}: {error.reason}"
        return " ".join(erti_verify.verdict_of(history))


@dataclass
class Operator:
    """Works on the rows and files directly, with the service's own keys, and makes everything else fit again."""

    database: Database

    @contextmanager
    def rows(self) -> Iterator[Session]:
        """A transaction of the operator's own."""
        with self.database.writing() as db:
            yield db

    def of(self, chain: str) -> list[Row]:
        """The rows of a chain, oldest first."""
        with self.database.reading() as db:
            label = subjects.label_of(self.database.parts, chain)
            query = select(entry).where(entry.c.log == LOG, entry.c.label == label).order_by(entry.c.seq)
            return [dict(row) for row in db.execute(query).mappings()]

    def change(self, index: int, **values: Any) -> None:
        """Change columns of one row."""
        with self.rows() as db:
            db.execute(update(entry).where(entry.c.log == LOG, entry.c.leaf_index == index).values(**values))

    def sealed(self, db: Session, chain: str, index: int, nonce: bytes, record: bytes) -> bytes:
        """An opening as the service would have sealed it there."""
        key = openings.scope(clock.now().year)
        return subjects.seal_opening(db, chain, key, (LOG, index), nonce, record)

    def opened(self, db: Session, chain: str, row: Row) -> tuple[bytes, bytes]:
        """Nonce and record of a row."""
        return subjects.open_opening(db, chain, (LOG, row["leaf_index"]), row["opening"])

    def map_again(self, db: Session) -> None:
        """Make the tables of the citizen map fit the rows that are there; what was logged stays."""
        state = map_store.state(db, LOG)
        for table in (map_leaf, map_node):
            db.execute(delete(table).where(table.c.log == LOG))
        db.execute(update(map_state).where(map_state.c.log == LOG).values(applied=0))
        map_store.apply(db, LOG, state.root_index or 0)

    def rewrite(self, story: Callable[[list[Row]], list[Row]]) -> None:
        """Write the whole log anew from another story, every record, chain, hash and map consistent with it.

        `story` gets the entries as {chain, facts} in order (public leaves as {payload}) and gives those to write.
        """
        with self.rows() as db:
            told = story(self._told(db))
            for table in (entry, node, subject, map_leaf, map_node, map_state, checkpoint, request):
                db.execute(delete(table).where(table.c.log == LOG))
            self._write(db, told)

    def sign(self) -> signer.Signed:
        """Sign what is there, with the guard file out of the way."""
        shutil.rmtree(signer.home(self.database), ignore_errors=True)
        with self.rows() as db:
            db.execute(delete(checkpoint))
            db.execute(delete(lease))
        signed = signer.sign_if_due(self.database)
        assert signed is not None
        return signed

    def ask(self, witness: Witness, old: int) -> Outcome:
        """Ask a witness to cosign the newest checkpoint, with the best proof the rows can give."""
        with self.database.reading() as db:
            signed = signer.newest(db)
            assert signed is not None
            proof = proofs.consistency(db, LOG, old, signed.size) if 0 < old <= signed.size else []
        lines = "".join(f"{note.encode(step)}\n" for step in proof)
        return witness.add(parse(f"old {min(old, signed.size)}\n{lines}\n{signed.note}".encode()))

    def publish(self, cosigned: Cosigned) -> None:
        """Put a witness's lines under the newest checkpoint."""
        with self.rows() as db:
            signed = signer.newest(db)
            assert signed is not None
            db.execute(
                update(checkpoint)
                .where(checkpoint.c.log == LOG, checkpoint.c.size == signed.size)
                .values(note=signed.note + cosigned.lines)
            )

    def _told(self, db: Session) -> list[Row]:
        names = {row.label: row.chain for row in db.execute(select(subject))}
        told: list[Row] = []
        for row in db.execute(
            select(entry).where(entry.c.log == LOG).order_by(entry.c.leaf_index)
        ).mappings():
            if row["leaf_type"] == entries.PUBLIC:
                told.append({"payload": row["payload"]})
            elif row["leaf_type"] == entries.COMMITMENT:
                chain = names[row["label"]]
                nonce, record = self.opened(db, chain, dict(row))
                told.append({"chain": chain, "nonce": nonce, "record": record, "row": dict(row)})
        return told

    def _write(self, db: Session, told: list[Row]) -> None:
        edge, written = tree.Frontier(), list[Any]()
        chains: dict[str, Any] = {}
        for place, one in enumerate(told):
            if "payload" in one:
                leaf = entries.leaf(entries.PUBLIC, one["payload"])
                written.append({"leaf_type": entries.PUBLIC, "payload": one["payload"], "month": "2026-11"})
            else:
                name = one["chain"]
                label = subjects.label_of(self.database.parts, name)
                n, before = chains.get(name, (0, entries.first_head(label)))
                facts = erti_verify.canonical(one["record"], "a record")
                record = entries.record(facts, label=label, seq=n + 1, previous=before)
                commitment = entries.commitment(one["nonce"], record)
                chains[name] = n + 1, entries.next_head(before, commitment)
                leaf = entries.leaf(entries.COMMITMENT, commitment)
                moved = {"label": label, "seq": n + 1, "commitment": commitment, "log": LOG}
                opening = self.sealed(db, name, place, one["nonce"], record)
                written.append(one["row"] | moved | {"opening": opening})
            written[-1] |= {"log": LOG, "leaf_index": place}
            for made in edge.append(tree.leaf_hash(leaf)):
                db.execute(
                    insert(node), {"log": LOG, "level": made.level, "number": made.index, "hash": made.hash}
                )
        for row in written:
            db.execute(insert(entry), row)
        for name, (n, top) in chains.items():
            label = subjects.label_of(self.database.parts, name)
            db.execute(insert(subject), {"log": LOG, "chain": name, "label": label, "n": n, "head": top})
        grown = {"size": edge.size, "root": edge.root(), "frontier": edge.to_bytes()}
        db.execute(update(head).where(head.c.log == LOG).values(**grown))


def page_of(label: bytes) -> int:
    """The page of the map that a label is on."""
    return citizen_map.page_of(label)
