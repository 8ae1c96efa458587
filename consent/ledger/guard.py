"""The signer's guard: what one machine signed last of a log, kept in a file beside the database."""

import json
from dataclasses import dataclass
from datetime import datetime

from consent.ledger import tree
from consent.ledger.errors import ClockBehind, SignerRefused
from core import clock


@dataclass(frozen=True)
class Guard:
    """What this signer signed last, and when. Its file is never restored from a backup (DESIGN 6)."""

    signer: str
    origin: str
    frontier: tree.Frontier
    at: datetime | None = None

    def to_bytes(self) -> bytes:
        """The file's contents."""
        frontier = self.frontier.to_bytes().hex()
        facts = {"signer": self.signer, "origin": self.origin, "frontier": frontier}
        if self.at is not None:
            facts["at"] = self.at.isoformat()
        return json.dumps(facts, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> "Guard":
        """Read the file. Raises SignerRefused if it is not whole."""
        try:
            facts = json.loads(data)
            edge = tree.Frontier.from_bytes(bytes.fromhex(facts["frontier"]))
            at = datetime.fromisoformat(facts["at"]) if "at" in facts else None
            if at is not None and at.tzinfo is None:
                raise SignerRefused(detail="the signer's guard file has a time without a zone")
            return cls(facts["signer"], facts["origin"], edge, at)
        except (ValueError, KeyError, TypeError) as error:
            raise SignerRefused(detail="the signer's guard file is damaged") from error

    def moment(self, last: datetime | None) -> datetime:
        """The time for the next checkpoint: now, as long as no earlier checkpoint has a later one.

        `last` is the newest checkpoint's in the database; what this signer knows itself counts more, so that
        an operator can say that a clock was ahead. Raises ClockBehind.
        """
        now, latest = clock.now(), self.at or last
        if latest is not None and now < latest:
            raise ClockBehind(
                detail=f"the clock says {clock.wire(now)}, a checkpoint was signed at {clock.wire(latest)}; if that "
                "clock was ahead, `erti ledger signer adopt --clock-was-ahead` goes on from now"
            )
        return now
