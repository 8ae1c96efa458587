"""A sitting at a desk: a clerk asks for one procedure, the citizen confirms in their own browser, once, within minutes."""

import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.orm import Session

from consent import capacity
from consent.acts import DeskAnswered, DeskOpened
from consent.errors import NotAsked, RequiredMissing, SittingUnknown
from consent.purposes import Purpose
from consent.tables import sitting as table
from core import clock
from core.database import parts
from core.events import OFFICE, Actor, record
from registry_sync import people

LASTS = timedelta(minutes=10)
KEPT = timedelta(days=1)
MOST_WRONG_CODES = 3
CODE_DIGITS = 6
_ALL = select(table)


@dataclass(frozen=True)
class Sitting:
    """One procedure at a counter. `state` is waiting, confirmed, refused or closed.

    `agreed` are the attributes the citizen confirmed and `acr` the assurance of the sign-in they did it
    with; `reference` is the case the clerk named, if any.
    """

    id: str
    clerk: str
    office: str
    citizen: str
    agency: str
    purpose: str
    purpose_version: int
    reference: str
    state: str
    agreed: frozenset[str]
    acr: str | None
    wrong_codes: int
    opened_at: datetime
    answered_at: datetime | None
    expires_at: datetime
    version: int

    @property
    def is_over(self) -> bool:
        """True once nothing can come of it any more."""
        return self.state in ("refused", "closed") or self.expires_at <= clock.now()


def begin(
    db: Session, *, clerk: str, office: str, citizen: str, purpose: Purpose, reference: str, actor: Actor
) -> Sitting:
    """Ask a citizen for one procedure. The same is done and told whether there is such a citizen or not."""
    at = clock.now()
    made = Sitting(
        id=secrets.token_hex(16),
        clerk=clerk,
        office=office,
        citizen=citizen,
        agency=purpose.agency,
        purpose=purpose.id,
        purpose_version=purpose.version,
        reference=reference,
        state="waiting",
        agreed=frozenset(),
        acr=None,
        wrong_codes=0,
        opened_at=at,
        answered_at=None,
        expires_at=at + LASTS,
        version=1,
    )
    db.execute(insert(table).values(_row(made)))
    event = DeskOpened(
        agency=made.agency,
        purpose=made.purpose,
        purpose_version=made.purpose_version,
        sitting=made.id,
        clerk=clerk,
        office=office,
        case=reference or None,
    )
    record(db, event, actor=actor, about=_chains(db, citizen))
    return made


def code(db: Session, sitting: Sitting) -> str:
    """Return the six digits on the clerk's screen, which the citizen types: they are at this desk, not at another."""
    key: bytes = parts(db).keys.secret("desk code")
    number = int.from_bytes(hmac.digest(key, sitting.id.encode(), "sha256")[:8], "big")
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def waiting(db: Session, citizen: str) -> list[Sitting]:
    """Return what waits for a citizen's word, the newest first."""
    found = _ALL.where(table.c.citizen == citizen, table.c.state == "waiting")
    return [one for one in _read(db, found.order_by(table.c.opened_at.desc())) if not one.is_over]


def confirm(
    db: Session,
    sitting_id: str,
    *,
    citizen: str,
    given_code: str,
    purpose: Purpose,
    chosen: Collection[str],
    acr: str,
    actor: Actor,
) -> bool:
    """Confirm a sitting with the code on the clerk's screen; False for a wrong one, and the third ends it.

    Raises SittingUnknown (another's, answered, or over), and TooYoung, DecidesOtherwise, RequiredMissing and NotAsked
    as a decision does.
    """
    now = _hold(db, sitting_id, citizen=citizen)
    if not hmac.compare_digest(code(db, now), "".join(filter(str.isdecimal, given_code)) or "-"):
        wrong = now.wrong_codes + 1
        _keep(db, replace(now, wrong_codes=wrong, version=now.version + 1), now)
        if wrong >= MOST_WRONG_CODES:
            _answer(db, _reread(db, now), state="refused", agreed=(), actor=actor, reason="wrong-code")
        return False
    if not purpose.by_law:
        capacity.check(db, citizen, actor=actor)
    agreed = frozenset(chosen)
    if not agreed <= set(purpose.names):
        raise NotAsked(detail=purpose.id)
    if not purpose.required <= agreed:
        raise RequiredMissing(detail=purpose.id)
    _answer(db, now, state="confirmed", agreed=agreed, actor=actor, acr=acr, purpose=purpose)
    return True


def refuse(db: Session, sitting_id: str, *, citizen: str, actor: Actor) -> Sitting:
    """Refuse a sitting, also one that was confirmed and not looked at yet. Raises SittingUnknown."""
    now = _hold(db, sitting_id, citizen=citizen, states=("waiting", "confirmed"))
    return _answer(db, now, state="refused", agreed=(), actor=actor)


def close(db: Session, sitting_id: str, *, clerk: str, actor: Actor) -> Sitting:
    """End a sitting from the clerk's side; nothing can be shown any more. Raises SittingUnknown."""
    now = of_clerk(db, sitting_id, clerk=clerk)
    if now.is_over:
        return now
    return _answer(db, _reread(db, now), state="closed", agreed=(), actor=actor)


def confirmed(db: Session, sitting_id: str, *, citizen: str, purpose: str) -> Sitting | None:
    """Return a sitting that this citizen confirmed for this purpose and that is not over, or None."""
    found = next(iter(_read(db, _ALL.where(table.c.id == sitting_id))), None)
    if found is None or found.state != "confirmed" or found.is_over:
        return None
    return found if (found.citizen, found.purpose) == (citizen, purpose) else None


def of_clerk(db: Session, sitting_id: str, *, clerk: str) -> Sitting:
    """Return a clerk's own sitting; raises SittingUnknown, for a colleague's too."""
    found = next(iter(_read(db, _ALL.where(table.c.id == sitting_id))), None)
    if found is None or found.clerk != clerk:
        raise SittingUnknown(detail=sitting_id[:32])
    return found


def purge(db: Session) -> None:
    """Delete what was over a day ago; the histories keep it."""
    db.execute(delete(table).where(table.c.expires_at <= clock.now() - KEPT))


def _answer(
    db: Session,
    now: Sitting,
    *,
    state: str,
    agreed: Collection[str],
    actor: Actor,
    acr: str | None = None,
    purpose: Purpose | None = None,
    reason: str | None = None,
) -> Sitting:
    after = replace(
        now,
        state=state,
        agreed=frozenset(agreed),
        acr=acr,
        answered_at=clock.now(),
        version=now.version + 1,
    )
    _keep(db, after, now)
    event = DeskAnswered(
        outcome=state,
        agency=now.agency,
        purpose=now.purpose,
        purpose_version=now.purpose_version,
        sitting=now.id,
        clerk=now.clerk,
        office=now.office,
        attributes=tuple(sorted(agreed)),
        left_out=tuple(sorted(set(purpose.names) - set(agreed))) if purpose else (),
        reason=reason,
    )
    # The office's chain does not name the citizen, not even as the one who answered.
    about = [now.citizen] if actor.kind == "citizen" else _chains(db, now.citizen)
    record(db, event, actor=actor, about=about)
    return after


def _chains(db: Session, citizen: str) -> list[str]:
    known = people.find(db, citizen) is not None
    return [citizen, OFFICE] if known else [OFFICE]


def _hold(db: Session, sitting_id: str, *, citizen: str, states: tuple[str, ...] = ("waiting",)) -> Sitting:
    found = next(iter(_read(db, _ALL.where(table.c.id == sitting_id).with_for_update())), None)
    if found is None or found.citizen != citizen or found.state not in states or found.is_over:
        raise SittingUnknown(detail=sitting_id[:32])
    return found


def _reread(db: Session, before: Sitting) -> Sitting:
    return _read(db, _ALL.where(table.c.id == before.id).with_for_update())[0]


def _keep(db: Session, after: Sitting, before: Sitting) -> None:
    which = (table.c.id == before.id) & (table.c.version == before.version)
    changed = db.execute(update(table).where(which).values(_row(after)))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise SittingUnknown(detail=before.id)


def _read(db: Session, query: Select[*tuple[object, ...]]) -> list[Sitting]:
    return [_sitting(row) for row in db.execute(query)]


def _row(one: Sitting) -> dict[str, object]:
    return {**vars(one), "agreed": sorted(one.agreed)}


def _sitting(row: Row[*tuple[object, ...]]) -> Sitting:
    facts = row._asdict()
    return Sitting(**{**facts, "agreed": frozenset(facts["agreed"])})
