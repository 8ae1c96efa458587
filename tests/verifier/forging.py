"""Bundles made in memory, honest ones and forged ones, for the verifier to judge."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from consent.ledger import citizen_map, entries, note, tree
from consent.ledger.citizen_map import CitizenMap
from keys import vrf

ORIGIN = "ledger.test.example/1"
VRF_SECRET = b"v" * 32
NOW = 1_790_000_000
CITIZEN = "K7QD2M9XWT4BC"
Bundle = dict[str, Any]


def label_of(name: str) -> bytes:
    """The label of a chain's name."""
    return hashlib.sha256(vrf.evaluate(VRF_SECRET, name.encode())).digest()


def signers(seed: bytes = b"s", origin: str = ORIGIN) -> list[note.Signer]:
    """The log's two keys, from a one-byte seed."""
    return [note.Ed25519Signer(origin, seed * 32), note.Mldsa44Signer(origin, seed * 32)]


def policy(seed: bytes = b"s", origin: str = ORIGIN) -> bytes:
    """The trust policy that fits `signers(seed)`."""
    logs = "".join(f"log {signer.key.text()}\n" for signer in signers(seed, origin))
    public = note.encode(vrf.public(VRF_SECRET))
    return f"# Erti trust policy 1\n{logs}vrf {vrf.SUITE} {public}\nquorum none\n".encode()


@dataclass
class Log:
    """A log with chains, kept in lists; `seed` says who signs it, `before` which log it follows."""

    seed: bytes = b"s"
    origin: str = ORIGIN
    before: Log | None = None
    leaves: list[bytes] = field(default_factory=list)
    chains: dict[str, list[tuple[int, bytes, bytes]]] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        opened: dict[str, Any] = {
            "v": 1,
            "kind": "ledger-opened",
            "origin": self.origin,
            "log_keys": [signer.key.text() for signer in signers(self.seed, self.origin)],
            "vrf": {"suite": vrf.SUITE, "public": note.encode(vrf.public(VRF_SECRET))},
            "at": "2026-11-23T18:00:00.000Z",
        }
        if self.before is not None:
            ended = self.before.checkpoint_head()
            previous = {"origin": ended.origin, "size": ended.size, "root": note.encode(ended.root)}
            opened["previous"] = previous
        self.opened = rfc8785.dumps(opened)
        self.leaves.append(entries.leaf(entries.PUBLIC, self.opened))

    def add(self, name: str = CITIZEN, kind: str = "attributes-released", **data: object) -> None:
        """Append one entry to a chain."""
        label, chain = label_of(name), self.chains.setdefault(name, [])
        head = self.heads.get(name, entries.first_head(label))
        number = len(chain) + 1
        body = {
            "v": 1,
            "event": f"event-{len(self.leaves)}",
            "kind": kind,
            "at": "2026-11-23T18:00:01.000Z",
            "actor": {"kind": "client", "id": "revenue-portal"},
            "data": data or {"agency": "revenue", "attributes": ["name", "income_bracket"]},
        }
        record = entries.record(body, label=label, seq=number, previous=head)
        nonce = hashlib.sha256(b"nonce" + record).digest()
        self.put(name, nonce, record)

    def put(self, name: str, nonce: bytes, record: bytes) -> None:
        """Append a record as it is, honest or not."""
        commitment = entries.commitment(nonce, record)
        self.chains.setdefault(name, []).append((len(self.leaves), nonce, record))
        head = self.heads.get(name, entries.first_head(label_of(name)))
        self.heads[name] = entries.next_head(head, commitment)
        self.leaves.append(entries.leaf(entries.COMMITMENT, commitment))

    def map_root(self, *, without: str = "") -> bytes:
        """The payload of a root of the map of all chains as they stand, save one that is `without`."""
        citizens = CitizenMap()
        for name, chain in self.chains.items():
            if chain and name != without:
                citizens.put(label_of(name), len(chain), self.heads[name])
        whole = citizens.whole()
        return entries.map_root(whole.hash, whole.count, NOW)

    def close(self, payload: bytes | None = None) -> None:
        """End the log with a map root, as a signer does before it signs."""
        if not self.leaves[-1].startswith(b"\x02") or payload:
            self.leaves.append(entries.leaf(entries.MAP_ROOT, payload or self.map_root()))

    def reader(self) -> tree.Reader:
        """Tile hashes of this log; only small logs are made here, so level 0 is enough."""
        hashes = [tree.leaf_hash(leaf) for leaf in self.leaves]

        def read(level: int, start: int, stop: int) -> list[bytes]:
            if level:
                raise AssertionError("a forged log has less than 256 leaves")
            return hashes[start:stop]

        return read

    def proof(self, index: int) -> list[str]:
        """Inclusion proof of a leaf, as a bundle writes it."""
        return [note.encode(step) for step in tree.inclusion_proof(self.reader(), index, len(self.leaves))]

    def checkpoint_head(self) -> note.Checkpoint:
        """What the checkpoint of the whole log says."""
        frontier = tree.Frontier()
        frontier.extend(tree.leaf_hash(leaf) for leaf in self.leaves)
        return note.Checkpoint(self.origin, frontier.size, frontier.root())

    def checkpoint(self, at: int = NOW, seed: bytes | None = None) -> str:
        """The signed checkpoint of the whole log."""
        return note.sign(self.checkpoint_head(), signers(seed or self.seed, self.origin), at=at)

    def section(self, name: str, erased: tuple[int, ...] = ()) -> Bundle:
        """What this log holds of a chain; `erased` are the numbers of entries whose opening is gone."""
        listed: list[Bundle] = []
        for number, (index, nonce, record) in enumerate(self.chains.get(name, []), 1):
            if number in erased:
                shown: Bundle = {
                    "commitment": note.encode(entries.commitment(nonce, record)),
                    "erased": True,
                }
            else:
                shown = {"record": record.decode(), "nonce": note.encode(nonce)}
            listed.append({"index": index, "proof": self.proof(index)} | shown)
        end = len(self.leaves) - 1
        return {
            "origin": self.origin,
            "leaf0": {"record": self.opened.decode(), "proof": self.proof(0)},
            "map": self.way(name)
            | {"index": end, "root": note.encode(self.leaves[end][1:]), "proof": self.proof(end)},
            "n": len(listed),
            "head": note.encode(self.heads.get(name, entries.first_head(label_of(name)))),
            "entries": listed,
        }

    def way(self, name: str) -> Bundle:
        """The way of a chain in the map, made by sorting all labels at each step."""
        label, depth, siblings = label_of(name), 0, []
        there = [label_of(one) for one, chain in self.chains.items() if chain]
        names = {label_of(one): one for one in self.chains}

        def leaf(one: bytes) -> tuple[bytes, bytes]:
            value = citizen_map.value_hash(len(self.chains[names[one]]), self.heads[names[one]])
            return one, citizen_map.leaf_hash(one, value)

        while len(there) > 1:
            side = citizen_map.bit(label, depth)
            away = sorted(leaf(one) for one in there if citizen_map.bit(one, depth) != side)
            siblings.append(note.encode(citizen_map.fold(away, depth + 1).hash))
            there = [one for one in there if citizen_map.bit(one, depth) == side]
            depth += 1
        other = None
        if there and there[0] != label:
            found = names[there[0]]
            value = citizen_map.value_hash(len(self.chains[found]), self.heads[found])
            other = {"label": there[0].hex(), "value": note.encode(value)}
        return {"siblings": siblings, "other": other}

    def bundle(self, name: str = CITIZEN, erased: tuple[int, ...] = (), at: int = NOW) -> Bundle:
        """The bundle of a chain through this log and those before it."""
        self.close()
        sections: list[dict[str, Any]] = []
        log = self.before
        while log is not None:
            sections.insert(0, log.section(name) | {"checkpoint": log.checkpoint(at)})
            log = log.before
        return {
            "format": "erti-history-bundle/2",
            "citizen": name,
            "label": label_of(name).hex(),
            "vrf_proof": note.encode(vrf.prove(VRF_SECRET, name.encode())),
            "logs": [*sections, self.section(name, erased)],
            "checkpoint": self.checkpoint(at),
            "earlier": None,
            "withheld": None,
        }


def encode(bundle: Bundle) -> bytes:
    """A bundle's bytes."""
    return rfc8785.dumps(bundle)


def twenty() -> Log:
    """A log where one citizen has 20 entries, between those of others."""
    log = Log()
    for number in range(20):
        log.add("NEIGHBOUR" if number % 3 else "agency:revenue")
        log.add(purpose=f"purpose-{number}", note="Zürich, თბილისი")
    return log


Forge = Callable[[Log, Bundle], None]
