"""Which looks a citizen wants to be told about, and finding them after they stand in the ledger."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Row,
    String,
    Table,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent import agencies, words
from consent.errors import AgencyUnknown
from consent.events import AlertsChanged
from consent.ledger import logs, openings, subjects
from consent.ledger.tables import entry, subject
from core import clock, limits
from core.database import Base, Database, Document, Moment, parts
from core.errors import TooMany
from core.events import Actor, record
from keys.errors import Shredded

CHUNK = 2000
MOST_CITIZENS = 50  # told of in one transaction, so that no release waits long behind it
MOST_LINES = 10
MOST_WATCHED = 50
CHANGES_A_DAY = 20  # each one is mailed
DAY_SECONDS = 86_400
RULES = tuple(words.ALERTS)
DEFAULT = ("new-body", "by-law", "staff")
_DECODER = msgspec.json.Decoder(dict[str, Any])

alert_choice = Table(
    "alert_choice",
    Base.metadata,
    Column("citizen", String(64), primary_key=True),
    Column("rules", Document, nullable=False),
    Column("agencies", Document, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

# How far each log was looked through; what the law withholds is in a log that has no row here.
alert_position = Table(
    "alert_position",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)

# How often a citizen was mailed on a day, and how many looks were kept back for the day's summary.
alert_day = Table(
    "alert_day",
    Base.metadata,
    Column("citizen", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("mailed", Integer, nullable=False),
    Column("held", Integer, nullable=False),
)


@dataclass(frozen=True)
class Choice:
    """What one citizen wants to be told about: names of rules, and agencies of which every look counts."""

    rules: tuple[str, ...] = DEFAULT
    agencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """One look that a citizen wants to be told about: who (None for staff of the service) and when."""

    agency: str | None
    at: datetime


@dataclass(frozen=True)
class Alert:
    """What one mail tells: looks, at most MOST_LINES of them by name, and how many more there were.

    A summary names none: it says how many there were on the day beyond those that were mailed.
    """

    citizen: str
    looks: tuple[Look, ...] = ()
    more: int = 0


Tell = Callable[[Session, Alert], None]


def choice(db: Session, citizen: str) -> Choice:
    """Return what a citizen chose, or the default."""
    return _choices(db, [citizen]).get(citizen, Choice())


def choose(db: Session, citizen: str, wanted: Choice, *, actor: Actor) -> Choice:
    """Keep what a citizen chose; the same again records nothing. Raises AgencyUnknown, TooMany.

    Names of rules that do not exist are left out, and no more than MOST_WATCHED agencies are kept.
    """
    rules = tuple(rule for rule in RULES if rule in wanted.rules)
    watched = tuple(sorted(set(wanted.agencies)))[:MOST_WATCHED]
    known = {agency.id for agency in agencies.listing(db)}
    if not known.issuperset(watched):
        raise AgencyUnknown(detail="watched")
    chosen = Choice(rules, watched)
    if chosen == choice(db, citizen):
        return chosen
    if wait := limits.hit(db, "alerts", citizen, most=CHANGES_A_DAY, per_seconds=DAY_SECONDS):
        raise TooMany(retry_after=wait)
    values = {"rules": list(rules), "agencies": list(watched), "changed_at": clock.now()}
    put = _insert(db, alert_choice).values(citizen=citizen, **values)
    db.execute(put.on_conflict_do_update(index_elements=["citizen"], set_=values))
    record(db, AlertsChanged(rules=rules, agencies=watched), actor=actor, about=[citizen])
    return chosen


def erase(db: Session, citizen: str) -> None:
    """Forget what a citizen chose."""
    db.execute(delete(alert_choice).where(alert_choice.c.citizen == citizen))
    db.execute(delete(alert_day).where(alert_day.c.citizen == citizen))


def watch(database: Database, tell: Tell) -> int:
    """Look through what joined the ledger since the last time; returns how many leaves.

    It runs after the entries are durable, so nothing that is released waits for it. Whoever moves the
    position on is the one who tells, in the same transaction: nobody is told twice, or not at all. The first
    time of all, what is there already is passed over.
    """
    with database.reading() as db:
        positions = {row.log: row.position for row in db.execute(select(alert_position))}
        new = [log for log in logs.listing(db) if log.size > positions.get(log.number, 0)]
        log = new[0].number if new else 0
        rows = _after(db, log, positions.get(log, 0)) if new and positions else ()
        found, end = _wanted(db, rows)
    if not new:
        return 0
    with database.writing() as db:
        if not positions:
            for one in new:
                _moved(db, one.number, None, one.size)
        elif _moved(db, log, positions.get(log), end):
            for citizen, looks in found.items():
                _notice(db, citizen, looks, tell)
    return int(end - positions.get(log, 0))


def sum_up(database: Database, tell: Tell) -> int:
    """For each day that is over, send one summary of the looks that were kept back; returns how many."""
    told, more = 0, True
    while more:
        with database.writing() as db:
            days = select(alert_day.c.citizen, alert_day.c.day).where(alert_day.c.day < _today(db))
            over = [tuple(row) for row in db.execute(days.limit(MOST_CITIZENS))]
            gone = delete(alert_day).where(tuple_(alert_day.c.citizen, alert_day.c.day).in_(over))
            rows = db.execute(gone.returning(alert_day.c.citizen, alert_day.c.held)).all() if over else ()
            kept = [row for row in rows if row.held]
            for row in kept:
                tell(db, Alert(row.citizen, more=row.held))
        told, more = told + len(kept), bool(over)
    return told


def in_office_hours(at: datetime, *, zone: str, hours: tuple[int, int], days: Sequence[int]) -> bool:
    """Tell whether a moment lies on a day with office hours, from the first hour until before the last.

    Days are ISO weekdays, 1 for Monday; public holidays are not known.
    """
    local = at.astimezone(ZoneInfo(zone))
    return local.isoweekday() in days and hours[0] <= local.hour < hours[1]


def _after(db: Session, log: int, position: int) -> Sequence[Row[*tuple[Any, ...]]]:
    return db.execute(
        select(
            entry.c.log,
            entry.c.leaf_index,
            entry.c.label,
            entry.c.seq,
            entry.c.kind,
            entry.c.agency,
            entry.c.basis,
            entry.c.outcome,
            entry.c.opening,
        )
        .where(entry.c.log == log, entry.c.leaf_index >= position)
        .order_by(entry.c.leaf_index)
        .limit(CHUNK)
    ).all()


def _wanted(db: Session, rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[dict[str, list[Look]], int]:
    """Return the looks to tell of by citizen, and up to which leaf these are all of them."""
    kinds = set(words.kinds("reads"))
    looks = [row for row in rows if row.label is not None and row.kind in kinds and row.outcome == "released"]
    found: dict[str, list[Look]] = {}
    end = rows[-1].leaf_index + 1 if rows else 0
    if not looks:
        return found, end
    labels = {row.label for row in looks}
    owners = {
        row.label: row.chain
        for row in db.execute(
            select(subject.c.label, subject.c.chain).where(
                subject.c.label.in_(labels), subject.c.log.in_(logs.SHOWN)
            )
        )
        if not openings.is_office(row.chain)
    }
    chosen = _choices(db, owners.values())
    firsts = _firsts(db, [label for label, owner in owners.items() if _asks(chosen, owner, "new-body")])
    for row in looks:
        owner = owners.get(row.label)
        if owner is None:
            continue
        mine = chosen.get(owner, Choice())
        by_column = _by_columns(row, mine, firsts)
        if not by_column and "outside-hours" not in mine.rules:
            continue
        at = _at(db, owner, row)
        if at is not None and (by_column or not _in_hours(db, at)):
            if owner not in found and len(found) == MOST_CITIZENS:
                return found, row.leaf_index
            found.setdefault(owner, []).append(Look(row.agency, at))
    return found, end


def _by_columns(row: Any, mine: Choice, firsts: Mapping[tuple[bytes, str], tuple[int, int]]) -> bool:
    """Tell whether the clear columns alone make it a look to be told about."""
    if row.agency is None:
        return "staff" in mine.rules
    return (
        row.agency in mine.agencies
        or ("by-law" in mine.rules and row.basis == "law")
        or ("new-body" in mine.rules and firsts.get((row.label, row.agency)) == (row.log, row.seq))
    )


def _asks(chosen: Mapping[str, Choice], owner: str, rule: str) -> bool:
    return rule in chosen.get(owner, Choice()).rules


def _firsts(db: Session, labels: Sequence[bytes]) -> dict[tuple[bytes, str], tuple[int, int]]:
    """Return where in a chain each agency looked first: in which log, at which place."""
    if not labels:
        return {}
    looked = (
        entry.c.label.in_(labels),
        entry.c.log.in_(logs.SHOWN),
        entry.c.kind.in_(words.kinds("reads")),
        entry.c.outcome == "released",
        entry.c.agency.is_not(None),
    )
    place = (entry.c.label, entry.c.agency, entry.c.log)
    query = select(*place, func.min(entry.c.seq).label("seq")).where(*looked).group_by(*place)
    found: dict[tuple[bytes, str], tuple[int, int]] = {}
    for row in db.execute(query):
        first = (row.log, row.seq)
        found[row.label, row.agency] = min(found.get((row.label, row.agency), first), first)
    return found


def _choices(db: Session, citizens: Any) -> dict[str, Choice]:
    rows = db.execute(select(alert_choice).where(alert_choice.c.citizen.in_(list(citizens))))
    return {row.citizen: Choice(tuple(row.rules), tuple(row.agencies)) for row in rows}


def _at(db: Session, owner: str, row: Any) -> datetime | None:
    """Return when it was, which only the record says; None where it was erased meanwhile."""
    if row.opening is None:
        return None
    try:
        _nonce, content = subjects.open_opening(db, owner, (row.log, row.leaf_index), row.opening)
    except Shredded:
        return None
    return datetime.fromisoformat(_DECODER.decode(content)["at"])


def _in_hours(db: Session, at: datetime) -> bool:
    settings = parts(db).settings
    return in_office_hours(
        at, zone=settings.time_zone, hours=settings.office_hours, days=settings.office_days
    )


def _moved(db: Session, log: int, old: int | None, new: int) -> bool:
    """Move a log's position on, unless another worker did meanwhile."""
    if old is None:
        first = _insert(db, alert_position).values(log=log, position=new).on_conflict_do_nothing()
        return db.execute(first.returning(alert_position.c.log)).first() is not None
    here = (alert_position.c.log == log, alert_position.c.position == old)
    moved = update(alert_position).where(*here).values(position=new).returning(alert_position.c.log)
    return db.execute(moved).first() is not None


def _notice(db: Session, citizen: str, looks: list[Look], tell: Tell) -> None:
    """Send one mail about these looks, or keep them for the day's summary."""
    here = (alert_day.c.citizen == citizen, alert_day.c.day == _today(db))
    fresh = _insert(db, alert_day).values(citizen=citizen, day=_today(db), mailed=0, held=0)
    db.execute(fresh.on_conflict_do_nothing())
    mailed = db.scalar(select(alert_day.c.mailed).where(*here).with_for_update()) or 0
    if mailed < parts(db).settings.alert_mails_a_day:
        db.execute(update(alert_day).where(*here).values(mailed=mailed + 1))
        tell(db, Alert(citizen, tuple(looks[:MOST_LINES]), more=max(0, len(looks) - MOST_LINES)))
    else:
        db.execute(update(alert_day).where(*here).values(held=alert_day.c.held + len(looks)))


def _today(db: Session) -> str:
    zone = ZoneInfo(parts(db).settings.time_zone)
    return (clock.now().astimezone(zone)).date().isoformat()


def _insert(db: Session, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if db.get_bind().dialect.name == "sqlite" else postgresql.insert(table)
