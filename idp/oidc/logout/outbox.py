"""Back-channel logout: each client that is to hear of an end, written with it and kept until it is settled."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from consent.acts import MandateEnded
from core import clock
from core.database import parts
from core.events import Actor
from idp.events import AccountClosed, AccountLocked, SessionEnded
from idp.oidc import clients, families, subjects
from idp.oidc.client import Client
from idp.oidc.tables import logout_notice as table
from keys import signing

TYP: Final = "logout+jwt"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_SECONDS: Final = 120  # "preferably at most two minutes" (OpenID Connect Back-Channel Logout 1.0, 2.4)
WAITING, TAKEN, GIVEN_UP = "waiting", "taken", "given-up"
GIVE_UP_AFTER: Final = timedelta(days=1)
KEPT_SETTLED: Final = timedelta(days=7)
LONGEST_WAIT: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Notice:
    """One client that is to hear that a citizen's session ended; an empty `sid` means all that it has of them."""

    id: str
    client_id: str
    citizen: str
    sid: str
    attempts: int
    created_at: datetime


def session_ended(db: Session, event: SessionEnded, _actor: Actor) -> None:
    """A browser session ended: the clients at which its citizen signed in from it are to hear of it."""
    for citizen, client_id in families.of_session(db, event.sid):
        _write(db, [client_id], citizen, event.sid)


def account_ended(db: Session, event: AccountLocked | AccountClosed, _actor: Actor) -> None:
    """An account is locked or closed: whatever sessions its clients still have of the citizen end."""
    _write(db, families.clients_of(db, event.citizen), event.citizen, "")
    for client_id, citizen, sid in families.acting(db, actor=event.citizen):
        _write(db, [client_id], citizen, sid)


def mandate_ended(db: Session, event: MandateEnded, _actor: Actor) -> None:
    """Somebody does not act for another any more: the sessions that clients have of it end."""
    for client_id, citizen, sid in families.acting(db, mandate=event.mandate):
        _write(db, [client_id], citizen, sid)


def waits(db: Session) -> bool:
    """Tell whether a notice is due, without holding anything."""
    due = select(table.c.id).where(table.c.state == WAITING, table.c.due_at <= clock.now()).limit(1)
    return db.execute(due).first() is not None


def take(db: Session, *, most: int, lease: timedelta) -> list[Notice]:
    """Take notices that are due, so that nobody else sends them until the lease runs out."""
    at = clock.now()
    due = (
        select(table.c.id)
        .where(table.c.state == WAITING, table.c.due_at <= at)
        .order_by(table.c.due_at)
        .limit(most)
    )
    ids = list(db.scalars(due.with_for_update(skip_locked=True)))
    if not ids:
        return []
    taken = update(table).where(table.c.id.in_(ids)).values(due_at=at + lease, attempts=table.c.attempts + 1)
    names = Notice.__dataclass_fields__
    return [
        Notice(**{name: getattr(row, name) for name in names}) for row in db.execute(taken.returning(table))
    ]


def token(db: Session, notice: Notice, client: Client) -> str:
    """Return the logout token of a notice, signed now (OpenID Connect Back-Channel Logout 1.0, 2.4).

    `jti` is the same each time it is sent. It names the citizen as the client knows them, and the session if only one
    ended; it never holds a nonce, so that it cannot pass for an ID token.
    """
    at = clock.seconds(clock.now())
    claims: dict[str, Any] = {
        "iss": parts(db).settings.issuer,
        "sub": subjects.sub(db, client, notice.citizen),
        "aud": client.client_id,
        "iat": at,
        "exp": at + TOKEN_SECONDS,
        "jti": notice.id,
        "events": {EVENT: {}},
    }
    if notice.sid:
        claims["sid"] = subjects.sid(db, client, notice.sid)
    return signing.sign(db, claims, typ=TYP, alg=client.id_token_alg)


def settle(db: Session, notice: Notice, *, taken: bool, pause: timedelta = timedelta(0)) -> str:
    """Keep what became of a try; returns the state. One that failed is tried again after `pause`, for a day."""
    at = clock.now()
    if taken:
        values: dict[str, Any] = {"state": TAKEN, "settled_at": at}
    elif at - notice.created_at > GIVE_UP_AFTER:
        values = {"state": GIVEN_UP, "settled_at": at}
    else:
        values = {"state": WAITING, "due_at": at + pause}
    db.execute(update(table).where(table.c.id == notice.id, table.c.state == WAITING).values(values))
    return str(values["state"])


def purge(db: Session) -> None:
    """Forget what was settled a while ago."""
    db.execute(delete(table).where(table.c.settled_at <= clock.now() - KEPT_SETTLED))


def _write(db: Session, client_ids: Iterable[str], citizen: str, sid: str) -> None:
    at = clock.now()
    rows = [
        {
            "id": secrets.token_hex(16),
            "client_id": client_id,
            "citizen": citizen,
            "sid": sid,
            "state": WAITING,
            "attempts": 0,
            "due_at": at,
            "created_at": at,
        }
        for client_id in client_ids
        if (client := clients.find(db, client_id)) is not None
        and client.backchannel_logout_uri
        and (sid or not client.backchannel_logout_session_required)
    ]
    if rows:
        db.execute(insert(table), rows)
