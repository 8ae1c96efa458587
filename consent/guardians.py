"""Who acts for another by birth or law: a register's word, kept as a mandate that ends by itself."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from consent import mandates
from consent.mandates import Mandate
from core import clock
from core.database import parts
from core.events import Actor
from registry_sync import people
from registry_sync.people import LIVING

PARENT: Final = "parent"
GUARDIAN: Final = "guardian"
NO_END: Final = timedelta(days=100 * 366)  # until a court says otherwise


def is_minor(db: Session, citizen: str) -> bool:
    """Tell whether a citizen is too young to decide on their own data (`age_of_consent`).

    Who was born on no known day counts as of age: nobody is put under another's hand by a gap in a register.
    """
    day = comes_of_age(db, citizen)
    return day is not None and day > clock.now()


def comes_of_age(db: Session, citizen: str) -> datetime | None:
    """Return the moment from which a citizen decides themselves; of a partial date of birth the earliest. None if unknown."""
    person = people.find(db, citizen)
    if person is None or not person.born:
        return None
    settings = parts(db).settings
    return _birthday(person.born, settings.age_of_consent, settings.time_zone)


def state(
    db: Session, *, citizen: str, acts: str, relation: str, source: str, as_of: str, until: str, actor: Actor
) -> Mandate | None:
    """Let somebody act for a citizen, as a register says; None if that is over already, or one of them does not live.

    A parent's right ends on the birthday on which the child decides itself. Whoever gets a guardian acts for nobody else
    any more, nor does whom they chose themselves act for them. The same said again changes nothing; anything else takes the place of what was said before.
    """
    ends = _end(db, citizen, relation, until)
    standing = mandates.of_ground(db, relation, giver=citizen, holder=acts)
    kept = next((one for one in standing if ends is not None and _same(one.expires_at, ends)), None)
    for one in standing:
        if one is not kept:
            mandates.finish(db, one, reason="changed", actor=actor)
    living = [people.find(db, one) for one in (citizen, acts)]
    if ends is None or any(one is None or one.state != LIVING for one in living):
        return None
    if relation == GUARDIAN:
        mandates.end_own(db, citizen, reason="guarded", actor=actor)
    return kept or mandates.establish(
        db, giver=citizen, holder=acts, ground=relation, source=source, as_of=as_of, until=ends, actor=actor
    )


def end(db: Session, *, citizen: str, acts: str, relation: str, actor: Actor) -> None:
    """Let nobody act for a citizen on this ground any more, as a register says, e.g. after a court's decision."""
    for one in mandates.of_ground(db, relation, giver=citizen, holder=acts):
        mandates.finish(db, one, reason="register", actor=actor)


def reckon(db: Session, citizen: str, *, actor: Actor) -> None:
    """Let the rights of a citizen's parents end on the birthday that a register now says."""
    for one in mandates.of_ground(db, PARENT, giver=citizen):
        state(
            db,
            citizen=citizen,
            acts=one.holder,
            relation=PARENT,
            source=one.source or "",
            as_of=one.as_of or "",
            until="",
            actor=actor,
        )


def _end(db: Session, citizen: str, relation: str, until: str) -> datetime | None:
    """Return the moment at which a right ends, None if that is over or cannot be known."""
    last = _after(until, parts(db).settings.time_zone) if until else None
    if relation == PARENT:
        grown = comes_of_age(db, citizen)
        last = min(grown, last or grown) if grown else None
    elif last is None:
        last = clock.now() + NO_END
    return last if last is not None and last > clock.now() else None


def _same(first: datetime, second: datetime) -> bool:
    # Without an end each is reckoned from the moment it was said.
    both_open = min(first, second) > clock.now() + NO_END / 2
    return both_open or first == second


def _birthday(born: str, age: int, zone: str) -> datetime:
    """Return the first moment of a birthday; who was born on 29 February has it on 1 March in other years."""
    first = date.fromisoformat(born + "0000-01-01"[len(born) :])
    try:
        day = first.replace(year=first.year + age)
    except ValueError:
        day = date(first.year + age, 3, 1)
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _after(day: str, zone: str) -> datetime:
    """Return the first moment after a day."""
    last = min(date.fromisoformat(day), date(9000, 1, 1))
    return datetime.combine(last + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
