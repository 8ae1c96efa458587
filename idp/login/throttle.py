"""How often somebody may guess: counted so that an attacker is stopped and the owner is not."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from core import limits
from core.events import SYSTEM, record
from idp import notify
from idp.events import GuessingStopped
from idp.login import devices
from idp.login.devices import Visitor

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Limit:
    """So many in so many seconds."""

    most: int
    per_seconds: int


@dataclass(frozen=True)
class Way:
    """What is guessed, and how often: on all unknown devices together, on one known device, from one network."""

    name: str
    unknown: Limit
    known: Limit
    network: Limit


PASSWORD = Way("password", Limit(10, 900), Limit(10, 900), Limit(100, 900))
CODE = Way("totp", Limit(10, 3600), Limit(10, 900), Limit(100, 900))
ACTIVATION = Way("activation", Limit(0, 0), Limit(0, 0), Limit(20, 900))
CARD = Way("card", Limit(10, 3600), Limit(10, 900), Limit(100, 900))
RECOVERY = Way("recovery", Limit(0, 0), Limit(0, 0), Limit(20, 900))


def attempt(db: Session, way: Way, subject: str, visitor: Visitor, *, known: bool) -> int:
    """Count a guess before it is looked at; return 0 if it may be looked at, else the seconds to wait.

    A browser the account was used from before counts alone: whatever others do, its owner may try.
    Unknown ones share one count for the account, and one for their network. Counting first, in a
    transaction of its own, leaves nothing to win by guessing in parallel.
    """
    if known:
        key = f"{subject}\x00{devices.digest(visitor)}"
        return limits.hit(
            db, f"{way.name}:device", key, most=way.known.most, per_seconds=way.known.per_seconds
        )
    if wait := crowded(db, way, visitor):
        return wait
    return limits.hit(
        db, f"{way.name}:account", subject, most=way.unknown.most, per_seconds=way.unknown.per_seconds
    )


def crowded(db: Session, way: Way, visitor: Visitor) -> int:
    """Return the seconds to wait if too many guesses from this network failed, else 0; counts nothing."""
    return limits.check(db, f"{way.name}:network", visitor.network, most=way.network.most)


def failed(db: Session, way: Way, visitor: Visitor) -> None:
    """Count a wrong guess against its network."""
    limits.hit(
        db, f"{way.name}:network", visitor.network, most=way.network.most, per_seconds=way.network.per_seconds
    )


def succeeded(db: Session, way: Way, subject: str, visitor: Visitor, *, known: bool) -> None:
    """Start the count anew after a right answer; the network's count stays."""
    if known:
        limits.forget(db, f"{way.name}:device", f"{subject}\x00{devices.digest(visitor)}")
    else:
        limits.forget(db, f"{way.name}:account", subject)


def stopped(db: Session, way: Way, subject: str, *, somebody: bool = True) -> None:
    """Tell the owner once a day that guessing at the account was stopped: in the history, and by mail.

    For a name that is nobody's (`somebody=False`) the same is counted and nothing told.
    """
    first = limits.hit(db, f"{way.name}:told", subject, most=1, per_seconds=DAY_SECONDS) == 0
    if first and somebody:
        record(db, GuessingStopped(method=way.name), actor=SYSTEM, about=[subject])
        notify.tell(db, subject, "guessing")
