"""Mandates, each the right to act for another until a day: given by a citizen, or known from a register by birth or law."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from consent.acts import MandateEnded, MandateGiven
from consent.errors import MandateByLaw, MandateOver, MandateUnknown
from consent.tables import mandate as table
from core import clock
from core.events import SYSTEM, Actor, record

GIVEN = "citizen"  # the ground of what a citizen gave; every other is a register's word
OFFER_LASTS = timedelta(days=30)
ENDLESS = timedelta(days=50 * 366)
EXPIRED_AT_ONCE = 500
DECEASED, GIVEN_BACK = "deceased", "given-back"
_ALL = select(table)


@dataclass(frozen=True)
class Mandate:
    """One mandate. `giver` is represented by `holder`, at whole agencies and for single purposes.

    `state` is offered, given, declined, withdrawn (by the giver), resigned (by the holder), expired or
    ended; `version` counts its changes. `ground` is citizen, or parent or guardian: then it is for everything that
    representation is open to, and `source` says so as of the day `as_of`. `reason` is why it ended; while it `rests`
    nobody acts on it.
    """

    id: str
    giver: str
    holder: str
    agencies: tuple[str, ...]
    purposes: tuple[str, ...]
    state: str
    offered_at: datetime
    answered_at: datetime | None
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    version: int
    ground: str = GIVEN
    source: str | None = None
    as_of: str | None = None
    reason: str | None = None
    rests: bool = False

    @property
    def is_by_law(self) -> bool:
        """True if neither of the two can give it up: it ends by a register's word, by a birthday or a death."""
        return self.ground != GIVEN

    @property
    def has_end(self) -> bool:
        """True unless it lasts until somebody says otherwise, as a guardian's may."""
        return self.expires_at - self.offered_at < ENDLESS

    @property
    def is_live(self) -> bool:
        """True while the holder may act on it."""
        return self.is_given and not self.rests

    @property
    def is_given(self) -> bool:
        """True until it ends, also while it rests."""
        return self.state == "given" and self.expires_at > clock.now()

    @property
    def is_open(self) -> bool:
        """True while the offer can be accepted."""
        at = clock.now()
        return self.state == "offered" and self.expires_at > at and self.offered_at + OFFER_LASTS > at

    def covers(self, *, agency: str, purpose: str) -> bool:
        """Tell whether it is for this purpose, or for all that this agency does."""
        return self.is_by_law or agency in self.agencies or purpose in self.purposes


def begin(db: Session, made: Mandate) -> None:
    """Keep a new mandate, or a new offer of one; who makes it says so in the histories."""
    db.execute(insert(table).values(_row(made)))


def standing(db: Session, giver: str) -> int:
    """Return how many mandates somebody gave or offered on their own word that are not ended."""
    those = and_(_own(giver), table.c.state.in_(("offered", "given")))
    return db.scalar(select(func.count()).select_from(table).where(those)) or 0


def end(db: Session, mandate_id: str, *, citizen: str, actor: Actor) -> Mandate:
    """End a mandate, or an offer of one, on the word of either of the two; one that is over stays as it is.

    Raises MandateUnknown, and MandateByLaw for one that is nobody's to end.
    """
    now = hold_one(db, mandate_id)
    if citizen not in (now.giver, now.holder):
        raise MandateUnknown(detail=mandate_id[:32])
    if now.is_by_law:
        raise MandateByLaw(detail=mandate_id[:32])
    if now.state not in ("offered", "given"):
        return now
    state = "withdrawn" if citizen == now.giver else "declined" if now.state == "offered" else "resigned"
    return _end(db, now, state=state, reason=state, actor=actor)


def establish(
    db: Session,
    *,
    giver: str,
    holder: str,
    ground: str,
    source: str,
    as_of: str,
    until: datetime,
    actor: Actor,
) -> Mandate:
    """Keep that somebody acts for another by birth or law, as a register says; it counts from now on."""
    at = clock.now()
    made = Mandate(
        id=secrets.token_hex(16),
        giver=giver,
        holder=holder,
        agencies=(),
        purposes=(),
        state="given",
        offered_at=at,
        answered_at=at,
        expires_at=until,
        ended_at=None,
        ended_by=None,
        version=1,
        ground=ground,
        source=source,
        as_of=as_of,
    )
    begin(db, made)
    record(db, given(made), actor=actor, about=[giver, holder])
    return made


def of_ground(db: Session, ground: str, *, giver: str, holder: str | None = None) -> list[Mandate]:
    """Return the live mandates on a ground under which somebody (or this holder) acts for another, held for a change."""
    whose = _ALL.where(table.c.giver == giver, table.c.ground == ground, table.c.state == "given")
    found = whose.where(table.c.holder == holder) if holder else whose
    return [one for one in _read(db, found.order_by(table.c.id).with_for_update()) if one.is_live]


def finish(db: Session, mandate: Mandate, *, reason: str, actor: Actor) -> Mandate:
    """End a mandate that the caller holds, on nobody's own word; `reason` is told in both histories."""
    return _end(db, mandate, state="ended", reason=reason, actor=actor)


def hold(db: Session, mandate: Mandate) -> bool:
    """Tell whether a mandate still counts as it was read; it stays so until the caller's transaction ends."""
    query = _ALL.where(table.c.id == mandate.id).with_for_update(read=True)
    return any(one.is_live and one.version == mandate.version for one in _read(db, query))


def end_all(db: Session, citizen: str, *, reason: str, actor: Actor) -> None:
    """End every mandate that a citizen gave or holds, as after a death."""
    _end_those(db, _of(citizen), reason=reason, actor=actor)


def end_own(db: Session, citizen: str, *, reason: str, actor: Actor) -> None:
    """End what a citizen gave on their own word and everything they hold; who acts for them by birth or law goes on."""
    _end_those(db, or_(table.c.holder == citizen, _own(citizen)), reason=reason, actor=actor)


def end_offers(db: Session, giver: str, *, since: datetime | None = None, reason: str, actor: Actor) -> None:
    """End what somebody offered and nobody accepted yet, and what was offered `since` a moment even if it was accepted."""
    late = (
        table.c.state == "offered"
        if since is None
        else or_(table.c.state == "offered", table.c.offered_at >= since)
    )
    _end_those(db, and_(_own(giver), late), reason=reason, actor=actor)


def rest(db: Session, giver: str, *, rests: bool) -> list[str]:
    """Let what somebody gave on their own word rest, or count again; return which mandates that are."""
    changed = and_(_own(giver), table.c.state == "given", table.c.rests.is_not(rests))
    values = {"rests": rests, "version": table.c.version + 1}
    return list(db.scalars(update(table).where(changed).values(values).returning(table.c.id)))


def give_back(db: Session, citizen: str, *, actor: Actor) -> None:
    """Let those act again who did so by birth or law until a death was told of that was none."""
    ended = and_(_of(citizen), table.c.state == "ended", table.c.reason == DECEASED, table.c.ground != GIVEN)
    for one in _read(
        db, _ALL.where(ended, table.c.expires_at > clock.now()).order_by(table.c.id).with_for_update()
    ):
        keep(db, replace(one, reason=GIVEN_BACK, version=one.version + 1), one)
        establish(
            db,
            giver=one.giver,
            holder=one.holder,
            ground=one.ground,
            source=one.source or "",
            as_of=one.as_of or "",
            until=one.expires_at,
            actor=actor,
        )


def givers_of_expired(db: Session) -> list[str]:
    """Return of whom mandates or offers have run out that no history says so of yet; of many some."""
    found = select(table.c.giver).where(_run_out()).distinct().order_by(table.c.giver)
    return list(db.scalars(found.limit(EXPIRED_AT_ONCE)))


def expire(db: Session, giver: str) -> int:
    """Note in the histories which mandates of a giver have run out; they stop counting at that moment anyway.

    An end may give the giver's account back, so whoever calls this holds the account before.
    """
    found = _ALL.where(table.c.giver == giver, _run_out()).order_by(table.c.id)
    held = [_mandate(row) for row in db.execute(found.with_for_update(skip_locked=True))]
    for one in held:
        _end(db, one, state="expired", reason="expired", actor=SYSTEM)
    return len(held)


def covering(db: Session, *, giver: str, holder: str, agency: str, purpose: str) -> Mandate | None:
    """Return a live mandate under which `holder` may act for `giver` in this, the one that lasts longest."""
    found = _ALL.where(table.c.giver == giver, table.c.holder == holder, table.c.state == "given")
    live = [one for one in _read(db, found) if one.is_live and one.covers(agency=agency, purpose=purpose)]
    return max(live, key=lambda one: one.expires_at, default=None)


def represented(db: Session, holder: str, *, agency: str, purpose: str) -> list[Mandate]:
    """Return the live mandates under which a citizen may act for others in this, one for each of them."""
    found = _read(db, _ALL.where(table.c.holder == holder, table.c.state == "given"))
    live = [one for one in found if one.is_live and one.covers(agency=agency, purpose=purpose)]
    return list({one.giver: one for one in sorted(live, key=lambda one: one.expires_at)}.values())


def given_by(db: Session, citizen: str) -> list[Mandate]:
    """Return what a citizen gave or offered, the newest first."""
    return _read(db, _ALL.where(table.c.giver == citizen).order_by(table.c.offered_at.desc(), table.c.id))


def held_by(db: Session, citizen: str) -> list[Mandate]:
    """Return what a citizen holds or was offered, the newest first."""
    return _read(db, _ALL.where(table.c.holder == citizen).order_by(table.c.offered_at.desc(), table.c.id))


def find(db: Session, mandate_id: str) -> Mandate | None:
    """Return a mandate, or None."""
    return next(iter(_read(db, _ALL.where(table.c.id == mandate_id))), None)


def given(one: Mandate) -> MandateGiven:
    """Return what the histories say of a mandate that counts from now on."""
    return MandateGiven(
        mandate=one.id,
        giver=one.giver,
        holder=one.holder,
        agencies=one.agencies,
        purposes=one.purposes,
        expires_at=one.expires_at,
        ground=one.ground if one.is_by_law else None,
        source=one.source,
        as_of=one.as_of,
    )


def _read(db: Session, query: Select[*tuple[object, ...]]) -> list[Mandate]:
    return [_mandate(row) for row in db.execute(query)]


def _end(db: Session, now: Mandate, *, state: str, reason: str, actor: Actor) -> Mandate:
    after = replace(
        now, state=state, ended_at=clock.now(), ended_by=actor.kind, reason=reason, version=now.version + 1
    )
    keep(db, after, now)
    event = MandateEnded(mandate=now.id, giver=now.giver, holder=now.holder, reason=reason)
    # Of an offer that nobody accepted only its giver is told; the other may be nobody at all.
    about = [now.giver] if now.state == "offered" and state != "declined" else [now.giver, now.holder]
    record(db, event, actor=actor, about=about)
    return after


def _end_those(db: Session, which: ColumnElement[bool], *, reason: str, actor: Actor) -> None:
    found = _ALL.where(which, table.c.state.in_(("offered", "given"))).order_by(table.c.id)
    for one in _read(db, found.with_for_update()):
        _end(db, one, state="ended", reason=reason, actor=actor)


def _run_out() -> ColumnElement[bool]:
    at = clock.now()
    stale = and_(table.c.state == "offered", table.c.offered_at <= at - OFFER_LASTS)
    return or_(and_(table.c.state.in_(("offered", "given")), table.c.expires_at <= at), stale)


def _own(giver: str) -> ColumnElement[bool]:
    return and_(table.c.giver == giver, table.c.ground == GIVEN)


def _of(citizen: str) -> ColumnElement[bool]:
    return or_(table.c.giver == citizen, table.c.holder == citizen)


def hold_one(db: Session, mandate_id: str) -> Mandate:
    """Return a mandate, held until the caller's transaction ends. Raises MandateUnknown."""
    row = db.execute(_ALL.where(table.c.id == mandate_id).with_for_update()).first()
    if row is None:
        raise MandateUnknown(detail=mandate_id[:32])
    return _mandate(row)


def keep(db: Session, after: Mandate, before: Mandate) -> None:
    """Keep a mandate as it is after a change. Raises MandateOver if somebody else changed it meanwhile."""
    which = (table.c.id == before.id) & (table.c.version == before.version)
    changed = db.execute(update(table).where(which).values(_row(after)))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise MandateOver(detail=before.id)


def _row(one: Mandate) -> dict[str, object]:
    return {**vars(one), "agencies": list(one.agencies), "purposes": list(one.purposes)}


def _mandate(row: Row[*tuple[object, ...]]) -> Mandate:
    facts = row._asdict()
    return Mandate(**{**facts, "agencies": tuple(facts["agencies"]), "purposes": tuple(facts["purposes"])})
