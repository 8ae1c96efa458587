"""Checks a citizen's history, offline: `erti-verify BUNDLE --policy FILE`.

What acceptance establishes:

1.  The trust policy used is the one whose fingerprint is printed. Compare it with your activation letter. Each year's
    log has keys of its own, so a letter shows the fingerprint of the log that grew when it was printed; those
    of the older logs shown are printed too, as they are with the same witnesses.
2.  The bundle is in its one canonical form; no byte of it can be changed without being noticed.
3.  Every log key of the policy signed the checkpoint: a tree of so many entries with such a root. As many
    witnesses as the policy's quorum wants saw this tree grow from what they saw before, and no other.
4.  Entry 0 of that tree names the same log, the same keys and the same label key as the policy. If it names
    a log of an earlier year, that one is shown too, as it ended, and so on back to the first; that it ended so
    was signed by the keys in its own entry 0, and seen by as many witnesses.
5.  The label belongs to this citizen ID, and to no other: one ID has one label (RFC 9381).
6.  Each entry shown stands at its place in the tree (RFC 9162), with the words shown and no others.
7.  The entries are numbered 1 to n without a gap, each names the one before it, and they end in the head given.
8.  The last leaf of each log's tree is the root of a map of all histories, and that map says that this one has
    n entries and ends in that head: nothing newer was left out. Where nothing is shown, it says that nothing is there.
9.  What a law kept out of the history until it was due stood in a log of its own at the time: its place there is
    shown, and a public record that has held the hash of that log's tree since, in a tree signed at the time named.
10. With --earlier: everything an earlier bundle showed is still there, unchanged, and the log has not forked.

What it does not establish: without a quorum in the policy, that everybody is shown the same tree; that the
server has not kept a second label for you (an auditor can see that); that the keys of an older log named those of
the next one (so compare the newest fingerprint with one that reached you another way, not with an older letter); what the law withholds until it is due
(how much that is in the whole country is told, as published, never of whom); or anything about a read that went around the ledger.

This file shares no code with the server. It needs Python 3.11 and the `cryptography` package (50 or later).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import functools
import gc
import hashlib
import hmac
import itertools
import json
import re
import sys
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
except ImportError:  # exit code 1 would say that the history is not what it claims to be
    print(
        "The check could not be made: it needs the package cryptography, 50 or later. Make a place for it and call this again:\n"
        "  python3 -m venv erti-check\n"
        "  erti-check/bin/pip install 'cryptography>=50'\n"
        "  erti-check/bin/python erti_verify.py BUNDLE --policy FILE",
        file=sys.stderr,
    )
    sys.exit(2)

FORMAT = "erti-history-bundle/2"
SUITE = "ECVRF-EDWARDS25519-SHA512-TAI"
SPLIT_KEY = hashlib.sha256(b"erti/withheld/v1").digest()
SEALED_WITHIN, TOLD_WITHIN = 2 * 86_400, 86_400  # seconds that the proof of a time, and the telling, may take
ENTRY_KEY = hashlib.sha256(b"erti/entry/v1").digest()
MOST_BYTES = 512 * 1024 * 1024
ED25519, COSIGNATURE, MLDSA44 = 1, 4, 6
KEY_BYTES = {ED25519: 33, COSIGNATURE: 33, MLDSA44: 1313}
KEY_KINDS = {ED25519: "Ed25519", COSIGNATURE: "Ed25519", MLDSA44: "ML-DSA-44"}


class Rejected(Exception):
    """The bundle is not what it claims to be: a verdict word, and what is wrong where."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(f"{verdict}: {reason}")
        self.verdict, self.reason = verdict, reason


class Unusable(Exception):
    """The check could not be made: a file is missing, or is not of the kind asked for."""


@dataclass(frozen=True)
class Key:
    """A log's or a witness's public key, from a vkey line of C2SP signed-note."""

    name: str
    key_id: bytes
    kind: int
    public: bytes
    line: str


@dataclass(frozen=True)
class Policy:
    """Whom the reader trusts. Comes from a second channel, never from the bundle."""

    fingerprint: str
    logs: tuple[Key, ...]
    vrf: bytes
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)  # how many of whom
    quorum: str = "none"
    others: tuple[str, ...] = ()  # the lines of the file that name no log

    def of_older(self, keys: Sequence[Key]) -> str:
        """The fingerprint that this policy would have with an older log's keys in place of the newest one's."""
        head, *rest = self.others
        return fingerprint_of("\n".join([head, *(f"log {key.line}" for key in keys), *rest]).encode())

    def met(self, names: set[str]) -> bool:
        """Whether these witnesses make the quorum (C2SP tlog-policy)."""
        seen = set(names)
        for name, (needed, members) in self.groups.items():  # members stand before their group
            if sum(member in seen for member in members) >= needed:
                seen.add(name)
        return self.quorum == "none" or self.quorum in seen


@dataclass(frozen=True)
class Withheld:
    """An entry that a law kept back, in seconds since 1970: when it was made, due and told.

    `proved` is when the log, and the witnesses named, signed an open tree that fixes it.
    """

    at: float
    due: float
    told: float
    proved: int
    witnesses: tuple[str, ...]
    quorum: bool

    @property
    def late(self) -> bool:
        """Whether it was told later than the law says."""
        return self.told > self.due + TOLD_WITHIN


@dataclass
class Entry:
    """One entry of the history, as proved: its number in a log of this origin, and its place there."""

    origin: str
    number: int
    index: int
    commitment: bytes
    record: dict[str, Any] | None
    sealed: object = None
    withheld: Withheld | None = None


@dataclass(frozen=True)
class Tree:
    """One log's tree as it is proved: origin, number of leaves and root hash."""

    origin: str
    size: int
    root: bytes
    # Ways up to the root that were walked: from which place, up to which last place, with which hash; the steps from there.
    walked: dict[tuple[int, int, bytes], list[str]] = field(default_factory=dict, compare=False, repr=False)


@dataclass
class History:
    """What an accepted bundle proves; `trees` are the logs it goes through, the newest first."""

    citizen: str
    signed_at: int | None
    trees: list[Tree] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    witnesses: tuple[str, ...] = ()
    earlier: Tree | None = None  # what one of the trees is proved to extend
    extends: bool = False  # that is the tree of the earlier bundle
    compared: Tree | None = None  # the earlier bundle's tree, if there was one
    keys: dict[str, tuple[Key, ...]] = field(default_factory=dict)  # of each log, as its entry 0 says
    count: dict[str, Any] | None = None  # what the law withheld in the country in a month, as published


# ------------------------------------------------------------------------------------ plain encodings


@functools.lru_cache(2**16)  # the steps of proofs come again and again
def _decoded(text: str) -> bytes:
    """Bytes from canonical standard base64; none for anything else."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return b""
    return data if binascii.b2a_base64(data, newline=False).decode() == text else b""


def b64(text: object, where: str, length: int | None = None) -> bytes:
    """Bytes from canonical standard base64."""
    data = _decoded(text) if isinstance(text, str) else b""
    if not data or length not in (None, len(data)):
        raise Rejected("ALTERED", f"{where} is not {length or 'some'} bytes of canonical base64")
    return data


def _no_floats(text: str) -> NoReturn:
    raise ValueError(f"a number that is not whole: {text[:20]}")


def _whole(text: str) -> int:
    """A number that every JSON program holds exactly; larger ones have no one spelling (RFC 7493 section 2.2)."""
    if abs(value := int(text)) >= 2**53:
        raise ValueError(f"a number that is too large: {text[:20]}")
    return value


def _sorted(value: Any) -> Any:
    """The same value, members in the order of RFC 8785 section 3.2.3 (UTF-16 code units)."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _sorted(value[name]) for name in names}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


_READ = json.JSONDecoder(parse_int=_whole, parse_float=_no_floats, parse_constant=_no_floats)
_WRITE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_WRITE_SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def canonical(data: bytes, where: str) -> Any:
    """The JSON value of `data`, if `data` is its one canonical form (RFC 8785, whole numbers only)."""
    try:
        value = _READ.decode(data.decode())
        # Up to U+FFFF the order of code points is that of UTF-16; in canonical form the rest is bytes from F0 on.
        beyond = any(byte in data for byte in range(0xF0, 0xF5))
        text = _WRITE(_sorted(value)) if beyond else _WRITE_SORTED(value)
        again = text.encode()
    except (ValueError, RecursionError) as error:
        raise Rejected("ALTERED", f"{where} is not JSON: {error}") from None
    if again != data:
        place = next((i for i, (a, b) in enumerate(zip(data, again, strict=False)) if a != b), len(again))
        raise Rejected("ALTERED", f"{where} is not in canonical form, from byte {place} on")
    return value


def fields(value: object, names: str, where: str) -> dict[str, Any]:
    """`value` as an object with exactly these members."""
    if not isinstance(value, dict) or sorted(value) != sorted(names.split()):
        raise Rejected("ALTERED", f"{where} does not have exactly the members {names}")
    return value


def number(value: object, where: str) -> int:
    """A whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise Rejected("ALTERED", f"{where} is not a whole number")
    return value


def text_of(value: object, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise Rejected("ALTERED", f"{where} is not text")
    return value


# ------------------------------------------------------------------------------------ the trust policy


def read_policy(data: bytes) -> Policy:
    """Read a policy file: C2SP tlog-policy, and Erti's `vrf` line. Raises Unusable."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise Unusable("the trust policy is not plain text") from None
    if lines[0] != "# Erti trust policy 1" or lines[-1] != "":
        raise Unusable("this is not an Erti trust policy (first line: # Erti trust policy 1)")
    found = _PolicyLines()
    for line in lines[1:-1]:
        found.take(line)
    logs, witnesses = found.logs, found.witnesses
    if not logs or len(found.vrf) != 32 or not found.quorum or len({key.name for key in logs}) != 1:
        raise Unusable("the trust policy needs the keys of one log, a vrf line and a quorum line")
    if len({key.public for key in witnesses.values()}) != len(witnesses):
        raise Unusable("the trust policy has two witnesses with one key")
    others = tuple(line for line in lines if not line.startswith("log "))
    return Policy(fingerprint_of(data), tuple(logs), found.vrf, witnesses, found.groups, found.quorum, others)


def fingerprint_of(policy: bytes) -> str:
    """The first 160 bits of a policy file's SHA-256 in base32, as eight groups of four."""
    digits = base64.b32encode(hashlib.sha256(policy).digest()[:20]).decode()
    return "-".join(digits[i : i + 4] for i in range(0, 32, 4))


@dataclass
class _PolicyLines:
    """What the lines of a policy have said so far."""

    logs: list[Key] = field(default_factory=list)
    vrf: bytes = b""
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: str = ""

    def take(self, line: str) -> None:
        """Read one more line."""
        known = {*self.witnesses, *self.groups}
        match line.split(" "):
            case ["log", vkey]:
                self.logs.append(_key(vkey, (ED25519, MLDSA44)))
            case ["vrf", suite, key] if suite == SUITE and not self.vrf:
                self.vrf = _policy_b64(key)
            case ["witness", name, vkey] if name not in known | {"none"}:
                self.witnesses[name] = _key(vkey, (COSIGNATURE, MLDSA44))
            case ["group", name, needed, *members] if name not in known | {"none"}:
                self.groups[name] = self._group(needed, members)
            case ["quorum", name] if not self.quorum and name in known | {"none"}:
                self.quorum = name
            case _:
                raise Unusable(f"the trust policy has a line this verifier does not understand: {line[:60]}")

    def _group(self, needed: str, members: list[str]) -> tuple[int, tuple[str, ...]]:
        """So many of these members; each stands above its group, and in one group only."""
        listed = [*members, *(name for _, others in self.groups.values() for name in others)]
        if not {*members} <= {*self.witnesses, *self.groups} or len({*listed}) != len(listed):
            raise Unusable("the trust policy has a group whose members are unknown, or in two groups")
        count = {"all": str(len(members)), "any": "1"}.get(needed, needed)
        if not re.fullmatch(r"[1-9][0-9]{0,3}", count) or int(count) > len(members):
            raise Unusable(f"the trust policy has a group of {len(members)} that needs {needed[:20]}")
        return int(count), tuple(members)


def _policy_b64(text: str) -> bytes:
    try:
        return b64(text, "a key of the trust policy")
    except Rejected as error:
        raise Unusable(error.reason) from None


def _key(line: str, kinds: tuple[int, ...]) -> Key:
    name, _, rest = line.partition("+")
    key_id, _, material = rest.partition("+")
    data = _policy_b64(material)
    proper = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if data[0] not in kinds or len(data) != KEY_BYTES[data[0]] or proper.hex() != key_id or not name:
        raise Unusable(f"the trust policy's key {name[:60]} is not well formed, or not of its kind")
    return Key(name, proper, data[0], data[1:], line)


# ------------------------------------------------------------------------------------ the checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """A tree that every log key signed and a quorum of witnesses cosigned, and when at the latest."""

    origin: str
    size: int
    root: bytes
    signed_at: int | None
    witnesses: tuple[str, ...]


def open_checkpoint(note: str, policy: Policy) -> Checkpoint:
    """A checkpoint that every log key of the policy signed, and witnesses that make the policy's quorum.

    Its time is the latest at which the log and a quorum of witnesses said that nothing larger was known.
    """
    found = signed_checkpoint(note, policy, policy.logs)
    if not policy.met(set(found.witnesses)):
        names = ", ".join(found.witnesses) or "none"
        raise Rejected(
            "UNWITNESSED", f"too few witnesses saw this tree ({names}): others may see another one"
        )
    return found


def signed_checkpoint(note: str, policy: Policy, keys: Sequence[Key]) -> Checkpoint:
    """A checkpoint that every one of a log's keys signed, and who of the policy's witnesses did."""
    text, head, signatures = _split_note(note)
    times = []
    for key in keys:
        signature = signatures.get((key.name, key.key_id))
        if signature is None:
            kind = KEY_KINDS[key.kind]
            raise Rejected("UNKNOWN-KEY", f"the checkpoint has no signature of the policy's {kind} log key")
        times += _check_signature(key, signature, text, head)
    if head[0] != keys[0].name:
        raise Rejected("UNKNOWN-KEY", "the checkpoint is of another log than the policy's")
    seen = {}
    for name, witness in policy.witnesses.items():
        if signature := signatures.get((witness.name, witness.key_id)):
            seen[name] = _check_signature(witness, signature, text, head)[0]
    if policy.quorum != "none" and policy.met(set(seen)):
        times += [
            max(at for at in seen.values() if policy.met({n for n, then in seen.items() if then >= at}))
        ]
    return Checkpoint(*head, min(times, default=None), tuple(sorted(seen)))


def _split_note(note: str) -> tuple[str, tuple[str, int, bytes], dict[tuple[str, bytes], bytes]]:
    """A checkpoint's text; its origin, size and root; its signatures by name and key ID, none checked."""
    text, gap, rest = note.rpartition("\n\n")
    head = (text + "\n").split("\n")
    if not gap or not rest.endswith("\n") or any(c < " " and c != "\n" for c in note) or len(head) != 4:
        raise Rejected("ALTERED", "the checkpoint is not a signed note of three lines")
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", head[1]):
        raise Rejected("ALTERED", "the checkpoint's tree size is not a number")
    signatures = {}
    for line in rest[:-1].split("\n"):
        dash, _, signed = line.partition(" ")
        name, _, blob = signed.partition(" ")
        data = b64(blob, "a signature of the checkpoint")
        if dash != "\N{EM DASH}" or (name, data[:4]) in signatures:
            raise Rejected("ALTERED", "the checkpoint has a malformed or repeated signature line")
        signatures[name, data[:4]] = data[4:]
    root = b64(head[2], "the checkpoint's root hash", 32)
    return text + "\n", (head[0], int(head[1]), root), signatures


def _check_signature(key: Key, signature: bytes, text: str, head: tuple[str, int, bytes]) -> list[int]:
    """Check one signature; its time, if it has one (C2SP signed-note 0x01, tlog-cosignature 0x04 and 0x06)."""
    origin, size, root = head
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
            return []
        if key.kind == COSIGNATURE:
            timed = f"cosignature/v1\ntime {int.from_bytes(signature[:8], 'big')}\n{text}".encode()
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature[8:], timed)
            return [int.from_bytes(signature[:8], "big")]
        name, place = key.name.encode(), origin.encode()
        message = b"subtree/v1\n\0" + bytes([len(name)]) + name + signature[:8] + bytes([len(place)]) + place
        message += bytes(8) + size.to_bytes(8, "big") + root
        MLDSA44PublicKey.from_public_bytes(key.public).verify(signature[8:], message)
    except (InvalidSignature, ValueError):
        whose = f"the {KEY_KINDS[key.kind]} signature of {key.name}"
        raise Rejected("ALTERED", f"{whose} does not fit the checkpoint") from None
    return [int.from_bytes(signature[:8], "big")]


def check_place(index: int, leaf: bytes, proof: object, tree: Tree, where: str) -> None:
    """Inclusion of leaf data in a tree: RFC 9162 section 2.1.3.2.

    Entries stand near each other, so most of a proof was walked before: from the same place with the same hash and the
    same steps left, the way ends where it ended then, in the signed root.
    """
    if not isinstance(proof, list) or index >= tree.size:
        raise Rejected("ALTERED", f"{where}: place {index} is not in the tree of {tree.size} entries")
    at, last = index, tree.size - 1
    node = hashlib.sha256(b"\x00" + leaf).digest()
    walked = []
    for number, step in enumerate(proof):
        known = tree.walked.get((at, last, node))
        if known is not None and known == proof[number:]:
            node, last = tree.root, 0
            break
        walked.append((at, last, node))
        sibling = b64(step, f"{where}: a step of its proof", 32)
        if at & 1 or (at == last and last):
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        elif last:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        else:
            raise Rejected("ALTERED", f"{where}: its proof is too long")
        at, last = at >> 1, last >> 1
    if last or node != tree.root:
        raise Rejected("ALTERED", f"{where}: it does not stand at place {index} of the signed tree")
    for number, place in enumerate(walked):
        tree.walked[place] = proof[number:]


def grew(before: Tree, now: Tree, proof: Sequence[bytes]) -> bool:
    """Tell whether a tree extends an earlier one: RFC 9162 section 2.1.4.2."""
    if before.size in (0, now.size) or not proof:
        return before.size == now.size and before.root == now.root and not proof
    path = list(proof) if before.size & (before.size - 1) else [before.root, *proof]
    at, last = before.size - 1, now.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = (hashlib.sha256(b"\x01" + step + node).digest() for node in (old, new))
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = hashlib.sha256(b"\x01" + new + step).digest()
        at, last = at >> 1, last >> 1
    return last == 0 and (old, new) == (before.root, now.root)


# ------------------------------------------------------------------------------------ the label (RFC 9381)

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Affine = tuple[int, int]
Extended = tuple[int, int, int, int]


def _point(data: bytes) -> Affine | None:
    """RFC 8032 section 5.1.3, canonical encodings only."""
    sign, y = data[31] >> 7, int.from_bytes(data, "little") % 2**255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y


def _sum(a: Extended, b: Extended) -> Extended:
    """Unified addition on -x^2 + y^2 = 1 + d x^2 y^2; T = XY/Z."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    xx, yy, zz, tt = x1 * x2 % P, y1 * y2 % P, z1 * z2 % P, D * t1 * t2 % P
    e, f, g, h = ((x1 + y1) * (x2 + y2) - xx - yy) % P, zz - tt, zz + tt, yy + xx
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Affine) -> Extended:
    total: Extended = (0, 1, 1, 0)
    step: Extended = (point[0], point[1], 1, point[0] * point[1] % P)
    while scalar:
        if scalar & 1:
            total = _sum(total, step)
        step = _sum(step, step)
        scalar >>= 1
    return total


def _flat(point: Extended) -> Affine:
    inverse = pow(point[2], P - 2, P)
    return point[0] * inverse % P, point[1] * inverse % P


def _bytes(point: Affine) -> bytes:
    return (point[1] + ((point[0] & 1) << 255)).to_bytes(32, "little")


def _combine(a: int, first: Affine, b: int, second: Affine) -> bytes:
    """a * first - b * second, encoded."""
    return _bytes(_flat(_sum(_times(a, first), _times(b, (P - second[0], second[1])))))


def vrf_output(public: bytes, proof: bytes, alpha: bytes) -> bytes | None:
    """ECVRF_verify for the suite 0x03 (RFC 9381 section 5.3); None if the proof does not hold."""
    key, gamma = _point(public), _point(proof[:32])
    c, s = int.from_bytes(proof[32:48], "little"), int.from_bytes(proof[48:], "little")
    base = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if key is None or gamma is None or base is None or s >= Q or _flat(_times(8, key)) == (0, 1):
        return None
    for counter in range(256):
        digest = hashlib.sha512(b"\x03\x01" + public + alpha + bytes([counter, 0])).digest()
        candidate = _point(digest[:32])
        if candidate is None or _flat(_times(8, candidate)) == (0, 1):
            continue
        point = _flat(_times(8, candidate))
        u, v = _combine(s, base, c, key), _combine(s, point, c, gamma)
        text = b"\x03\x02" + public + _bytes(point) + proof[:32] + u + v + b"\x00"
        if hashlib.sha512(text).digest()[:16] != proof[32:48]:
            return None
        return hashlib.sha512(b"\x03\x03" + _bytes(_flat(_times(8, gamma))) + b"\x00").digest()
    return None


# ------------------------------------------------------------------------------------ the map of all histories


def _bit(label: bytes, depth: int) -> int:
    return label[depth >> 3] >> (7 - (depth & 7)) & 1


def map_root(
    label: bytes, value: bytes | None, siblings: Sequence[bytes], other: tuple[bytes, bytes] | None
) -> bytes:
    """The root to which the way of a label leads: a leaf with its value, an empty place, or another's leaf."""
    if other is not None:
        node = hashlib.sha256(b"erti/map/v1\x00" + other[0] + other[1]).digest()
    else:
        node = bytes(32) if value is None else hashlib.sha256(b"erti/map/v1\x00" + label + value).digest()
    for depth in range(len(siblings) - 1, -1, -1):
        pair = siblings[depth] + node if _bit(label, depth) else node + siblings[depth]
        node = hashlib.sha256(b"erti/map/v1\x01" + pair).digest()
    return node


def check_map(value: object, label: bytes, count: int, head: bytes, tree: Tree) -> None:
    """The map whose root is the tree's last leaf says: so many entries under this label, ending in this head."""
    where = f"the map of {plain(tree.origin)}"
    found = fields(value, "index root siblings other proof", where)
    index = number(found["index"], f"{where}: its place")
    payload = b64(found["root"], f"{where}: its root", 48)
    check_place(index, b"\x02" + payload, found["proof"], tree, where)
    if index != tree.size - 1:
        raise Rejected("STALE", f"{where} is an old one: the tree went on after it")
    steps, other = found["siblings"], None
    if not isinstance(steps, list) or len(steps) > 256:
        raise Rejected("ALTERED", f"{where}: its siblings are not a list of at most 256")
    siblings = [b64(step, f"{where}: a sibling", 32) for step in steps]
    if found["other"] is not None:
        there = fields(found["other"], "label value", f"{where}: the other chain")
        other = _label(there["label"]), b64(there["value"], f"{where}: the other chain's value", 32)
        if (
            count
            or other[0] == label
            or any(_bit(label, at) != _bit(other[0], at) for at in range(len(siblings)))
        ):
            raise Rejected("ALTERED", f"{where}: the other chain is not on the way of this label")
    held = hashlib.sha256(count.to_bytes(8, "big") + head).digest() if count else None
    if map_root(label, held, siblings, other) != payload[:32]:
        raise Rejected(
            "MISSING",
            f"{where} does not end this history at {count} entries: later ones are left out, or it was altered",
        )


# ------------------------------------------------------------------------------------ the bundle


def read_bundle(data: bytes, policy: Policy) -> History:
    """Everything a bundle proves. Raises Rejected with the first thing that is wrong."""
    bundle = canonical(data, "the bundle")
    names = "format citizen label vrf_proof logs checkpoint earlier withheld"
    fields(bundle, names, "the bundle")
    if bundle["format"] != FORMAT:
        raise Rejected("ALTERED", f"the bundle's format is not {FORMAT}")
    citizen = text_of(bundle["citizen"], "citizen")
    signed = open_checkpoint(text_of(bundle["checkpoint"], "checkpoint"), policy)
    label = _label(bundle["label"])
    history = History(citizen, signed.signed_at, witnesses=signed.witnesses)
    _read_logs(bundle["logs"], label, Tree(signed.origin, signed.size, signed.root), policy, history)
    history.earlier = _read_earlier(bundle["earlier"], history.trees)
    history.count = _read_count(bundle["withheld"], history.trees)
    for entry in history.entries:
        if entry.record is not None and entry.record.get("kind") == "withheld-revealed":
            entry.withheld = check_withheld(entry, label, policy, history)
    output = vrf_output(policy.vrf, b64(bundle["vrf_proof"], "vrf_proof", 80), citizen.encode())
    if output is None or hashlib.sha256(output).digest() != label:
        raise Rejected("ALTERED", f"the label is not proved to be the one of citizen {citizen}")
    return history


def _label(value: object) -> bytes:
    label = text_of(value, "label")
    if not re.fullmatch(r"[0-9a-f]{64}", label):
        raise Rejected("ALTERED", "the label is not 32 bytes in hex")
    return bytes.fromhex(label)


def _read_earlier(value: object, trees: Sequence[Tree]) -> Tree | None:
    """The tree of an earlier checkpoint, if the bundle names one, proved to be a part of the one of now."""
    if value is None:
        return None
    found = fields(value, "origin size root proof", "earlier")
    origin, size = text_of(found["origin"], "earlier: origin"), number(found["size"], "earlier: size")
    before = Tree(origin, size, b64(found["root"], "earlier: its root", 32))
    now = next((tree for tree in trees if tree.origin == origin), None)
    steps = found["proof"]
    if not isinstance(steps, list) or now is None or not 0 < size <= now.size:
        raise Rejected("ALTERED", "earlier: it is not of a log of this bundle, or not a smaller tree of it")
    if not grew(before, now, [b64(step, "earlier: a step of its proof", 32) for step in steps]):
        raise Rejected("FORK", "the tree does not extend the earlier one that the bundle names")
    return before


def _read_logs(value: object, label: bytes, newest: Tree, policy: Policy, history: History) -> None:
    """From the newest log, whose tree is signed, back to the first: each names the one before it as it ended."""
    if not isinstance(value, list) or not value:
        raise Rejected("ALTERED", "logs is not a list of logs")
    expected: Tree | None = newest
    for section in reversed(value):
        origin = expected.origin if expected else None
        if (isinstance(section, dict) and section.get("origin", origin) != origin) or expected is None:
            said = plain(origin) if origin else "the first log"
            raise Rejected("MISSING", f"a log is left out or out of order: {said} should stand here")
        members = "origin leaf0 map n head entries" + (" checkpoint" if history.trees else "")
        log = fields(section, members, "a log")
        tree = expected
        if tree.origin in history.keys:
            raise Rejected("ALTERED", f"{plain(tree.origin)} is named twice, as a log and as one before it")
        expected, history.keys[tree.origin] = _check_leaf0(log["leaf0"], tree, policy)
        if history.trees:
            _check_end(log["checkpoint"], tree, policy, history.keys[tree.origin])
        entries, head = _read_entries(log, label, tree)
        check_map(log["map"], label, len(entries), head, tree)
        history.trees.append(tree)
        history.entries[:0] = entries
    if expected is not None:
        raise Rejected("MISSING", f"the log before is left out: {plain(expected.origin)}")
    _check_erased(history.entries)


def _check_erased(entries: Sequence[Entry]) -> None:
    """What the history itself says was erased is still erased: nothing was put back."""
    said = 0
    for entry in entries:
        record = entry.record or {}
        facts = record.get("data")
        if record.get("kind") == "history-erased" and isinstance(facts, dict):
            said += number(facts.get("entries"), f"entry {entry.number}: how many were erased")
    gone = sum(entry.record is None for entry in entries)
    if gone < said:
        raise Rejected(
            "ALTERED", f"{said} entries were erased, as the history says, and {gone} are: some were put back"
        )


def _check_end(value: object, tree: Tree, policy: Policy, keys: Sequence[Key]) -> None:
    """A log of an earlier year ended as the next one says: as the log itself signed, and witnesses saw it end."""
    where = f"the last checkpoint of {plain(tree.origin)}"
    ended = signed_checkpoint(text_of(value, where), policy, keys)
    if Tree(ended.origin, ended.size, ended.root) != tree:
        raise Rejected("FORK", f"{where} is of another tree than the next log says that it ended with")
    if not policy.met(set(ended.witnesses)):
        raise Rejected(
            "UNWITNESSED", f"{where} was seen by too few witnesses: it may have been rewritten since"
        )


def _check_leaf0(value: object, tree: Tree, policy: Policy) -> tuple[Tree | None, tuple[Key, ...]]:
    """What a log's first entry says of it; returns the log before it, as it ended, if it names one, and its keys."""
    where = f"entry 0 of {'the log' if tree.origin == policy.logs[0].name else plain(tree.origin)}"
    leaf = fields(value, "record proof", "leaf0")
    record = text_of(leaf["record"], "leaf0's record").encode(errors="replace")
    check_place(0, b"\x03" + record, leaf["proof"], tree, where)
    said = canonical(record, where)
    vrf = {"suite": SUITE, "public": base64.b64encode(policy.vrf).decode()}
    if not isinstance(said, dict) or said.get("kind") != "ledger-opened" or said.get("v") != 1:
        raise Rejected("ALTERED", f"{where} does not open a ledger")
    keys = [key.line for key in policy.logs]
    if said.get("origin") != tree.origin or (
        tree.origin == policy.logs[0].name and said.get("log_keys") != keys
    ):
        raise Rejected("UNKNOWN-KEY", f"{where} names another log or other log keys than the trust policy")
    if said.get("vrf") != vrf:
        raise Rejected("UNKNOWN-KEY", f"{where} names another label key than the trust policy")
    try:
        own = tuple(_key(text_of(line, where), (ED25519, MLDSA44)) for line in said["log_keys"])
    except (KeyError, TypeError, Unusable):
        raise Rejected("ALTERED", f"{where} does not say by which keys the log signs") from None
    if not own or any(key.name != tree.origin for key in own):
        raise Rejected("ALTERED", f"{where} does not say by which keys the log signs")
    if "previous" not in said:
        return None, own
    before = fields(said["previous"], "origin size root", f"{where}: the log before it")
    size = number(before["size"], f"{where}: size of the log before it")
    return Tree(text_of(before["origin"], where), size, b64(before["root"], where, 32)), own


def _read_entries(log: dict[str, Any], label: bytes, tree: Tree) -> tuple[list[Entry], bytes]:
    listed, count = log["entries"], number(log["n"], "n")
    if not isinstance(listed, list):
        raise Rejected("ALTERED", "entries is not a list")
    head = hashlib.sha256(b"erti/chain/v1" + label).digest()
    entries = [_read_entry(value, place, label, tree) for place, value in enumerate(listed, 1)]
    for previous, entry in itertools.pairwise(entries):
        if entry.index <= previous.index:
            place = entry.number
            raise Rejected(
                "ALTERED", f"entries have changed places: number {place} stands before the last one"
            )
    for entry in entries:
        _check_order(entry, head)
        head = hashlib.sha256(b"erti/chain/v1" + head + entry.commitment).digest()
    if len(listed) != count:
        raise Rejected("MISSING", f"the bundle says {count} entries and holds {len(listed)}")
    if head != b64(log["head"], "head", 32):
        raise Rejected("ALTERED", f"the {count} entries lead to another head than the one given")
    return entries, head


def _read_entry(value: object, place: int, label: bytes, tree: Tree) -> Entry:
    where, sealed = f"entry {place}", None
    if isinstance(value, dict) and "erased" in value:
        fields(value, "index commitment erased proof", where)
        if value["erased"] is not True:
            raise Rejected("ALTERED", f"{where}: erased is not true")
        commitment, record = b64(value["commitment"], f"{where}: its commitment", 32), None
    else:
        sealed = value.get("sealed") if isinstance(value, dict) else None
        opened = fields(value, "index record nonce proof" + (" sealed" if sealed else ""), where)
        words = text_of(opened["record"], f"{where}: its record").encode(errors="replace")
        nonce = b64(opened["nonce"], f"{where}: its nonce", 32)
        commitment = hmac.digest(ENTRY_KEY, nonce + len(words).to_bytes(4, "big") + words, "sha256")
        value, record = opened, canonical(words, where)
        if not isinstance(record, dict) or record.get("v") != 1:
            raise Rejected("ALTERED", f"{where}: its record is not one this verifier knows")
        if record.get("chain") != label.hex():
            raise Rejected("ALTERED", f"{where} belongs to somebody else's history")
        if (record.get("kind") == "withheld-revealed") != (sealed is not None):
            raise Rejected("MISSING", f"{where} was withheld, and its proof is left out, or is not its own")
    index = number(value["index"], f"{where}: its index")
    check_place(index, b"\x01" + commitment, value["proof"], tree, where)
    return Entry(tree.origin, place, index, commitment, record, sealed)


def _check_order(entry: Entry, head: bytes) -> None:
    place, record = entry.number, entry.record
    said = place if record is None else number(record.get("seq"), f"entry {place}: its number")
    if said > place:
        raise Rejected("MISSING", f"number {place} is left out: number {said} stands in its place")
    if said < place:
        raise Rejected("ALTERED", f"number {said} stands where {place} belongs")
    if record is not None and record.get("prev") != base64.b64encode(head).decode():
        raise Rejected("ALTERED", f"entry {place} does not follow the one before it")


def read_earlier(data: bytes, policy: Policy, now: History) -> History:
    """A bundle kept from before, perhaps of a year whose log was closed since: then by that log's own keys.

    The policy names the log of now alone. The bundle of now proves the old log, and its entry 0 names the keys.
    Raises Unusable if it does not hold by itself.
    """
    try:
        bundle = canonical(data, "the bundle")
        note = bundle.get("checkpoint") if isinstance(bundle, dict) else None
        origin = note.partition("\n")[0] if isinstance(note, str) else ""
        return read_bundle(data, replace(policy, logs=now.keys.get(origin, policy.logs)))
    except Rejected as error:
        raise Unusable(f"the earlier bundle does not hold by itself: {error}") from None


def check_earlier(now: History, before: History) -> None:
    """Everything an earlier bundle showed must still be there, and its tree must be a part of the one of now."""
    if before.citizen != now.citizen:
        raise Unusable("the earlier bundle is about another citizen")
    old = before.trees[0]
    tree = next((tree for tree in now.trees if tree.origin == old.origin), None)
    if tree is None:
        raise Rejected("STALE", f"the earlier bundle's log, {plain(old.origin)}, is not in this one")
    if old.size == tree.size and old.root != tree.root:
        raise Rejected("FORK", "the earlier bundle's tree is another one of the same size")
    if old.size > tree.size:
        raise Rejected("STALE", f"the earlier bundle's tree is newer: {old.size} entries")
    shown = {(entry.origin, entry.number): entry for entry in now.entries}
    for entry in before.entries:
        new = shown.get((entry.origin, entry.number))
        if new is None:
            raise Rejected("MISSING", f"entry {entry.number} was in the earlier bundle and is gone")
        if (new.index, new.commitment) != (entry.index, entry.commitment):
            raise Rejected("FORK", f"entry {entry.number} is not the one the earlier bundle showed")
    told = now.earlier
    if told is not None and (told.origin, told.size) == (old.origin, old.size) and told.root != old.root:
        raise Rejected("FORK", "the earlier bundle's tree is another one than the log had at that size")
    now.extends, now.compared = old in (tree, told), old


# ------------------------------------------------------------------------------------ what the law withheld


def _moment(value: object, where: str) -> float:
    """Seconds since 1970 of a time in UTC as records write it."""
    text = text_of(value, where)
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}Z", text):
        raise Rejected("ALTERED", f"{where} is not a time")
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Rejected("ALTERED", f"{where} is not a time") from None


def _public(value: dict[str, Any], kind: str, trees: Sequence[Tree], where: str) -> tuple[Any, Tree, int]:
    """What a public record of one of the open logs says, its log's tree, and its place there."""
    tree = next((tree for tree in trees if tree.origin == value["origin"]), None)
    if tree is None:
        raise Rejected("ALTERED", f"{where} is in a log that this history does not go through")
    record = text_of(value["record"], where).encode(errors="replace")
    index = number(value["index"], f"{where}: its place")
    check_place(index, b"\x03" + record, value["proof"], tree, where)
    said = canonical(record, where)
    if not isinstance(said, dict) or (said.get("v"), said.get("kind")) != (1, kind):
        raise Rejected("ALTERED", f"{where} is not a record of the kind {kind}")
    return said.get("data"), tree, index


def _read_count(value: object, trees: Sequence[Tree]) -> dict[str, Any] | None:
    """How many entries the law withheld in the country in a month, as published; None before the first time."""
    if value is None:
        return None
    where = "the count of what the law withholds"
    found = fields(value, "origin index record proof", where)
    said = fields(_public(found, "withheld-count", trees, where)[0], "at_most counts least month", where)
    number(said["at_most"], where)
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text_of(said["month"], where)):
        raise Rejected("ALTERED", f"{where} is not of a month")
    return said


def check_withheld(entry: Entry, label: bytes, policy: Policy, history: History) -> Withheld:
    """That what an entry reveals stood in the log of what is withheld when it says so. It establishes:

    1. the facts revealed, with their nonce and the commitment to the place in their chain, make a commitment;
    2. that stands where the entry says in a tree of that log;
    3. a public record of an open log of this history holds the hash of that tree's signed note, so that the note
       needs no signature of its own to be believed;
    4. the record stood in a tree of the open log that was signed then, and that the log of now extends;
    5. that was within two days of the time that the facts name.
    """
    where, record = f"entry {entry.number}, which was withheld", entry.record or {}
    data = record.get("data")
    if not isinstance(data, dict):
        raise Rejected("ALTERED", f"{where} says nothing")
    own = fields(data.get("sealed"), "index log nonce place", where)
    read = fields(data.get("read"), "actor at chain data event kind v", where)
    shown = fields(entry.sealed, "checkpoint open proof", where)
    facts = read["data"] if isinstance(read["data"], dict) else {}
    names = ("agency", "purpose", "outcome", "disclose_after")
    if read["chain"] != label.hex() or any(data.get(name) != facts.get(name) for name in names):
        raise Rejected("ALTERED", f"{where} is of somebody else, or says otherwise than what it reveals")
    words = json.dumps(_sorted(read), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    nonce, place = (b64(own[name], f"{where}: its {name}", 32) for name in ("nonce", "place"))
    part = hmac.digest(ENTRY_KEY, nonce + len(words).to_bytes(4, "big") + words, "sha256")
    commitment = hmac.digest(SPLIT_KEY, part + place, "sha256")  # 1

    opened = fields(shown["open"], "checkpoint extends index origin proof record", where)
    said, tree, index = _public(
        opened, "withheld-checkpoint", history.trees, f"{where}: the record of its time"
    )
    keys, note = history.keys[tree.origin], text_of(shown["checkpoint"], f"{where}: its checkpoint")
    name = text_of(own["log"], f"{where}: its log")
    if name in history.keys:
        raise Rejected("ALTERED", f"{where} stands in an open log")
    then = Tree(*_split_note(note)[1])
    at = number(own["index"], f"{where}: its place")
    if then.origin != name:
        raise Rejected("ALTERED", f"{where}: its checkpoint is of another log")
    check_place(at, b"\x01" + commitment, shown["proof"], then, where)  # 2
    if said != {"sha256": hashlib.sha256(note.encode(errors="replace")).hexdigest()}:
        raise Rejected("ALTERED", f"{where}: the open log holds the hash of another checkpoint")  # 3
    proof = _check_then(opened, index, tree, policy, keys, where)  # 4
    made = _moment(read["at"], where)
    if (proof.signed_at or 0) > made + SEALED_WITHIN:  # 5
        claimed = plain(read["at"])
        raise Rejected(
            "LATE", f"{where}: it claims {claimed}, and is proved from {day(proof.signed_at)} on only"
        )
    due, told = _moment(data["disclose_after"], where), _moment(record.get("at"), where)
    met = policy.met(set(proof.witnesses))
    return Withheld(made, due, told, proof.signed_at or 0, proof.witnesses, met)


def _check_then(
    opened: dict[str, Any], index: int, tree: Tree, policy: Policy, keys: Sequence[Key], where: str
) -> Checkpoint:
    """A checkpoint of the open log from the time when the record was new, which the log of now extends."""
    then = signed_checkpoint(text_of(opened["checkpoint"], f"{where}: the open checkpoint"), policy, keys)
    steps = opened["extends"]
    if not isinstance(steps, list) or not index < then.size <= tree.size:
        raise Rejected("ALTERED", f"{where}: the open checkpoint does not cover the record of its time")
    proof = [b64(step, f"{where}: a step of a proof", 32) for step in steps]
    if not grew(Tree(tree.origin, then.size, then.root), tree, proof):
        raise Rejected("FORK", f"{where}: the open log does not extend the tree that it signed then")
    return then


# ------------------------------------------------------------------------------------ the report


def plain(value: object) -> str:
    """A value from a record in words, with nothing in it that could move a cursor or turn a line around."""
    if isinstance(value, dict):
        return ", ".join(f"{plain(key)}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    text = "" if value is None else str(value)
    if text.isprintable():  # then it has no character of the categories C, and nothing need be replaced
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in text)


def sentence(entry: Entry) -> str:
    """One entry in plain words."""
    record = entry.record
    if record is None:
        return f"{entry.number:>5}.  erased; that there was an entry here is proved, what it said is gone"
    actor = record.get("actor")
    who = f" by {plain(actor.get('kind'))} {plain(actor.get('id'))}" if isinstance(actor, dict) else ""
    when = plain(record.get("at")).replace("T", " ").replace("Z", " UTC")
    facts = record.get("data")
    members = facts.items() if isinstance(facts, dict) else ()
    hidden = ("sealed",) if entry.withheld else ()
    shown = [
        f"{plain(name).replace('_', ' ')}: {plain(value)}"
        for name, value in members
        if value and name not in hidden
    ]
    told = f"\n        {'; '.join(shown)}" if shown else ""
    if entry.withheld:
        told += f"\n{proved(entry.withheld)}"
    return f"{entry.number:>5}.  {when}  {plain(record.get('kind')).replace('-', ' ')}{who}{told}"


def day(seconds: int | None) -> str:
    """A time in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(seconds or 0, 2**36)))


def verdict_of(history: History) -> list[str]:
    """The verdict words of an accepted bundle."""
    erased = sum(entry.record is None for entry in history.entries)
    kept = [entry.withheld for entry in history.entries if entry.withheld]
    late, alone = sum(one.late for one in kept), sum(not one.quorum for one in kept)
    words = [(f"ERASED {erased}", erased), (f"LATE {late}", late), (f"UNWITNESSED {alone}", alone)]
    return ["VALID-COMPLETE", *(word for word, number in words if number)]


def country(history: History) -> str:
    """What the law withholds, of which nothing can be told to anybody."""
    if history.count is None:
        return "Except what the law may withhold; how much that is has not been published yet."
    said = history.count
    return (
        f"Except what the law withholds: at most {said['at_most']} entries in the whole country in "
        f"{plain(said['month'])}, as published."
    )


def proved(kept: Withheld) -> str:
    """Since when it is proved that an entry which was withheld stood there."""
    seen = f"{len(kept.witnesses)} witnesses" if kept.witnesses else "no witness"
    late = " LATE: the law wanted it told before." if kept.late else ""
    return (
        f"        withheld by law until {day(int(kept.due))}, told {day(int(kept.told))}; recorded at "
        f"{day(int(kept.at))}, as proved by an open checkpoint of {day(kept.proved)} that {seen} saw.{late}"
    )


def witnessed(history: History) -> str:
    """Who else saw this tree."""
    if not history.witnesses:
        return "none; that everybody is shown the same tree is not proved"
    return f"{len(history.witnesses)} saw this tree and no other: {plain(', '.join(history.witnesses))}"


def compared(history: History) -> str:
    """What the comparison with an earlier bundle showed."""
    if history.extends:
        return "everything shown then is unchanged, and the log grew from the tree it had then"
    then, hint = history.compared, ""
    if then is not None and then.origin == history.trees[0].origin:
        hint = f" (for that, download the new one at /my/history/bundle?earlier={then.size})"
    return f"everything shown then is unchanged; that the log did not fork since is NOT proved{hint}"


def older(history: History, policy: Policy) -> list[str]:
    """What to compare where the history goes back to logs of earlier years, which had other keys."""
    if len(history.trees) < 2:
        return []
    known = [
        f"              {policy.of_older(history.keys[tree.origin])}  {plain(tree.origin)}"
        for tree in history.trees[1:]
    ]
    return [
        "Older logs    An older letter shows one of these, if the witnesses are the same; then its keys signed that log.",
        *known,
        "              That these keys named those of a newer log is not checked: compare the fingerprint",
        "              above with a newer letter, or with where the state publishes it.",
    ]


def report(history: History, policy: Policy) -> str:
    """The text printed for an accepted bundle."""
    lines = [
        f"Trust policy  {policy.fingerprint}",
        "              Compare these characters with your activation letter, if it was printed since this log began.",
        *older(history, policy),
        f"Verdict       {', '.join(verdict_of(history))}",
        f"              Nothing shown was altered and nothing is left out, as of {day(history.signed_at)}.",
        f"              {country(history)}",
        f"Citizen       {plain(history.citizen)}",
        "              This must be your own citizen ID: another one's history would be complete as well.",
        *(f"Log           {plain(tree.origin)}, {tree.size} leaves" for tree in history.trees),
        f"Witnesses     {witnessed(history)}",
        *([f"Earlier       {compared(history)}"] if history.compared else []),
        f"History       {len(history.entries)} entries",
        "",
    ]
    return "\n".join(lines + [sentence(entry) for entry in history.entries])


def as_json(policy: Policy | None, verdicts: list[str], history: History | None, reason: str) -> str:
    """The report for programs."""
    known: dict[str, Any] = {"accepted": history is not None, "verdict": verdicts, "reason": reason}
    if policy:
        known["policy"] = policy.fingerprint
    if history:
        known |= {
            "citizen": history.citizen,
            "log": history.trees[0].origin,
            "size": history.trees[0].size,
            "logs": [{"origin": tree.origin, "size": tree.size} for tree in history.trees],
            "older_policies": {
                tree.origin: policy.of_older(history.keys[tree.origin])
                for tree in history.trees[1:]
                if policy
            },
            "extends_earlier": history.extends,
            "signed_at": history.signed_at,
            "witnesses": list(history.witnesses),
            "entries": [
                {"log": e.origin, "number": e.number, "index": e.index, "record": e.record}
                | ({"withheld": asdict(e.withheld)} if e.withheld else {})
                for e in history.entries
            ],
            "withheld_in_the_country": history.count,
        }
    return json.dumps(known, ensure_ascii=True, indent=1)


def _load(path: str) -> bytes:
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise Unusable(f"{path} is too large to be what it should be")
        return Path(path).read_bytes()
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="erti-verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit code: 0 accepted, 1 rejected, 2 the check could not be made.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="the history you downloaded")
    parser.add_argument(
        "--policy", metavar="FILE", required=True, help="the trust policy; not from the bundle"
    )
    parser.add_argument("--earlier", metavar="BUNDLE", help="a history you kept from before")
    parser.add_argument("--max-age", metavar="DAYS", type=int, help="reject (STALE) if signed longer ago")
    parser.add_argument("--json", action="store_true", help="print the result for programs")
    return parser


def check(options: argparse.Namespace, policy: Policy) -> History:
    """Make every check asked for. Raises Rejected or Unusable."""
    history = read_bundle(_load(options.bundle), policy)
    if options.earlier:
        check_earlier(history, read_earlier(_load(options.earlier), policy, history))
    age = time.time() - (history.signed_at or 0)
    if options.max_age is not None and age > options.max_age * 86_400:
        raise Rejected("STALE", f"the checkpoint was signed {day(history.signed_at)}, too long ago")
    return history


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = arguments().parse_args(argv)
    policy = history = None
    gc.disable()  # what is read here is kept to the end: to look for garbage among it takes a sixth of the time
    try:
        policy = read_policy(_load(options.policy))
        history = check(options, policy)
        code, verdicts, reason = 0, verdict_of(history), ""
        text = report(history, policy)
    except Rejected as error:
        code, verdicts, reason = 1, [error.verdict], plain(error.reason)
        shown = policy.fingerprint if policy else ""
        text = f"Trust policy  {shown}\nVerdict       REJECTED, {error.verdict}\n              {reason}"
    except Unusable as error:
        code, verdicts, reason = 2, [], plain(error)
        text = f"The check could not be made: {reason}"
    finally:
        gc.enable()
    print(
        as_json(policy, verdicts, history, reason) if options.json else text,
        file=sys.stderr if code == 2 and not options.json else sys.stdout,
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
