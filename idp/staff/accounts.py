"""Who works here: staff members, their roles, and the invitations by which they come."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock, limits, sessions
from core.events import Actor, record
from idp.staff.errors import (
    InvitationSpent,
    LastAdministrators,
    RoleUnknown,
    StaffExists,
    StaffUnknown,
    TwoPeopleNeeded,
)
from idp.staff.events import StaffInvited, StaffSuspended
from idp.staff.tables import staff, staff_invitation
from keys import sealing

ROLES = ("administrator", "registrar", "key-officer", "auditor", "support", "clerk")
ADMINISTRATOR = "administrator"
FEWEST_ADMINISTRATORS = 2
STATES = ("invited", "active", "suspended")
INVITATION_LASTS = timedelta(days=7)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's, without look-alikes


@dataclass(frozen=True)
class Member:
    """One person who works here. `state` is invited, active or suspended."""

    id: str
    name: str
    role: str
    state: str
    created_at: datetime


@dataclass(frozen=True)
class Invitation:
    """What is handed to an invited person. `token` is shown once and stored only as its SHA-256."""

    member: Member
    token: str
    expires_at: datetime


def bootstrap(db: Session, names: Sequence[str], *, actor: Actor) -> list[str]:
    """Invite the first two people as administrators; two, so that each can be checked by the other.

    Returns their invitations' tokens in the order of the names. Called again for the same two before either joined, it
    makes new ones, and the earlier stop working. Raises TwoPeopleNeeded unless there are two different names,
    StaffExists when anybody else was ever invited, or anybody joined.
    """
    given = [name.strip() for name in names]
    if len(given) != 2 or len({name.casefold() for name in given}) != 2 or not all(given):
        raise TwoPeopleNeeded
    if there := listing(db):
        if any(one.state != "invited" for one in there) or sorted(one.name for one in there) != sorted(given):
            raise StaffExists
        by_name = {one.name: one for one in there}
        return [open_invitation(db, by_name[name], actor=actor).token for name in given]
    try:
        founders = [
            propose(db, name, "administrator", member_id=f"0000000{number}")
            for number, name in enumerate(given, start=1)
        ]
    except IntegrityError as error:  # somebody else did it at this very moment
        raise StaffExists from error
    return [open_invitation(db, founder, actor=actor).token for founder in founders]


def invite(db: Session, name: str, role: str, *, actor: Actor) -> Invitation:
    """Add a person in a role and make their invitation. Raises RoleUnknown."""
    return open_invitation(db, propose(db, name, role), actor=actor)


def propose(db: Session, name: str, role: str, *, member_id: str = "") -> Member:
    """Write down a person who has no invitation yet. Raises RoleUnknown."""
    if role not in ROLES:
        raise RoleUnknown(detail=role)
    new_id = member_id or "".join(secrets.choice(ALPHABET) for _place in range(8))
    member = Member(new_id, name.strip()[:200], role, "invited", clock.now())
    sealed = sealing.seal(db, _owner(member.id), "account", member.name.encode(), aad=b"name")
    db.execute(
        insert(staff).values(
            id=member.id, name_sealed=sealed, role=role, state=member.state, created_at=member.created_at
        )
    )
    return member


def open_invitation(db: Session, member: Member, *, actor: Actor) -> Invitation:
    """Make a fresh invitation for an invited person; an earlier one stops working."""
    token, expires_at = secrets.token_urlsafe(24), clock.now() + INVITATION_LASTS
    db.execute(delete(staff_invitation).where(staff_invitation.c.staff == member.id))
    db.execute(
        insert(staff_invitation).values(
            token_hash=sessions.digest(token), staff=member.id, expires_at=expires_at
        )
    )
    record(db, StaffInvited(staff=member.id, role=member.role), actor=actor)
    return Invitation(member, token, expires_at)


def invited(db: Session, token: str) -> Member:
    """Return whom a live invitation is for. Raises InvitationSpent."""
    row = db.execute(
        select(staff)
        .join(staff_invitation, staff_invitation.c.staff == staff.c.id)
        .where(
            staff_invitation.c.token_hash == sessions.digest(token),
            staff_invitation.c.expires_at > clock.now(),
            staff.c.state == "invited",
        )
    ).first()
    if row is None:
        raise InvitationSpent
    return _member(db, row)


def accept(db: Session, token: str) -> Member:
    """Use up an invitation and make its person active; of two attempts at once one wins. Raises InvitationSpent."""
    member = invited(db, token)
    used = db.execute(
        delete(staff_invitation)
        .where(staff_invitation.c.token_hash == sessions.digest(token))
        .returning(staff_invitation.c.staff)
    ).first()
    if used is None:
        raise InvitationSpent(detail="used at the same moment")
    db.execute(update(staff).where(staff.c.id == member.id).values(state="active"))
    return Member(member.id, member.name, member.role, "active", member.created_at)


def find(db: Session, member_id: str) -> Member | None:
    """Return a staff member, or None."""
    row = db.execute(select(staff).where(staff.c.id == member_id)).first()
    return _member(db, row) if row else None


def read(db: Session, member_id: str) -> Member:
    """Return a staff member. Raises StaffUnknown."""
    member = find(db, member_id)
    if member is None:
        raise StaffUnknown
    return member


def listing(db: Session) -> list[Member]:
    """Return everybody, in the order they came."""
    return [_member(db, row) for row in db.execute(select(staff).order_by(staff.c.created_at, staff.c.id))]


def suspend(db: Session, member: Member, *, actor: Actor) -> None:
    """End a person's work here: no sign-in, no session, no invitation from now on.

    Raises LastAdministrators if fewer than two administrators would be left: then nobody could be the second person.
    """
    limits.hold(db, "staff.suspend", member.role, per_seconds=60)  # of two at once, one after the other
    if (member.role, member.state) == (ADMINISTRATOR, "active"):
        working = (staff.c.role == ADMINISTRATOR, staff.c.state == "active", staff.c.id != member.id)
        if (db.scalar(select(func.count()).select_from(staff).where(*working)) or 0) < FEWEST_ADMINISTRATORS:
            raise LastAdministrators
    db.execute(update(staff).where(staff.c.id == member.id).values(state="suspended"))
    db.execute(delete(staff_invitation).where(staff_invitation.c.staff == member.id))
    sessions.end_all(db, member.id)
    record(db, StaffSuspended(staff=member.id), actor=actor)


def _member(db: Session, row: Row[tuple[object, ...]]) -> Member:
    name = sealing.unseal(db, _owner(row.id), "account", row.name_sealed, aad=b"name").decode()
    return Member(row.id, name, row.role, row.state, row.created_at)


def _owner(member_id: str) -> str:
    return f"staff:{member_id}"
