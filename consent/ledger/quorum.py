"""Who must have seen a checkpoint: the logs, witnesses, groups and quorum of a trust policy (C2SP tlog-policy)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from consent.ledger.note import ED25519, MLDSA44, WITNESS_KINDS, BadNote, VerifierKey

NONE = "none"
MOST_BYTES = 512 * 1024
MOST_NAMES = 256
_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_OURS = ("vrf",)  # lines of Erti's own policy file, which other readers do not know


class BadPolicy(ValueError):
    """A trust policy that is not well formed; the message names the line."""


@dataclass(frozen=True)
class Witness:
    """Somebody who cosigns: a name within the policy, a key, and where it is asked."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True)
class Group:
    """So many of these members, each a witness or an earlier group."""

    name: str
    needed: int
    members: tuple[str, ...]


@dataclass
class Policy:
    """A trust policy: whose checkpoints count, and who must have cosigned them."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = ""

    @property
    def required(self) -> bool:
        """Whether any cosignature is asked for at all."""
        return self.quorum != NONE

    def keys_of(self, origin: str) -> list[VerifierKey]:
        """The keys of one log."""
        return [key for key in self.logs if key.name == origin]

    def witness_keys(self) -> list[VerifierKey]:
        """The keys of all witnesses."""
        return [witness.key for witness in self.witnesses.values()]

    def met(self, keys: Collection[VerifierKey]) -> bool:
        """Whether cosignatures of these keys make the quorum."""
        if not self.required:
            return True
        seen = {name for name, witness in self.witnesses.items() if witness.key in keys}
        for group in self.groups.values():  # members stand before their group
            if sum(member in seen for member in group.members) >= group.needed:
                seen.add(group.name)
        return self.quorum in seen

    def lines(self, *, urls: bool = False) -> str:
        """Witness, group and quorum lines; with the witnesses' addresses only for whoever asks them."""
        return "".join(f"{line}\n" for line in self._lines(urls))

    def _lines(self, urls: bool) -> Iterator[str]:  # noqa: FBT001  (private)
        for witness in self.witnesses.values():
            url = f" {witness.url}" if urls and witness.url else ""
            yield f"witness {witness.name} {witness.key.text()}{url}"
        for group in self.groups.values():
            yield f"group {group.name} {group.needed} {' '.join(group.members)}"
        yield f"quorum {self.quorum}"

    def digest(self) -> str:
        """What identifies the rule: the same for the same witnesses, groups and quorum, wherever they are."""
        return hashlib.sha256(self.lines().encode()).hexdigest()[:32]


NOBODY = Policy(quorum=NONE)


def read(data: bytes) -> Policy:
    """Read a policy file (C2SP tlog-policy; Erti's `vrf` line is passed over). Raises BadPolicy."""
    if len(data) > MOST_BYTES:
        raise BadPolicy("the trust policy is too long")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadPolicy("the trust policy is not UTF-8 text") from error
    policy, used = Policy(), set[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if any((c < " " and c != "\t") or c == "\x7f" for c in line):
            raise BadPolicy(f"line {number} of the trust policy has a control character")
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if not words or words[0].startswith("#") or words[0] in _OURS:
            continue
        try:
            _take(policy, words, used)
        except ValueError as error:
            raise BadPolicy(f"line {number} of the trust policy: {error}") from error
    if not policy.quorum:
        raise BadPolicy("the trust policy has no quorum line")
    return policy


def _take(policy: Policy, words: list[str], used: set[str]) -> None:
    match words:
        case ["log", vkey] | ["log", vkey, _]:
            _log(policy, vkey)
        case ["witness", name, vkey, *url] if len(url) <= 1:
            _witness(policy, name, vkey, "".join(url))
        case ["group", name, needed, *members] if members:
            _group(policy, name, needed, members, used)
        case ["quorum", name] if not policy.quorum:
            if name != NONE and name not in policy.witnesses and name not in policy.groups:
                raise ValueError(f"the quorum {name[:40]} is not defined above")
            policy.quorum = name
        case _:
            raise ValueError(f"it is not understood: {' '.join(words)[:60]}")


def _log(policy: Policy, vkey: str) -> None:
    key = VerifierKey.parse(vkey)
    if key.kind not in (ED25519, MLDSA44):
        raise BadNote("a log's key is of another type than a log's")
    if key in policy.logs or len(policy.logs) >= MOST_NAMES:
        raise ValueError("the same log key twice, or too many")
    policy.logs.append(key)


def _new(policy: Policy, name: str) -> None:
    if name == NONE or name in policy.witnesses or name in policy.groups:
        raise ValueError(f"the name {name[:40]} is taken")
    if len(policy.witnesses) + len(policy.groups) >= MOST_NAMES:
        raise ValueError("too many witnesses and groups")


def _witness(policy: Policy, name: str, vkey: str, url: str) -> None:
    _new(policy, name)
    key = VerifierKey.parse(vkey)
    if key.kind not in WITNESS_KINDS:
        raise ValueError("a witness's key must be of type 4 (Ed25519 with time) or 6 (ML-DSA-44)")
    if key.public in [known.key.public for known in policy.witnesses.values()]:
        raise ValueError("two witnesses with the same key")
    policy.witnesses[name] = Witness(name, key, url.rstrip("/"))


def _group(policy: Policy, name: str, needed: str, members: list[str], used: set[str]) -> None:
    _new(policy, name)
    for member in members:
        if member not in policy.witnesses and member not in policy.groups:
            raise ValueError(f"the member {member[:40]} is not defined above")
        if member in used:
            raise ValueError(f"{member[:40]} is a member of more than one group, or twice")
        used.add(member)
    count = {"all": str(len(members)), "any": "1"}.get(needed, needed)
    if not _COUNT.fullmatch(count) or int(count) > len(members):
        raise ValueError(f"{needed[:40]} of {len(members)} members is not possible")
    policy.groups[name] = Group(name, int(count), tuple(members))


def of(path: Path | None) -> Policy:
    """The witnesses of this ledger, from the file a setting names; read once in a process.

    Raises BadPolicy, also if the file cannot be read: without it nobody knows what may be published.
    """
    return NOBODY if path is None else _of(path)


@lru_cache(maxsize=32)
def _of(path: Path) -> Policy:
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise BadPolicy(f"the witness policy {path} cannot be read: {error.strerror}") from error
