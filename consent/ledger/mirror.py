"""A copy of a log's public files that believes nothing: every file is checked against the signed root first."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from consent.ledger import note, tiles, tree
from consent.ledger.note import BadNote, Checkpoint
from consent.ledger.quorum import Policy
from consent.ledger.tiles import Tile

# Gives a file of the log by its path below the log's address; raises Unavailable.
Fetch = Callable[[str], bytes]
Progress = Callable[[int, int], None]

CHECKPOINT, STATE, INCOMING = "checkpoint", "mirror.json", "incoming"
AT_ONCE = 8


class Unavailable(RuntimeError):
    """The log did not give a file."""


class Untrue(RuntimeError):
    """The log's files are not those of the tree that it signed, or not of one that extends what is here."""


@dataclass(frozen=True)
class Copy:
    """A mirror as it stands: the log's origin, and the right edge of the tree that is here."""

    origin: str
    edge: tree.Frontier

    def to_bytes(self) -> bytes:
        """The state file's contents."""
        return json.dumps({"origin": self.origin, "frontier": self.edge.to_bytes().hex()}).encode() + b"\n"


def standing(folder: Path) -> Copy | None:
    """How far the mirror in a folder is; None before the first time. Raises Untrue if it is damaged."""
    if not (folder / STATE).exists():
        return None
    try:
        said = json.loads((folder / STATE).read_bytes())
        return Copy(said["origin"], tree.Frontier.from_bytes(bytes.fromhex(said["frontier"])))
    except (ValueError, KeyError, TypeError) as error:
        raise Untrue(f"{folder / STATE} is damaged") from error


def update(folder: Path, policy: Policy, fetch: Fetch, progress: Progress | None = None) -> Copy:
    """Bring the mirror in a folder up to the log's newest checkpoint; doing it again goes on where it stopped.

    What is established before anything is put in place:
    1. A key of the policy signed the checkpoint for its origin, and the policy's quorum of witnesses cosigned.
    2. The origin is the one that was mirrored so far.
    3. The entries fetched, after those that are here, lead to exactly the checkpoint's root; so the new tree
       extends the one that is here.
    4. Every hash tile is computed here, and none is fetched.

    Raises Unavailable, Untrue. A checkpoint that contradicts what is here is kept as evidence.
    """
    written = fetch(CHECKPOINT)
    head = _opened(written, policy)
    have = standing(folder) or Copy(head.origin, tree.Frontier())
    if head.origin != have.origin:
        raise Untrue(f"this is a mirror of {have.origin}, and the checkpoint is of {head.origin}")
    if head.size < have.edge.size:
        return _behind(folder, have, head, written)
    if head.size == have.edge.size and head.root != have.edge.root():
        raise _contradicted(folder, head, written)
    incoming = folder / INCOMING
    fresh = [tile for tile in tiles.needed(have.edge.size, head.size) if tile.level == tiles.ENTRIES]
    edge = tree.Frontier(have.edge.size, list(have.edge.hashes))
    try:
        for tile, data in _fetched(fresh, incoming, fetch):
            edge.extend(_leaf_hashes(folder, tile, data, edge.size))
            if progress:
                progress(edge.size, head.size)
    except Untrue:
        shutil.rmtree(incoming, ignore_errors=True)  # what was fetched is worth nothing next time
        raise
    if (edge.size, edge.root()) != (head.size, head.root):
        shutil.rmtree(incoming, ignore_errors=True)
        raise _contradicted(folder, head, written)
    _put(folder, have.edge.size, head.size, incoming)
    now = Copy(head.origin, edge)
    tiles.replace(folder / STATE, now.to_bytes())
    tiles.replace(folder / CHECKPOINT, written)
    shutil.rmtree(incoming, ignore_errors=True)
    return now


def leaves(folder: Path, start: int, stop: int) -> Iterator[bytes]:
    """Leaf data of a mirror. Raises Untrue if a file is missing or not whole."""
    while start < stop:
        number = start // tree.TILE_WIDTH
        end = min(stop, (number + 1) * tree.TILE_WIDTH)
        found = _bundle(folder, number, end - number * tree.TILE_WIDTH)
        yield from found[start - number * tree.TILE_WIDTH : end - number * tree.TILE_WIDTH]
        start = end


def checkpoint(folder: Path, policy: Policy) -> Checkpoint:
    """The checkpoint of a mirror, verified. Raises Untrue."""
    try:
        return _opened((folder / CHECKPOINT).read_bytes(), policy)
    except OSError as error:
        raise Untrue(f"there is no mirror in {folder}") from error


def check(folder: Path, policy: Policy, progress: Progress | None = None) -> Checkpoint:
    """Hash every entry of a mirror again; returns the checkpoint they lead to. Raises Untrue."""
    head, edge = checkpoint(folder, policy), tree.Frontier()
    found = leaves(folder, 0, head.size)
    while edge.size < head.size:
        edge.extend(tree.leaf_hash(leaf) for leaf in islice(found, tree.TILE_WIDTH))
        if progress:
            progress(edge.size, head.size)
    if edge.root() != head.root:
        raise Untrue(f"the entries in {folder} do not lead to its checkpoint's root")
    return head


def _opened(written: bytes, policy: Policy) -> Checkpoint:
    try:
        text = written.decode()
        head = Checkpoint.parse(note.split(text)[0])
        keys = policy.keys_of(head.origin)
        if not keys:
            raise Untrue(f"the trust policy does not know a log {head.origin[:100]}")
        _, signed = note.open_checkpoint(text, [*keys, *policy.witness_keys()])
    except (BadNote, UnicodeDecodeError) as error:
        raise Untrue(f"the checkpoint does not hold: {error}") from error
    if not set(keys) <= set(signed):
        raise Untrue("not every key of the log signed the checkpoint")
    if not policy.met(list(signed)):
        raise Untrue("too few witnesses cosigned the checkpoint")
    return head


def _behind(folder: Path, have: Copy, head: Checkpoint, written: bytes) -> Copy:
    """A checkpoint smaller than what is here: old, which harms nobody, or another tree."""
    edge = tree.Frontier()
    edge.extend(tree.leaf_hash(leaf) for leaf in leaves(folder, 0, head.size))
    if edge.root() != head.root:
        raise _contradicted(folder, head, written)
    return have


def _contradicted(folder: Path, head: Checkpoint, written: bytes) -> Untrue:
    name = f"contradicts-{head.size}-{hashlib.sha256(written).hexdigest()[:16]}.note"
    tiles.replace(folder / name, written)
    return Untrue(
        f"the log's checkpoint of {head.size} entries does not extend what is here, or its files are not those it "
        f"signed. It was kept as {folder / name}: if fetching again says the same, tell the authority"
    )


def _fetched(fresh: Sequence[Tile], incoming: Path, fetch: Fetch) -> Iterator[tuple[Tile, bytes]]:
    """Entry bundles in their order, several fetched at once; each is kept as it comes, to go on after a stop."""

    def one(tile: Tile) -> bytes:
        place = incoming / tile.path()
        if place.exists():
            return place.read_bytes()
        data = fetch(tile.path())
        tiles.replace(place, data)
        return data

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mirror") as pool:
        for part in _parts(fresh, 4 * AT_ONCE):
            yield from zip(part, pool.map(one, part), strict=True)


def _parts(found: Iterable[Tile], size: int) -> Iterator[list[Tile]]:
    rest = iter(found)
    while part := list(islice(rest, size)):
        yield part


def _leaf_hashes(folder: Path, tile: Tile, data: bytes, have: int) -> list[bytes]:
    """Hashes of a bundle's entries from `have` on; those before must be the ones that are here."""
    try:
        found = tiles.split_bundle(data)
    except ValueError as error:
        raise Untrue(f"{tile.path()}: {error}") from error
    if len(found) != tile.width:
        raise Untrue(f"{tile.path()} holds {len(found)} entries")
    known = max(0, have - tile.start)
    if known and found[:known] != _bundle(folder, tile.number, known):
        raise Untrue(f"{tile.path()} begins with other entries than those here")
    return [tree.leaf_hash(leaf) for leaf in found[known:]]


def _bundle(folder: Path, number: int, width: int) -> list[bytes]:
    """The first entries of a bundle that is here, from the file that holds the most of it."""
    for held in range(tree.TILE_WIDTH, width - 1, -1):
        path = folder / Tile(tiles.ENTRIES, number, held).path()
        if path.exists():
            try:
                found = tiles.split_bundle(path.read_bytes())
            except ValueError as error:
                raise Untrue(f"{path}: {error}") from error
            if len(found) == held:
                return found[:width]
            raise Untrue(f"{path} is not whole")
    raise Untrue(f"entries from {number * tree.TILE_WIDTH} on are missing in {folder}")


def _put(folder: Path, old: int, new: int, incoming: Path) -> None:
    """Put entry bundles and the hash tiles made of them in place, lower levels first."""
    for tile in tiles.needed(old, new):
        if tile.level == tiles.ENTRIES:
            data = (incoming / tile.path()).read_bytes()
        elif tile.level == 0:
            found = _bundle(folder, tile.number, tile.width)
            data = b"".join(tree.leaf_hash(leaf) for leaf in found)
        else:
            data = b"".join(_root(folder, int(tile.level) - 1, tile.start + at) for at in range(tile.width))
        try:
            tiles.write_once(folder / tile.path(), data)
        except tiles.Changed as error:
            raise Untrue(f"{tile.path()} is here with other contents") from error


def _root(folder: Path, level: int, number: int) -> bytes:
    """The root of a full tile that is here."""
    data = (folder / Tile(level, number).path()).read_bytes()
    edge = tree.Frontier()
    edge.extend(data[at : at + tree.HASH_BYTES] for at in range(0, len(data), tree.HASH_BYTES))
    return edge.root()
