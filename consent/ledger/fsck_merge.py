"""What `fsck` carries from one range of a log to the next: the tree, the chains, the citizen map, what was found."""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consent.ledger import entries, logs, tree
from consent.ledger.citizen_map import CitizenMap
from consent.ledger.fsck_range import MAP_ROOT, MISSING, NUMBER, PLACE, ROOT, UNKNOWN, Links, Part, Said
from consent.ledger.logs import Log
from consent.ledger.tree import Frontier
from consent.ledger.withheld_check import Seen

_sha256: Final = hashlib.sha256
Standing = tuple[int, bytes]  # how many entries a chain has, and the head after them


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, and what."""

    where: str
    says: str

    def __str__(self) -> str:
        return f"{self.where}: {self.says}"


@dataclass
class Run:
    """The check of one log. Give its ranges in their order to `take`."""

    log: Log
    names: Mapping[bytes, str]
    applied: int  # how many entries the map in the tables has taken in
    checkpoints: dict[int, bytes]  # roots by size; those that were compared are taken out
    findings: list[Finding]
    seen: Seen
    frontier: Frontier = field(default_factory=Frontier)
    chains: dict[bytes, Standing] = field(default_factory=dict)
    changed: set[bytes] = field(default_factory=set)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    citizens: CitizenMap = field(default_factory=CitizenMap)
    mapped: dict[bytes, Standing] = field(default_factory=dict)
    _row: list[tuple[int, int, str, str]] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sizes = sorted(self.checkpoints)

    def says(self, where: str, what: str) -> None:
        """Add a finding; of logs after the first, say of which."""
        place = where if self.log.number == logs.FIRST else f"log {self.log.number}, {where}"
        self.findings.append(Finding(place, what))

    def take(self, part: Part) -> None:
        """Take in the next range: what it found, and what only shows when ranges are put together."""
        base, count = self.frontier.size, len(part.indexes)
        self._row = [(index, step, f"entry {index}", says) for index, step, says in part.findings]
        if part.indexes != range(base, base + count):
            for size, index in enumerate(part.indexes, base):
                if index != size:
                    self._of_row(index, MISSING, f"entry {size} is missing")
        self._grow(part)
        self._follow(part)
        for row, said in part.seen:
            self.seen.leaf(self.log, row)
            if said is not None:
                self.seen.opened(self.log, row, said)
        for _index, _step, where, says in sorted(self._row):
            self.says(where, says)

    def _of_row(self, index: int, step: int, says: str) -> None:
        self._row.append((index, step, f"entry {index}", says))

    # ---------------------------------------------------------------------------- the tree

    def _grow(self, part: Part) -> None:
        """Let the tree grow by a range, a tile at a time where they fit, and compare the roots on the way."""
        edge, leaves, base = self.frontier, part.leaves, self.frontier.size
        asked = self._asked(part)
        at = 0
        for tile in part.tiles if base % tree.TILE_WIDTH == 0 else ():
            end, within = edge.size + tree.TILE_WIDTH, Frontier(edge.size, [*edge.hashes])
            while at < len(asked) and asked[at] < end:
                within.extend(leaves[within.size - base : asked[at] - base])
                self._check_root(part, base, within)
                at += 1
            self._keep(edge.add_tile(tile))
            if at < len(asked) and asked[at] == end:
                self._check_root(part, base, edge)
                at += 1
        for size in asked[at:]:
            self._keep(edge.extend(leaves[edge.size - base : size - base]))
            self._check_root(part, base, edge)
        self._keep(edge.extend(leaves[edge.size - base :]))

    def _asked(self, part: Part) -> list[int]:
        """The sizes up to which the tree's root is to be known: those of checkpoints, and in a log of what is withheld
        those that end with a map root, as every checkpoint does."""
        base = self.frontier.size
        last = base + len(part.indexes)
        sizes = {*self._sizes[bisect_right(self._sizes, base) : bisect_right(self._sizes, last)]}
        if self.log.kind == logs.WITHHELD:
            sizes |= {base + bisect_left(part.indexes, index) + 1 for index, _content in part.map_roots}
        return sorted(sizes)

    def _check_root(self, part: Part, base: int, edge: Frontier) -> None:
        root = edge.root()
        if self.checkpoints.pop(edge.size, root) != root:
            index = part.indexes[edge.size - base - 1]
            self._row.append((index, ROOT, f"checkpoint {edge.size}", "the rows lead to another root"))
        if self.log.kind == logs.WITHHELD:
            self.seen.roots[self.log.number, edge.size] = root

    def _keep(self, made: Sequence[tree.Node]) -> None:
        for one in made:
            self.nodes[one.level, one.index] = one.hash

    # ---------------------------------------------------------------------------- the chains, and the map of them

    def _follow(self, part: Part) -> None:
        """Follow each chain through a range, and stop where the map is compared."""
        links, done = part.links, 0
        standing: list[Standing | None] = [
            self.chains.get(label) or (0, entries.first_head(label)) if label in self.names else None
            for label in links.labels
        ]
        for index, content in self._stops(part):
            before = bisect_left(links.index, index)
            self._link(links, done, before, standing)
            done = before
            if content is None:
                self.mapped = dict(self.chains)
            else:
                self._check_map_root(index, content)
        self._link(links, done, len(links.index), standing)

    def _stops(self, part: Part) -> Iterator[tuple[int, bytes | None]]:
        """The map's roots by their index, and without one the index up to which the tables' map goes."""
        stops: list[tuple[int, bytes | None]] = [*part.map_roots]
        if self.applied in part.indexes:
            stops.append((self.applied, None))
        return iter(sorted(stops, key=lambda stop: (stop[0], stop[1] is not None)))

    def _link(self, links: Links, first: int, last: int, standing: list[Standing | None]) -> None:
        whose = links.of[first:last]
        rows = zip(
            links.index[first:last],
            whose,
            links.seq[first:last],
            links.commitment[first:last],
            links.said[first:last],
            strict=True,
        )
        for index, number, seq, commitment, said in rows:
            before = standing[number]
            if before is None:
                self._of_row(index, UNKNOWN, "its chain is unknown")
                continue
            n, head = before
            if seq != n + 1:
                self._of_row(index, NUMBER, f"it is number {seq} of its chain, after {n}")
            # What a record says of its place is text alone where it agrees with its row.
            if said is not None and (seq != n + 1 or said != entries.base64_of(head)):
                self._check_place(index, said, seq, before)
            standing[number] = (
                n + 1 if seq is None else seq,
                _sha256(entries.CHAIN + head + commitment).digest(),
            )
        for number in {*whose}:
            if (stands := standing[number]) is not None:
                self.chains[links.labels[number]] = stands
                self.changed.add(links.labels[number])

    def _check_place(self, index: int, said: Said, seq: int | None, before: Standing) -> None:
        n, head = before
        own, number, previous = (True, seq, said) if isinstance(said, str) else said
        if (own, number, previous) != (True, n + 1, entries.base64_of(head)):
            self._of_row(index, PLACE, "its record names another place in another chain")

    def _check_map_root(self, index: int, payload: bytes) -> None:
        for label in self.changed:
            self.citizens.put(label, *self.chains[label])
        self.changed.clear()
        whole = self.citizens.whole()
        if payload[:-8] != entries.map_root(whole.hash, whole.count, 0)[:-8]:
            self._of_row(index, MAP_ROOT, "it is not the root of the citizen map at that place")
