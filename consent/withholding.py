"""What the law withholds: fixed in the open log at once, told to its citizen when due, counted for the country."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from consent import purposes
from consent.events import WithheldCheckpoint, WithheldCount, WithheldRevealed
from consent.ledger import logs, signer, withheld, withheld_again
from consent.ledger.logs import Log
from core import clock
from core.database import Database, parts
from core.events import SYSTEM, record

MOST_AT_ONCE = 100
MONTHS = 12
WITNESSES_AWAY = timedelta(days=1)


@dataclass(frozen=True)
class Month:
    """What is published of a month: at most how many entries the law withheld in the country, and by which agency."""

    month: str
    least: int
    at_most: int
    counts: Sequence[tuple[str, int]]


def tend(database: Database) -> None:
    """Do all that is due: fix, prove, reveal, count. For a worker; any number of them may."""
    fix(database)
    prove(database)
    reveal(database)
    count(database)


def fix(database: Database) -> int:
    """Put the hash of the withheld log's newest checkpoint into the open log, in a fixed rhythm; returns how many.

    Whether that log grew or not: the record tells nothing but that the log was signed. A witness who cosigns
    the open log then holds fast, without knowing it, what the withheld one was at that time.
    """
    with database.reading() as db:
        if not any(_to_fix(db, log) for log in logs.listing(db, logs.WITHHELD)):
            return 0
    done = 0
    with database.writing() as db:
        logs.lock(db, logs.WITHHELD)
        for log in logs.listing(db, logs.WITHHELD):
            signed = _to_fix(db, log)
            if signed is not None:
                event = WithheldCheckpoint(sha256=withheld.hash_of(signed.note))
                withheld_again.keep_note(database, signed.note)
                event_id = record(db, event, actor=SYSTEM)
                withheld.fix(
                    db,
                    event_id=event_id,
                    log=log.number,
                    size=signed.size,
                    note=signed.note,
                    at=clock.now(),
                )
                done += 1
    return done


def prove(database: Database) -> int:
    """Keep, for each fixed checkpoint, the first open one that covers it; returns how many were found.

    It is one that witnesses cosigned, unless they are away for a day: then the log's own signature is better
    than a later one of theirs, and the verdict says that nobody else saw it.
    """
    with database.reading() as db:
        found = []
        for one in withheld.unproved(db):
            signed = signer.published(db, one.log)
            if clock.now() - one.at > WITNESSES_AWAY and (signed is None or signed.size <= one.index):
                signed = signer.newest(db, one.log)
            if signed is not None and signed.size > one.index:
                found.append((one, signed))
    if found:
        with database.writing() as db:
            for one, signed in found:
                withheld.prove(db, one.event_id, size=signed.size, note=signed.note)
    return len(found)


def reveal(database: Database) -> int:
    """Tell citizens what was withheld about them and is due; returns how many entries.

    The entry that tells and the note that it was told are one transaction. What was erased meanwhile is only noted.
    """
    done = 0
    while True:
        with database.writing() as db:
            logs.lock(db, logs.WITHHELD)
            now = clock.now()
            found = withheld.due(db, now, most=MOST_AT_ONCE)
            for kept in found:
                by = None
                if kept.record is not None:
                    by = record(db, _revealed(kept), actor=SYSTEM, about=(kept.chain,))
                withheld.revealed(db, kept, by=by, at=now)
        done += len(found)
        if len(found) < MOST_AT_ONCE:
            return done


def count(database: Database) -> list[str]:
    """Publish how many entries the law withheld, of each month that is long enough ago; returns the months."""
    with database.reading() as db:
        if not _to_count(db):
            return []
    with database.writing() as db:
        logs.lock(db, logs.WITHHELD)
        months = _to_count(db)
        for month in months:
            withheld.count(db, month, record(db, _counted(db, month), actor=SYSTEM))
    return months


def published(db: Session, *, most: int = MONTHS) -> list[Month]:
    """Return what is published of the last months, the newest first."""
    found = []
    for one in withheld.published(db, most=most):
        said = one.said
        found.append(
            Month(said["month"], said["least"], said["at_most"], tuple(sorted(said["counts"].items())))
        )
    return found


def _to_fix(db: Session, log: Log) -> signer.Signed | None:
    """The checkpoint to fix now: of the log that grows in its rhythm, of one that was frozen its last."""
    signed, last = signer.newest(db, log.number), withheld.last_fixed(db, log.number)
    if signed is None or last is None:
        return signed
    size, at = last
    if log.frozen:
        return signed if signed.size > size else None
    rhythm = timedelta(seconds=parts(db).settings.withheld_checkpoint_seconds)
    return signed if clock.now() - at >= rhythm and signed.at > at else None


def _revealed(kept: withheld.Kept) -> WithheldRevealed:
    shown = kept.opened()
    data = shown["read"]["data"]
    return WithheldRevealed(
        agency=data["agency"],
        purpose=data["purpose"],
        outcome=data["outcome"],
        disclose_after=kept.disclose_after,
        **shown,
    )


def _to_count(db: Session) -> list[str]:
    """The months that are long enough ago and not counted yet, from the one on in which the log was opened."""
    opened = logs.leaf0(db, logs.FIRST_WITHHELD).get("at")
    if opened is None:
        return []
    last = withheld.last_counted(db)
    start = _number(datetime.fromisoformat(opened)) if last is None else _number_of(last) + 1
    stop = _number(clock.now()) - parts(db).settings.withheld_count_months
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(start, stop)]


def _number(at: datetime) -> int:
    return at.year * 12 + at.month - 1


def _number_of(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _counted(db: Session, month: str) -> WithheldCount:
    """A month's count. Every agency that may withhold is in it, and none with fewer than the settings' least.

    So neither that there was nothing, nor that there was one, can be told apart from a few.
    """
    least = parts(db).settings.withheld_count_least
    made = withheld.by_agency(db, month)
    may = {purpose.agency for purpose in purposes.listing(db) if purpose.withheld_days}
    counts = {agency: max(made.get(agency, 0), least) for agency in sorted(may | made.keys())}
    return WithheldCount(month=month, least=least, counts=counts, at_most=sum(counts.values()))
