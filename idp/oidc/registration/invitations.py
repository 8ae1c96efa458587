"""Initial access tokens: each invites so many clients of one agency, for one purpose, until a day (RFC 7591, 3)."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from consent import agencies, purposes
from consent.errors import FileRefused, Mistake
from core import clock
from core.events import Actor, record
from core.language import _
from idp.oidc import metadata
from idp.oidc.client import digest
from idp.oidc.events import ClientInvited, InvitationEnded
from idp.oidc.tables import invitation as table

MOST_USES = 1_000
LONGEST_DAYS = 366
KEPT_AFTER = timedelta(days=30)


@dataclass(frozen=True)
class Invitation:
    """One invitation. `scopes` are those in a client's own name that it may open; `uses` is how many are left."""

    id: str
    agency: str
    sign_in_purpose: str
    purposes: tuple[str, ...]
    scopes: tuple[str, ...]
    uses: int
    created_at: datetime
    expires_at: datetime


def invite(
    db: Session,
    agency: str,
    *,
    sign_in_purpose: str,
    more_purposes: Sequence[str] = (),
    scopes: Iterable[str] = (),
    uses: int = 1,
    days: int = 7,
    actor: Actor,
) -> tuple[Invitation, str]:
    """Make an invitation and its initial access token, which is shown once.

    Clients that register with it are the agency's, and sign people in under `sign_in_purpose`; `more_purposes` may be
    asked by name. Raises FileRefused with what is wrong.
    """
    mistakes = []
    if agencies.find(db, agency) is None:
        mistakes.append(Mistake("agency", _("is not an agency that is known")))
    for name in (sign_in_purpose, *more_purposes):
        found = purposes.find(db, name)
        if found is None or found.agency != agency:
            mistakes.append(Mistake(f"purpose {name}", _("names a purpose that this agency does not have")))
    for scope in scopes:
        if scope not in metadata.CLIENT_SCOPES:
            known = ", ".join(metadata.CLIENT_SCOPES)
            mistakes.append(Mistake(f"scope {scope}", _("may hold only: {known}").format(known=known)))
    if not 1 <= uses <= MOST_USES or not 1 <= days <= LONGEST_DAYS:
        says = _("must be from 1 to {most}").format(
            most=MOST_USES if not 1 <= uses <= MOST_USES else LONGEST_DAYS
        )
        mistakes.append(Mistake("uses" if not 1 <= uses <= MOST_USES else "days", says))
    if mistakes:
        raise FileRefused(mistakes)
    token, at = secrets.token_urlsafe(32), clock.now()
    made = Invitation(
        id=secrets.token_hex(8),
        agency=agency,
        sign_in_purpose=sign_in_purpose,
        purposes=tuple(more_purposes),
        scopes=tuple(scopes),
        uses=uses,
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    db.execute(insert(table).values(token_hash=digest(token), **vars(made)))
    event = ClientInvited(agency=agency, invitation=made.id, purpose=sign_in_purpose, uses=uses)
    record(db, event, actor=actor, about=[agencies.chain(agency)])
    return made, token


def stands(db: Session, token: str) -> bool:
    """Tell whether an initial access token could be used now."""
    query = select(table.c.id).where(
        table.c.token_hash == digest(token), table.c.uses > 0, table.c.expires_at > clock.now()
    )
    return db.execute(query).first() is not None


def use(db: Session, token: str) -> Invitation | None:
    """Use one of the clients that an initial access token invites; None if it is unknown, over or used up.

    One statement counts, so that of many at once no more get in than were invited.
    """
    statement = (
        update(table)
        .where(table.c.token_hash == digest(token), table.c.uses > 0, table.c.expires_at > clock.now())
        .values(uses=table.c.uses - 1)
        .returning(table)
    )
    row = db.execute(statement).first()
    return _invitation(row) if row else None


def listing(db: Session) -> list[Invitation]:
    """Return the invitations that can still be used, the newest first."""
    query = select(table).where(table.c.uses > 0, table.c.expires_at > clock.now())
    return [_invitation(row) for row in db.execute(query.order_by(table.c.created_at.desc(), table.c.id))]


def end(db: Session, invitation_id: str, *, actor: Actor) -> bool:
    """End an invitation; False if there was none that could be used."""
    row = db.execute(
        update(table)
        .where(table.c.id == invitation_id, table.c.uses > 0)
        .values(uses=0)
        .returning(table.c.agency)
    ).first()
    if row is None:
        return False
    event = InvitationEnded(agency=row.agency, invitation=invitation_id)
    record(db, event, actor=actor, about=[agencies.chain(row.agency)])
    return True


def purge(db: Session) -> None:
    """Forget invitations that were over a while ago."""
    db.execute(delete(table).where(table.c.expires_at <= clock.now() - KEPT_AFTER))


def _invitation(row: Row[Any]) -> Invitation:
    facts = row._asdict()
    del facts["token_hash"]
    return Invitation(**{**facts, "purposes": tuple(row.purposes), "scopes": tuple(row.scopes)})
