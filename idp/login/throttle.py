"""How often somebody may guess: counted so that an attacker is stopped and the owner is not."""

from dataclasses import dataclass
from ipaddress import ip_network

import structlog
from sqlalchemy.orm import Session

from core import limits
from core.database import Database, parts
from core.errors import TooMany
from core.events import SYSTEM, record
from idp import disavowals, notify
from idp.events import GuessingStopped
from idp.login import devices
from idp.login.devices import Visitor

log = structlog.get_logger("erti.throttle")
DAY_SECONDS = 86_400
MOST_A_DAY = 100
CHOSEN_A_DAY = 20
NAMES_A_DAY = 20
EVERYWHERE, ALARM_SECONDS = "guessing:everywhere", 300


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
# Codes of 60 bits from letters: nobody guesses one from many networks, and nobody is kept out by others' guesses.
MAILED = Way("mailed", Limit(0, 0), Limit(0, 0), Limit(20, 900))
ASKING = Way(
    "asking", Limit(0, 0), Limit(0, 0), Limit(20, 900)
)  # for such a code; apart, so that it stops no code

WAYS = (PASSWORD, CODE, ACTIVATION, CARD, RECOVERY, MAILED, ASKING)


def attempt(db: Session, way: Way, subject: str, visitor: Visitor, *, known: bool) -> int:
    """Count a guess before it is looked at; return 0 if it may be looked at, else the seconds to wait.

    A browser the account was used from before counts alone: whatever others do, its owner may try.
    Unknown ones share one count for the account, and one for their network. Both kinds may guess MOST_A_DAY times a day
    (NIST SP 800-63B-4, 3.2.2). Counting first, in a transaction of its own, leaves nothing to win by guessing in parallel.
    """
    if not known and (wait := crowded(db, way, visitor)):
        return wait
    who, limit = ("device", way.known) if known else ("account", way.unknown)
    key = _device(subject, visitor) if known else subject
    wait = limits.hit(db, f"{way.name}:{who}", key, most=limit.most, per_seconds=limit.per_seconds)
    if not wait:
        wait = limits.hit(db, f"{way.name}:{who}:day", key, most=MOST_A_DAY, per_seconds=DAY_SECONDS)
    if wait:
        limits.hit(db, f"{way.name}:over", subject, most=1, per_seconds=wait)
    return wait


def in_turn(db: Session, way: Way, visitor: Visitor) -> int:
    """Return the seconds to wait if too many guesses from this network failed, else 0, for what is counted by network alone.

    It is counted afterwards, by `failed`: so of several guesses from one network each waits here until the one before
    is committed, which leaves nothing to win by guessing in parallel.
    """
    if wait := crowded(db, way, visitor):  # nothing to queue for
        return wait
    limits.hold(db, f"{way.name}:network", visitor.network, per_seconds=way.network.per_seconds)
    return crowded(db, way, visitor)


def answered(db: Session, way: Way, visitor: Visitor, *, right: bool) -> int:
    """Count a code that was looked at although its network may have failed too often; return the seconds to wait if so.

    For codes that stop something and cannot be guessed: the owner stops it whatever others on the same network do.
    """
    if right:
        return 0
    wait = in_turn(db, way, visitor)
    if not wait:
        failed(db, way, visitor)
    return wait


def crowded(db: Session, way: Way, visitor: Visitor) -> int:
    """Return the seconds to wait if too many guesses from this network failed, else 0; counts nothing.

    Whoever holds a whole range of addresses may fail ten times as often from all of it as from one. While
    wrong guesses come from everywhere, each network may fail a tenth as often.
    """
    everywhere, near, far = limits.counts(
        db,
        [
            (EVERYWHERE, way.name),
            (f"{way.name}:network", visitor.network),
            (f"{way.name}:range", around(visitor.network)),
        ],
    )
    most = way.network.most // (10 if everywhere.wait(parts(db).settings.guessing_alarm) else 1)
    return max(near.wait(most), far.wait(10 * most))


def failed(db: Session, way: Way, visitor: Visitor) -> None:
    """Count a wrong guess against its network, the range around it and the country, and write down if that is an attack."""
    limit = way.network
    limits.hit(db, f"{way.name}:network", visitor.network, most=limit.most, per_seconds=limit.per_seconds)
    limits.hit(
        db, f"{way.name}:range", around(visitor.network), most=limit.most, per_seconds=limit.per_seconds
    )
    alarm = parts(db).settings.guessing_alarm
    if limits.hit(db, EVERYWHERE, way.name, most=alarm, per_seconds=ALARM_SECONDS) and not limits.hit(
        db, f"{EVERYWHERE}:said", way.name, most=1, per_seconds=ALARM_SECONDS
    ):
        log.warning("guessing everywhere", method=way.name, wrong=alarm, seconds=ALARM_SECONDS)


def everywhere(db: Session) -> dict[str, tuple[int, bool]]:
    """Return for each way how many wrong guesses the country counts at the moment, and whether that is an attack."""
    alarm = parts(db).settings.guessing_alarm
    found = limits.counts(db, [(EVERYWHERE, way.name) for way in WAYS])
    return {way.name: (one.hits, one.wait(alarm) > 0) for way, one in zip(WAYS, found, strict=True)}


def around(network: str) -> str:
    """Return the range that one holder of addresses is likely to have: the /48 of an IPv6 network, the /24 of an IPv4 address."""
    try:
        found = ip_network(network)
    except ValueError:
        return network
    length = 48 if found.version == 6 else 24
    return str(found.supernet(new_prefix=length)) if found.prefixlen > length else network


def choose(database: Database, citizen_id: str) -> None:
    """Count a password or PIN that somebody chooses before it is hashed, which is slow on purpose. Raises TooMany."""
    with database.writing() as db:
        wait = limits.hit(db, "choosing", citizen_id, most=CHOSEN_A_DAY, per_seconds=DAY_SECONDS)
    if wait:
        raise TooMany(retry_after=wait)


def succeeded(db: Session, way: Way, subject: str, visitor: Visitor, *, known: bool) -> None:
    """Start the count anew after a right answer; the network's count stays."""
    who, key = ("device", _device(subject, visitor)) if known else ("account", subject)
    limits.forget(db, [(f"{way.name}:{who}", key), (f"{way.name}:{who}:day", key)])


def new_codes(db: Session, citizen_id: str) -> None:
    """Count a new sheet of recovery codes, of which letters tell. Raises TooMany after CHOSEN_A_DAY."""
    if wait := limits.hit(db, "codes", citizen_id, most=CHOSEN_A_DAY, per_seconds=DAY_SECONDS):
        raise TooMany(retry_after=wait)


def try_name(db: Session, citizen_id: str) -> None:
    """Count a sign-in name before it is looked at: who is told that it is taken learns that somebody has it.

    Raises TooMany after NAMES_A_DAY. Its transaction must be one of its own, so that a refused name stays counted.
    """
    if wait := limits.hit(db, "name", citizen_id, most=NAMES_A_DAY, per_seconds=DAY_SECONDS):
        raise TooMany(retry_after=wait)


def stopped(db: Session, way: Way, subject: str, *, somebody: bool = True) -> bool:
    """Tell the owner once a day that guessing at the account was stopped, in the history and by mail; True if this was the time.

    The letter has a link with which they try all the same, from a browser that nobody knows (`devices.welcome`).

    A network that was stopped says nothing about an account, so nobody is told, and nothing grows with the names that
    are tried from it. For a name that is nobody's (`somebody=False`) the same is counted and nothing told.
    """
    if not limits.check(db, f"{way.name}:over", subject, most=1):
        return False
    first = limits.hit(db, f"{way.name}:told", subject, most=1, per_seconds=DAY_SECONDS) == 0
    if first and somebody:
        record(db, GuessingStopped(method=way.name), actor=SYSTEM, about=[subject])
        notify.tell(db, subject, disavowals.TRY, {"link": disavowals.make(db, subject, disavowals.TRY)})
    return first


def _device(subject: str, visitor: Visitor) -> str:
    return f"{subject}\x00{devices.digest(visitor)}"
