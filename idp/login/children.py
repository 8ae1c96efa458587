"""What a counter needs before it gives a child a way in: a parent or guardian whom a register names, or a second official."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from consent import guardians, mandates
from consent.mandates import Mandate
from core import clock
from core.errors import Refused
from core.events import Actor, record
from idp import notify
from idp.errors import GuardianNeeded, NobodyActs, NotTheirGuardian, SomebodyActs
from idp.events import ChildsWayIn
from idp.tables import child_waiver as table

LETTER, CARD = "letter", "card"
BY_OFFICE = "office"  # nobody acts for the child, and a second official agreed
WAIVER_LASTS = timedelta(days=3)


@dataclass(frozen=True)
class Presence:
    """Who is at the counter with a child and agrees, by which document they were known, where, and to which clerk."""

    representative: str = ""
    document: str = ""
    office: str = ""
    clerk: str = ""


ALONE = Presence()


def acting(db: Session, child: str) -> list[Mandate]:
    """Return by which live mandates parents or guardians act for a child, as a register says."""
    grounds = (guardians.PARENT, guardians.GUARDIAN)
    return [one for one in mandates.given_by(db, child) if one.ground in grounds and one.is_live]


def bar(db: Session, citizen: str, presence: Presence) -> Refused | None:
    """Return what is missing before a citizen gets a letter or card, or None: for who is of age nothing is.

    Which of those whom a register names is there is the child's and the family's affair; the others are told. Nobody
    learns here whom it names.
    """
    if not guardians.is_minor(db, citizen):
        return None
    holders = {one.holder for one in acting(db, citizen)}
    if not holders:
        return None if _waiver(db, citizen) else NobodyActs()
    if not presence.representative:
        return GuardianNeeded()
    return None if presence.representative in holders else NotTheirGuardian()


def agree(db: Session, citizen: str, way: str, presence: Presence, *, posted: bool, actor: Actor) -> None:
    """Write down who agreed that a child gets a letter or card, and tell everybody who acts for it; nothing for who is of age.

    Raises GuardianNeeded, NotTheirGuardian, or NobodyActs where a second official has to agree first.
    """
    if why := bar(db, citizen, presence):
        raise why
    if not guardians.is_minor(db, citizen):
        return
    those = acting(db, citizen)
    relation = next((one.ground for one in those if one.holder == presence.representative), BY_OFFICE)
    used = delete(table).where(table.c.citizen_id == citizen).returning(table.c.citizen_id)  # it was for once
    if db.execute(used).first() is None and not those:
        raise NobodyActs
    event = ChildsWayIn(
        citizen=citizen,
        way=way,
        relation=relation,
        representative=presence.representative if those else "",
        document=presence.document if those else "",
        office=presence.office,
        clerk=presence.clerk,
        posted=posted,
    )
    told = sorted({one.holder for one in those})
    record(db, event, actor=actor, about=[citizen, *told])
    for holder in told:
        notify.tell(db, holder, "child-way-in")


def waive(db: Session, child: str, *, agreed_by: str) -> None:
    """Let a counter make one letter or card for a child for whom nobody acts; a second official agreed. Raises SomebodyActs."""
    if acting(db, child) or not guardians.is_minor(db, child):
        raise SomebodyActs
    db.execute(delete(table).where(table.c.citizen_id == child))
    ends_at = clock.now() + WAIVER_LASTS
    db.execute(insert(table).values(citizen_id=child, agreed_by=agreed_by, ends_at=ends_at))


def purge(db: Session) -> None:
    """Delete agreements of a second official that nobody used."""
    db.execute(delete(table).where(table.c.ends_at <= clock.now()))


def _waiver(db: Session, child: str) -> bool:
    live = select(table.c.citizen_id).where(table.c.citizen_id == child, table.c.ends_at > clock.now())
    return db.execute(live).first() is not None
