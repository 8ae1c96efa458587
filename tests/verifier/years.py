"""Two years of a ledger: a log that ended, the one that follows it, and what witnesses saw of either."""

from __future__ import annotations

from consent.ledger import note
from tests.verifier import forging

NEXT = "ledger.test.example/2"


def two_years() -> tuple[forging.Log, forging.Log]:
    """A log that ended, and the one that follows it; the citizen has entries in both."""
    first = forging.twenty()
    first.close()
    second = forging.Log(origin=NEXT, before=first)
    second.add("NEIGHBOUR")
    second.add()
    return first, second


WITNESSES = [note.CosignatureSigner(f"w{number}.example", bytes([number + 1]) * 32) for number in range(3)]
_LINES = "".join(f"witness w{number} {one.key.text()}\n" for number, one in enumerate(WITNESSES))
WATCHED = forging.policy(origin=NEXT).replace(
    b"quorum none\n", f"{_LINES}group two 2 w0 w1 w2\nquorum two\n".encode()
)


def cosigned(log: forging.Log, *, by: int = 2) -> str:
    """The checkpoint of a log, with so many witnesses under it."""
    lines = [one.sign(log.checkpoint_head(), at=forging.NOW).line() for one in WITNESSES[:by]]
    return log.checkpoint() + "".join(lines)


def watched(first: forging.Log, second: forging.Log, end: str) -> forging.Bundle:
    """A bundle through two logs of which the second is cosigned, and `end` is shown as the end of the first."""
    bundle = second.bundle()
    bundle["logs"][0]["checkpoint"] = end
    return bundle | {"checkpoint": cosigned(second)}


def years_rewritten() -> tuple[list[forging.Bundle], list[str]]:
    """Bundles through two years, the first as witnesses saw it end or as an operator had it afterwards; their verdicts."""
    first, second = two_years()
    honest = watched(first, second, cosigned(first))
    few = watched(first, second, cosigned(first, by=1))
    shorter = forging.Log()
    for _entry in range(3):
        shorter.add()
    shorter.close()
    after = forging.Log(origin=NEXT, before=shorter)
    after.add()
    return [
        honest,
        few,
        watched(shorter, after, shorter.checkpoint()),  # nobody saw it end so
        watched(shorter, after, cosigned(first)),  # what they saw is another tree
    ], ["VALID-COMPLETE", "UNWITNESSED", "UNWITNESSED", "FORK"]
