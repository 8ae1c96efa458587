"""What a witness does with a checkpoint: the checks of C2SP tlog-witness, one after the other."""

import re
import threading
import time
from dataclasses import dataclass, field

from consent.ledger import note, tree
from consent.ledger.note import BadNote, Checkpoint
from consent.ledger.quorum import Policy
from consent.ledger.tree import BadProof
from consent.ledger.witness.key import Key
from consent.ledger.witness.memory import Memory
from core import clock

MOST_PROOF_LINES = 63
MOST_BYTES = 128 * 1024
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class BadRequest(ValueError):
    """A request that is not of the form the protocol wants."""


@dataclass(frozen=True)
class Request:
    """A request to cosign: the size the log thinks we know, the proof from there, and the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Cosigned:
    """The lines to give back."""

    lines: str


@dataclass(frozen=True)
class UnknownLog:
    """We are not a witness of this log."""


@dataclass(frozen=True)
class NotSigned:
    """No key of the log signed it."""


@dataclass(frozen=True)
class OtherSize:
    """We know another size than the log thinks, or another tree of that size."""

    size: int


@dataclass(frozen=True)
class NotConsistent:
    """The proof does not lead from the tree we know to this one."""


@dataclass(frozen=True)
class TooOften:
    """The log asks more often than it may; again in so many seconds."""

    seconds: int


Outcome = Cosigned | UnknownLog | NotSigned | OtherSize | NotConsistent | TooOften


def parse(body: bytes) -> Request:
    """Read the body of add-checkpoint (C2SP tlog-witness). Raises BadRequest."""
    if len(body) > MOST_BYTES:
        raise BadRequest("the request is too long")
    try:
        head, gap, signed = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        old = _OLD.fullmatch(first)
        if not gap or old is None or len(lines) > MOST_PROOF_LINES:
            raise BadRequest("it is not an old size, at most 63 hashes, an empty line and a checkpoint")
        proof = tuple(note.decode(line) for line in lines)
        checkpoint = Checkpoint.parse(note.split(signed)[0])
    except UnicodeDecodeError as error:
        raise BadRequest("it is not UTF-8 text") from error
    except BadNote as error:
        raise BadRequest(str(error)) from error
    if any(len(step) != tree.HASH_BYTES for step in proof):
        raise BadRequest("a hash of the proof does not have 32 bytes")
    if int(old[1]) > checkpoint.size:
        raise BadRequest("the old size is larger than the checkpoint's")
    return Request(int(old[1]), proof, signed, checkpoint)


@dataclass
class Rate:
    """How often each log may ask: `each_second` on average, `at_once` in a burst."""

    each_second: float = 10.0
    at_once: float = 40.0
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, origin: str) -> float:
        """Count a request; 0 if it may be served, else the seconds to wait. Only known logs are counted."""
        with self._lock:
            now = time.monotonic()
            left, then = self._left.get(origin, (self.at_once, now))
            left = min(self.at_once, left + (now - then) * self.each_second)
            self._left[origin] = (max(left - 1, 0) if left >= 1 else left, now)
            return 0.0 if left >= 1 else (1 - left) / self.each_second


@dataclass
class Witness:
    """One witness: its key, the logs it follows, its memory."""

    key: Key
    policy: Policy
    memory: Memory
    rate: Rate = field(default_factory=Rate)

    def add(self, request: Request) -> Outcome:
        """Cosign a checkpoint, or say why not (C2SP tlog-witness, add-checkpoint).

        What a cosignature establishes:
        1. A key that we trust for this origin signed the checkpoint.
        2. The log asked from the size that we cosigned last.
        3. The new tree contains the one we cosigned last, or is the same.
        4. The new tree was durable here before anybody saw the cosignature.

        Checking and remembering are one step: two checkpoints of one size never both pass. Raises Forgetful.
        """
        new = request.checkpoint
        keys = self.policy.keys_of(new.origin)
        if not keys:
            return UnknownLog()
        try:
            note.open_checkpoint(request.note, keys)
        except BadNote:
            return NotSigned()
        if seconds := self.rate.wait(new.origin):
            return TooOften(max(1, round(seconds)))
        with self.memory.held(new.origin) as held:
            seen = held.seen()
            if request.old != seen.size or (new.size == seen.size and new.root != seen.root):
                return OtherSize(seen.size)
            try:
                tree.verify_consistency(seen.size, new.size, seen.root, new.root, request.proof)
            except BadProof:
                return NotConsistent()
            at = clock.seconds(clock.now())
            held.keep(new.size, new.root, request.note, at=at)
        return Cosigned("".join(signer.sign(new, at=at).line() for signer in self.key.signers))
